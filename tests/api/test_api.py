"""The composition root: pipelines loaded and run from Python, with the files that the command line leaves."""

import asyncio
import json
import subprocess

import pytest
from two_step_pipeline import TOWNS, answers, files, lay_out, lines, served, write

import yamlgen
from scripted_api import KEY, refusal
from yamlgen.errors import Code
from yamlgen.events import AnswerReceived, RequestSent, RowFinished, RunFinished, RunForecast, RunStarted, StepFinished


@pytest.fixture
def towns(tmp_path, monkeypatch):
    """A two-step pipeline over five rows; the test stands beside it."""
    monkeypatch.chdir(tmp_path)
    return lay_out(tmp_path)


def test_a_run_returns_its_rows(towns):
    """Rows in input order, the columns first, the steps after them, and what it took."""
    done = yamlgen.run(towns, simulate=True)
    assert [row["town"] for row in done.rows()] == TOWNS
    assert all(list(row) == ["id", "town", "facts", "line"] for row in done.rows())
    assert all(1 <= row["facts"]["score"] <= 5 for row in done.rows())
    assert done.failures == []
    assert done.usage.output_tokens > 0
    assert done.report.finished == 5


def test_a_run_leaves_the_files_of_the_command_line(towns):
    """What is returned is what is written, with the record of the run beside it."""
    done = yamlgen.run(towns, simulate=True)
    assert files(towns.parent / "out") == ["towns.simulated.jsonl", "towns.simulated.run.json"]
    assert done.output == towns.parent / "out" / "towns.simulated.jsonl"
    assert lines(done.output) == done.rows()


def test_a_simulated_run_is_the_same_every_time(towns):
    """The same pipeline over the same rows writes the same bytes, out of the store or asked for again."""
    first = yamlgen.run(towns, simulate=True).output.read_bytes()
    assert yamlgen.run(towns, simulate=True).output.read_bytes() == first
    again = yamlgen.run(towns, simulate=True, fresh=True)
    assert again.report.paid.attempts == 10
    assert again.output.read_bytes() == first


def test_a_loaded_pipeline_runs_with_parameters(towns):
    """`load` once, run with what the parameters ask for."""
    pipeline = yamlgen.load(towns)
    done = yamlgen.run(pipeline, params={"tone": "dry"}, simulate=True)
    assert len(done.rows()) == 5
    assert json.loads((towns.parent / "out" / "towns.simulated.run.json").read_text())["params"] == {"tone": "dry"}


def test_a_run_works_inside_a_running_loop(towns):
    """A notebook calls `run` while its own loop runs."""

    async def main():
        return yamlgen.run(towns, simulate=True)

    assert len(asyncio.run(main()).rows()) == 5


def test_arun_is_awaited(towns):
    """Asynchronous code awaits the same."""
    done = asyncio.run(yamlgen.arun(str(towns), simulate=True))
    assert len(done.rows()) == 5


def test_two_runs_side_by_side(towns):
    """Two pipelines of one folder run in one program, and do not get in each other's way."""
    other = towns.with_name("other.yaml")
    other.write_text(towns.read_text().replace("out/towns", "out/other"))

    async def main():
        return await asyncio.gather(
            yamlgen.arun(towns, simulate=True, limit=2), yamlgen.arun(other, simulate=True, limit=3)
        )

    assert [len(done.rows()) for done in asyncio.run(main())] == [2, 3]


def test_one_pipeline_runs_once_at_a_time(towns):
    """A second run of a pipeline that is at work is told who holds it, and sends nothing; the first goes on."""

    async def main():
        return await asyncio.gather(
            *(yamlgen.arun(towns, simulate=True, limit=limit) for limit in (2, 3)), return_exceptions=True
        )

    first, second = asyncio.run(main())
    assert len(first.rows()) == 2
    assert second.code == Code.BUSY
    assert first.report.run in second.message
    assert files(towns.parent / "out") == ["towns.simulated.limit-2.jsonl", "towns.simulated.limit-2.run.json"]


def test_a_limit_has_a_name_of_its_own(towns):
    """A trial never replaces a paid output."""
    done = yamlgen.run(towns, simulate=True, limit=2)
    assert len(done.rows()) == 2
    assert files(towns.parent / "out") == ["towns.simulated.limit-2.jsonl", "towns.simulated.limit-2.run.json"]
    assert done.report.rows == 2


def test_another_output_is_taken_as_it_is(towns, tmp_path):
    """What the caller names is the name, in the working directory."""
    done = yamlgen.run(towns, simulate=True, output="mine.json")
    assert done.output.resolve() == tmp_path / "mine.json"
    assert json.loads(done.output.read_text()) == done.rows()


def test_events_are_told_in_order(towns):
    """Whoever watches sees the forecast, the start, each answer, each row, and the end."""
    events = []
    yamlgen.run(towns, simulate=True, on_event=events.append)
    assert [type(event) for event in events[:2]] == [RunForecast, RunStarted]
    assert (events[0].requests, events[0].stored, events[0].rows) == (10, 0, 5)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].error is None
    assert sum(isinstance(event, RequestSent) for event in events) == 10
    assert sum(isinstance(event, AnswerReceived) for event in events) == 10
    assert sum(isinstance(event, StepFinished) for event in events) == 10
    assert sum(isinstance(event, RowFinished) for event in events) == 5


def test_failed_rows_are_returned_and_written(towns):
    """A refusing simulator: the failures are what stands in the `failed` file, and the tokens are counted."""
    done = yamlgen.run(towns, simulate=True, faults=("refusal=0.3",), seed=2)
    assert done.failures
    assert done.rows()
    assert len(done.rows()) + len(done.failures) == 5
    assert lines(towns.parent / "out" / "towns.simulated.failed.jsonl") == done.failures
    assert {failure["code"] for failure in done.failures} == {"YG504"}
    assert all(failure["attempts"][0]["usage"]["input_tokens"] for failure in done.failures)
    assert done.usage.input_tokens > sum(f["attempts"][0]["usage"]["input_tokens"] for f in done.failures)


def test_the_failed_file_goes_when_nothing_failed(towns):
    """What an earlier run left does not stand beside a run without failures."""
    yamlgen.run(towns, simulate=True, faults=("refusal=1",))
    assert "towns.simulated.failed.jsonl" in files(towns.parent / "out")
    yamlgen.run(towns, simulate=True)
    assert "towns.simulated.failed.jsonl" not in files(towns.parent / "out")


@pytest.mark.parametrize("fault", ["rate_limit", "overloaded", "server_error", "disconnect"])
def test_faults_that_pass_cost_no_row(towns, fault):
    """Through limits, overload, faults of the server and cut connections every row comes home."""
    done = yamlgen.run(towns, simulate=True, faults=(f"{fault}=0.2",), seed=1)
    assert len(done.rows()) == 5


def test_invalid_outputs_are_asked_again(towns):
    """Some answers need a second try; what the runner accepts has the schema's blessing."""
    done = yamlgen.run(towns, simulate=True, faults=("invalid_output=0.4",), seed=1)
    assert all(1 <= row["facts"]["score"] <= 5 for row in done.rows())
    assert done.report.steps["facts"].paid.attempts > 5


def test_truncated_answers_cost_their_row(towns):
    """Every answer cut off is every row set aside, with exit code 1's error and no abort."""
    done = yamlgen.run(towns, simulate=True, faults=("truncate=1",))
    assert {failure["code"] for failure in done.failures} == {"YG505"}


def test_the_record_tells_how_the_output_came_to_be(towns):
    """Run, pipeline, parameters, models, versions, counts, tokens; simulated or not."""
    yamlgen.run(towns, simulate=True, limit=3)
    record = json.loads((towns.parent / "out" / "towns.simulated.limit-3.run.json").read_text())
    assert record["run"]
    assert record["pipeline"]["name"] == "towns"
    assert len(record["pipeline"]["hash"]) == 64
    assert record["params"] == {"tone": "warm"}
    assert record["models"] == {"facts": "claude-haiku-5-5", "line": "claude-haiku-5-5"}
    assert record["rows"] == {"input": 3, "finished": 3, "failed": 0, "missing": 0}
    assert record["paid"]["usage"]["output_tokens"] > 0
    assert (record["paid"]["attempts"], record["reused"]["attempts"]) == (6, 0)
    assert record["simulated"] is True
    assert record["limit"] == 3
    assert record["error"] is None
    assert {"anthropic", "yamlgen", "python"} <= set(record["versions"])
    assert record["started"] <= record["ended"]


def test_the_record_names_the_commit(towns):
    """A pipeline under git is told by its commit, and whether it was changed since."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=towns.parent, check=True, capture_output=True)
    yamlgen.run(towns, simulate=True)
    record = json.loads((towns.parent / "out" / "towns.simulated.run.json").read_text())
    assert len(record["git"]["commit"]) == 40
    assert record["git"]["dirty"] in (True, False)


def test_no_file_holds_the_key(towns, monkeypatch):
    """After a real run, with failures, the key stands in no file beside the pipeline."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}', max_retries: 0")
        return await yamlgen.arun(towns)

    def reply(body):
        return refusal(400, f"no {KEY}") if "Rome" in str(body) else answers(body)

    done = asyncio.run(served(reply, work))
    assert len(done.failures) == 1
    assert files(towns.parent / "out") == ["towns.failed.jsonl", "towns.jsonl", "towns.run.json"]
    written = [path for path in towns.parent.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in written)
    for path in written:
        assert KEY.encode() not in path.read_bytes()
