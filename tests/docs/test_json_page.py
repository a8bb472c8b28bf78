"""The page of the JSON outputs has every key that a command prints, with its type, and no other."""

import json
import re
from dataclasses import is_dataclass
from typing import get_args, get_origin, get_type_hints

import pytest

import git_repositories as repositories
from detached_runs import KEY, detach
from manual_pages import DOCS
from threaded_simulator import serving
from yamlgen.diagnostics import Mark
from yamlgen.events import BatchEnded, BatchPosted, RunStarted
from yamlgen.profiles.run_profile import RunProfile
from yamlgen.reports.report import Report
from yamlgen.simulator.server import Simulator
from yamlgen.testing.verdicts import CaseVerdict, Flaw, Miss, TestReport, Verdict

PIPELINE = """\
version: 1
name: notes
model: claude-haiku-5-5
input: {rows: [{id: a, topic: tea}, {id: b, topic: rain}, {id: c, topic: ink}, {id: d, topic: fog}], id: id}
steps:
  titles: {prompt: "A title for {{ row.topic }}", samples: 3, on_item_error: "null"}
  facts:
    prompt: A fact about {{ row.topic }}
    output:
      keep_thinking: true
      schema: {type: object, additionalProperties: false, required: [n], properties: {n: {type: integer}}}
output: {path: out/notes.jsonl}
"""
CHAIN = """\
version: 1
model: claude-haiku-5-5
input: {tables: {notes: {pipeline: notes.yaml, partial: true}}, sql: "select id, topic from notes", id: id}
steps: {tale: {prompt: "A tale about {{ row.topic }}"}}
output: {path: out/tales.jsonl}
"""
FAULTS = ("--fault", "refusal=0.35", "--fault", "invalid_output=0.3", "--fault", "rate_limit=0.1")
TYPES = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "object": dict,
    "list": list,
    "null": type(None),
    "any": object,
}


def table(title):
    """The rows of a section's table: the type by key."""
    text = (DOCS / "json.md").read_text(encoding="utf-8")
    part = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r"^\| `(.*?)` \| (.*?) \|", part, re.MULTILINE))


def pattern(key):
    """What a key of the page stands for: `*` is any name."""
    return re.compile(re.escape(key).replace(r"\*", r"[^.\[\]]+") + r"\Z")


def above(key):
    """The keys above a key of the page."""
    return [key[: match.start()] for match in re.finditer(r"\.|\[\]", key)]


def parts(value, is_open, key=""):
    """Every part of a value with its key, down to the keys below which the page says nothing."""
    yield key, value
    if isinstance(value, dict) and not is_open(key):
        for name, each in value.items():
            yield from parts(each, is_open, f"{key}.{name}" if key else name)
    if isinstance(value, list) and not is_open(key):
        for each in value:
            yield from parts(each, is_open, f"{key}[]")


def check(title, values):
    """Hold outputs against a section: each key is on it, with its type. The keys that none of them has."""
    keys = table(title)
    shapes = {pattern(key): (key, kind) for key, kind in keys.items()}
    inner = [pattern(each) for key in keys for each in above(key)]
    seen, wrong = set(), set()

    def is_open(key):
        return bool(key) and not any(each.match(key) for each in inner)

    for value in values:
        for key, part in parts(value, is_open):
            known = [each for shape, each in shapes.items() if shape.match(key)]
            if key and not known and not any(each.match(key) for each in inner):
                wrong.add(f"{title}: `{key}` is not on the page")
            for name, kinds in known:
                seen.add(name)
                if not isinstance(part, tuple(TYPES[kind] for kind in kinds.split(" or "))):
                    wrong.add(f"{title}: `{key}` is {part!r}")
    assert not wrong
    return set(keys) - seen


@pytest.fixture
def outputs(tmp_path, monkeypatch, call):
    """What the commands print of a pipeline whose rows and items fail in many ways: a list for each section."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.yaml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(PIPELINE.replace("row.topic", "row.topik"), encoding="utf-8")

    def printed(*arguments):
        told = call(*arguments)
        return [json.loads(line) for line in told.out.splitlines()]

    made = {"Diagnostics": printed("validate", "wrong.yaml", "--output-format", "json")}
    made["Diagnostics"] += printed("validate", "wrong.yaml", "--fix", "--diff", "--output-format", "json")
    made["A diagnosis"] = printed("doctor", "notes.yaml", "--output-format", "json")
    made["A diagnosis"] += printed("doctor", "notes.yaml", "--simulate", "--output-format", "json")
    made["An estimate"] = printed("plan", "notes.yaml", "--simulate", "--output-format", "json")
    made["An estimate"] += printed("plan", "notes.yaml", "--output-format", "json")
    run = ("run", "notes.yaml", "--simulate", *FAULTS, "--output-format", "json")
    made["A run"] = printed(*run, "--lock", "--report")
    made["A run"] += printed(*run, "--fresh", "--max-failures", "0")
    made["An estimate"] += printed("plan", "notes.yaml", "--simulate", "--fresh", *FAULTS, "--output-format", "json")
    (tmp_path / "tales.yaml").write_text(CHAIN, encoding="utf-8")
    made["A run"] += printed("run", "tales.yaml", "--simulate", "--store", "other", "--output-format", "json")
    made["A run"] += printed("run", "tales.yaml", "--simulate", "--store", "other", "--output-format", "json")
    made["An estimate"] += printed("plan", "tales.yaml", "--output-format", "json")
    preview = printed("preview", "notes.yaml", "--simulate", "--seed", "2", *FAULTS, "--output-format", "json")
    made["A preview"] = [{key: each[key] for key in ("version", "cards")} for each in preview]
    made["The status of pipelines"] = printed("status", "notes.yaml", "wrong.yaml", "--output-format", "json")
    made["Locks"] = printed("lock", "notes.yaml", "--output-format", "json")
    made["A list of runs"] = printed("runs", "ls", "--json")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("out/*.run.json")]
    made["The record of a run"] = printed("runs", "show", "--json") + records
    made["One row"] = [row for each in "abcd" for row in printed("runs", "show", "notes.yaml", "--row", each, "--json")]
    made["Failures"] = printed("runs", "failed", "notes.yaml", "--json")
    other = made["A list of runs"][0]["runs"][0]["run"]
    made["A report"] = printed("report", "notes.yaml", "--against", other, "--output-format", "json")
    made["A report"] += printed("report", "notes.yaml", "--no-text", "--output-format", "json")
    return made


BATCH = {f"batches[].{key}" for key in ("id", "step", "status", "requests", "seconds", "counts", "cost_usd")}
CHANCE = {
    "A run": {"lost_steps[]", *BATCH, "batches[].earlier"},
    "The record of a run": {"lost_steps[]", *BATCH, "batches[].earlier", "batches[].created", "batches[].ended"},
    "One row": {"steps.*.attempts[].notes"},
    "Failures": {"attempts[].notes"},
    "The status of pipelines": {"pipelines[].outputs[].file", "pipelines[].outputs[].state"},
}
"""Documented keys that depend on chance, and those of batches, which have a test of their own."""


def test_every_key_is_on_the_page(outputs):
    """What the commands print is on the page with its type; everything else on the page depends on chance."""
    assert all(outputs.values())
    missing = {title: check(title, values) - CHANCE.get(title, set()) for title, values in outputs.items()}
    del missing["A report"]  # the next test says which keys it has
    assert not any(missing.values())


def members(kind, key=""):
    """The keys that the values of a type have, as the page writes them, and those of what is in them."""
    if is_dataclass(kind):
        for name, each in get_type_hints(kind).items():
            yield f"{key}.{name}".lstrip(".")
            yield from members(each, f"{key}.{name}")
    else:
        for each in get_args(kind):
            yield from members(each, f"{key}[]" if get_origin(kind) is tuple else key)


def test_every_key_of_a_report_is_one():
    """The page has no key that the numbers of a report cannot have."""
    assert table("A report").keys() - {"version"} <= set(members(RunProfile))


def test_every_key_of_batches_is_on_the_page(small, call, monkeypatch):
    """In the report of a run, in what `runs show` prints, and in what `runs cancel` prints."""
    counts = {"succeeded": 1, "errored": 1, "canceled": 0, "expired": 0}
    ended = (BatchEnded("b1", "note", 2, counts, 0.5, 9.0), BatchPosted("b2", "note", 1, 5.0, earlier=True))
    report = Report()
    for event in (RunStarted("r1", "small", ("note",), 1), BatchPosted("b1", "note", 2), *ended):
        report.observe(event)
    with serving(Simulator(batch_delay=60)) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        call("run", "small.yaml", "--simulate", "-q")
        detach(small / "small.yaml", server.url, simulated=True)
        shown = json.loads(call("runs", "show", "--json").out)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        call("run", "small.yaml", "-q")
        detach(small / "small.yaml", server.url)
        canceled = json.loads(call("runs", "cancel", "--json").out)
    assert not check("A cancelation", [canceled])
    assert not check("A run", [report.as_json()]) & BATCH
    missing = check("The record of a run", [shown, report.as_json()])
    assert not {key for key in missing if key.startswith("batches")}


def test_the_version_comes_first(outputs):
    """Each object of a command begins with its version; lines of failures have none."""
    for title, values in outputs.items():
        for value in values:
            assert (next(iter(value.items())) == ("version", 1)) is (title != "Failures")


def test_every_key_of_tests_is_on_the_page():
    """Of a case that failed, of one that is not recorded, and of one that was repeated."""
    mark = Mark("a.test.yaml", 3, 5, 3, 9)
    miss = Miss("label", 2, 2, (0.1, 0.2), "2026-11-02", (("p.md:1", "old", "new"), ("p.md:2", None, None)), ("reply",))
    other = Miss("label", 1, 1, None, None)
    gold = {"label.topic": {"accuracy": 0.5, "n": 2, "missing": 0, "confusion": {"a": {"a": 1, "b": 1}}}}
    cases = (
        CaseVerdict("a.test.yaml", "x", mark, Verdict.FAILED, 0.1, (Flaw(mark, "x", "y"),), (), gold, (1, 2)),
        CaseVerdict("a.test.yaml", "y", mark, Verdict.MISSED, 1, misses=(miss, other)),
    )
    report = TestReport(cases, {"a.test.yaml": 1}, ("a note",))
    assert not check("Verdicts of tests", [{"version": 1, **report.as_json()}])


def test_every_key_of_a_comparison_is_on_the_page(tmp_path, monkeypatch, call):
    """Of changed, renamed and invalid pipelines, and of the requests of a row on both sides."""
    repositories.plain(monkeypatch)
    schema = "required: [n], properties: {n: {type: integer}}"
    other = PIPELINE.replace("notes", "more").replace("name: more", "name: others")
    repositories.made(tmp_path, {"notes.yaml": PIPELINE, "more.yaml": other, "wrong.yaml": PIPELINE + "x: 1\n"})
    monkeypatch.chdir(tmp_path)
    call("run", "notes.yaml", "--simulate", "-q")
    text = PIPELINE.replace("A title for", "One title for").replace(schema, schema.replace("integer", "string"))
    (tmp_path / "notes.yaml").write_text(text.replace("topic: fog}", "topic: mist}").replace("id: id", "id: topic"))
    (tmp_path / "more.yaml").rename(tmp_path / "others.yaml")
    reports = [json.loads(call("diff", *more, "--output-format", "json").out) for more in ((), ("--simulate",))]
    missing = check("A comparison", reports)
    assert not missing
    why = json.loads(call("diff", "notes.yaml", "--why", "titles", "--row", "2", "--output-format", "json").out)
    assert not check("Requests of both sides", [why])
