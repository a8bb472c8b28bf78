"""`retry`: the failed rows of a run are asked again, and no others."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from counted_runs import SERVER_ERROR, TOWNS, fact
from yamlgen.api.failed_rows import repeat
from yamlgen.api.history import find_run, list_runs, prune_runs, store_locations
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode
from yamlgen.store.location import location_of
from yamlgen.store.run_session import open_runs

ALL = len(TOWNS)


def retry(project, run=None, **options):
    """Retry a run as the command line does: by what the store knows of it."""
    again = repeat(find_run(store_locations([project.path]), run).entry)
    return project.run(params=again.params, **{**again.options, **options})


def test_a_retry_asks_the_failed_rows_alone(project):
    """The refused row is asked again, the others keep their answers, and the output has all of them."""
    project.refuse("Facts on Rome")
    project.run()
    before = project.lines()
    again = retry(project)
    assert (again.code, again.sent) == (0, {"facts": 1, "line": 1})
    assert {**project.lines(), "Rome": ""} == {**before, "Rome": ""}
    assert set(project.lines()) == set(TOWNS)
    assert sorted(project.files()) == ["towns.jsonl"]


def test_what_a_retry_got_wins(project):
    """From then on the new answers serve, also where the old ones would have failed the row."""
    project.refuse("Facts on Rome")
    project.run()
    retry(project)
    before = project.files()
    again = project.run()
    assert (again.code, again.asked) == (0, 0)
    assert project.files() == before


def test_a_retry_keeps_the_steps_that_went_well(project):
    """Of a row that failed at its second step, the answer to the first one is kept."""
    project.refuse("A line on Rome")
    project.run()
    assert retry(project).sent == {"line": 1}


def test_a_retry_that_fails_again_can_be_retried(project):
    """A row that is refused by a retry too is a failed row of that one, the last run."""
    project.refuse("Facts on Rome", "Facts on Rome")
    project.run()
    assert (retry(project).asked, list(project.failed())) == (1, ["Rome"])
    assert project.run().asked == 0
    assert (retry(project).asked, project.failed()) == (2, {})


def test_a_retry_asks_an_invalid_row_from_the_start(project):
    """Of a row that stayed invalid the first request is sent again, not one more re-ask."""
    for _ in range(3):
        project.refuse("Facts on Rome", reply=fact("none"))
    project.run()
    assert retry(project).sent == {"facts": 1, "line": 1}
    assert len(project.server.bodies[-2]["messages"]) == 3
    assert project.run().asked == 0


def test_an_earlier_run_can_be_retried_by_the_beginning_of_its_name(project):
    """The failed rows of a named run are asked again, also when a later run has others."""
    project.refuse("Facts on Rome")
    name = project.run().report.run
    project.rows = [{"town": "Oslo"}]
    project.run()
    project.rows = [{"town": town} for town in TOWNS]
    assert retry(project, name[:-3]).sent == {"facts": 1, "line": 1}


def test_a_retry_of_a_row_that_got_no_answer(project):
    """A row without an answer is a failed row too; a retry sends it as a plain run would."""
    project.refuse("Facts on Rome", reply=SERVER_ERROR)
    project.run()
    assert retry(project).sent == {"facts": 1, "line": 1}
    assert project.run().asked == 0


def test_equal_rows_are_retried_apart(project):
    """Of two equal rows only the one that failed is asked again."""
    project.rows = [{"town": "Rome"}, {"town": "Rome"}]
    project.refuse("Facts on Rome")
    project.run()
    (before,) = project.lines().values()
    assert retry(project).sent == {"facts": 1, "line": 1}
    rows = [json.loads(line)["line"] for line in (project.folder / "out/towns.jsonl").read_text().splitlines()]
    assert len(set(rows)) == 2
    assert before in rows


def test_a_retry_after_a_stop_asks_the_failed_rows_alone(project):
    """The rows that the stopped run did not reach stay for `run`: the output is as it was, and the hint says so."""
    project.set("runtime.concurrency", 1)
    project.run()
    before = project.files()
    project.set("steps.facts.system", "You know {{ row.town }} well.")
    project.refuse("Facts on Oslo")
    stopped = project.run(stop_after=2)
    assert (str(stopped.error.code), stopped.sent) == (Code.STOPPED, {"facts": 2})
    again = retry(project)
    assert (again.code, str(again.error.code), again.sent) == (ExitCode.FAILED_ROWS, Code.NOT_STORED, {"facts": 1})
    assert again.error.message.startswith("2 rows lack an answer in the store")
    assert "a call without `offline=True` sends their requests; the previous output is unchanged" in again.error.hint
    assert project.files() == before
    assert project.run().sent == {"facts": 2}


def test_a_stopped_retry_is_gone_on_with(project):
    """What a retry paid for before it was stopped is not paid again; the rows that it did not reach stay failed."""
    project.set("runtime.concurrency", 1)
    project.refuse("Facts on Oslo", "Facts on Rome")
    project.run()
    before = project.files()
    assert retry(project, stop_after=1).sent == {"facts": 1}
    assert project.files() == before
    assert project.run().sent == {"line": 1}
    assert list(project.failed()) == ["Rome"]
    assert retry(project).sent == {"facts": 1, "line": 1}


def test_a_stopped_retry_can_be_retried(project):
    """The rows that a stopped retry did not reach are among those that the next one asks."""
    project.set("runtime.concurrency", 1)
    project.refuse("Facts on Oslo", "Facts on Rome", "Facts on Cork")
    project.run()
    assert retry(project, stop_after=1).sent == {"facts": 1}
    again = retry(project)
    assert (again.code, again.sent) == (ExitCode.OK, {"facts": 2, "line": 3})
    assert set(project.lines()) == set(TOWNS)


def test_rows_that_were_never_asked_are_not_retried(project):
    """However often an incomplete run is retried, its failed rows alone are asked."""
    project.set("runtime.concurrency", 1)
    project.refuse("Facts on Oslo", "Facts on Oslo")
    project.run(stop_after=2)
    assert retry(project).sent == {"facts": 1}
    assert retry(project).sent == {"facts": 1, "line": 1}
    assert project.run().sent == {"facts": 2, "line": 3}


def test_an_answer_that_did_not_fail_the_row_is_kept(project):
    """When a re-ask got no answer, a retry sends the re-ask alone."""
    project.refuse("Facts on Rome", reply=fact("none"))
    project.refuse("Facts on Rome", reply=SERVER_ERROR)
    assert project.run().code == ExitCode.FAILED_ROWS
    assert project.failed() == {"Rome": Code.TRANSPORT}
    again = retry(project)
    assert (again.code, again.sent) == (ExitCode.OK, {"facts": 1, "line": 1})


def test_a_retry_of_a_changed_pipeline_asks_for_no_other_row(project):
    """After an edit the failed rows are asked in the new way; the others have no answer yet, and the output stays."""
    project.refuse("Facts on Rome")
    project.run()
    before = project.files()
    project.set("steps.facts.system", "You know {{ row.town }} well.")
    again = retry(project)
    assert (again.code, again.sent) == (ExitCode.FAILED_ROWS, {"facts": 1, "line": 1})
    assert project.files() == before
    assert project.run().sent == {"facts": ALL - 1}


def test_a_retry_offline_tells_what_it_would_ask(project):
    """Offline, the failed rows are missing, because their answers are not taken and none may be asked for."""
    project.refuse("Facts on Rome")
    project.run()
    before = project.files()
    again = retry(project, offline=True)
    assert (again.code, again.asked) == (ExitCode.FAILED_ROWS, 0)
    assert project.files() == before


def test_a_limit_holds_for_a_retry(project):
    """A retry stops at a limit like any run, and a plain run goes on from what it was answered."""
    project.refuse("Facts on Rome")
    project.run()
    again = retry(project, max_requests=1)
    assert (again.code, again.sent) == (ExitCode.LIMIT, {"facts": 1})
    assert project.run().sent == {"line": 1}


def test_the_last_run_is_the_one_that_began_last(project, monkeypatch):
    """Runs of one second are told apart by their order, whatever their names end with."""
    endings = iter(["ffffff", "eeeeee", "dddddd"])
    monkeypatch.setattr("yamlgen.api.run_execution.secrets.token_hex", lambda _: next(endings))
    names = [project.run().report.run for _ in range(3)]
    runs, unread = list_runs(store_locations([project.path]))
    assert ([run.entry.name for run in runs], unread) == (names, [])
    assert find_run(store_locations([project.path]), None).entry.name == names[-1]


def test_a_store_that_cannot_be_read_hides_no_other(project):
    """The runs of the other stores are listed, with what is wrong with the one."""
    name = project.run().report.run
    project.run(simulate=True)
    project.store(simulated=True).write_bytes(b"rotten" * 1000)
    runs, unread = list_runs(store_locations([project.path]))
    assert [run.entry.name for run in runs] == [name]
    assert [error.code for error in unread] == [Code.STORE_DAMAGED]


def pruned(project, keep):
    """The names of the runs that a pruning leaves."""
    place = location_of(project.path)
    prune_runs([place], keep=keep, confirm=lambda *_: True)
    with open_runs(place) as run_reader:
        return [run.name for run in run_reader.runs()]


def test_the_newest_whole_run_outlives_a_pruning(project):
    """A stopped run and a trial over some rows stand for no whole run: it stays, with them, and nothing is re-paid."""
    project.run()
    names = [project.run().report.run, project.run(limit=1).report.run]
    project.run(fresh=True, stop_after=1)
    left = pruned(project, 1)
    assert (left[:2], len(left)) == (names, 3)
    assert project.run().asked == 0


def test_without_a_whole_run_nothing_is_pruned(project):
    """As long as no run came to its end over all rows, each may hold answers that are needed."""
    project.run(stop_after=1)
    project.run(limit=1)
    assert len(pruned(project, 1)) == 2


def test_a_run_that_lacks_answers_is_no_whole_one(project):
    """An offline run that lacks answers does not make the run before it superfluous."""
    name = project.run().report.run
    project.set("steps.line.prompt", "Another line on {{ row.town }}.")
    project.run(offline=True)
    assert pruned(project, 1)[0] == name


def test_what_a_kept_retry_refers_to_is_kept(project):
    """The run that a kept retry asked again stays, however old."""
    project.set("runtime.concurrency", 1)
    project.refuse("Facts on Oslo", "Facts on Rome")
    first = project.run().report.run
    second = project.run().report.run
    third = project.run().report.run
    stopped = retry(project, first, stop_after=1).report.run
    assert pruned(project, 1) == [first, third, stopped]
    assert second not in (first, third)
    assert retry(project).code == ExitCode.OK


def test_keeping_none_drops_all(project):
    """`--keep 0` leaves nothing."""
    project.run()
    assert pruned(project, 0) == []


def test_a_stopped_retry_of_a_run_that_is_gone_can_be_retried(project):
    """What a stopped retry referred to may be gone: its own failed rows are asked again, and that is all."""
    project.set("runtime.concurrency", 1)
    project.refuse("Facts on Oslo", "Facts on Rome", "Facts on Oslo")
    project.run()
    stopped = retry(project, stop_after=1).report.run
    with closing(sqlite3.connect(project.store())) as connection, connection:
        connection.execute("UPDATE run SET status = 'pruned' WHERE name <> ?", (stopped,))
    with open_runs(location_of(project.path)) as run_reader:
        assert [run.name for run in run_reader.retried(run_reader.run(stopped))] == [stopped]
    assert retry(project).sent["facts"] == 1


REFUSES = ("--simulate", "--fault", "refusal=0.5")


@pytest.mark.usefixtures("small")
class TestCommand:
    """`yamlgen retry`, against the simulator: half of its answers are refusals."""

    def test_until_none_fails(self, call):
        """Retries end with all rows, each asking no more than what failed; then there is nothing to retry."""
        told = call("run", "small.yaml", *REFUSES)
        failed = Path("out/notes.simulated.failed.jsonl")
        assert told.code == 1
        while failed.exists():
            left = len(failed.read_text().splitlines())
            told = call("retry", "small.yaml", "--simulate", "--output-format", "json")
            assert json.loads(told.out)["steps"]["note"]["sent"] == left
        assert told.code == 0
        assert len(Path("out/notes.simulated.jsonl").read_text().splitlines()) == 8
        before = Path("out/notes.simulated.jsonl").read_bytes()
        told = call("retry", "small.yaml", "--simulate")
        assert (told.code, "no failed rows or items; there is nothing to retry" in told.err) == (0, True)
        told = call("run", "small.yaml", *REFUSES, "--output-format", "json")
        assert (told.code, json.loads(told.out)["paid"]["attempts"]) == (0, 0)
        assert Path("out/notes.simulated.jsonl").read_bytes() == before

    def test_what_a_run_was_asked_is_taken_over(self, call, small):
        """Parameters, overrides, input, limit, output, faults and seed are those of the run; only the rows differ."""
        text = (small / "small.yaml").read_text().replace("version: 1", "version: 1\nparams: {tone: {type: string}}")
        (small / "small.yaml").write_text(text.replace("a note", "a {{ params.tone }} note"))
        (small / "rows.jsonl").rename(small / "others.jsonl")
        arguments = ["-p", "tone=dry", "--set", "steps.note.max_tokens=999", "--input", "others.jsonl", "--limit", "6"]
        first = call("run", "small.yaml", *arguments, "-o", "here.csv", *REFUSES, "--seed", "3")
        assert first.code == 1
        assert {path.name for path in small.glob("here*")} == {"here.csv", "here.failed.jsonl", "here.run.json"}
        left = len((small / "here.failed.jsonl").read_text().splitlines())
        told = json.loads(call("retry", "small.yaml", "--simulate", "--output-format", "json").out)
        assert (told["steps"]["note"]["sent"], told["rows"]["input"]) == (left, 6)
        assert told["files"]["output"] == str(small / "here.csv")
        record = json.loads((small / "here.run.json").read_text())
        assert (record["params"], record["overrides"]) == ({"tone": "dry"}, {"steps.note.max_tokens": "999"})
        told = json.loads(call("runs", "show", "small.yaml", "--row", "1", "--json").out)
        asked = told["steps"]["note"]["attempts"][0]["request"]
        assert (asked["max_tokens"], asked["messages"][0]["content"]) == (999, "Write a dry note on town 1.")

    def test_an_unknown_run_is_told(self, call):
        """A name that no run begins with is exit 2, before anything is asked; so is a pipeline without a run."""
        assert call("retry", "small.yaml", "--simulate").code == 2
        call("run", "small.yaml", *REFUSES)
        told = call("retry", "small.yaml", "1999", "--simulate")
        assert (told.code, Code.NO_RUN in told.err) == (2, True)
        told = call("retry", "small.yaml")
        assert (told.code, "has only simulated runs\n  = add `--simulate`" in told.err) == (2, True)

    def test_a_simulated_run_is_retried_as_one(self, call, monkeypatch):
        """Where there are paid runs, too, naming it without `--simulate` is told, and so is the contrary."""
        stores = {True: "--simulate", False: "--offline"}
        names = {}
        for simulated, how in stores.items():
            monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
            names[simulated] = json.loads(call("run", "small.yaml", how, "--output-format", "json").out)["run"]
        told = call("retry", "small.yaml", names[True])
        assert told.code == 2
        assert f"`{names[True]}` is a simulated run\n  = add `--simulate`" in told.err
        told = call("retry", "small.yaml", names[False], "--simulate")
        assert f"`{names[False]}` is not a simulated run\n  = remove `--simulate`" in told.err
        told = call("retry", "small.yaml")
        assert (told.code, told.err.count("to retry a simulated run, add `--simulate`")) == (0, 1)

    def test_rows_of_standard_input_are_to_be_given_again(self, call, small):
        """What was read from a pipe cannot be read twice: a retry says so, and takes the rows again."""
        rows = (small / "rows.jsonl").read_bytes()
        assert call("run", "small.yaml", "--input", "-", *REFUSES, stdin=rows).code == 1
        told = call("retry", "small.yaml", "--simulate")
        assert (told.code, "standard input" in told.err) == (2, True)
        again = call("retry", "small.yaml", "--simulate", "--input", "-", "--output-format", "json", stdin=rows)
        assert 0 < json.loads(again.out)["paid"]["attempts"] < 8


def test_a_retry_of_a_run_with_a_good_answer_after_all(project):
    """A row that has had a good answer since (here by `fresh`) is not paid for again."""
    project.refuse("Facts on Rome")
    name = project.run().report.run
    project.run(fresh=True)
    before = project.files()
    assert retry(project, name).asked == 0
    assert project.files() == before
