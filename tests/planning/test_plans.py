"""A plan is values: it can be sent anywhere and says the same there."""

import dataclasses
import pickle

import pytest
import yaml

from yamlgen.api.loading import load
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import Code, RowError
from yamlgen.pipeline.pipeline_model import Limits
from yamlgen.planning.expansion import resolved
from yamlgen.steps.config_fields import Price
from yamlgen.value_objects import Message, Prompt

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
    assert there.steps[1].prompt({"row": {"name": "Oslo"}, "params": there.params, "steps": {}}) == Prompt(
        "Be dry.", (Message("user", "Write about Oslo."),)
    )


@pytest.mark.parametrize("language", ["", " \n", "\u00a0"])
def test_a_turn_that_is_blank_for_a_row_is_told_with_its_step(pipeline, language):
    """The API refuses a blank text, so nothing is sent; of a system prompt there may be none."""
    judge, parsed = pipeline.plan({"language": language, "style": ""}).steps
    with pytest.raises(RowError, match="the `user` message of step `judge` is blank for this row") as caught:
        judge.prompt({"row": {}, "params": {"language": language}, "steps": {"draft": {"text": "x"}}})
    assert caught.value.code == Code.ROW_TEMPLATE
    assert parsed.prompt({"row": {"name": "Oslo"}, "params": {"style": ""}, "steps": {}})


def test_a_plan_cannot_be_changed(plan):
    """Plans and steps are frozen, and so are the language's models in them."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.name = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.steps[0].system = "Hello"


def test_the_plans_of_a_pipeline_differ_in_their_parameters_alone(pipeline):
    """It is compiled once; what a run gives is bound to that, and stays out of the next run."""
    french, dry = pipeline.plan({"language": "French", "style": "warm"}), pipeline.plan({"language": "Latin"})
    assert (french.params, dry.params) == (
        {"style": "warm", "language": "French"},
        {"style": "dry", "language": "Latin"},
    )
    assert all(one is other for one, other in zip(french.steps, dry.steps, strict=True))
    with pytest.raises(InvalidPipeline, match="`language` has no value and no default"):
        pipeline.plan()


@pytest.mark.parametrize(
    ("late", "text"),
    [
        ("prompt.md", "Tell."),
        ("part.json", '{"type": "integer"}'),
        ("lists/b.txt", "b"),
        ("scoring.py", "def score(): return 2"),
    ],
)
def test_a_pipeline_that_a_program_holds_sees_its_files_change(tmp_path, late, text):
    """A text, a schema that another refers to, a file that a function reads: the next plan is made of what is there."""
    (tmp_path / "lists").mkdir()
    files = {
        "prompt.md": "Ask.",
        "whole.json": '{"$ref": "part.json"}',
        "part.json": '{"type": "string"}',
        "scoring.py": "def score(): return 1",
        "lists/a.txt": "a",
        "pipeline.yaml": """version: 1
input: {rows: [{name: Oslo}]}
steps:
  ask: {model: claude-haiku-5-5, prompt: {file: prompt.md}, output: {schema: whole.json}}
  score: {kind: python, call: "scoring:score", keep: true, reads: [lists/*.txt], timeout: 5}
output: {path: out.jsonl}
""",
    }
    for name, first in files.items():
        (tmp_path / name).write_text(first)
    pipeline = load(tmp_path / "pipeline.yaml")
    before = pipeline.plan()
    assert pipeline.plan() == before
    (tmp_path / late).write_text(text)
    assert pipeline.plan() == load(tmp_path / "pipeline.yaml").plan() != before


def test_an_alias_is_resolved_key_by_key(plan):
    """A step's own settings win, the others are those of its model."""
    judge, parsed = (step.variants[0] for step in plan.steps)
    assert (judge.model, judge.max_tokens, judge.settings.effort) == ("claude-haiku-5-5", 50, "low")
    assert (parsed.model, parsed.max_tokens) == ("claude-haiku-5-5", 100)


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
    parsed = plan.steps[1]
    assert (parsed.variants[0].mode, parsed.variants[0].reasks) == ("json", 1)
    assert parsed.schema.value == {"type": "object", "properties": {"text": {"type": "string"}}}


def test_a_conversation_is_rendered_turn_by_turn(plan):
    """Each turn is a template of its own."""
    prompt = plan.steps[0].prompt({"row": {}, "params": plan.params, "steps": {"draft": {"text": "{{ row.x }}"}}})
    assert prompt == Prompt(
        None, (Message("user", "Judge {{ row.x }}"), Message("assistant", "Which?"), Message("user", "French"))
    )


def test_a_row_that_lacks_a_value_fails_alone(plan):
    """The message names the column."""
    with pytest.raises(RowError, match="there is no `name`"):
        plan.steps[1].prompt({"row": {}, "params": plan.params, "steps": {}})


def test_a_run_needs_every_parameter(pipeline):
    """Validation does without, a run does not."""
    with pytest.raises(InvalidPipeline) as caught:
        pipeline.plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.mark.line) == (Code.MISSING_PARAM, 3)
    assert found.hint == "set a value: `params={'language': ...}`"


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
    assert found.message == f"the name of a parameter must be a string, not `{name!r}`"


def test_a_text_parameter_is_taken_as_it_is(pipeline):
    """Only the command line reads YAML."""
    assert pipeline.plan({"language": "12"}).params["language"] == "12"


PRICED = """version: 1
models:
  tuned: {id: my-fine-tune, price: {input: 2, output: 10}}
  plain: {id: claude-haiku-5-5}
limits: {max_failures: 5%, max_cost_usd: 2.5}
input: {rows: [{name: Oslo, city: Oslo}]}
steps:
  aliased: {model: tuned, prompt: "{{ row.name }}", max_tokens: 10}
  same: {model: tuned, id: my-fine-tune, prompt: "{{ row.city }}"}
  other: {model: tuned, id: claude-haiku-5-5, prompt: Hello}
  inline: {model: {id: my-own, price: {input: 1, output: 5, cache_read: 0}}, prompt: Hello}
  outside: {model: {price: {input: 1, output: 5}}, id: my-own, prompt: Hello}
  unpriced: {model: plain, prompt: Hello}
output: {path: out.jsonl}
"""


def planned(folder, text, overrides=None):
    """The plan of a file with this text."""
    path = folder / "pipeline.yaml"
    path.write_text(text)
    return load(path, overrides=overrides).plan()


@pytest.mark.parametrize(
    ("step", "price"),
    [
        ("aliased", Price(input=2, output=10)),
        ("same", Price(input=2, output=10)),
        ("inline", Price(input=1, output=5, cache_read=0)),
        ("outside", Price(input=1, output=5)),
        ("unpriced", None),
    ],
)
def test_a_step_has_the_price_of_its_model(tmp_path, step, price):
    """It comes with the alias or the inline model; without one it is to be looked up."""
    prices = {each.name: each.price for _, each in planned(tmp_path, PRICED).variants}
    assert prices[step] == price


def test_a_price_is_that_of_one_id(tmp_path):
    """A step that names another model than its alias does not pay the alias's price."""
    _, other = planned(tmp_path, PRICED).variants[2]
    assert (other.name, other.model, other.price) == ("other", "claude-haiku-5-5", None)


def test_a_price_is_no_setting(tmp_path):
    """What a request is made of knows nothing of it."""
    assert "price" not in planned(tmp_path, PRICED).variants[0][1].settings.model_dump()


def test_a_plan_has_the_limits_of_its_pipeline(tmp_path):
    """Those that are not set are `None`."""
    assert planned(tmp_path, PRICED).limits == Limits(max_failures="5%", max_cost_usd=2.5)


def test_a_pipeline_without_limits_has_none(plan):
    """Nothing stops a run that its author did not bound."""
    assert set(plan.limits.model_dump().values()) == {None}


@pytest.mark.parametrize(
    ("name", "text", "limits"),
    [
        ("max_cost_usd", "5", Limits(max_failures="5%", max_cost_usd=5)),
        ("max_failures", "3", Limits(max_failures=3, max_cost_usd=2.5)),
        ("max_failures", "100%", Limits(max_failures="100%", max_cost_usd=2.5)),
        ("confirm_above_usd", "0", Limits(max_failures="5%", max_cost_usd=2.5, confirm_above_usd=0)),
    ],
)
def test_the_command_line_sets_a_limit(tmp_path, name, text, limits):
    """`--set limits.max_cost_usd=5` wins over the file."""
    assert planned(tmp_path, PRICED, {f"limits.{name}": text}).limits == limits


def test_the_command_line_adds_limits(pipeline):
    """A pipeline without `limits` takes one from there."""
    limited = load(pipeline.parsed.path, overrides={"limits.max_cost_usd": "5"}).plan({"language": "French"})
    assert limited.limits == Limits(max_cost_usd=5)


def test_a_plan_knows_the_columns_of_all_its_steps(tmp_path):
    """They are those that some step refers to."""
    assert planned(tmp_path, PRICED).columns == {"name", "city"}


def test_a_plan_that_needs_whole_rows_names_no_columns(tmp_path):
    """One step that takes the row as it is needs them all."""
    assert planned(tmp_path, PRICED.replace("{{ row.city }}", "{{ row | tojson }}")).columns is None


def test_a_resolved_pipeline_is_one_that_means_the_same(tmp_path):
    """Limits, prices and models come back as they went in."""
    plan = planned(tmp_path, PRICED)
    again = planned(tmp_path, yaml.safe_dump(resolved(plan), sort_keys=False))
    assert again.limits == plan.limits
    asked = [[(each.name, each.model, each.price) for _, each in made.variants] for made in (plan, again)]
    assert asked[0] == asked[1]


def test_a_resolved_pipeline_keeps_and_reads_the_same(tmp_path):
    """What a python step keeps, and the files that it lists, come back as they went in."""
    (tmp_path / "work.py").write_text("def made(): return 1\n")
    (tmp_path / "a.csv").touch()
    step = "{kind: python, call: work:made, keep: true"
    text = f"version: 1\ninput: {{rows: [{{n: 1}}]}}\nsteps:\n  one: {step}, reads: ['*.csv']}}\n  two: {step}}}\n"
    plan = planned(tmp_path, f"{text}output: {{path: out.jsonl}}\n")
    written = resolved(plan)
    assert [written["steps"][name].get("reads") for name in ("one", "two")] == [["*.csv"], None]
    again = planned(tmp_path, yaml.safe_dump(written, sort_keys=False))
    assert [step.depends for step in again.steps] == [step.depends for step in plan.steps]
    assert [sorted(step.depends.files) for step in plan.steps] == [["a.csv", "work.py"], ["work.py"]]


def test_a_resolved_pipeline_has_only_what_is_set(tmp_path, plan):
    """A limit or a price that nobody set is not shown."""
    assert "limits" not in resolved(plan)
    assert "price" not in resolved(plan)["steps"]["draft"]["model"]
    shown = resolved(planned(tmp_path, PRICED))
    assert shown["limits"] == {"max_failures": "5%", "max_cost_usd": 2.5}
    assert shown["steps"]["aliased"]["model"]["price"] == {"input": 2, "output": 10}
