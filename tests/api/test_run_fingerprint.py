"""The fingerprint of a run: whatever decides what a row comes to is a part of it, and little else."""

import hashlib
import json
from copy import deepcopy
from importlib.metadata import version

import pytest
import yaml

from counted_runs import put
from yamlgen.api import run_fingerprint as module
from yamlgen.api.loading import load
from yamlgen.api.run_fingerprint import files_agree, run_fingerprint, source_digest
from yamlgen.api.run_options import RunOptions
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.steps.compute.plan_step import ComputeStep

FILES = {
    "line.md": "A line on {{ row.town }}, {{ params.tone }}.",
    "facts.json": json.dumps({"type": "object", "properties": {"kind": {"$ref": "kinds.json"}}}),
    "kinds.json": json.dumps({"enum": ["old", "new"]}),
    "scoring.py": "from words import more\n\n\ndef score(town):\n    return more(town)\n",
    "words.py": "def more(town):\n    return len(town)\n",
    "terms.txt": "tea\n",
    "towns.csv": "name\nOslo\nRome\n",
    "rows.jsonl": '{"id": 1, "town": "Oslo"}\n',
}
DOCUMENT = {
    "version": 1,
    "name": "towns",
    "params": {"tone": {"type": "string", "default": "dry"}},
    "models": {"quick": {"id": "claude-haiku-5-5"}, "slow": {"id": "claude-sonnet-5-5"}},
    "input": {"path": "rows.jsonl"},
    "steps": {
        "facts": {
            "model": "quick",
            "prompt": "Facts on {{ row.town }}.",
            "output": {"schema": "facts.json"},
            "check": ["output.kind != 'x'"],
        },
        "line": {"model": "quick", "prompt": {"file": "line.md"}},
        "score": {
            "kind": "python",
            "call": "scoring:score",
            "args": {"town": "row.town"},
            "keep": True,
            "reads": ["terms.txt"],
        },
        "dice": {"kind": "draw", "draws": {"town": {"column": "name", "path": "towns.csv"}}},
        "size": {"kind": "compute", "value": "row.town | length"},
    },
    "output": {"path": "out.jsonl"},
}


@pytest.fixture
def towns(tmp_path, monkeypatch):
    """Returns the fingerprint of the pipeline in a folder, with what dotted paths are set to."""
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)

    def fingerprint(changes=None, *, params=None, by_tool=frozenset(), folder=tmp_path, simulator=None, **options):
        document = deepcopy(DOCUMENT)
        for path, value in (changes or {}).items():
            put(document, path, value)
        (folder / "towns.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        plan = RunOptions(**options).over(load(folder / "towns.yaml").plan(params))
        nowhere = None if simulator is None else "http://127.0.0.1:0"
        return run_fingerprint(plan, ClaudeProvider(plan.runtime, nowhere, simulator), by_tool)

    fingerprint.folder = tmp_path
    return fingerprint


CHANGES = {
    "a prompt": {"steps.facts.prompt": "More facts on {{ row.town }}."},
    "a system prompt": {"steps.line.system": "Be brief."},
    "a check": {"steps.facts.check": ["output.kind != 'y'"]},
    "a message of a check": {"steps.facts.check": [{"expression": "output.kind != 'x'", "message": "not so"}]},
    "re-asks": {"steps.facts.output.reasks": 0},
    "a mode": {"steps.facts.output.mode": "tools"},
    "a model": {"models.quick.id": "claude-haiku-4-5"},
    "a setting": {"models.quick.max_tokens": 99},
    "an extra field": {"models.quick.extra_body": {"top": 1}},
    "betas": {"models.quick.betas": ["some-beta-2026-01-01"]},
    "what follows a refusal": {"steps.line.on_refusal": ["slow"]},
    "what follows a cut": {"steps.line.on_truncated": "retry_larger"},
    "a condition": {"steps.line.when": "row.town != 'x'"},
    "a fan-out": {"steps.line.samples": 2},
    "a matrix": {"steps.line.matrix": {"way": ["up", "down"]}},
    "a failure that is null": {"steps.line": {"model": "quick", "prompt": "A line.", "on_error": None}},
    "a seed of draws": {"steps.dice.seed": 1},
    "a computed value": {"steps.size.value": "row.town | length + 1"},
    "an argument": {"steps.score.args.town": "row.town | upper"},
    "a schema of a function": {"steps.score.output": {"schema": {"type": "integer"}}},
    "a step more": {"steps.more": {"kind": "compute", "value": "1"}},
    "a step less": {"steps.size": None},
    "a condition of an output": {"output.where": "row.town != 'x'"},
    "a column": {"output.columns": {"town": "row.town"}},
    "an address": {"runtime.base_url": "https://gateway.example"},
    "the address of a model": {"models.quick.runtime": {"base_url": "https://gateway.example"}},
    "the version of the API": {"runtime.api_version": "2023-06-01"},
    "a workspace": {"runtime.workspace": "wrkspc_1"},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_what_decides_a_row_is_in_it(changes, towns):
    """Each change alone makes another fingerprint."""
    assert towns(changes) != towns()


EDITS = {
    "line.md": "A verse on {{ row.town }}, {{ params.tone }}.",
    "facts.json": json.dumps({"type": "object", "required": ["kind"], "properties": {"kind": {"$ref": "kinds.json"}}}),
    "kinds.json": json.dumps({"enum": ["old", "newer"]}),
    "scoring.py": f"# told\n{FILES['scoring.py']}",
    "words.py": f"# told\n{FILES['words.py']}",
    "terms.txt": "tea\r\n",
    "towns.csv": "name\nOslo\nBern\n",
}


@pytest.mark.parametrize(("name", "text"), EDITS.items())
def test_the_files_of_a_pipeline_are_in_it(name, text, towns):
    """Prompts, schemas and what they include, functions, what they import and read, columns to draw from."""
    before = towns()
    (towns.folder / name).write_text(text)
    assert towns() != before


HARMLESS = {
    "concurrency": {"runtime.concurrency": 3},
    "a timeout": {"runtime.timeout": 9},
    "retries": {"runtime.max_retries": 1},
    "a share of the quota": {"runtime.quota_share": 0.5},
    "the variable of the key": {"runtime.api_key_env": "ANTHROPIC_API_KEY"},
    "limits": {"limits": {"max_cost_usd": 5, "max_failures": 3}},
    "a price": {"models.quick.price": {"input": 1, "output": 2}},
    "batches": {"batch": True},
    "the input": {"input.limit": 5},
    "the path of the output": {"output.path": "others.csv"},
    "provenance": {"output.provenance": True},
    "names": {"name": "places", "description": "Towns."},
    "an alias that no step uses": {"models.other": {"id": "claude-haiku-5-5"}},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_what_decides_no_row_is_not_in_it(changes, towns):
    """These change how a run goes, and what it writes, but no row."""
    assert towns(changes) == towns()


def test_options_of_a_run_are_not_in_it(towns):
    """A trial and the run after it are equal."""
    assert towns(limit=3, max_concurrency=2, max_cost_usd=1.0, yes=True, fresh=True, batch=True) == towns()


def test_parameters_tools_and_the_simulator_are_in_it(towns):
    """So are the seed and the faults of a simulation."""
    simulated = [
        SimulatorSettings(seed=seed, faults=faults).name for seed, faults in ((0, ()), (1, ()), (0, ("hang=1",)))
    ]
    made = [towns(), towns(params={"tone": "warm"}), towns(by_tool={"facts"}), *(towns(simulator=s) for s in simulated)]
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("name", ["package_versions", "source_digest"])
def test_the_programs_are_in_it(name, towns, monkeypatch):
    """Another version of a package, or of yamlgen itself, makes another fingerprint."""
    before = towns()
    monkeypatch.setattr(module, name, lambda: "others")
    assert towns() != before


def test_the_versions_are_those_that_are_installed():
    """As the packages themselves say; also of a package whose folder says nothing."""
    found = module.package_versions()
    assert {"jinja2", "jsonschema-rs", "pydantic", "instructor", "anthropic", "faker"} <= found.keys()
    assert found == {name: version(name) for name in found}


def test_the_folder_is_not_in_it(towns, tmp_path):
    """A pipeline that moves keeps its fingerprint, and a file that is only touched changes nothing."""
    before, other = towns(), tmp_path / "moved"
    other.mkdir()
    for name, text in FILES.items():
        (other / name).write_text(text)
        (tmp_path / name).write_text(text)
    assert towns() == towns(folder=other) == before


def test_a_function_whose_values_are_not_kept_has_none(towns):
    """The same row may come to another value."""
    assert towns({"steps.score.keep": False, "steps.score.reads": None}) is None


def test_a_field_that_is_added_to_a_step_is_in_it(towns):
    """Fields are not listed anywhere: a kind of step that grows is still told apart."""
    del towns
    step = ComputeStep(name="size", type=None, value="1")
    assert {"value", "values", "when", "null_if_failed", "schema"} <= step.repeated().keys()
    assert {"templates", "batch"}.isdisjoint(step.repeated())


def test_the_source_is_read_once(monkeypatch):
    """Its digest is cached in the process."""
    first = source_digest()
    monkeypatch.setattr(module, "_python_files", None)
    assert source_digest() == first


def test_files_agree_as_long_as_their_content_does(towns):
    """By sha256, relative to the pipeline; without steps that keep values, none agree."""
    towns()
    agree = files_agree(load(towns.folder / "towns.yaml").plan())
    digest = hashlib.sha256(b"tea\n").hexdigest()
    assert [agree({"terms.txt": digest}), agree({"terms.txt": "x"}), agree({"gone.txt": digest})] == [
        True,
        False,
        False,
    ]
    towns({"steps.score": None})
    assert not files_agree(load(towns.folder / "towns.yaml").plan())({"terms.txt": digest})
