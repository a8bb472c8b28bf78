"""Finished rows are taken over by the next equal run; a row that might come to something else goes the long way."""

import io
import json
import sqlite3
from contextlib import closing

import pytest
from constructs import CONSTRUCTS, lay_out

from counted_runs import TOWNS
from scripted_api import said
from yamlgen.api import taken_rows
from yamlgen.errors import Code
from yamlgen.events import RowFinished, RowsTakenOver
from yamlgen.store.pruning import prune
from yamlgen.store.takeover import Takeover

ALL = len(TOWNS)
TIMED = ("run", "seconds", "timeline", "pace", "outputs")


def taken(done):
    """The positions of the rows that a run took over."""
    return [row for event in done.events if isinstance(event, RowsTakenOver) for row in event.rows]


def counted(done):
    """What a report says, apart from times."""
    return {name: value for name, value in done.report.as_json().items() if name not in TIMED}


def query(project, *statement):
    """Change the store, or look into it."""
    with closing(sqlite3.connect(project.store(), isolation_level=None)) as connection:
        return connection.execute(*statement).fetchall()


@pytest.fixture
def finished(project):
    """All towns are finished."""
    assert project.run().code == 0
    return project


def test_a_finished_run_again_runs_no_row(finished):
    """All rows are taken over; files, counts, costs and rows in the store are those of the long way."""
    before, (again, long) = finished.files(), (finished.run(), finished.run(recheck=True))
    assert (taken(again), taken(long)) == (list(range(ALL)), [])
    assert counted(again) == counted(long)
    assert again.report.reused.attempts == 2 * ALL
    assert finished.files() == before
    rows = "SELECT number, identity, source, status, results, kept FROM row WHERE run = ? ORDER BY number"
    assert query(finished, rows, (2,)) == query(finished, rows, (3,))


@pytest.mark.parametrize("name", ["all at once", "when", "kept", "a list to come"])
def test_a_construct_comes_to_the_same(project, name):
    """Items, samples, kept values, conditions: the counts of the long way, twice in a row."""
    lay_out(project, CONSTRUCTS[name][0])
    project.run()
    short, again, long = project.run(), project.run(), project.run(recheck=True)
    assert counted(short) == counted(again) == counted(long)
    assert taken(short) == list(range(ALL))


def test_a_function_that_is_not_kept_is_called(project):
    """What it returns today may be something else."""
    lay_out(project, CONSTRUCTS["python"][0])
    project.run()
    assert taken(project.run()) == []


def test_the_input_is_told_by_all_of_its_rows(finished):
    """The digest of the input is the same, whether rows are taken over or run."""
    finished.rows.append({"town": "Bern"})
    assert [len(taken(finished.run(recheck=each))) for each in (False, True)] == [ALL, 0]
    digests = query(finished, "SELECT DISTINCT json_extract(report, '$.input_digest') FROM run WHERE id > 1")
    assert len(digests) == 1


def test_new_rows_run_beside_the_old_ones(finished):
    """Rows are found by what they are, wherever they stand; only new ones are sent."""
    finished.rows = [{"town": "Bern"}, *reversed(finished.rows), {"town": "Nice"}]
    done = finished.run()
    assert (taken(done), done.rows, done.asked) == ([1, 2, 3, 4], {0, 5}, 4)
    assert list(finished.lines()) == ["Bern", "Cork", "Graz", "Rome", "Oslo", "Nice"]


def test_a_row_with_another_column_runs(finished):
    """No step reads the column, but the output shows it."""
    finished.rows[2]["more"] = 1
    done = finished.run()
    assert (taken(done), done.asked) == ([0, 1, 3], 0)


def test_failed_rows_run(project):
    """A row that failed goes the long way, and fails from the store as before."""
    project.refuse("A line on Rome")
    project.run()
    done = project.run()
    assert (taken(done), done.asked, done.report.failed) == ([0, 2, 3], 0, 1)


def test_a_lost_item_runs_its_row(project):
    """What is null because it failed is told of again, with its reason."""
    step = {"model": "quick", "for_each": "[1, 2]", "prompt": "On {{ row.town }} {{ item }}", "on_item_error": "null"}
    project.document["steps"] = {"items": step}
    project.refuse("On Graz 2")
    project.run()
    done = project.run()
    assert (taken(done), done.report.steps["items"].failed_items) == ([0, 1, 3], 1)


@pytest.mark.parametrize("options", [{"fresh": True}, {"recheck": True}], ids=lambda each: next(iter(each)))
def test_some_runs_take_nothing_over(finished, options):
    """Whoever asks for it has every row run."""
    assert taken(finished.run(**options)) == []


def test_a_run_that_sends_nothing_takes_rows_over(finished):
    """A row that is new lacks its answer; the others need none."""
    finished.rows.append({"town": "Bern"})
    done = finished.run(offline=True)
    assert (taken(done), done.report.missing) == (list(range(ALL)), 1)


def test_a_run_of_the_first_rows(project):
    """What a limited run has finished is taken over, and the search ends there; the rest runs."""
    project.run(limit=2)
    done = project.run()
    assert (taken(done), done.rows) == ([0, 1], {2, 3})
    assert taken(project.run(limit=3)) == [0, 1, 2]
    assert taken(project.run()) == list(range(ALL))


def test_an_edit_and_back(finished):
    """After an edit nothing is taken over; once it is taken back, all is again."""
    finished.set("steps.line.prompt", "Two lines on {{ row.town }}.")
    assert taken(finished.run()) == []
    finished.set("steps.line.prompt", "A line on {{ row.town }}, which is {{ steps.facts.kind }}.")
    done = finished.run()
    assert (taken(done), done.asked) == (list(range(ALL)), 0)


def test_a_newer_answer_to_a_re_ask(project):
    """A row that used an older answer goes the long way, which uses the newer one."""
    project.set("steps.facts.output.reasks", 1)
    project.script.wrong["Facts on Rome"] = [said('{"kind": "none"}')]
    project.run()
    assert taken(project.run()) == list(range(ALL))
    columns = ", ".join(name for _, name, *_ in query(project, "PRAGMA table_info(attempt)") if name != "id")
    (last,) = query(
        project, "SELECT json_extract(attempts, '$[1][0]') FROM result WHERE json_array_length(attempts) = 2"
    )
    query(project, f"INSERT INTO attempt ({columns}) SELECT {columns} FROM attempt WHERE id = ?", last)  # noqa: S608
    done = project.run()
    assert taken(done) == [0, 2, 3]
    assert taken(project.run()) == list(range(ALL))


def test_a_row_that_another_model_answered_after_a_refusal(project):
    """The report names that model, also where it is the own model of another step."""
    project.set("models.slow", {"id": "claude-sonnet-5-5", "max_tokens": 2000})
    project.set("steps.line.model", "slow")
    project.set("steps.line.on_refusal", ["quick"])

    def reply(body):
        is_refused = "A line on Rome" in json.dumps(body) and "sonnet" in body["model"]
        return said('{"kind": "old"}', model=body["model"], stop="refusal" if is_refused else "end_turn")

    project.script = reply
    project.run()
    done = project.run()
    assert taken(done) == [0, 2, 3]
    assert done.report.steps["line"].fallbacks == {"claude-haiku-5-5": 1}


def test_an_answer_that_an_open_batch_may_bring(finished):
    """A row whose request is in a batch goes the long way."""
    query(
        finished,
        "INSERT INTO batch (id, run, step, state, requests, size, betas) VALUES (1, 1, 'line', 'posted', 1, 0, '[]')",
    )
    query(
        finished,
        "INSERT INTO batch_request (batch, key, setup, variant, request_characters, length, request) "
        "SELECT 1, key, x'', 'line', 0, 0, x'' FROM attempt WHERE step = 'line' LIMIT 1",
    )
    assert len(taken(finished.run(offline=True))) == ALL - 1


def test_a_store_of_an_older_version(finished):
    """Its runs have no fingerprint: rows go the long way once."""
    query(finished, "UPDATE run SET fingerprint = NULL")
    assert [len(taken(finished.run())) for _ in range(2)] == [0, ALL]


def test_an_answer_by_a_key_of_an_older_version(finished):
    """It is used, but not taken over: a newer answer would have another key."""
    query(finished, "UPDATE row SET kept = '[0]' WHERE number = 1")
    assert taken(finished.run()) == [0, 2, 3]


def test_the_search_keeps_its_journal_in_memory(finished):
    """A few rows need no temporary file, so that a run and a plan work where there is no place for one."""
    ((fingerprint,),) = query(finished, "SELECT fingerprint FROM run")
    with closing(sqlite3.connect(finished.store(), isolation_level=None)) as connection:
        assert Takeover(fingerprint, (), lambda _: False).open(connection)
        assert connection.execute("PRAGMA temp.journal_mode").fetchone() == ("memory",)


class TestKeptValues:
    """Kept values of functions."""

    @pytest.fixture
    def kept(self, project):
        """A line on what a function says of each town, which is kept."""
        lay_out(project, CONSTRUCTS["kept"][0])
        project.run()
        return project

    def test_a_value_that_is_gone(self, kept):
        """The function is called again."""
        (gone,) = query(kept, "SELECT number FROM kept WHERE rowid = 1")
        rows = query(kept, "SELECT number FROM row, json_each(row.kept) AS used WHERE used.value = ?", gone)
        query(kept, "DELETE FROM kept WHERE rowid = 1")
        assert set(range(ALL)) - set(taken(kept.run())) == {number for (number,) in rows} != set()

    def test_a_value_that_was_made_anew(self, kept):
        """It may be another one."""
        query(kept, "UPDATE kept SET number = 7 WHERE rowid = 1")
        assert len(taken(kept.run())) < ALL

    def test_pruning_spares_what_was_taken_over(self, kept):
        """The newest run has used the kept values and the answers, though it ran no row."""
        again = kept.run()
        assert len(taken(again)) == ALL
        assert prune(again.finished.place, [1], lambda _: True).answers == 0
        assert query(kept, "SELECT count(*) FROM kept WHERE run = 2") != [(0,)]
        done = kept.run()
        assert (len(taken(done)), done.asked) == (ALL, 0)


class TestChunks:
    """Rows are taken over in sets."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        """Two rows are a set."""
        monkeypatch.setattr(taken_rows, "CHUNK", 2)

    def test_a_run_is_ended_between_two(self, finished):
        """No further row is read then; the next run takes over all of them."""
        finished.rows += [{"town": f"town {number}"} for number in range(6)]
        finished.run()
        done = finished.run(stop_at=RowsTakenOver)
        assert done.error.code == Code.STOPPED
        assert 0 < done.report.finished == len(taken(done)) < len(finished.rows)
        assert taken(finished.run()) == list(range(len(finished.rows)))

    def test_the_search_ends_with_the_last_finished_row(self, project):
        """Rows after it are read once."""
        project.run(limit=1)
        done = project.run()
        assert (taken(done), done.rows) == ([0], {1, 2, 3})

    def test_equal_rows_are_all_found(self, project):
        """The search goes on until as many are found as there were."""
        project.rows = [{"town": "Oslo"}] * 5 + project.rows
        project.run()
        assert taken(project.run()) == list(range(ALL + 5))

    def test_rows_are_printed_in_their_order(self, finished):
        """Also where a row that runs stands between rows that are taken over."""
        finished.rows.insert(1, {"town": "Bern"})
        printed = io.BytesIO()
        done = finished.run(output={"": "-"}, stdout=printed)
        assert [json.loads(line)["town"] for line in printed.getvalue().splitlines()] == [
            row["town"] for row in finished.rows
        ]
        assert sum(isinstance(event, RowFinished) for event in done.events) == 1
