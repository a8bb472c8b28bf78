"""What holds for every construct: a run that is finished, stopped, limited or fresh pays for what it must, no more."""

import json

import pytest
from constructs import ALL, CONSTRUCTS, ITEMS, lay_out

from counted_runs import SERVER_ERROR
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

FEW = ("all at once", "when", "kept", "draw", "a list to come")
"""Those that together have all that the others have, where one of each kind says enough."""


@pytest.fixture(params=CONSTRUCTS)
def made(request, project):
    """A pipeline of one construct on the project, and how many requests it takes."""
    steps, requests = CONSTRUCTS[request.param]
    lay_out(project, steps)
    return project, requests


few = pytest.mark.parametrize("made", FEW, indirect=True)


def rows(project):
    """The rows of the output."""
    return [json.loads(line) for line in (project.folder / "out/towns.jsonl").read_text().splitlines()]


def test_a_finished_run_sends_nothing(made):
    """A finished run asked for all that it needs once; run again it sends nothing and writes the same bytes."""
    project, requests = made
    project.set("output", {"path": "out/towns.jsonl", "provenance": True})
    first = project.run()
    assert (first.code, first.asked) == (ExitCode.OK, requests)
    before = project.files()
    again = project.run()
    assert (again.code, again.asked, again.report.reused.attempts) == (ExitCode.OK, 0, requests)
    assert project.files() == before
    project.set("runtime.concurrency", 1)
    assert (project.run().asked, project.files()) == (0, before)


def test_a_run_that_is_stopped_in_the_middle_is_gone_on_with(made):
    """However often it is stopped, whatever was answered is not asked again, and the output comes with the last run."""
    project, requests = made
    asked = []
    for _ in range(3):
        done = project.run(stop_after=2)
        asked.append(done.asked)
        if done.code == ExitCode.OK:
            break
        assert (str(done.error.code), project.files()) == (Code.STOPPED, {})
        assert done.report.paid.attempts == done.asked  # what was in flight came home
    last = project.run()
    assert (last.code, sum(asked) + last.asked) == (ExitCode.OK, requests)


@few
def test_a_cancelled_run_pays_again_for_what_was_in_flight(made, tmp_path):
    """A second Ctrl-C in the middle loses no more than was in flight; the run after it ends as if it had not been."""
    project, _ = made
    reference = project.run(simulate=True, store=tmp_path / "another").asked
    whole = project.files()
    for name in whole:
        (project.folder / "out" / name).unlink()
    first = project.run(simulate=True, stop_after=3, cancel=True)
    assert project.files() == {}
    last = project.run(simulate=True)
    assert reference <= first.asked + last.asked <= reference + 3
    assert project.files() == whole


@few
def test_a_limit_of_requests_in_the_middle(made):
    """`max_requests` is met exactly in the middle of a list, and each next run goes on with the rest of it."""
    project, requests = made
    done = project.run(max_requests=3)
    assert (done.code, done.asked) == (ExitCode.LIMIT, 3)
    assert project.run(max_requests=requests - 3).code == ExitCode.OK


@few
def test_offline_writes_what_is_there(made, monkeypatch):
    """With every answer in the store an offline run needs no key, sends nothing and writes the same bytes."""
    project, _ = made
    project.run()
    before = project.files()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    again = project.run(offline=True)
    assert (again.code, again.asked, project.files()) == (ExitCode.OK, 0, before)


@few
def test_offline_tells_what_is_missing(made):
    """Of lists that were stopped in the middle an offline run says that rows lack answers, and leaves no output."""
    project, _ = made
    project.run(stop_after=2)
    missing = project.run(offline=True)
    assert (missing.code, missing.asked, project.files()) == (ExitCode.FAILED_ROWS, 0, {})
    assert str(missing.error.code) == Code.NOT_STORED
    assert 0 < missing.report.missing <= ALL


@few
def test_fresh_pays_for_all_again(made):
    """A fresh run takes nothing out of the store; what it was answered stands from then on."""
    project, requests = made
    project.run()
    before = rows(project)
    assert project.run(fresh=True).asked == requests
    after = project.files()
    assert rows(project) != before
    assert (project.run().asked, project.files()) == (0, after)


@few
def test_a_stopped_fresh_run_costs_what_hangs_on_its_answers(made):
    """A plain run takes what a stopped fresh one was answered, its other answers are those of before."""
    project, _ = made
    project.run()
    fresh = project.run(fresh=True, stop_after=2).report.paid.attempts
    needed = len(project.document["steps"]) if {"after", "facts"} & project.document["steps"].keys() else 0
    assert project.run().asked <= fresh * needed
    assert project.run().asked == 0


@few
def test_the_first_rows_are_a_part_of_all(made):
    """What a trial over the first two rows paid for is not paid again by the whole run."""
    project, requests = made
    first = project.run(limit=2)
    assert 0 < first.asked < requests
    assert (first.asked + project.run().asked, project.run().asked) == (requests, 0)


@few
def test_the_order_of_rows_does_not_matter(made):
    """Rows that moved keep all their answers, draws among them; the output follows them."""
    project, _ = made
    project.run()
    before = rows(project)
    project.rows.reverse()
    assert project.run().asked == 0
    assert rows(project) == before[::-1]


@few
def test_an_item_without_an_answer_is_sent_again_alone(made):
    """A failure on the way of one request is no answer: the next run sends that one, and what hangs on it."""
    project, requests = made
    project.script.wrong["Oslo"] = [SERVER_ERROR]
    first = project.run()
    assert first.code == ExitCode.FAILED_ROWS
    lost = [json.loads(line)["row"]["town"] for line in project.files()["towns.failed.jsonl"].splitlines()]
    assert lost == ["Oslo"]
    answered = first.report.paid.attempts
    again = project.run()
    assert (again.code, again.asked) == (ExitCode.OK, requests - answered)


class TestItems:
    """`for_each`, as its list changes."""

    @pytest.fixture
    def fan(self, project):
        """A pipeline with an item's answer for each tag."""
        lay_out(project, CONSTRUCTS["for_each"][0])
        assert project.run().asked == ITEMS
        return project

    def answers(self, project):
        """The answers of each town."""
        return {row["town"]: row["line"] for row in rows(project)}

    def test_equal_items_have_answers_of_their_own(self, fan):
        """Two items that are the same are two answers, in their order."""
        first, _, third = self.answers(fan)["Rome"]
        assert first != third
        assert first.partition(": ")[2] == third.partition(": ")[2]

    @pytest.mark.parametrize(
        ("tags", "sent", "kept"),
        [
            (["art", "food", "art", "sea"], 1, [0, 1, 2]),
            (["sea", "art", "food", "art"], 1, [1, 2, 3]),
            (["art", "food"], 0, [0, 1]),
            (["food", "art"], 0, [1, 0]),
            (["art", "art", "art"], 1, [0, 2]),
            ([], 0, []),
        ],
        ids=str,
    )
    def test_a_changed_list_pays_for_new_items_alone(self, fan, tags, sent, kept):
        """By its id the row is the same: items that were asked keep their answers, wherever they stand now."""
        fan.set("input.id", "town")
        fan.run()
        before = self.answers(fan)["Rome"]
        fan.rows[1]["tags"] = tags
        assert fan.run().asked == sent
        after = self.answers(fan)["Rome"]
        assert len(after) == len(tags)
        old = [line for line in after if line in before]
        assert len(old) == len(kept)
        assert fan.run().asked == 0

    def test_a_row_without_items_is_a_row(self, fan):
        """A row with an empty list stands in the output with one."""
        assert self.answers(fan)["Graz"] == []


class TestSamples:
    """`samples`, as their number changes."""

    @pytest.fixture
    def three(self, project):
        """Three samples of each town."""
        lay_out(project, CONSTRUCTS["samples"][0])
        project.run()
        return project

    def test_more_samples_pay_for_the_new_ones(self, three):
        """Raising 3 to 5 asks for two more of each row, and the first three are those of before."""
        before = rows(three)
        three.set("steps.line.samples", 5)
        assert three.run().sent == {"line": 2 * ALL}
        assert [row["line"][:3] for row in rows(three)] == [row["line"] for row in before]
        assert all(len(set(row["line"])) == 5 for row in rows(three))

    def test_fewer_samples_pay_nothing(self, three):
        """Lowering 3 to 1 asks nothing, nor does going back; the first one stays."""
        before = rows(three)
        three.set("steps.line.samples", 1)
        assert three.run().asked == 0
        assert [row["line"] for row in rows(three)] == [row["line"][:1] for row in before]
        three.set("steps.line.samples", 3)
        assert (three.run().asked, rows(three)) == (0, before)

    def test_the_first_sample_is_the_answer_without_samples(self, three):
        """Whoever takes `samples` away has paid for the answer already."""
        before = rows(three)
        three.set("steps.line.samples", None)
        assert three.run().asked == 0
        assert [row["line"] for row in rows(three)] == [row["line"][0] for row in before]


class TestMatrix:
    """`matrix`, as its combinations change."""

    @pytest.fixture
    def tones(self, project):
        """Each town in two tones."""
        lay_out(project, CONSTRUCTS["matrix"][0])
        project.run()
        return project

    @pytest.mark.parametrize(
        ("matrix", "sent"),
        [
            ({"tone": ["dry", "warm", "curt"]}, ALL),
            ({"tone": ["curt", "warm", "dry"]}, ALL),
            ({"tone": ["warm"]}, 0),
            ({"tone": ["warm", "dry"]}, 0),
            ({"tone": ["dry", "warm"], "model": ["quick", "slow"]}, 2 * ALL),
            ({"tone": ["dry", "warm"], "size": [1, 2]}, 2 * ALL),
        ],
        ids=str,
    )
    def test_a_changed_matrix_pays_for_new_combinations_alone(self, tones, matrix, sent):
        """What was asked for a combination is not asked again, wherever it stands and however it is labelled."""
        tones.set("steps.line.matrix", matrix)
        if "model" in matrix:
            tones.set("steps.line.model", None)
        assert tones.run().asked == sent
        assert tones.run().asked == 0

    def test_models_that_are_alike_have_answers_of_their_own(self, project):
        """Two aliases with the same settings are asked once each, and a run keeps them apart."""
        lay_out(project, CONSTRUCTS["models"][0])
        project.run()
        for row in rows(project):
            assert len({each["output"] for each in row["line"]}) == 3


class TestWhen:
    """`when`, as it changes."""

    @pytest.fixture
    def wanted(self, project):
        """A line for every town but Rome, which has another step instead."""
        lay_out(project, CONSTRUCTS["when"][0])
        done = project.run()
        assert done.sent == {"line": ALL - 1, "after": ALL - 1, "instead": 1}
        return project

    def test_skipped_rows_have_nulls(self, wanted):
        """What was skipped, and what needs it, is null; the step that asks about it was done."""
        rome = rows(wanted)[1]
        assert (rome["line"], rome["after"], rome["instead"][:3]) == (None, None, "No.")
        assert [row["instead"] for row in rows(wanted)].count(None) == ALL - 1

    @pytest.mark.parametrize(
        ("when", "sent"),
        [
            ("true", {"line": 1, "after": 1}),
            ("row.town == 'Oslo'", {"instead": 2}),
            ("row.town != 'Oslo'", {"line": 1, "after": 1, "instead": 1}),
            ("not (row.town == 'Rome')", {}),
            ("false", {"instead": ALL - 1}),
        ],
    )
    def test_a_changed_when_pays_for_newly_wanted_rows(self, wanted, when, sent):
        """Rows that were wanted before keep their answers; those that are no longer wanted cost nothing."""
        before = wanted.files()
        wanted.set("steps.line.when", when)
        assert wanted.run().sent == sent
        assert wanted.run().asked == 0
        wanted.set("steps.line.when", "row.town != 'Rome'")
        assert (wanted.run().asked, wanted.files()) == (0, before)
