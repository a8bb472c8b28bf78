"""Which steps are sent in batches: by the file, by the options of a run, and as it is written back."""

import pytest
import yaml

import yamlgen
from yamlgen.api.loading import load
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, UsageError
from yamlgen.planning.batched_steps import can_be_batched
from yamlgen.planning.expansion import resolved
from yamlgen.steps.batch_config import Batch

LONG = 200_000
"""More tokens than a model writes in an answer to a single request, and fewer than in a batch."""


@pytest.fixture
def plan(tmp_path):
    """Make the plan of a pipeline with these keys, whose steps have these keys of their own."""

    def made(top=None, **steps):
        document = {"version": 1, "model": "claude-haiku-5-5", "input": {"rows": [{"n": 1}]}, **(top or {})}
        document["steps"] = {name: {"prompt": "Say {{ row.n }}", **own} for name, own in steps.items()}
        document["output"] = {"path": "out.jsonl"}
        path = tmp_path / "p.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        return load(path).plan({})

    return made


def batches(plan):
    """How each step is batched."""
    return {step.name: step.batch for step in plan.steps}


def test_a_step_overrides_the_pipeline_as_a_whole(plan):
    """Without a key of its own a step has that of the pipeline; its own value has none of the pipeline's settings."""
    top = {"batch": {"minimum": 100, "wait": "2h"}}
    made = plan(top, bare={}, off={"batch": False}, on={"batch": True}, own={"batch": {"minimum": 5}})
    assert batches(made) == {"bare": Batch(minimum=100, wait="2h"), "off": None, "on": Batch(), "own": Batch(minimum=5)}


def test_without_the_key_nothing_is_batched(plan):
    """Neither `batch: false` nor no key at all makes batches, and neither is written back."""
    for top in ({}, {"batch": False}):
        made = plan(top, one={})
        assert batches(made) == {"one": None}
        assert "batch" not in resolved(made)["steps"]["one"]


@pytest.mark.parametrize("value", [True, {"minimum": 7}, {"wait": "90m"}, {"minimum": 7, "wait": "1d"}])
def test_what_is_written_back_is_the_same(plan, value):
    """The resolved pipeline has `batch` in each batched step, and makes the same plan."""
    made = plan({"batch": value}, one={}, two={"batch": False})
    steps = resolved(made)["steps"]
    assert (steps["one"]["batch"], "batch" in steps["two"]) == (value, False)
    assert batches(plan({}, **{name: {"batch": step.get("batch", False)} for name, step in steps.items()})) == batches(
        made
    )


@pytest.mark.parametrize(("wait", "seconds"), [("45s", 45), ("90m", 5400), ("2h", 7200), ("1d", 86400), (None, None)])
def test_a_wait_has_its_unit(wait, seconds):
    """Seconds, minutes, hours and days."""
    assert Batch(wait=wait).seconds == seconds


def test_the_option_batches_every_step(plan):
    """`--batch` keeps the settings that a step has, and gives the others the defaults; computed steps have none."""
    made = plan({"batch": {"minimum": 9}}, bare={}, own={"batch": {"wait": "1h"}}, off={"batch": False})
    assert batches(RunOptions(batch=True).over(made)) == {
        "bare": Batch(minimum=9),
        "own": Batch(wait="1h"),
        "off": Batch(),
    }


def test_the_option_batches_no_step(plan):
    """`--no-batch` leaves no batch, and without either option the file decides."""
    made = plan({"batch": True}, one={}, two={"batch": {"minimum": 5}})
    assert batches(RunOptions(batch=False).over(made)) == {"one": None, "two": None}
    assert RunOptions().over(made) == made


def test_long_answers_are_possible_in_batches_only(plan):
    """`--no-batch` is an error for a step that is batched and may write more than a single request allows."""
    made = plan({"batch": True}, short={}, long={"max_tokens": LONG})
    assert batches(RunOptions(batch=True).over(made))["long"] == Batch()
    with pytest.raises(UsageError, match=f"max_tokens: {LONG}` of step `long` only in a batch") as caught:
        RunOptions(batch=False).over(made)
    assert caught.value.code == Code.SETTING_REFUSED
    RunOptions(batch=False).over(plan({}, long={"max_tokens": LONG}))  # `validate` has warned of it


def test_long_answers_of_other_models_are_sent_anyway(plan):
    """A gateway's model, of which nothing is known, may write as much as it likes."""
    RunOptions(batch=False).over(plan({"batch": True, "model": "our-own"}, long={"max_tokens": LONG}))


@pytest.mark.parametrize("value", ["yes", {"minimum": 5}, 1])
def test_the_option_is_a_boolean(value):
    """Python users who pass the value of the key are told how to set it."""
    with pytest.raises(UsageError, match="`batch` must be True or False") as caught:
        RunOptions(batch=value)
    assert "overrides={'batch': {'minimum': 100, 'wait': '2h'}}" in caught.value.hint


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"simulate": True}, "the simulated API ends with the run"),
        ({"simulate": True, "batch": True}, "the simulated API ends with the run"),
        ({"offline": True}, "has no effect with `offline=True`, which sends nothing"),
        ({"batch": False}, "has no effect with `batch=False`, which sends every request by itself"),
    ],
)
def test_detaching_needs_something_to_come_back_to(chosen, said):
    """`detach` is an error where no batch would be left at the API."""
    with pytest.raises(UsageError, match=said) as caught:
        RunOptions(detach=True, **chosen)
    assert caught.value.hint


def test_detaching_needs_a_batched_step(plan):
    """`detach` without a batched step is an error; with one, of the file or by the option, it is not."""
    with pytest.raises(UsageError, match="no step is sent in batches"):
        RunOptions(detach=True).over(plan({}, one={}))
    RunOptions(detach=True, batch=True).over(plan({}, one={}))
    RunOptions(detach=True).over(plan({}, one={}, two={"batch": True}))


@pytest.mark.parametrize(
    ("own", "can_be"),
    [({}, True), ({"speed": "standard"}, True), ({"speed": "fast"}, False), ({"on_refusal": "default"}, False)],
)
def test_a_step_that_no_batch_takes_has_no_price_in_batches(plan, tmp_path, own, can_be):
    """So `plan` does not propose `--batch`, which such a step refuses."""
    made = plan(one={"model": "claude-opus-5", **own})
    assert can_be_batched(made.steps[0]) is can_be
    assert (yamlgen.plan(tmp_path / "p.yaml").steps[0].batch_cost is not None) is can_be
