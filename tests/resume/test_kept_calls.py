"""Steps without a model, run again: what expressions, functions and draws make decides what is asked, and no more."""

import json

import pytest
from constructs import ALL, CONSTRUCTS, MODULE, TOWNS, ask, calls, lay_out

from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

EVERY = sorted(TOWNS)


@pytest.fixture
def plain(project):
    """A line on what a function says of each town, which is called in each run."""
    lay_out(project, CONSTRUCTS["python"][0])
    return project


@pytest.fixture
def kept(project):
    """A line on what a function says of each town, which is kept."""
    lay_out(project, CONSTRUCTS["kept"][0])
    assert project.run().asked == ALL
    assert sorted(calls(project)) == EVERY
    return project


def rows(project):
    """The rows of the output."""
    return [json.loads(line) for line in (project.folder / "out/towns.jsonl").read_text().splitlines()]


def source(project, text):
    """Save another source of the function."""
    (project.folder / "scoring.py").write_text(text)


class TestCompute:
    """Expressions cost nothing; what they make does where a request shows it."""

    @pytest.fixture
    def sums(self, project):
        """A line on the length of each town's name, which is four everywhere."""
        lay_out(project, CONSTRUCTS["compute"][0])
        project.run()
        return project

    def test_an_expression_that_no_request_shows(self, sums):
        """It changes the rows, and asks nothing."""
        sums.set("steps.sums.values.many", "row.tags | length + 1")
        assert sums.run().asked == 0
        assert [row["sums"]["many"] for row in rows(sums)] == [len(tags) + 1 for tags in TOWNS.values()]

    def test_an_expression_of_the_same_value(self, sums):
        """Another way to the same value asks nothing, and the bytes are the same."""
        before = sums.files()
        sums.set("steps.sums.values.size", "2 + 2")
        assert (sums.run().asked, sums.files()) == (0, before)

    def test_an_expression_that_changes_requests(self, sums):
        """The rows whose value changed are asked, the others keep their answers."""
        sums.set("steps.sums.values.size", "5 if row.town == 'Rome' else 4")
        assert sums.run().sent == {"line": 1}

    def test_an_expression_that_fails_for_a_row(self, sums):
        """A row whose value cannot be computed fails without a request; once it is mended nothing is sent for it."""
        sums.set("steps.sums.values.many", "4 // (row.tags | length)")
        done = sums.run()
        assert (done.code, done.asked, done.report.failed) == (ExitCode.FAILED_ROWS, 0, 1)
        sums.set("steps.sums.values.many", "row.tags | length")
        assert (sums.run().asked, len(rows(sums))) == (0, ALL)


class TestCalled:
    """A function without `keep`."""

    def test_it_is_called_in_each_run(self, plain):
        """Each run calls it for each row, also one that asks nothing, and an offline one."""
        plain.run()
        assert sorted(calls(plain)) == EVERY
        assert (plain.run().asked, sorted(calls(plain))) == (0, EVERY)
        assert (plain.run(offline=True).asked, sorted(calls(plain))) == (0, EVERY)

    def test_another_source_with_the_same_values_asks_nothing(self, plain):
        """What counts is what a function gives."""
        plain.run()
        source(plain, MODULE + "# a comment\n")
        assert plain.run().asked == 0

    def test_other_values_ask_the_rows_that_have_them(self, plain):
        """A value that changed asks its row again, the others keep their answers."""
        plain.run()
        source(plain, MODULE.replace("len(town)", "(5 if town == 'Rome' else 4)"))
        assert plain.run().sent == {"line": 1}

    def test_a_row_that_failed_in_the_function_is_called_again(self, plain):
        """A plain run calls a function again where it failed: no answer was paid for, so there is none to keep."""
        source(plain, MODULE.replace("len(town)", "4 // (town != 'Rome')"))
        first = plain.run()
        assert (first.code, first.asked, first.report.failed) == (ExitCode.FAILED_ROWS, ALL - 1, 1)
        source(plain, MODULE)
        assert (plain.run().sent, plain.run().asked) == ({"line": 1}, 0)

    def test_a_plan_calls_nothing(self, plain):
        """A forecast does not run the author's code."""
        plain.plan()
        assert calls(plain) == []


class TestKept:
    """A function with `keep: true`."""

    def test_it_is_not_called_again(self, kept):
        """A second run calls nothing, asks nothing and writes the same bytes."""
        before = kept.files()
        assert (kept.run().asked, calls(kept), kept.files()) == (0, [], before)

    def test_changed_arguments_are_called(self, kept):
        """Another argument is another call, for all rows that have it; the old ones are still there."""
        kept.set("steps.score.args.weight", "2 if row.town == 'Rome' else 1")
        assert (kept.run().sent, sorted(calls(kept))) == ({"line": 1}, EVERY)
        kept.set("steps.score.args.weight", None)
        assert (kept.run().asked, calls(kept)) == (0, [])

    def test_a_changed_source_is_called(self, kept):
        """Another source of its module calls it for every row; the same values ask nothing."""
        source(kept, MODULE + "# a comment\n")
        assert (kept.run().asked, sorted(calls(kept))) == (0, EVERY)
        assert (kept.run().asked, calls(kept)) == (0, [])

    def test_new_rows_alone_are_called(self, kept):
        """A row that is new is called for, one that moved is not."""
        kept.rows = [{"town": "Troy", "tags": []}, *reversed(kept.rows)]
        assert (kept.run().sent, calls(kept)) == ({"line": 1}, ["Troy"])

    def test_another_timeout_or_name_of_the_step_calls_nothing(self, kept):
        """What a call does not see is no part of it."""
        kept.set("steps.score.timeout", 7)
        kept.set("steps.mark", kept.document["steps"].pop("score"))
        kept.set("steps.line.prompt", kept.document["steps"]["line"]["prompt"].replace("score", "mark"))
        assert (kept.run().asked, calls(kept)) == (0, [])

    def test_fresh_calls_again(self, kept):
        """A fresh run takes no kept value either."""
        assert (kept.run(fresh=True).asked, sorted(calls(kept))) == (ALL, EVERY)

    def test_a_plan_knows_what_is_kept(self, kept):
        """Over kept values a forecast is exact, and calls nothing."""
        assert (kept.plan().requests, kept.plan().stored, calls(kept)) == (0, ALL, [])

    def test_a_stopped_run_keeps_what_was_called(self, project):
        """What a run made before it was stopped is not made again by the next one."""
        lay_out(project, CONSTRUCTS["kept"][0])
        project.run(stop_after=1)
        first = calls(project)
        project.run()
        assert sorted(first + calls(project)) == EVERY

    def test_a_failure_is_not_kept(self, project):
        """A row that failed in a function is called for again by the next run, and alone."""
        lay_out(project, CONSTRUCTS["kept"][0])
        broken = "if town == 'Rome' and Path('broken').exists(): raise OSError"
        source(project, "from pathlib import Path\n" + MODULE.replace("return", f"{broken}\n    return"))
        (project.folder / "broken").touch()
        assert (project.run().report.failed, sorted(calls(project))) == (1, EVERY)
        (project.folder / "broken").unlink()
        assert (project.run().sent, calls(project)) == ({"line": 1}, ["Rome"])

    def test_equal_calls_at_once_are_one(self, project):
        """Rows and items that call with the same arguments share one call, or the next run would have another value."""
        lay_out(project, CONSTRUCTS["kept"][0])
        project.set("steps.score", {"kind": "python", "call": "scoring:score", "args": {}, "keep": True})
        project.set("steps.each", {**project.document["steps"]["score"], "for_each": "[1, 2, 3]"})
        text = "import time, uuid\ndef score():\n    time.sleep(0.05)\n    return uuid.uuid4().hex\n"
        source(project, text)
        project.set("runtime.concurrency", 8)
        assert project.run().asked == ALL
        assert len({value for row in rows(project) for value in (row["score"], *row["each"])}) == 1
        before = project.files()
        assert (project.run().asked, project.files()) == (0, before)

    def test_items_are_kept_each(self, project):
        """Of a list only the new items are called for."""
        lay_out(
            project, {"score": {**CONSTRUCTS["kept"][0]["score"], "for_each": "row.tags", "args": {"town": "item"}}}
        )
        project.run()
        assert sorted(set(calls(project))) == ["art", "food", "sea"]
        project.rows[1]["tags"] = ["art", "sun", "food"]
        project.run()
        assert calls(project) == ["sun"]

    def test_a_kept_value_is_judged_by_todays_schema(self, kept):
        """A value that does not fit any more is called for again; the schema taken back, nothing is called or asked."""
        kept.set("steps.score.output", {"schema": {"type": "integer", "maximum": 3}})
        done = kept.run()
        assert (done.asked, done.report.failed, sorted(calls(kept))) == (0, ALL, EVERY)
        assert {str(group.code) for group in done.report.groups.values()} == {Code.INVALID_VALUE}
        kept.set("steps.score.output", None)
        assert (kept.run().asked, calls(kept)) == (0, [])


class TestDraw:
    """Seeded draws."""

    @pytest.fixture
    def dice(self, project):
        """A line on a draw from a million, for each town."""
        lay_out(project, CONSTRUCTS["draw"][0])
        project.set("steps.dice.draws.eye.integer", [1, 1_000_000])
        project.run()
        return project

    def test_another_seed_asks_again(self, dice):
        """Other draws are other requests; back at the first seed nothing is asked."""
        before = dice.files()
        dice.set("steps.dice.seed", 1)
        assert dice.run().sent == {"line": ALL}
        dice.set("steps.dice.seed", None)
        assert (dice.run().asked, dice.files()) == (0, before)

    def test_a_draw_more_changes_no_other(self, dice):
        """A draw that no request shows may come, and asks nothing."""
        dice.set("steps.dice.draws.more", {"integer": [1, 9]})
        assert dice.run().asked == 0

    def test_a_trial_draws_what_the_whole_run_draws(self, dice):
        """The draws of a row do not hang on how many there are, or on their order."""
        before = {row["town"]: row["dice"] for row in rows(dice)}
        dice.rows = dice.rows[:0:-1]
        assert dice.run().asked == 0
        assert {row["town"]: row["dice"] for row in rows(dice)} == {town: before[town] for town in list(TOWNS)[1:]}

    def test_more_samples_of_draws_keep_the_first(self, project):
        """Raising the samples of a draw asks for what comes with the new ones alone."""
        dice = {"kind": "draw", "samples": 2, "draws": {"eye": {"integer": [1, 1_000_000]}}}
        lay_out(project, {"dice": dice, "line": ask("A line on {{ item.eye }}", for_each="steps.dice")})
        assert project.run().asked == 2 * ALL
        before = rows(project)
        project.set("steps.dice.samples", 3)
        assert project.run().sent == {"line": ALL}
        assert [row["line"][:2] for row in rows(project)] == [row["line"] for row in before]
