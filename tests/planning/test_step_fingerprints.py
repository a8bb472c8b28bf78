"""The fingerprint of a step: it stays with the form of a pipeline, and changes with what is asked or accepted."""

from copy import deepcopy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.api.loading import load
from yamlgen.planning.output_fingerprints import output_keys
from yamlgen.planning.step_fingerprints import fingerprint_of

PIPELINE = {
    "version": 1,
    "params": {"tone": {"type": "string", "default": "dry"}, "other": {"type": "integer", "default": 1}},
    "models": {
        "quick": {"id": "claude-haiku-5-5", "max_tokens": 2000},
        "slow": {"id": "claude-opus-5-5", "max_tokens": 2000},
    },
    "input": {"rows": [{"town": "Oslo", "tags": ["a"], "id": "1"}], "id": "id"},
    "steps": {
        "kind": {
            "model": "quick",
            "for_each": "row.tags",
            "when": "row.town != ''",
            "samples": 2,
            "system": "Be {{ params.tone }}.\n\nNo lists.\n",
            "prompt": "The kind of {{ row.town }}: {{ item | upper }}?",
            "output": {
                "schema": {
                    "type": "object",
                    "required": ["kind"],
                    "properties": {"kind": {"type": "string", "description": "old or new", "maxLength": 9}},
                    "additionalProperties": False,
                },
            },
            "check": [{"expression": "output.kind != 'x'", "message": "not x"}],
        },
        "era": {"kind": "draw", "seed": 1, "draws": {"year": {"integer": [1, 9]}}},
        "size": {"kind": "compute", "value": "row.town | length"},
        "score": {"kind": "python", "call": "scores:score", "args": {"town": "row.town"}},
        "line": {"model": "quick", "prompt": "A line on {{ row.town }}."},
    },
    "output": {"path": "out/rows.jsonl", "where": "steps.size > 1"},
}


def fingerprints(folder, document=None, text=None):
    """The fingerprints of the steps of a pipeline, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "helper.py").write_text("ONE = 1\n") if not (folder / "helper.py").exists() else None
    if not (folder / "scores.py").exists():
        (folder / "scores.py").write_text("import helper\n\n\ndef score(town):\n    return helper.ONE\n")
    path = folder / "one.yaml"
    path.write_text(text or yaml.safe_dump(document or PIPELINE, sort_keys=False, allow_unicode=True))
    plan = load(path).plan()
    return {step.name: fingerprint_of(plan, step) for step in plan.steps}


def changed(document, way, value):
    """A copy of a pipeline in which a dotted path has a value; `None` removes it."""
    made = deepcopy(document)
    *above, last = way.split(".")
    at = made
    for key in above:
        at = at[int(key)] if isinstance(at, list) else at.setdefault(key, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made


COSMETIC = [
    ("description", "Towns."),
    ("runtime", {"timeout": 20, "concurrency": 3, "max_retries": 1}),
    ("limits", {"max_cost_usd": 2}),
    ("batch", True),
    ("params.other.default", 2),
    ("models.quick.price", {"input": 1, "output": 2}),
    ("runtime", {"base_url": "https://API.anthropic.com/"}),
    ("steps.kind.prompt", "The kind of {{row.town}}: {{   item|upper   }}?"),
    ("steps.kind.prompt", "The kind of {# a town #}{{ row.town }}: {{ item | upper }}?"),
    ("steps.kind.when", 'row.town  !=  ""'),
    ("steps.kind.messages", [{"role": "user", "content": "The kind of {{ row.town }}: {{ item | upper }}?"}]),
    ("steps.kind.check.0.expression", "output.kind!='x'"),
    ("steps.size.value", "row.town|length"),
    ("output.path", "other.jsonl"),
    ("steps.kind.output.schema.$comment", "Only for people."),
    ("steps.score.timeout", 4),
    ("runtime", {"headers": {"x-team": {"env": "TEAM"}}, "workspace": {"env": "SPACE"}}),
    ("models.quick.metadata", {"user_id": "{{ row.id }}"}),
    ("models.quick.service_tier", "auto"),
    ("steps.kind.speed", "standard"),
    ("steps.kind.betas", []),
    ("steps.kind.extra_body", {}),
]


@pytest.mark.parametrize(("way", "value"), COSMETIC, ids=[f"{way}-{at}" for at, (way, _) in enumerate(COSMETIC)])
def test_what_changes_no_request_changes_no_fingerprint(tmp_path, way, value):
    """What changes no request changes no fingerprint."""
    document = changed(PIPELINE, way, value)
    if way == "steps.kind.messages":
        del document["steps"]["kind"]["prompt"]
    assert fingerprints(tmp_path, document) == fingerprints(tmp_path)


ASKS = [
    ("kind", "steps.kind.prompt", "The kind of  {{ row.town }}: {{ item | upper }}?", {"messages"}),
    ("kind", "steps.kind.prompt", "The kind of {{ row.town }}: {{ item | lower }}?", {"messages"}),
    ("kind", "steps.kind.system", "Be {{ params.tone }}.", {"system"}),
    ("kind", "steps.kind.system", None, {"system", "params"}),
    ("kind", "params.tone.default", "warm", {"params"}),
    ("kind", "steps.kind.when", "row.town != 'x'", {"when"}),
    ("kind", "steps.kind.for_each", "row.tags[:1]", {"for_each"}),
    ("kind", "steps.kind.samples", 3, {"samples"}),
    ("kind", "steps.kind.model", "slow", {"model"}),
    ("kind", "models.quick.max_tokens", 2001, {"model"}),
    ("kind", "steps.kind.effort", "low", {"model"}),
    ("kind", "steps.kind.stop_sequences", ["END"], {"model"}),
    ("kind", "runtime.base_url", "https://gateway.example.org", {"runtime"}),
    ("kind", "runtime.workspace", "wrkspc_1", {"runtime"}),
    ("kind", "steps.kind.inference_geo", "us", {"model"}),
    ("kind", "models.quick.betas", ["context-1m-2025-08-07"], {"model"}),
    ("kind", "models.quick.extra_body", {"container": "c_1"}, {"model"}),
    ("kind", "steps.kind.output.keep_thinking", True, {"model"}),
    ("kind", "steps.kind.output.schema.properties.kind.description", "old", {"output.schema"}),
    ("kind", "steps.kind.output.schema.properties.kind.maxLength", 8, {"output.schema"}),
    ("kind", "steps.kind.output.mode", "tools", {"output.schema"}),
    ("era", "steps.era.seed", 2, {"seed"}),
    ("era", "steps.era.draws.year.integer", [1, 8], {"draws"}),
    ("size", "steps.size.value", "row.town | length + 1", {"value"}),
    ("score", "steps.score.args.town", "row.id", {"args"}),
]


@pytest.mark.parametrize(
    ("step", "way", "value", "parts"), ASKS, ids=[f"{each[1]}-{at}" for at, each in enumerate(ASKS)]
)
def test_what_changes_a_request_changes_its_part(tmp_path, step, way, value, parts):
    """What changes a request changes its part."""
    before = fingerprints(tmp_path)[step]
    after = fingerprints(tmp_path, changed(PIPELINE, way, value))[step]
    found = {name for name in before.asking | after.asking if before.asking.get(name) != after.asking.get(name)}
    assert found == parts
    assert before.asks != after.asks


ACCEPTS = [
    ("steps.kind.check.0.message", "never x", {"check"}),
    ("steps.kind.check.0.expression", "output.kind != 'y'", {"check"}),
    ("steps.kind.check", None, {"check"}),
    ("steps.kind.output.reasks", 4, {"output.reasks"}),
    ("steps.kind.on_error", "null", {"on_error"}),
    ("steps.kind.on_item_error", "null", {"on_item_error"}),
]


@pytest.mark.parametrize(("way", "value", "parts"), ACCEPTS, ids=[f"{each[0]}-{at}" for at, each in enumerate(ACCEPTS)])
def test_what_only_changes_which_answers_are_valid(tmp_path, way, value, parts):
    """What only changes which answers are valid."""
    document = changed(PIPELINE, way, value)
    if value == "null":
        document = changed(PIPELINE, way, {})
        *above, last = way.split(".")
        document[above[0]][above[1]][last] = None
    before, after = fingerprints(tmp_path)["kind"], fingerprints(tmp_path, document)["kind"]
    assert before.asks == after.asks
    both = before.accepting | after.accepting
    assert {name for name in both if before.accepting.get(name) != after.accepting.get(name)} == parts


def test_a_prompt_in_a_file(tmp_path):
    """A prompt in a file."""
    before = fingerprints(tmp_path)
    (tmp_path / "kind.md").write_bytes(b"The kind of {{ row.town }}: {{ item | upper }}?")
    (tmp_path / "system.md").write_bytes(b"Be {{ params.tone }}.\r\n\r\nNo lists.\r\n")
    document = changed(PIPELINE, "steps.kind.prompt", {"file": "kind.md"})
    document = changed(document, "steps.kind.system", {"file": "system.md"})
    assert fingerprints(tmp_path, document) == before


def test_a_schema_in_a_file(tmp_path):
    """A schema in a file."""
    before = fingerprints(tmp_path)
    schema = PIPELINE["steps"]["kind"]["output"]["schema"]
    (tmp_path / "kind.yaml").write_text(yaml.safe_dump(schema))
    assert fingerprints(tmp_path, changed(PIPELINE, "steps.kind.output.schema", "kind.yaml")) == before


def test_a_renamed_alias(tmp_path):
    """A renamed alias."""
    document = changed(PIPELINE, "models", {"fast": PIPELINE["models"]["quick"]})
    for name in ("kind", "line"):
        document["steps"][name]["model"] = "fast"
    assert fingerprints(tmp_path, document) == fingerprints(tmp_path)


def test_an_alias_in_a_matrix(tmp_path):
    """An alias in a matrix."""
    base = changed(changed(PIPELINE, "steps.line.matrix", {"model": ["quick", "slow"]}), "steps.line.model", None)
    other = changed(base, "models", {"a": base["models"]["quick"], "b": base["models"]["slow"]})
    other["steps"]["kind"]["model"], other["steps"]["line"]["matrix"] = "a", {"model": ["a", "b"]}
    assert fingerprints(tmp_path, other)["line"] == fingerprints(tmp_path, base)["line"]
    for each in (base, other):
        each["steps"]["line"]["prompt"] = "A line on {{ row.town }} by {{ matrix.model }}."
    assert fingerprints(tmp_path, other)["line"].asks != fingerprints(tmp_path, base)["line"].asks


def test_an_anchor(tmp_path):
    """An anchor."""
    text = yaml.safe_dump(PIPELINE, sort_keys=False)
    plain = "{id: claude-haiku-5-5, max_tokens: 2000}"
    document = changed(PIPELINE, "models.quick", "HERE")
    text = yaml.safe_dump(document, sort_keys=False)
    with_anchor = f"x-one: &one {plain}\n" + text.replace("quick: HERE", "quick: *one")
    renamed = with_anchor.replace("&one", "&two").replace("*one", "*two")
    assert fingerprints(tmp_path, text=with_anchor) == fingerprints(tmp_path, text=renamed) == fingerprints(tmp_path)


def test_a_function_and_what_it_imports(tmp_path):
    """A function and what it imports."""
    before = fingerprints(tmp_path)["score"]
    (tmp_path / "helper.py").write_bytes(b"ONE = 1\r\n")
    assert fingerprints(tmp_path)["score"] == before
    (tmp_path / "helper.py").write_text("ONE = 2\n")
    after = fingerprints(tmp_path)["score"]
    assert {name for name in before.asking if before.asking[name] != after.asking[name]} == {"python"}


@given(
    quotes=st.sampled_from(["'", '"', None]),
    width=st.sampled_from([20, 80, 4000]),
    indent=st.integers(2, 8),
    flow=st.sampled_from([True, False, None]),
    order=st.randoms(use_true_random=False),
)
def test_the_form_of_the_yaml(tmp_path_factory, quotes, width, indent, flow, order):
    """Law: quoting, width, indentation, flow style, order of keys and the folder are in no fingerprint."""

    def mixed(value, depth=0):
        if not isinstance(value, dict):
            return value
        keys = list(value)
        if depth != 1:  # the order of the steps is that of the output's columns
            order.shuffle(keys)
        return {key: mixed(value[key], depth + 1) for key in keys}

    text = yaml.safe_dump(
        mixed(PIPELINE), sort_keys=False, default_style=None, width=width, indent=indent, default_flow_style=flow
    )
    if quotes is not None:
        text = text.replace("claude-haiku-5-5", f"{quotes}claude-haiku-5-5{quotes}")
    folder = tmp_path_factory.mktemp("form")
    plain = tmp_path_factory.mktemp("plain")
    assert fingerprints(folder, text=text) == fingerprints(plain)


def test_a_deep_expression(tmp_path):
    """What can be evaluated has a fingerprint."""
    deep = changed(PIPELINE, "steps.deep", {"kind": "compute", "value": " and ".join(["row.id"] * 400)})
    assert fingerprints(tmp_path, deep)["deep"].asking


def keys(folder, document):
    """The fingerprint of the output of a pipeline."""
    fingerprints(folder, document)
    plan = load(folder / "one.yaml").plan()
    return output_keys(plan, plan.outputs[0])


@pytest.mark.parametrize(
    ("way", "value", "parts"),
    [
        ("output.path", "elsewhere/rows.csv", set()),
        ("output.where", "steps.size  >  1", set()),
        ("output.where", "steps.size > 2", {"where"}),
        ("output.columns", {"a": "row.town"}, {"columns"}),
        ("output.unique", "row.town", {"unique"}),
        ("output.split", {"train": 0.5, "test": 0.5}, {"split"}),
        ("output.failed", "keep", {"failed"}),
        ("output.provenance", True, {"provenance"}),
    ],
)
def test_the_keys_of_an_output(tmp_path, way, value, parts):
    """The keys of an output."""
    before, after = keys(tmp_path, PIPELINE), keys(tmp_path, changed(PIPELINE, way, value))
    assert {name for name in before | after if before.get(name) != after.get(name)} == parts
