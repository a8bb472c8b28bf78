"""The composition root: pipelines loaded and run from Python, with the files that the command line leaves."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import warnings

import pytest
from scripted import KEY, Server, refusal, said

import yamlgen
from yamlgen.api import Options, execute, preview
from yamlgen.errors import Code, Exit, InvalidPipeline, RunStopped, UsageError, YamlgenError
from yamlgen.events import RowFinished, RunFinished, RunStarted, StepFinished
from yamlgen.halt import Halt

PIPELINE = """\
version: 1
name: towns
params:
  tone: {{type: string, default: warm}}
runtime: {{{runtime}}}
input: {{path: rows.jsonl, id: id}}
steps:
  facts:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "Facts on {{{{ row.town }}}}, in a {{{{ params.tone }}}} tone."
    output:
      schema:
        type: object
        additionalProperties: false
        required: [score]
        properties: {{score: {{type: integer, minimum: 1, maximum: 5}}}}
  line: {{model: claude-haiku-5-5, max_tokens: 1000, prompt: "A line on {{{{ steps.facts.score }}}}."}}
output: {{path: out/towns.jsonl}}
"""
TOWNS = ["Oslo", "Rome", "Łódź", "Graz", "Cork"]


@pytest.fixture
def towns(tmp_path, monkeypatch):
    """A two-step pipeline over five rows; the test stands beside it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    rows = [json.dumps({"id": number, "town": town}) for number, town in enumerate(TOWNS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    return tmp_path / "towns.yaml"


def write(folder, runtime=""):
    """Write the pipeline with runtime settings."""
    (folder / "towns.yaml").write_text(PIPELINE.format(runtime=runtime))


def lines(path):
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def files(folder):
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def answers(body):
    """What a scripted server says to either step."""
    return said('{"score": 3}') if "output_config" in body else said(f"A line, {body['messages'][0]['content']}")


async def served(reply, work):
    """Do `work(server)` while a server of `reply` is up."""
    async with Server(reply) as server:
        return await work(server)


def test_a_run_returns_its_rows(towns):
    """Rows in input order, the columns first, the steps after them, and what it took."""
    done = yamlgen.run(towns, simulate=True)
    assert [row["town"] for row in done.rows] == TOWNS
    assert all(list(row) == ["id", "town", "facts", "line"] for row in done.rows)
    assert all(1 <= row["facts"]["score"] <= 5 for row in done.rows)
    assert done.failures == []
    assert done.usage.output_tokens > 0
    assert done.report.finished == 5


def test_a_run_leaves_the_files_of_the_command_line(towns):
    """What is returned is what is written, with the record of the run beside it."""
    done = yamlgen.run(towns, simulate=True)
    assert files(towns.parent / "out") == ["towns.simulated.jsonl", "towns.simulated.run.json"]
    assert done.output == towns.parent / "out" / "towns.simulated.jsonl"
    assert lines(done.output) == done.rows


def test_a_simulated_run_is_the_same_every_time(towns):
    """The same pipeline over the same rows writes the same bytes."""
    first = yamlgen.run(towns, simulate=True).output.read_bytes()
    assert yamlgen.run(towns, simulate=True).output.read_bytes() == first


def test_a_loaded_pipeline_runs_with_parameters(towns):
    """`load` once, run with what the parameters ask for."""
    pipeline = yamlgen.load(towns)
    done = yamlgen.run(pipeline, params={"tone": "dry"}, simulate=True)
    assert len(done.rows) == 5
    assert json.loads((towns.parent / "out" / "towns.simulated.run.json").read_text())["params"] == {"tone": "dry"}


def test_a_run_works_inside_a_running_loop(towns):
    """A notebook calls `run` while its own loop runs."""

    async def main():
        return yamlgen.run(towns, simulate=True)

    assert len(asyncio.run(main()).rows) == 5


def test_arun_is_awaited(towns):
    """Asynchronous code awaits the same."""
    done = asyncio.run(yamlgen.arun(str(towns), simulate=True))
    assert len(done.rows) == 5


def test_two_runs_side_by_side(towns):
    """Two runs of one program do not get in each other's way."""

    async def main():
        return await asyncio.gather(
            yamlgen.arun(towns, simulate=True, limit=2), yamlgen.arun(towns, simulate=True, limit=3)
        )

    assert [len(done.rows) for done in asyncio.run(main())] == [2, 3]


def test_a_limit_has_a_name_of_its_own(towns):
    """A trial never replaces a paid output."""
    done = yamlgen.run(towns, simulate=True, limit=2)
    assert len(done.rows) == 2
    assert files(towns.parent / "out") == ["towns.simulated.limit-2.jsonl", "towns.simulated.limit-2.run.json"]
    assert done.report.rows == 2


def test_another_output_is_taken_as_it_is(towns, tmp_path):
    """What the caller names is the name, in the working directory."""
    done = yamlgen.run(towns, simulate=True, output="mine.json")
    assert done.output.resolve() == tmp_path / "mine.json"
    assert json.loads(done.output.read_text()) == done.rows


def test_events_are_told_in_order(towns):
    """Whoever watches sees the start, each answer, each row, and the end."""
    events = []
    yamlgen.run(towns, simulate=True, on_event=events.append)
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].error is None
    assert sum(isinstance(event, StepFinished) for event in events) == 10
    assert sum(isinstance(event, RowFinished) for event in events) == 5


def test_failed_rows_are_returned_and_written(towns):
    """A refusing simulator: the failures are what stands in the `failed` file, and the tokens are counted."""
    done = yamlgen.run(towns, simulate=True, faults=("refusal=0.3",), seed=2)
    assert done.failures
    assert done.rows
    assert len(done.rows) + len(done.failures) == 5
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
    assert len(done.rows) == 5


def test_invalid_outputs_are_asked_again(towns):
    """Some answers need a second try; what the runner accepts has the schema's blessing."""
    done = yamlgen.run(towns, simulate=True, faults=("invalid_output=0.4",), seed=1)
    assert all(1 <= row["facts"]["score"] <= 5 for row in done.rows)
    assert done.report.steps["facts"].attempts > 5


def test_truncated_answers_cost_their_row(towns):
    """Every answer cut off is every row set aside, with exit code 1's error and no abort."""
    done = yamlgen.run(towns, simulate=True, faults=("truncate=1",))
    assert {failure["code"] for failure in done.failures} == {"YG505"}


def test_the_record_tells_how_the_output_came_to_be(towns, monkeypatch):
    """Run, pipeline, parameters, models, versions, counts, tokens; simulated or not."""
    yamlgen.run(towns, simulate=True, limit=3)
    record = json.loads((towns.parent / "out" / "towns.simulated.limit-3.run.json").read_text())
    assert record["run"]
    assert record["pipeline"]["name"] == "towns"
    assert len(record["pipeline"]["hash"]) == 64
    assert record["params"] == {"tone": "warm"}
    assert record["models"] == {"facts": "claude-haiku-5-5", "line": "claude-haiku-5-5"}
    assert record["rows"] == {"input": 3, "finished": 3, "failed": 0}
    assert record["usage"]["output_tokens"] > 0
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
    for path in (towns.parent / "out").iterdir():
        assert KEY not in path.read_text()


def test_a_missing_key_stops_before_anything_is_written(towns):
    """Exit 3, both ways on, and no folder made."""
    with pytest.raises(YamlgenError) as caught:
        yamlgen.run(towns)
    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert caught.value.code == Code.NO_KEY
    assert "ANTHROPIC_API_KEY" in caught.value.hint
    assert "simulate" in caught.value.hint
    assert not (towns.parent / "out").exists()


@pytest.mark.parametrize(("status", "code"), [(401, Code.KEY_REJECTED), (403, Code.FORBIDDEN_MODEL)])
def test_an_aborted_run_keeps_what_is_finished(towns, monkeypatch, status, code):
    """A key that is rejected midway: finished rows in the partial file, the previous output as it was."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    out = towns.parent / "out"
    out.mkdir()
    (out / "towns.jsonl").write_text("previous\n")
    events = []

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}', max_retries: 0, concurrency: 1")
        return await yamlgen.arun(towns, on_event=events.append)

    asked = []

    def reply(body):
        asked.append(body)
        return refusal(status, "no more") if len(asked) == 9 else answers(body)

    with pytest.raises(RunStopped) as caught:
        asyncio.run(served(reply, work))
    assert caught.value.code == code
    assert "partial" in caught.value.hint
    assert (out / "towns.jsonl").read_text() == "previous\n"
    kept = lines(out / "towns.partial.jsonl")
    assert 0 < len(kept) < 5
    assert all(row["line"].startswith("A line") for row in kept)
    assert len(asked) <= 10
    assert isinstance(events[-1], RunFinished)
    assert events[-1].error == caught.value.message


def test_a_halted_run_keeps_what_is_finished(towns, monkeypatch):
    """Asked to stop, a run drains, keeps, and raises; nothing is in the output's place."""
    halt_after = 3

    async def main():
        halt, events = Halt(), []

        def watch(event):
            events.append(event)
            if sum(isinstance(seen, StepFinished) for seen in events) == halt_after:
                halt.request("interrupted")

        pipeline = yamlgen.load(towns)
        options = Options(simulate=True, max_concurrency=1)
        with pytest.raises(YamlgenError) as caught:
            await execute(pipeline, options=options, emit=watch, halt=halt)
        return caught.value, events

    error, events = asyncio.run(main())
    assert error.code == Code.STOPPED
    assert "interrupted" in error.message
    assert "towns.simulated.jsonl" not in files(towns.parent / "out")
    assert any("partial" in name for name in files(towns.parent / "out"))
    assert len([event for event in events if isinstance(event, StepFinished)]) < 10


def test_a_callback_that_fails_ends_the_run(towns):
    """An error of whoever watches is raised as it is, not swallowed and not wrapped."""

    def watch(event):
        if isinstance(event, StepFinished):
            raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        yamlgen.run(towns, simulate=True, on_event=watch)
    assert "towns.simulated.jsonl" not in files(towns.parent / "out")


def test_an_invalid_pipeline_carries_its_diagnostics(towns):
    """Each mistake with its place, in an error that says the first."""
    towns.write_text(towns.read_text().replace("max_tokens", "max_token").replace("row.town", "rowe.town"))
    with pytest.raises(InvalidPipeline) as caught:
        yamlgen.load(towns)
    assert caught.value.exit_code == Exit.USAGE
    assert len([d for d in caught.value.diagnostics if d.severity == "error"]) == 3
    assert all(d.mark.line for d in caught.value.diagnostics)


@pytest.mark.parametrize("params", [{"tune": "x"}, {"tone": 3}])
def test_wrong_parameters_stop_before_anything(towns, params):
    """An undeclared one, and one of the wrong type, are the caller's mistake."""
    with pytest.raises(YamlgenError) as caught:
        yamlgen.run(towns, params=params, simulate=True)
    assert caught.value.exit_code == Exit.USAGE
    assert not (towns.parent / "out").exists()


def test_overrides_go_with_a_file(towns):
    """`overrides` set scalars of the file; a pipeline that was loaded has been read already."""
    assert yamlgen.run(towns, simulate=True, overrides={"steps.line.max_tokens": "500"}).rows
    with pytest.raises(UsageError):
        yamlgen.run(yamlgen.load(towns), simulate=True, overrides={"name": "x"})


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ('{"id": 1, "town": "a"}\n[1]\n', Code.NOT_AN_OBJECT),
        ('{"id": 1, "town": "a"}\n{"id": 1, "town": "b"}\n', Code.DUPLICATE_ID),
        ("", Code.NO_ROWS),
    ],
)
def test_bad_rows_stop_before_the_first_request(towns, monkeypatch, rows, code):
    """The input is read to its end before a token is spent."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    (towns.parent / "rows.jsonl").write_text(rows)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        with pytest.raises(YamlgenError) as caught:
            await yamlgen.arun(towns)
        return caught.value, server.bodies

    error, bodies = asyncio.run(served(answers, work))
    assert error.code == code
    assert bodies == []


def test_the_ceiling_of_the_caller_holds(towns, monkeypatch):
    """`max_concurrency` lowers the pipeline's own, and never raises it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}', concurrency: 2")
        await yamlgen.arun(towns, max_concurrency=1)
        first = server.most
        await yamlgen.arun(towns, max_concurrency=50)
        return first, server.most

    lowest, most = asyncio.run(served(answers, work))
    assert lowest == 1
    assert most <= 2


def test_a_row_moves_on_without_its_siblings(towns, monkeypatch):
    """Over HTTP too: a second step is sent while another row's first is still being answered."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    def reply(body):
        made = answers(body)
        made.wait = 0.5 if "Oslo" in str(body) else 0
        return made

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        await yamlgen.arun(towns)
        return server.times

    times = asyncio.run(served(reply, work))
    assert sum(moment - times[0] < 0.45 for moment in times) == 9
    assert len(times) == 10


def test_plain_text_never_becomes_a_template(tmp_path, monkeypatch):
    """`{{` in a row's text, and in an answer that the next step quotes, goes out as it is."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    nasty = "{{ 7 * 7 }} {% for x in y %} {# #}"

    async def work(server):
        (tmp_path / "p.yaml").write_text(f"""\
version: 1
runtime: {{base_url: '{server.url}'}}
input: {{rows: [{{text: "{nasty}"}}]}}
steps:
  one: {{model: m, prompt: "{{{{ row.text }}}}"}}
  two: {{model: m, prompt: "{{{{ steps.one }}}}"}}
output: {{path: out.jsonl}}
""")
        await yamlgen.arun(tmp_path / "p.yaml")
        return [body["messages"][0]["content"] for body in server.bodies]

    assert asyncio.run(served(said(nasty), work)) == [nasty, nasty]


def test_an_answer_with_half_a_character_costs_its_row(towns, monkeypatch):
    """An answer that no file can hold sets its row aside, and the run goes on."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    def reply(body):
        return said("a\ud800b") if "output_config" not in body else answers(body)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        return await yamlgen.arun(towns)

    done = asyncio.run(served(reply, work))
    assert len(done.failures) == 5
    assert len(lines(towns.parent / "out" / "towns.failed.jsonl")) == 5


def test_requests_can_be_looked_at_first(towns):
    """The bodies of one row, without a key; what an earlier step would say is made up, and told to be."""
    first, second = asyncio.run(preview(yamlgen.load(towns), {}, 3))
    assert first.step == "facts"
    assert "Łódź" in first.request["messages"][0]["content"]
    assert second.made_up == ("facts",)


def test_a_row_that_is_not_there_cannot_be_looked_at(towns):
    """Rows count from 1, and end."""
    with pytest.raises(UsageError):
        asyncio.run(preview(yamlgen.load(towns), {}, 6))


def test_a_run_leaves_nothing_open(towns):
    """No client, no server, no file, no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yamlgen.run(towns, simulate=True)
        gc.collect()


def test_the_root_is_quick_to_import():
    """Importing the package, and checking a pipeline with it, loads neither the SDK nor instructor."""
    code = "import sys, yamlgen; yamlgen.load; assert not {'anthropic', 'instructor'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
