"""What a change of the pipeline re-runs, and what it does not."""

import json
from copy import deepcopy

import pytest
import yaml

from counted_runs import CUT, REFUSED, SCHEMA, SERVER_ERROR, TOWNS, fact
from yamlgen.claude.address import normalised

ALL, NONE = len(TOWNS), 0


@pytest.mark.parametrize("provenance", [False, True])
@pytest.mark.parametrize("output", ["out/towns.jsonl", "out/towns.json", "out/towns.csv"])
@pytest.mark.parametrize("failing", [False, True])
def test_the_same_file_twice(bench, output, provenance, failing):
    """A finished run, run again, sends nothing and writes the same bytes, failed rows and provenance included."""
    bench.set("output", {"path": output, "provenance": provenance})
    if failing:
        bench.refuse("Facts on Rome")
    first = bench.run()
    before = bench.files()
    assert (first.code, first.asked) == (int(failing), 2 * ALL - failing)
    assert len(before) == 1 + failing
    again = bench.run()
    assert (again.code, again.asked) == (int(failing), 0)
    assert bench.files() == before


def test_an_equal_request_is_kept_however_its_model_is_written(bench):
    """As an alias, at the top of the file, as settings, or in the step: nothing is asked again."""
    bench.run()
    settings = {"id": "claude-haiku-5-5", "max_tokens": 2000}
    ways = [
        {"model": "quick", "steps.facts.model": None, "steps.line.model": None},
        {"models": None, "model": settings},
        {"model": "claude-haiku-5-5", "steps.facts.max_tokens": 2000, "steps.line.model": settings},
    ]
    for way in ways:
        for path, value in way.items():
            bench.set(path, value)
        again = bench.run()
        assert (again.code, again.asked) == (0, 0)


def test_a_change_goes_as_far_as_it_shows(bench):
    """Behind an edited step only the rows whose requests changed are asked; the others keep their answers."""
    bench.run()
    before = bench.lines()
    bench.set("steps.facts.messages.2.content", "Facts on {{ row.town }}, please.")
    bench.script.wrong["Facts on Rome, please"] = [fact("new")]
    assert bench.run().sent == {"facts": ALL, "line": 1}
    after = bench.lines()
    assert [town for town in TOWNS if after[town] != before[town]] == ["Rome"]


def test_a_change_that_is_taken_back_costs_nothing(bench):
    """The answers to an earlier text of a prompt are still there when it comes back."""
    bench.run()
    before, original = bench.files(), deepcopy(bench.document)
    bench.set("steps.line.prompt", "A line on {{ row.town }}.")
    assert bench.run().sent == {"line": ALL}
    assert bench.files() != before
    bench.document = original
    assert bench.run().asked == 0
    assert bench.files() == before


WIDER = {**SCHEMA, "properties": {"kind": {"enum": ["old", "new", "odd"]}}}
RERUN = [
    ("steps.line.prompt", "A line on {{ row.town }}, a place that is {{ steps.facts.kind }}.", {"line": ALL}),
    ("steps.line.id", "claude-sonnet-5-5", {"line": ALL}),
    ("models.quick.id", "claude-sonnet-5-5", {"facts": ALL, "line": ALL}),
    ("steps.line.system", "Be brief.", {"line": ALL}),
    ("steps.facts.system", "You know everything of {{ row.town }}.", {"facts": ALL}),
    ("steps.facts.messages.0.content", "Facts on Rhodes.", {"facts": ALL}),
    ("steps.facts.messages.1.content", '{"kind": "new"}', {"facts": ALL}),
    ("steps.facts.output.schema", WIDER, {"facts": ALL}),
    ("steps.facts.output.schema", {**SCHEMA, "description": "What it is."}, {"facts": ALL}),
    ("steps.facts.output.mode", "json", {"facts": ALL}),
    ("steps.line.max_tokens", 1999, {"line": ALL}),
    ("steps.line.stop_sequences", ["END"], {"line": ALL}),
    ("steps.line.thinking", "disabled", {"line": ALL}),
    ("steps.line.thinking", "adaptive", {"line": ALL}),
    ("steps.line.thinking", {"budget_tokens": 1024}, {"line": ALL}),
    ("steps.line.effort", "low", {"line": ALL}),
    ("steps.line.temperature", 0.5, {"line": ALL}),
    ("steps.line.temperature", 0, {"line": ALL}),
    ("steps.line.top_p", 0.9, {"line": ALL}),
    ("steps.line.top_k", 0, {"line": ALL}),
    ("runtime.api_version", "2023-06-01", {"facts": ALL, "line": ALL}),
]


@pytest.mark.parametrize(("path", "value", "sent"), RERUN, ids=[f"{path}={value}"[:50] for path, value, _ in RERUN])
def test_what_is_sent_is_asked_again(bench, path, value, sent):
    """A change of the request re-runs the steps that send it, and no other while their answers stay the same."""
    bench.run()
    bench.set(path, value)
    assert bench.run().sent == sent
    assert bench.run().asked == 0


@pytest.mark.parametrize("budget", [1025, 1500])
def test_a_budget_to_think_is_sent(bench, budget):
    """Another number of tokens to think is another request."""
    bench.set("steps.line.thinking", {"budget_tokens": 1024})
    bench.run()
    bench.set("steps.line.thinking", {"budget_tokens": budget})
    assert bench.run().sent == {"line": ALL}


KEPT = [
    ("runtime.timeout", 5),
    ("runtime.max_retries", 3),
    ("runtime.concurrency", 1),
    ("runtime.allow_http", True),
    ("steps.facts.output.reasks", 0),
    ("steps.facts.output.reasks", 9),
    ("description", "Towns and lines."),
    ("steps.line.description", "A line."),
    ("name", "places"),
    ("x-notes", {"any": "thing"}),
    ("output.path", "out/others.csv"),
    ("output.provenance", True),
    ("limits", {"max_requests": 1, "max_failures": 0, "max_cost_usd": 1e-9, "confirm_above_usd": 0}),
    ("models.quick.price", {"input": 1000, "output": 5000}),
    ("models.other", {"id": "claude-sonnet-5-5"}),
    ("params", {"tone": {"type": "string", "default": "warm"}}),
    ("input.format", "jsonl"),
    ("steps.line.max_tokens", 2000),
    ("steps.facts.output.schema.$comment", "not sent"),
]


@pytest.mark.parametrize(("path", "value"), KEPT, ids=[f"{path}={value}"[:50] for path, value in KEPT])
def test_what_is_not_sent_is_not_asked_again(bench, path, value):
    """A change that no request shows sends nothing, and the rows are those of before."""
    bench.run()
    before = bench.lines()
    bench.set(path, value)
    again = bench.run(output="out/again.jsonl")
    assert (again.code, again.asked) == (0, 0)
    assert bench.lines("again.jsonl") == before


def turned(value):
    """A value with the keys of all its mappings in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def anchored(document):
    """A document in which the steps share their model by an anchor."""
    model = document["models"].pop("quick")
    shared = {**document, "x-model": model}
    del shared["models"]
    for step in shared["steps"].values():
        step["model"] = model
    return yaml.safe_dump(shared)


def renamed(document):
    """A document with another name for its model."""
    return yaml.safe_dump(document, sort_keys=False).replace("quick", "cheap")


STYLES = {
    "flow": lambda document: yaml.safe_dump(document, default_flow_style=True),
    "double quotes": json.dumps,
    "single quotes and comments": lambda document: f"# A comment.\n{yaml.safe_dump(document, width=30)}# The end.\n",
    "the opposite order": lambda document: yaml.safe_dump(turned(document), sort_keys=False),
    "anchors": anchored,
    "another alias": renamed,
    "line ends": lambda document: yaml.safe_dump(document).replace("\n", "\r\n"),
    "blocks": lambda document: yaml.safe_dump(document, default_flow_style=False).replace(
        "prompt: A line on {{ row.town }}, which is {{ steps.facts.kind }}.",
        "prompt: >-\n      A line on {{ row.town }},\n      which is {{ steps.facts.kind }}.",
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_how_it_is_written_does_not_matter(bench, style):
    """The same pipeline in another style of YAML, order or wording of its own names sends nothing."""
    bench.run()
    before = bench.lines()
    bench.text = STYLES[style](deepcopy(bench.document))
    assert bench.text.encode() != bench.path.read_bytes()
    assert bench.run().asked == 0
    assert bench.lines() == before


def test_a_prompt_may_move_to_a_file(bench):
    """A text sends the same wherever it stands."""
    bench.run()
    (bench.folder / "line.txt").write_text(bench.document["steps"]["line"]["prompt"])
    (bench.folder / "kind.json").write_text(json.dumps(SCHEMA))
    bench.set("steps.line.prompt", {"file": "line.txt"})
    bench.set("steps.facts.output.schema", "kind.json")
    assert bench.run().asked == 0


def test_a_renamed_text_step_keeps_its_answers(bench):
    """The name of a step that answers in text is not sent, so that it may change, with what refers to it."""
    bench.set("steps.end", {"model": "quick", "prompt": "A line on {{ steps.line }}"})
    bench.run()
    before = bench.lines()
    bench.text = yaml.safe_dump(bench.document).replace("line:", "verse:").replace("steps.line", "steps.verse")
    assert bench.run().asked == 0
    rows = [json.loads(line) for line in (bench.folder / "out/towns.jsonl").read_text().splitlines()]
    assert {row["town"]: row["verse"] for row in rows} == before


def test_a_parameter_re_runs_where_it_is_used(bench):
    """Another value of a parameter asks the steps that use it; the value of before is still answered."""
    bench.set("params", {"tone": {"type": "string", "default": "warm"}})
    bench.set("steps.line.system", "In a {{ params.tone }} tone.")
    bench.run()
    assert bench.run(params={"tone": "dry"}).sent == {"line": ALL}
    assert bench.run(params={"tone": "warm"}).asked == 0


@pytest.mark.parametrize("spelling", ["{}/", "{}//", "upper"])
def test_an_address_spelled_otherwise_is_the_same(bench, monkeypatch, spelling):
    """Case and a last slash of the base URL do not matter, in the pipeline or in the environment."""
    address = bench.server.url.replace("127.0.0.1", "localhost")
    bench.set("runtime.base_url", address)
    assert bench.run().asked == 2 * ALL
    other = address.replace("localhost", "LOCALHOST") if spelling == "upper" else spelling.format(address)
    bench.set("runtime.base_url", other)
    assert bench.run().asked == 0
    bench.set("runtime.base_url", None)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", other)
    assert bench.run().asked == 0


def test_a_usual_port_is_no_port():
    """A port that the scheme has anyway, and the case of scheme and host, do not tell an address from another."""
    assert normalised("HTTPS://API.Anthropic.com:443/") == normalised("https://api.anthropic.com")
    assert normalised("http://localhost:80/v") == normalised("http://LOCALHOST/v/")
    others = ["https://a", "http://a", "https://b", "https://a:80", "https://a/x", "https://a/X", "https://[::1]:9"]
    assert len({normalised(each) for each in others}) == len(others)


def test_another_address_answers_for_itself(bench):
    """What one address answered is not taken for the answer of another."""
    bench.run()
    bench.set("runtime.base_url", bench.server.url.replace("127.0.0.1", "localhost"))
    assert bench.run().asked == 2 * ALL


def test_simulated_answers_live_apart(bench):
    """A simulated run leaves a real one everything to ask, and the other way round."""
    assert bench.run(simulate=True).asked == 2 * ALL
    assert bench.run().asked == 2 * ALL
    assert bench.run(simulate=True).asked == 0


@pytest.mark.parametrize("wrong", [REFUSED, CUT], ids=["refused", "truncated"])
def test_a_failed_row_is_answered(bench, wrong):
    """What the model refused or left unfinished stays failed: a plain run does not ask again."""
    bench.refuse("Facts on Rome", reply=wrong)
    assert bench.run().code == 1
    before = bench.files(), bench.failed()
    assert list(before[1]) == ["Rome"]
    again = bench.run()
    assert (again.code, again.asked) == (1, 0)
    assert (bench.files(), bench.failed()) == before


def test_a_row_that_stays_invalid_is_answered(bench):
    """An output that is invalid after all its re-asks stays so, attempts included."""
    for _ in range(3):
        bench.refuse("Facts on Rome", reply=fact("none"))
    assert bench.run().sent == {"facts": ALL + 2, "line": ALL - 1}
    before = bench.files()
    assert bench.run().asked == 0
    assert bench.files() == before


def test_more_reasks_ask_only_what_is_more(bench):
    """A row that stayed invalid goes on from its last answer when more re-asks are allowed; less fail it again."""
    for _ in range(3):
        bench.refuse("Facts on Rome", reply=fact("none"))
    bench.run()
    bench.set("steps.facts.output.reasks", 3)
    assert bench.run().sent == {"facts": 1, "line": 1}
    assert bench.failed() == {}
    bench.set("steps.facts.output.reasks", 2)
    assert bench.run().asked == 0
    assert list(bench.failed()) == ["Rome"]


def test_a_row_that_got_no_answer_is_sent_again(bench):
    """A failure on the way is no answer: the next run asks for that row, and for nothing else."""
    bench.refuse("Facts on Rome", "A line on Oslo", reply=SERVER_ERROR)
    assert bench.run().code == 1
    assert set(bench.failed()) == {"Rome", "Oslo"}
    again = bench.run()
    assert (again.code, again.sent) == (0, {"facts": 1, "line": 2})
    assert set(bench.lines()) == set(TOWNS)
