"""The composition root: runs that do not begin, that end early, and what they keep; requests over HTTP."""

import asyncio
import gc
import math
import os
import re
import shutil
import subprocess
import sys
import warnings

import pytest
from two_step_pipeline import TOWNS, answers, files, lay_out, lines, served, write

import yamlgen
from scripted_api import KEY, call, refusal, said
from yamlgen.api.row_requests import requests_of_row
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, EnvironmentProblem, RunStopped, UsageError, YamlgenError
from yamlgen.events import AnswerReceived, RowFinished, RunFinished, StepFinished
from yamlgen.exit_codes import ExitCode


@pytest.fixture
def towns(tmp_path, monkeypatch):
    """A two-step pipeline over five rows; the test stands beside it."""
    monkeypatch.chdir(tmp_path)
    return lay_out(tmp_path)


def test_a_missing_key_stops_before_anything_is_written(towns):
    """Exit 3, both ways on, and no output folder made."""
    with pytest.raises(YamlgenError) as caught:
        yamlgen.run(towns)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert caught.value.code == Code.NO_KEY
    assert "ANTHROPIC_API_KEY" in caught.value.hint
    assert "simulate" in caught.value.hint
    assert not (towns.parent / "out").exists()


@pytest.mark.parametrize(("status", "code"), [(401, Code.KEY_REJECTED), (403, Code.FORBIDDEN_MODEL)])
def test_an_aborted_run_keeps_what_is_finished(towns, monkeypatch, status, code):
    """A key that is rejected midway leaves the previous output as it was; the next run asks for the rest alone."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    out = towns.parent / "out"
    out.mkdir()
    (out / "towns.jsonl").write_text("previous\n")
    events = []

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}', max_retries: 0, concurrency: 1")
        with pytest.raises(RunStopped) as caught:
            await yamlgen.arun(towns, on_event=events.append)
        assert files(out) == ["towns.jsonl"]
        assert (out / "towns.jsonl").read_text() == "previous\n"
        rejected.append(len(server.bodies))
        return caught.value, await yamlgen.arun(towns), len(server.bodies)

    rejected, asked = [], []

    def reply(body):
        asked.append(body)
        return refusal(status, "no more") if len(asked) >= 9 and not rejected else answers(body)

    error, done, requests = asyncio.run(served(reply, work))
    assert error.code == code
    assert re.search(r"; \d finished rows? stored; the same call continues from there$", error.hint)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].error == error.message
    assert 0 < sum(isinstance(event, RowFinished) for event in events) < 5
    assert [row["town"] for row in lines(out / "towns.jsonl")] == TOWNS
    assert lines(out / "towns.jsonl") == done.rows()
    assert (done.report.reused.attempts, done.report.paid.attempts) == (8, 2)
    assert requests == rejected[0] + 2


def test_a_halted_run_keeps_what_is_finished(towns):
    """Asked to stop, a run drains, keeps, and raises; nothing is in the output's place, and nothing is paid twice."""
    halt_after = 3

    async def main():
        cancellation, events = Cancellation(), []

        def watch(event):
            events.append(event)
            if sum(isinstance(seen, StepFinished) for seen in events) == halt_after:
                cancellation.request("interrupted")

        pipeline = yamlgen.load(towns)
        options = RunOptions(simulate=True, max_concurrency=1)
        with pytest.raises(YamlgenError) as caught:
            await execute(pipeline, options=options, emit=watch, cancellation=cancellation)
        assert files(towns.parent / "out") == []
        return caught.value, events, await execute(pipeline, options=options)

    error, events, done = asyncio.run(main())
    assert error.code == Code.STOPPED
    assert "interrupted" in error.message
    paid = [event for event in events if isinstance(event, AnswerReceived)]
    assert halt_after <= len(paid) < 10
    assert done.report.reused.attempts == len(paid)
    assert done.report.paid.attempts == 10 - len(paid)
    assert [row["town"] for row in lines(towns.parent / "out" / "towns.simulated.jsonl")] == TOWNS


def test_a_run_that_is_over_sends_nothing_again(towns, monkeypatch):
    """The same run again asks for nothing, pays nothing, and writes the same bytes; a fresh one asks for all."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    output = towns.parent / "out" / "towns.jsonl"

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        counted = []
        for fresh in (False, False, True):
            done = await yamlgen.arun(towns, fresh=fresh)
            report = done.report
            counted.append((len(server.bodies), report.paid.attempts, report.reused.attempts, output.read_bytes()))
            assert done.usage == report.paid.usage
        return counted

    first, second, third = asyncio.run(served(answers, work))
    assert first[:3] == (10, 10, 0)
    assert second == (10, 0, 10, first[3])
    assert third == (20, 10, 0, first[3])


def test_what_a_run_pays_has_a_price(towns, monkeypatch):
    """`cost_usd` is what this run paid: nothing when the store had every answer."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        text = towns.read_text().replace(
            "model: claude-haiku-5-5", "model: {id: claude-haiku-5-5, price: {input: 2, output: 10}}"
        )
        towns.write_text(text)
        return [await yamlgen.arun(towns) for _ in range(2)]

    first, second = asyncio.run(served(answers, work))
    assert first.cost_usd == pytest.approx(10 * (10 * 2 + 5 * 10) / 1e6)
    assert second.cost_usd == 0
    assert second.report.reused.cost_usd == first.cost_usd


def test_files_that_cannot_be_put_in_place_cost_no_row(towns):
    """When the output folder is lost during a run, that is told; the next run sends nothing and writes every row."""
    out = towns.parent / "out"

    def lose(event):
        if isinstance(event, RowFinished) and out.is_dir():
            shutil.rmtree(out)
            out.write_text("in the way")

    with pytest.raises(EnvironmentProblem) as caught:
        yamlgen.run(towns, simulate=True, on_event=lose)
    assert caught.value.code == Code.DISK
    assert "5 finished rows stored" in caught.value.hint
    out.unlink()
    done = yamlgen.run(towns, simulate=True)
    assert (done.report.paid.attempts, done.report.reused.attempts) == (0, 10)
    assert [row["town"] for row in lines(done.output)] == TOWNS


def test_the_same_request_of_a_row_is_paid_once(towns, monkeypatch):
    """Two steps that ask the same thing for one row share an answer, and only one of them has it on its bill."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        step = "{model: claude-haiku-5-5, max_tokens: 9, prompt: '{{ row.town }}'}"
        head, tail = towns.read_text().split("steps:")[0], "output: {path: out/towns.jsonl}\n"
        towns.write_text(f"{head}steps:\n  one: {step}\n  two: {step}\n{tail}")
        return await yamlgen.arun(towns), len(server.bodies)

    done, requests = asyncio.run(served(answers, work))
    assert all(row["one"] == row["two"] for row in done.rows())
    assert requests == done.report.paid.attempts == done.report.reused.attempts == 5


def test_a_callback_that_fails_ends_the_run(towns):
    """An error of whoever watches is raised as it is, not swallowed and not wrapped."""

    def watch(event):
        if isinstance(event, StepFinished):
            raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        yamlgen.run(towns, simulate=True, on_event=watch)
    assert files(towns.parent / "out") == []


def test_an_invalid_pipeline_carries_its_diagnostics(towns):
    """Each mistake with its place, in an error that says the first."""
    towns.write_text(towns.read_text().replace("max_tokens", "max_token").replace("row.town", "rowe.town"))
    with pytest.raises(InvalidPipeline) as caught:
        yamlgen.load(towns)
    assert caught.value.exit_code == ExitCode.USAGE
    assert len([d for d in caught.value.diagnostics if d.severity == "error"]) == 3
    assert all(d.mark.line for d in caught.value.diagnostics)


@pytest.mark.parametrize("params", [{"tune": "x"}, {"tone": 3}])
def test_wrong_parameters_stop_before_anything(towns, params):
    """An undeclared one, and one of the wrong type, are the caller's mistake."""
    with pytest.raises(YamlgenError) as caught:
        yamlgen.run(towns, params=params, simulate=True)
    assert caught.value.exit_code == ExitCode.USAGE
    assert not (towns.parent / "out").exists()


def test_overrides_go_with_a_file(towns):
    """`overrides` set scalars of the file; a pipeline that was loaded has been read already."""
    assert yamlgen.run(towns, simulate=True, overrides={"steps.line.max_tokens": "500"}).rows()
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
        await yamlgen.arun(towns, max_concurrency=50, fresh=True)
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
  two: {{model: m, prompt: "{{{{ steps.one }}}}", max_tokens: 500}}
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


def test_an_answer_with_a_number_that_json_has_not_is_shown_in_json(towns, monkeypatch):
    """A tool call with NaN in it is invalid, and the failed file that quotes it holds JSON all the same."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def work(server):
        write(towns.parent, f"base_url: '{server.url}'")
        towns.write_text(towns.read_text().replace("output:\n      schema", "output:\n      mode: tools\n      schema"))
        return await yamlgen.arun(towns)

    asyncio.run(served(said(call({"score": math.nan}, name="facts"), stop="tool_use"), work))
    text = (towns.parent / "out" / "towns.failed.jsonl").read_text()
    assert '"input": {"score": null}' in text
    assert "NaN" not in text


def test_requests_can_be_looked_at_first(towns):
    """The bodies of one row, without a key; what an earlier step would say is made up, and told to be."""
    first, second = asyncio.run(requests_of_row(yamlgen.load(towns), {}, 3))
    assert first.step == "facts"
    assert "Łódź" in first.request["messages"][0]["content"]
    assert second.made_up == ("facts",)


def test_a_row_that_is_not_there_cannot_be_looked_at(towns):
    """Rows count from 1, and end."""
    with pytest.raises(UsageError):
        asyncio.run(requests_of_row(yamlgen.load(towns), {}, 6))


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
