"""What a change of the pipeline re-runs, and what it does not."""

import json
from copy import deepcopy

import pytest
import yaml

from counted_runs import CUT, REFUSED, SCHEMA, SERVER_ERROR, TOWNS, fact
from yamlgen.pipeline.model_settings import normalised

ALL, NONE = len(TOWNS), 0


@pytest.mark.parametrize("provenance", [False, True])
@pytest.mark.parametrize("output", ["out/towns.jsonl", "out/towns.json", "out/towns.csv"])
@pytest.mark.parametrize("failing", [False, True])
def test_the_same_file_twice(project, output, provenance, failing):
    """A finished run, run again, sends nothing and writes the same bytes, failed rows and provenance included."""
    project.set("output", {"path": output, "provenance": provenance})
    if failing:
        project.refuse("Facts on Rome")
    first = project.run()
    before = project.files()
    assert (first.code, first.asked) == (int(failing), 2 * ALL - failing)
    assert len(before) == 1 + failing
    again = project.run()
    assert (again.code, again.asked) == (int(failing), 0)
    assert project.files() == before


def test_an_equal_request_is_kept_however_its_model_is_written(project):
    """As an alias, at the top of the file, as settings, or in the step: nothing is asked again."""
    project.run()
    settings = {"id": "claude-haiku-5-5", "max_tokens": 2000}
    ways = [
        {"model": "quick", "steps.facts.model": None, "steps.line.model": None},
        {"models": None, "model": settings},
        {"model": "claude-haiku-5-5", "steps.facts.max_tokens": 2000, "steps.line.model": settings},
    ]
    for way in ways:
        for path, value in way.items():
            project.set(path, value)
        again = project.run()
        assert (again.code, again.asked) == (0, 0)


def test_a_change_goes_as_far_as_it_shows(project):
    """Behind an edited step only the rows whose requests changed are asked; the others keep their answers."""
    project.run()
    before = project.lines()
    project.set("steps.facts.messages.2.content", "Facts on {{ row.town }}, please.")
    project.script.wrong["Facts on Rome, please"] = [fact("new")]
    assert project.run().sent == {"facts": ALL, "line": 1}
    after = project.lines()
    assert [town for town in TOWNS if after[town] != before[town]] == ["Rome"]


def test_a_change_that_is_taken_back_costs_nothing(project):
    """The answers to an earlier text of a prompt are still there when it comes back."""
    project.run()
    before, original = project.files(), deepcopy(project.document)
    project.set("steps.line.prompt", "A line on {{ row.town }}.")
    assert project.run().sent == {"line": ALL}
    assert project.files() != before
    project.document = original
    assert project.run().asked == 0
    assert project.files() == before


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
def test_what_is_sent_is_asked_again(project, path, value, sent):
    """A change of the request re-runs the steps that send it, and no other while their answers stay the same."""
    project.run()
    project.set(path, value)
    assert project.run().sent == sent
    assert project.run().asked == 0


@pytest.mark.parametrize("budget", [1025, 1500])
def test_a_budget_to_think_is_sent(project, budget):
    """Another number of tokens to think is another request."""
    project.set("steps.line.thinking", {"budget_tokens": 1024})
    project.run()
    project.set("steps.line.thinking", {"budget_tokens": budget})
    assert project.run().sent == {"line": ALL}


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
def test_what_is_not_sent_is_not_asked_again(project, path, value):
    """A change that no request shows sends nothing, and the rows are those of before."""
    project.run()
    before = project.lines()
    project.set(path, value)
    again = project.run(output="out/again.jsonl")
    assert (again.code, again.asked) == (0, 0)
    assert project.lines("again.jsonl") == before


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
def test_how_it_is_written_does_not_matter(project, style):
    """The same pipeline in another style of YAML, order or wording of its own names sends nothing."""
    project.run()
    before = project.lines()
    project.text = STYLES[style](deepcopy(project.document))
    assert project.text.encode() != project.path.read_bytes()
    assert project.run().asked == 0
    assert project.lines() == before


def test_a_prompt_may_move_to_a_file(project):
    """A text sends the same wherever it stands."""
    project.run()
    (project.folder / "line.txt").write_text(project.document["steps"]["line"]["prompt"])
    (project.folder / "kind.json").write_text(json.dumps(SCHEMA))
    project.set("steps.line.prompt", {"file": "line.txt"})
    project.set("steps.facts.output.schema", "kind.json")
    assert project.run().asked == 0


def test_a_renamed_text_step_keeps_its_answers(project):
    """The name of a step that answers in text is not sent, so that it may change, with what refers to it."""
    project.set("steps.end", {"model": "quick", "prompt": "A line on {{ steps.line }}"})
    project.run()
    before = project.lines()
    project.text = yaml.safe_dump(project.document).replace("line:", "verse:").replace("steps.line", "steps.verse")
    assert project.run().asked == 0
    rows = [json.loads(line) for line in (project.folder / "out/towns.jsonl").read_text().splitlines()]
    assert {row["town"]: row["verse"] for row in rows} == before


def test_a_parameter_re_runs_where_it_is_used(project):
    """Another value of a parameter asks the steps that use it; the value of before is still answered."""
    project.set("params", {"tone": {"type": "string", "default": "warm"}})
    project.set("steps.line.system", "In a {{ params.tone }} tone.")
    project.run()
    assert project.run(params={"tone": "dry"}).sent == {"line": ALL}
    assert project.run(params={"tone": "warm"}).asked == 0


@pytest.mark.parametrize("spelling", ["{}/", "{}//", "upper"])
def test_an_address_spelled_otherwise_is_the_same(project, monkeypatch, spelling):
    """Case and a last slash of the base URL do not matter, in the pipeline or in the environment."""
    address = project.server.url.replace("127.0.0.1", "localhost")
    project.set("runtime.base_url", address)
    assert project.run().asked == 2 * ALL
    other = address.replace("localhost", "LOCALHOST") if spelling == "upper" else spelling.format(address)
    project.set("runtime.base_url", other)
    assert project.run().asked == 0
    project.set("runtime.base_url", None)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", other)
    assert project.run().asked == 0


def test_a_usual_port_is_no_port():
    """A port that the scheme has anyway, and the case of scheme and host, do not tell an address from another."""
    assert normalised("HTTPS://API.Anthropic.com:443/") == normalised("https://api.anthropic.com")
    assert normalised("http://localhost:80/v") == normalised("http://LOCALHOST/v/")
    others = ["https://a", "http://a", "https://b", "https://a:80", "https://a/x", "https://a/X", "https://[::1]:9"]
    assert len({normalised(each) for each in others}) == len(others)


def test_another_address_answers_for_itself(project):
    """What one address answered is not taken for the answer of another."""
    project.run()
    project.set("runtime.base_url", project.server.url.replace("127.0.0.1", "localhost"))
    assert project.run().asked == 2 * ALL


def test_simulated_answers_live_apart(project):
    """A simulated run leaves a real one everything to ask, and the other way round."""
    assert project.run(simulate=True).asked == 2 * ALL
    assert project.run().asked == 2 * ALL
    assert project.run(simulate=True).asked == 0


@pytest.mark.parametrize("wrong", [REFUSED, CUT], ids=["refused", "truncated"])
def test_a_failed_row_is_answered(project, wrong):
    """What the model refused or left unfinished stays failed: a plain run does not ask again."""
    project.refuse("Facts on Rome", reply=wrong)
    assert project.run().code == 1
    before = project.files(), project.failed()
    assert list(before[1]) == ["Rome"]
    again = project.run()
    assert (again.code, again.asked) == (1, 0)
    assert (project.files(), project.failed()) == before


def test_a_row_that_stays_invalid_is_answered(project):
    """An output that is invalid after all its re-asks stays so, attempts included."""
    for _ in range(3):
        project.refuse("Facts on Rome", reply=fact("none"))
    assert project.run().sent == {"facts": ALL + 2, "line": ALL - 1}
    before = project.files()
    assert project.run().asked == 0
    assert project.files() == before


def test_more_reasks_ask_only_what_is_more(project):
    """A row that stayed invalid goes on from its last answer when more re-asks are allowed; less fail it again."""
    for _ in range(3):
        project.refuse("Facts on Rome", reply=fact("none"))
    project.run()
    project.set("steps.facts.output.reasks", 3)
    assert project.run().sent == {"facts": 1, "line": 1}
    assert project.failed() == {}
    project.set("steps.facts.output.reasks", 2)
    assert project.run().asked == 0
    assert list(project.failed()) == ["Rome"]


def test_a_row_that_got_no_answer_is_sent_again(project):
    """A failure on the way is no answer: the next run asks for that row, and for nothing else."""
    project.refuse("Facts on Rome", "A line on Oslo", reply=SERVER_ERROR)
    assert project.run().code == 1
    assert set(project.failed()) == {"Rome", "Oslo"}
    again = project.run()
    assert (again.code, again.sent) == (0, {"facts": 1, "line": 2})
    assert set(project.lines()) == set(TOWNS)
