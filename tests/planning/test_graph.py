"""A plan is shown whole: each step once, each need as an edge, whatever its author's words hold."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.api.loading import load
from yamlgen.planning.graph import as_mermaid, as_text, describe_type

PIPELINE = """version: 1
name: story
models: {writer: {id: model-a}, judge: {id: model-b}}
input: {rows: [{id: 1, topic: Oslo, "odd name": x}], id: id}
steps:
  draft:
    model: writer
    prompt: "{{ row.topic }} {{ row['odd name'] }}"
    output: {schema: {type: object, required: [points], properties: {points: {type: array, items: {type: string}}}}}
  facts: {kind: compute, values: {size: "row.topic | length"}}
  end:
    for_each: steps.draft.points
    when: steps.facts.size > 3
    matrix: {model: [writer, judge], tone: [dry, warm]}
    samples: 2
    prompt: "{{ item }} {{ matrix.tone }}"
    check: [output | length > 3, output != ""]
  shout: {kind: compute, when: steps.end, values: {x: "steps.end | tojson", y: "steps.draft.points[0].strip()"}}
output: {path: out/story.jsonl}
"""
TEXT = """\
pipeline      story
input         rows in the pipeline file, id id

level 1, in parallel
  draft       generate: model-a
    reads     odd name, topic
    value     {points: list of string}
  facts       compute
    reads     topic
    value     {size: integer}

level 2
  end         generate: model-a, model-b
    needs     steps.draft.points
    needs     steps.facts.size (tested by when)
    when      steps.facts.size > 3
    for_each  steps.draft.points
    matrix    model: ["writer", "judge"], tone: ["dry", "warm"]
    samples   2
    checks    2
    value     list of list of {model: "writer" or "judge", tone: "dry" or "warm", o... or null

level 3
  shout       compute
    needs     steps.draft.points[0]
    needs     steps.end (tested by when)
    when      steps.end
    value     {x: string, y: string} or null

output        out/story.jsonl
"""


def planned(folder, text):
    """The plan of a pipeline's text."""
    path = Path(folder) / "pipeline.yaml"
    path.write_text(text, "utf-8")
    return load(path).plan()


@pytest.fixture
def plan(tmp_path):
    """A plan with every kind of fact in it."""
    return planned(tmp_path, PIPELINE)


def test_the_text_shows_everything_that_an_author_said(plan):
    """Kinds, models, references, columns, conditions, lists, checks and types stand under each step, by level."""
    assert as_text(plan) == TEXT


def test_edges_are_references_and_those_of_when_are_dashed(plan):
    """Each need is an edge labelled with its references; what `when` asks about is dashed."""
    edges = [line.strip() for line in as_mermaid(plan).splitlines() if "-->" in line or "-.->" in line]
    assert edges == [
        "input --> step_draft",
        "input --> step_facts",
        'step_draft -->|"steps.draft.points"| step_end',
        'step_facts -.->|"steps.facts.size"| step_end',
        'step_draft -->|"steps.draft.points#91;0#93;"| step_shout',
        'step_end -.->|"steps.end"| step_shout',
        "step_shout --> output",
    ]


def test_kinds_have_shapes(plan):
    """A step that asks a model is round, one that computes is square."""
    shown = as_mermaid(plan)
    assert re.search(r'^  step_draft\("draft<br/>.*"\)$', shown, re.MULTILINE)
    assert re.search(r'^  step_facts\["facts<br/>.*"\]$', shown, re.MULTILINE)


def test_the_same_plan_is_shown_the_same_in_every_process(tmp_path):
    """What is shown does not hang on the order of sets, which differs between processes."""
    plan = planned(tmp_path, PIPELINE)
    code = "import sys; from yamlgen import load; from yamlgen.planning.graph import as_mermaid, as_text\n"
    code += "plan = load('pipeline.yaml').plan(); sys.stdout.write(as_text(plan) + as_mermaid(plan))"
    shown = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert shown == {(as_text(plan) + as_mermaid(plan)).encode()}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "string"),
        ({}, "anything"),
        ({"type": ["null", "string"]}, "string or null"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, "integer or null"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "list of (string or null)"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"const": 1}], "items": False}, "[string, 1]"),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, "[string, ...]"),
        (
            {"type": "array", "items": {"properties": {"a": {"type": ["string", "null"]}}}},
            "list of {a?: string or null}",
        ),
        ({"type": "object"}, "object"),
        ({"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, "{a: string, b?: anything}"),
        ({"enum": ["send", 2, None]}, '"send" or 2 or null'),
        ({"enum": ["a" * 30, "b" * 30]}, "string"),
        ({"enum": []}, "nothing"),
        ({"const": True}, "true"),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "number"}}}, "number"),
        ({"allOf": [{"type": "number"}]}, "number"),
    ],
)
def test_types_are_spoken_shortly(schema, said):
    """A schema is said in the words of a person."""
    assert describe_type(schema) == said


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"properties": {name: {"$ref": "#"} for name in "abcdefghijklmnopqrst"}},
        {"properties": {f"a_long_name_{number}": {} for number in range(900)}},
    ],
)
def test_a_type_without_end_is_cut(schema):
    """A type that holds itself, or holds too much, is one short line."""
    said = describe_type(schema)
    assert said.endswith("...")
    assert len(said) <= 80


def test_a_type_that_is_cut_still_says_that_it_may_be_null():
    """That a step may be skipped is said, however long the rest is."""
    long = {"properties": {f"a_long_name_{number}": {} for number in range(9)}}
    assert describe_type({"anyOf": [long, {"type": "null"}]}).endswith("... or null")


words = st.text(st.sampled_from("ab_ -.\"'`[](){}|<>#;&%\\/*\n\t\x1b\u202e\u00e9\u65e5:="), min_size=1, max_size=12)
names = st.sampled_from(["end", "graph", "class", "style", "subgraph", "input", "output", "x", "o"])


@st.composite
def pipelines(draw):
    """A pipeline whose steps refer to steps before them, with any words for its columns, texts and paths."""
    columns = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    made, needs = {}, {}
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        needed = draw(st.lists(st.sampled_from(sorted(made)), unique=True)) if made else []
        needs[name] = set(needed)
        text = " + ".join([f"row[{json.dumps(draw(st.sampled_from(columns)))}]", *(f"steps.{n}" for n in needed)])
        quoted = json.dumps(draw(words))
        if draw(st.booleans()):
            made[name] = {"kind": "compute", "values": {"v": f"[{quoted}, {text.replace(' + ', ', ')}]"}}
        else:
            made[name] = {
                "model": draw(words),
                "prompt": "".join(f"{{{{ ({part}) | string }}}}" for part in text.split(" + ")),
            }
            made[name]["check"] = [f"{quoted} == {quoted}"]
            made[name]["output"] = {"schema": {"type": "object", "properties": {draw(words): {"enum": [draw(words)]}}}}
        if needed and draw(st.booleans()):
            made[name]["when"] = f"steps.{needed[0]} and {quoted} != ''"
    row = dict.fromkeys(columns, "x")
    head = {"version": 1, "name": draw(words), "input": {"rows": [row]}, "output": {"path": "o.jsonl"}}
    return json.dumps({**head, "steps": made}), needs


@given(made=pipelines())
def test_any_plan_is_shown_whole(made, tmp_path_factory):
    """Each step is a node once and each need an edge, in both forms; no word of an author's gets out of its quotes."""
    text, needs = made
    plan = planned(tmp_path_factory.mktemp("any"), text)
    lines = as_text(plan).splitlines()
    assert sorted(line.split()[0] for line in lines if re.match(r"  \S", line)) == sorted(needs)
    assert sum(line.startswith("    needs") for line in lines) == sum(map(len, needs.values()))
    assert all(len(line) <= 100 and line.isprintable() for line in lines)
    label = r'"(?:[^"\[\](){}|<>#;&%`*\\]|#\d+;|<br/>)*"'
    node = re.compile(rf"  (\w+)(\(|\[|\[\(){label}(\)|\]|\)\])")
    edge = re.compile(rf"  (\w+) (?:-->|-\.->)(?:\|{label}\|)? (\w+)")
    drawn = as_mermaid(plan).splitlines()
    found = [(node.fullmatch(line), edge.fullmatch(line)) for line in drawn[1:]]
    assert all(one or other for one, other in found), drawn
    steps = [f"step_{name}" for name in needs]
    assert sorted(one[1] for one, _ in found if one) == sorted(["input", "output", *steps])
    edges = {(other[1], other[2]) for _, other in found if other}
    wanted = {(f"step_{name}", f"step_{of}") for of, all_of in needs.items() for name in all_of}
    assert {pair for pair in edges if "input" not in pair and "output" not in pair} == wanted
