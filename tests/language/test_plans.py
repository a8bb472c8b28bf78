"""A plan is values: it can be sent anywhere and says the same there."""

import dataclasses
import pickle

import pytest

from yamlgen.api import load
from yamlgen.errors import Code, InvalidPipeline, RowError
from yamlgen.ports import Message, Prompt

PIPELINE = """version: 1
params:
  language: {type: string}
  style: {type: string, default: dry}
models:
  writer: {id: claude-haiku-5-5, max_tokens: 100, effort: low}
input: {rows: [{name: Oslo, city: Oslo}]}
steps:
  judge:
    model: writer
    max_tokens: 50
    messages:
      - {role: user, content: "Judge {{ steps.draft.text }}"}
      - {role: assistant, content: Which?}
      - {role: user, content: "{{ params.language }}"}
  draft:
    model: writer
    system: Be {{ params.style }}.
    prompt: Write about {{ row.name }}.
    output: {schema: {type: object, properties: {text: {type: string}}}, reasks: 1, mode: json}
output: {path: out.jsonl}
"""


@pytest.fixture
def pipeline(tmp_path):
    """A loaded pipeline."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(PIPELINE)
    return load(path)


@pytest.fixture
def plan(pipeline):
    """Its plan."""
    return pipeline.plan({"language": "French"})


def test_a_plan_survives_pickling(plan):
    """An engine may run in another process."""
    there = pickle.loads(pickle.dumps(plan))  # noqa: S301 - our own bytes
    assert there == plan
    assert there.steps[1].prompt({"name": "Oslo"}, there.params, {}) == Prompt(
        "Be dry.", (Message("user", "Write about Oslo."),)
    )


def test_a_plan_cannot_be_changed(plan):
    """Plans and steps are frozen, and so are the language's models in them."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.name = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.steps[0].mode = "json"


def test_an_alias_is_resolved_key_by_key(plan):
    """A step's own settings win, the others are those of its model."""
    judge, draft = plan.steps
    assert (judge.model, judge.max_tokens, judge.settings.effort) == ("claude-haiku-5-5", 50, "low")
    assert (draft.model, draft.max_tokens) == ("claude-haiku-5-5", 100)


def test_the_graph_comes_from_the_references(plan):
    """Steps stand in file order, and run in that of their needs."""
    assert [step.name for step in plan.steps] == ["judge", "draft"]
    assert [step.needs for step in plan.steps] == [{"draft"}, set()]
    assert [step.name for step in plan.ordered()] == ["draft", "judge"]


def test_a_step_knows_its_columns(plan):
    """Only the columns that a step's templates use decide what it sends."""
    assert [step.columns for step in plan.steps] == [set(), {"name"}]


def test_what_a_step_says_of_its_output(plan):
    """Schema, mode and re-asks are the author's."""
    draft = plan.steps[1]
    assert (draft.mode, draft.reasks) == ("json", 1)
    assert draft.schema.value == {"type": "object", "properties": {"text": {"type": "string"}}}


def test_a_conversation_is_rendered_turn_by_turn(plan):
    """Each turn is a template of its own."""
    prompt = plan.steps[0].prompt({}, plan.params, {"draft": {"text": "{{ row.x }}"}})
    assert prompt == Prompt(
        None, (Message("user", "Judge {{ row.x }}"), Message("assistant", "Which?"), Message("user", "French"))
    )


def test_a_row_that_lacks_a_value_fails_alone(plan):
    """The message names the column."""
    with pytest.raises(RowError, match="there is no `name`"):
        plan.steps[1].prompt({}, plan.params, {})


def test_a_run_needs_every_parameter(pipeline):
    """Validation does without, a run does not."""
    with pytest.raises(InvalidPipeline) as caught:
        pipeline.plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.mark.line, found.hint) == (Code.MISSING_PARAM, 3, "give it a value: `-p language=...`")


@pytest.mark.parametrize(
    ("params", "code"),
    [({"language": 1}, Code.BAD_PARAM), ({"language": "x", "tone": "y"}, Code.UNDECLARED_PARAM)],
)
def test_a_wrong_parameter_is_one_error(pipeline, params, code):
    """A value that does not fit is not also missing."""
    with pytest.raises(InvalidPipeline) as caught:
        pipeline.plan(params)
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.parametrize("name", [1, None, ("a", "b")])
def test_a_parameter_s_name_is_text(pipeline, name):
    """Another key of `params` is told like an unknown name."""
    with pytest.raises(InvalidPipeline) as caught:
        pipeline.plan({"language": "French", name: 1})
    (found,) = caught.value.diagnostics
    assert found.code is Code.UNDECLARED_PARAM
    assert found.message == f"a parameter's name is text, not `{name!r}`"


def test_a_text_parameter_is_taken_as_it_is(pipeline):
    """Only the command line reads YAML."""
    assert pipeline.plan({"language": "12"}).params["language"] == "12"
