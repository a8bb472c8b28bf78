"""What the command line does Python users do in the same words, with the same outcome."""

import inspect
import json
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import yamlgen
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, EnvironmentProblem, YamlgenError

WORDS = {
    "validate": "validate",
    "render": "render",
    "run": "run",
    "plan": "plan",
    "test": "test",
    "retry": "retry",
    "init": "init",
    "schema": "schema",
    "simulate": "simulate",
    "report": "report",
    "runs ls": "runs",
    "runs show": "show",
    "runs failed": "failures",
    "runs export": "export",
    "runs cancel": "cancel",
    "runs prune": "prune",
}
"""Each command, and what it is called in Python."""

TERMINAL = {"quiet", "verbose", "progress", "output_format", "json_out", "dry_run", "env_file", "listed"}
"""Options that say how something is shown, or asked, or where the environment is from."""

PYTHON = {"on_event", "watched", "rows"}
"""Arguments that stand for the terminal, or take values that only Python has."""

OTHERWISE = {"input_path": "input", "paths": "path", "target": "write"}

FAILING = {"simulate": True, "faults": ["refusal=0.5"], "seed": 3}
FAULTY = ("--simulate", "--fault", "refusal=0.5", "--seed", "3")

SCRIPT = """\
import asyncio
from pathlib import Path

import yamlgen
from yamlgen import Diagnostic, Export, Pipeline, Preview, Pruning, Result, Run, RunForecast

version: str = yamlgen.__version__
told: list[Diagnostic] = yamlgen.validate("p.yaml", params={"n": 1})
pipeline: Pipeline = yamlgen.load("p.yaml", overrides={"model": "claude-haiku-5-5"})
forecast: RunForecast = yamlgen.plan(pipeline, params={"n": 1}, simulate=True)
resolved: dict[str, object] = yamlgen.render("p.yaml", params={"n": 1})
chart: str = yamlgen.render(pipeline, graph="mermaid")
requests: list[Preview] = yamlgen.render("p.yaml", row="r-1")
least, most = forecast.cost or (0.0, 0.0)
result: Result = yamlgen.run("p.yaml", limit=3, max_cost_usd=1.5, on_event=print)
rows: list[dict[str, object]] = yamlgen.run(pipeline, rows=[{"topic": "a", "n": 1}]).rows()
table = result.to_pandas()
again: Result | None = yamlgen.retry(Path("p.yaml"), max_failures="5%")
found: list[Run] = yamlgen.runs("p.yaml", "other.yaml")
names = [run.name + run.status for run in found]
reasons = [failure["code"] for failure in yamlgen.failures("p.yaml", names[0])]
made: Export = yamlgen.export("p.yaml", output="rows.csv", failed=True)
ids: list[str | None] = [batch.id for batch in yamlgen.cancel("p.yaml", names[0], forget=True)]
gone: dict[Path, Pruning] = yamlgen.prune("p.yaml", keep=1)


async def main() -> Result:
    await yamlgen.aplan("p.yaml")
    await yamlgen.aretry("p.yaml", "2026")
    return await yamlgen.arun("p.yaml")


asyncio.run(main())
yamlgen.run("p.yaml", limit="three")
yamlgen.run("p.yaml", max_cost=1)
yamlgen.retry("p.yaml").rows()
yamlgen.render("p.yaml", row=1, graph="text")
yamlgen.plan("p.yaml", output="x")
yamlgen.nothing
"""
"""What a user may write; the last six lines are wrong."""

MYPY = """\
[mypy]
strict = true
[mypy-aiohttp.*,anthropic.*,faker.*,genai_prices.*,httpx2.*,instructor.*,jinja2.*,jsonschema.*,openai.*,pydantic.*]
follow_imports = skip
[mypy-duckdb.*,hypothesis.*,numpy.*,polars.*,pyarrow.*]
follow_imports = skip
"""
"""Strict, and quick: libraries take a minute to read."""


def unversioned(line):
    """An object that a command prints, without its version."""
    value = json.loads(line)
    assert value.pop("version") == 1
    return value


def command(words):
    """The click command of these words."""
    first, *below = words.split()
    found = import_module(f"yamlgen.cli.{first}").command
    for word in below:
        found = found.commands[word]
    return found


@pytest.mark.parametrize("words", WORDS)
def test_a_function_takes_what_its_command_takes(words):
    """Each option of a command that is not about the terminal is an argument of the function, and the other way."""
    taken = {OTHERWISE.get(each.name, each.name) for each in command(words).params} - TERMINAL
    own = set(inspect.signature(getattr(yamlgen, WORDS[words])).parameters) - PYTHON
    if "which" in taken:
        taken = taken - {"which"} | {"pipeline", "run"}
    assert own - taken == ({"retry"} if words == "run" else set())
    only = {"report": {"rows"}, "runs prune": {"yes"}, "test": {"from_run", "rows"}, "validate": {"fix", "diff"}}
    assert taken - own == only.get(words, set())


def test_a_run_takes_every_option_there_is():
    """`RunOptions` and the signature of `run` name the same options, with the same defaults."""
    given = inspect.signature(yamlgen.run).parameters
    of_the_file = {"pipeline", "params", "overrides", "input", "rows", "on_event"}
    assert {name: each.default for name, each in given.items() if name not in of_the_file} == {
        each.name: each.default for each in fields(RunOptions)
    }


@pytest.mark.parametrize("name", [*WORDS.values(), "load", "rows", "arun", "aplan", "aretry"])
def test_every_argument_is_spelled_out_typed_and_described(name):
    """No `**options`: help and type checkers know each argument, and the docstring says what it is."""
    function = getattr(yamlgen, name)
    signature, said = inspect.signature(function), inspect.getdoc(function)
    assert function.__name__ == name
    for each in signature.parameters.values():
        assert each.kind is not each.VAR_KEYWORD
        assert each.annotation is not each.empty
        assert f"    {each.name}: " in said
    assert signature.return_annotation is not signature.empty
    assert "Raises:" in said or name == "validate"


def test_a_type_checker_knows_the_public_names(tmp_path):
    """A user's script is checked strictly: what is right passes, and each wrong line is told."""
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text(MYPY, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = SCRIPT.count("\n")
    told = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert told == set(range(lines - 5, lines + 1)), done.stdout


def test_mistakes_are_told_the_same(call, small):
    """`validate` finds what the command finds: mistakes of the file, of parameters, and of the first rows."""
    (small / "rows.jsonl").write_text('{"id": 1, "topic": "a"}\n{"id": 1, "topic": "b"}\n', encoding="utf-8")
    for more, chosen in (
        ((), {}),
        (("-p", "x=1"), {"params": {"x": 1}}),
        (("--set", "steps.note.max_tokens=0"), {"overrides": {"steps.note.max_tokens": 0}}),
    ):
        told = json.loads(call("validate", "small.yaml", "--output-format", "json", *more).out)["diagnostics"]
        found = [each.as_json() for each in yamlgen.validate("small.yaml", **chosen)]
        facts = ("code", "severity", "message", "line")  # the place of an option is named in the words of its caller
        assert found
        assert [[each[fact] for fact in facts] for each in found] == [[each[fact] for fact in facts] for each in told]


@pytest.mark.usefixtures("small")
def test_what_is_rendered_is_the_same(call):
    """`render` gives what the command prints: the pipeline resolved, its graph, and the requests of a row."""
    assert yamlgen.render("small.yaml") == yaml.safe_load(call("render", "small.yaml").out)
    for form in ("text", "mermaid"):
        assert yamlgen.render("small.yaml", graph=form) == call("render", "small.yaml", f"--graph={form}").out
    changed = {"steps.note.max_tokens": 900}
    (request,) = yamlgen.render("small.yaml", row=2, overrides=changed)
    told = json.loads(call("render", "small.yaml", "--row", "2", "--set", "steps.note.max_tokens=900").out)
    assert {"step": request.step, "request": request.request} == told
    assert told["request"]["max_tokens"] == 900
    assert repr(request) == "<Request of step note>"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"row": 1, "graph": "text"}, "remove one of them"),
        ({"graph": "svg"}, "`graph` is 'svg'"),
        ({"row": 99}, "no row 99"),
    ],
)
def test_what_is_rendered_must_be_one_thing(chosen, said):
    """The graph or a row, each of which there must be."""
    with pytest.raises(YamlgenError, match=said):
        yamlgen.render("small.yaml", **chosen)


@pytest.mark.usefixtures("small")
def test_a_plan_is_the_plan(call):
    """`plan` reckons what the command prints, before a run and after one."""
    for more, chosen in (((), {}), (("--limit", "3", "--fresh"), {"limit": 3, "fresh": True})):
        told = call("plan", "small.yaml", "--simulate", "--output-format", "json", *more)
        assert yamlgen.plan("small.yaml", simulate=True, **chosen).as_json() == unversioned(told.out)
        yamlgen.run("small.yaml", **FAILING)


@pytest.mark.usefixtures("small")
def test_past_runs_are_told_the_same(call):
    """The runs of a store, one of them, a row of it, its failures and its rows, as values and as JSON."""
    first, last = (yamlgen.run("small.yaml", **{**FAILING, "seed": seed}) for seed in (3, 4))
    runs = yamlgen.runs("small.yaml")
    assert [run.name for run in runs] == [first.report.run, last.report.run]
    assert [run.as_json() for run in runs] == json.loads(call("runs", "ls", "small.yaml", "--json").out)["runs"]
    for which in ((), (first.report.run,)):
        assert yamlgen.show("small.yaml", *which) == unversioned(
            call("runs", "show", "small.yaml", *which, "--json").out
        )
        told = [json.loads(line) for line in call("runs", "failed", "small.yaml", *which, "--json").out.splitlines()]
        assert yamlgen.failures("small.yaml", *which) == told
        told = json.loads(call("runs", "export", "small.yaml", *which, "--json").out)
        assert yamlgen.rows("small.yaml", *which) == told
    assert yamlgen.failures("small.yaml") == last.failures
    assert yamlgen.rows(run=first.report.run) == first.rows()
    assert yamlgen.show(row=2) == unversioned(call("runs", "show", "--row", "2", "--json").out)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("name", ["rows.json", "rows.csv", "new/rows.jsonl"])
def test_an_export_is_the_same_file(call, name, failed):
    """`export` writes what the command writes, and tells it."""
    yamlgen.run("small.yaml", **FAILING)
    flags = ["--failed"] if failed else []
    told = unversioned(call("runs", "export", "small.yaml", "-o", f"theirs-{Path(name).name}", "--json", *flags).out)
    done = yamlgen.export("small.yaml", output=name, failed=failed)
    assert Path(name).read_bytes() == Path(f"theirs-{Path(name).name}").read_bytes()
    assert done.as_json() == {**told, "output": name}


def test_a_retry_is_the_same(call, small):
    """`retry` asks again for what failed, and takes over how the run was asked for; so does the command."""
    options = {**FAILING, "limit": 6, "overrides": {"steps.note.max_tokens": 900}}
    found = []
    for store in (small / "ours", small / "theirs"):
        assert yamlgen.run("small.yaml", **options, store=store).failures
        if store.name == "ours":
            found.append(yamlgen.retry("small.yaml", simulate=True, store=str(store)).report.as_json())
        else:
            words = ["--simulate", "--store", store, "--output-format", "json"]
            found.append(json.loads(call("retry", "small.yaml", *words).out))
        ours = yamlgen.runs("small.yaml", store=store)[-1].describe()
        assert (ours["limit"], ours["overrides"]) == (6, {"steps.note.max_tokens": "900"})
    for name in ("rows", "paid", "reused", "failures"):
        assert found[0][name] == found[1][name]
    assert found[0]["reused"]["attempts"]


@pytest.mark.usefixtures("small")
def test_a_retry_of_what_did_not_fail_is_none():
    """Nothing to ask again is no run, as it is none on the command line; a loop of retries ends with it."""
    yamlgen.run("small.yaml", simulate=True)
    assert yamlgen.retry("small.yaml", simulate=True) is None
    assert len(yamlgen.runs("small.yaml")) == 1
    with pytest.raises(YamlgenError, match=r"only simulated runs.*`simulate=True`") as caught:
        yamlgen.retry("small.yaml")
    assert caught.value.code == Code.NO_RUN


@pytest.mark.usefixtures("small")
def test_pruning_is_the_same(call):
    """`prune` drops what the command drops, by number and by age, without a question."""
    for _ in range(3):
        yamlgen.run("small.yaml", simulate=True, fresh=True)
    assert yamlgen.prune("small.yaml", older="1d") == yamlgen.prune("small.yaml", older=timedelta(days=1)) == {}
    gone = yamlgen.prune("small.yaml", keep=2)
    (store,) = gone
    assert (gone[store].runs, gone[store].rows) == (1, 8)
    told = json.loads(call("runs", "prune", "small.yaml", "--keep", "1", "--yes", "--json").out)["pruned"]
    assert told == {str(store): {"runs": 1, "rows": 8, "answers": gone[store].answers}}
    assert len(yamlgen.runs("small.yaml")) == 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({}, "which runs to delete"),
        ({"older": "soon"}, "`soon` is not an age"),
        ({"keep": -1}, "`keep` must be 0 or more, not -1"),
    ],
)
def test_what_is_pruned_must_be_said(chosen, said):
    """Nothing goes by default, or by mistake."""
    yamlgen.run("small.yaml", simulate=True)
    with pytest.raises(YamlgenError, match=said):
        yamlgen.prune("small.yaml", **chosen)


@pytest.mark.usefixtures("small")
def test_a_store_that_cannot_be_read_is_an_error():
    """Python users are not given a part for the whole."""
    yamlgen.run("small.yaml", simulate=True)
    Path(".yamlgen/other.yaml.db").write_bytes(b"no store" * 1000)
    with pytest.raises(EnvironmentProblem):
        yamlgen.runs()
    assert len(yamlgen.runs("small.yaml")) == 1


@pytest.mark.usefixtures("small")
def test_texts_of_values_are_short():
    """What a notebook shows of a value is one line."""
    done = yamlgen.run("small.yaml", **FAILING)
    pipeline, (run,) = yamlgen.load("small.yaml"), yamlgen.runs("small.yaml")
    counts = (len(done.rows()), len(done.failures))
    assert repr(pipeline) == "<Pipeline small.yaml: 1 step>"
    assert repr(pipeline.plan()) == "<Plan of small: 1 step>"
    assert repr(done.report) == "<Report of small: {} of 8 rows finished, {} failed>".format(*counts)
    finished = "finished, {} rows finished, {} failed".format(*counts)
    assert repr(run) == f"<Simulated run {run.name} of small.yaml: {finished}>"
    told = "{} rows, {} failed, $".format(*counts)
    assert repr(done).startswith(f"<Result of simulated run {run.name}: {told}")
    assert repr(yamlgen.AnthropicLLM(model="claude-haiku-5-5")) == "AnthropicLLM(model='claude-haiku-5-5')"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"latency": -1}, "`latency` must be 0 or more, not -1"),
        ({"limit": 0}, "`limit` must be 1 or more, not 0"),
        ({"seed": "a"}, "`seed` must be an integer, not 'a'"),
    ],
)
def test_a_bad_option_is_told_with_what_it_must_be(chosen, said):
    """One sentence has the option, its range and the value."""
    with pytest.raises(YamlgenError) as caught:
        yamlgen.run("small.yaml", simulate=True, **chosen)
    assert caught.value.message == said
