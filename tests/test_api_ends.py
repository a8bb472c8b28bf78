"""The composition root: runs that do not begin, that end early, and what they keep; requests over HTTP."""

import asyncio
import gc
import os
import subprocess
import sys
import warnings

import pytest

import yamlgen
from scripted import KEY, refusal, said
from towns import answers, files, lay_out, lines, served, write
from yamlgen.api import Options, execute, preview
from yamlgen.errors import Code, Exit, InvalidPipeline, RunStopped, UsageError, YamlgenError
from yamlgen.events import RunFinished, StepFinished
from yamlgen.halt import Halt


@pytest.fixture
def towns(tmp_path, monkeypatch):
    """A two-step pipeline over five rows; the test stands beside it."""
    monkeypatch.chdir(tmp_path)
    return lay_out(tmp_path)


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


def test_a_halted_run_keeps_what_is_finished(towns):
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
