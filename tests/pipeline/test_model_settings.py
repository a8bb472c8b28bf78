"""The model of a file: which steps ask it, and with which settings."""

import pytest
import yaml

from yamlgen.api.loading import load
from yamlgen.planning.expansion import resolved

OWN = {"id": "claude-haiku-5-5", "max_tokens": 300, "effort": "low", "price": {"input": 7, "output": 9}}
OTHER = {"id": "claude-sonnet-5-5"}
LIST = (None, None)
"""The list price: the file says none."""


@pytest.fixture
def asked(tmp_path):
    """What a step asks, as (id, max_tokens, effort, prices of input and output), by what stands in it and in a file."""

    def read(step, overrides=None, **file):
        steps = {"draft": {"prompt": "Hello {{ row.name }}", **step}}
        rows = {"rows": [{"name": "Oslo"}]}
        path = tmp_path / "pipeline.yaml"
        path.write_text(
            yaml.safe_dump({"version": 1, **file, "input": rows, "steps": steps, "output": {"path": "o.json"}})
        )
        plan = load(path, overrides=overrides).plan()
        told = [
            (
                variant.model,
                variant.settings.max_tokens,
                variant.settings.effort,
                (variant.price.input, variant.price.output) if variant.price else LIST,
            )
            for variant in plan.steps[0].variants
        ]
        path.write_text(yaml.safe_dump(resolved(plan)))
        again = load(path).plan().steps[0].variants
        assert [(each.model, each.settings.effort, each.price) for each in again] == [
            (each.model, each.settings.effort, each.price) for each in plan.steps[0].variants
        ]
        return told[0] if len(told) == 1 else told

    return read


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({}, ("claude-haiku-5-5", 300, "low", (7, 9))),
        ({"max_tokens": 5}, ("claude-haiku-5-5", 5, "low", (7, 9))),
        ({"model": {"max_tokens": 5}}, ("claude-haiku-5-5", 5, "low", (7, 9))),
        ({"model": {"max_tokens": 5}, "max_tokens": 6}, ("claude-haiku-5-5", 6, "low", (7, 9))),
        ({"model": {"price": {"input": 1, "output": 2}}}, ("claude-haiku-5-5", 300, "low", (1, 2))),
        ({"id": "claude-sonnet-5-5"}, ("claude-sonnet-5-5", 300, "low", LIST)),
        ({"model": "claude-sonnet-5-5"}, ("claude-sonnet-5-5", None, None, LIST)),
        ({"model": "claude-haiku-5-5"}, ("claude-haiku-5-5", None, None, LIST)),
        ({"model": OTHER}, ("claude-sonnet-5-5", None, None, LIST)),
        ({"matrix": {"model": ["claude-haiku-5-5"]}}, ("claude-haiku-5-5", None, None, LIST)),
    ],
)
def test_a_step_that_names_no_model_takes_what_it_does_not_set(asked, step, expected):
    """Key by key; a step that names a model takes nothing. `render` gives a pipeline that says the same."""
    assert asked(step, model=OWN) == expected


def test_a_text_is_an_alias_once_there_are_models(asked):
    """The settings and the price are those of the alias."""
    expected = ("claude-haiku-5-5", 300, "low", (7, 9))
    assert asked({}, model="own", models={"own": OWN, "other": OTHER}) == expected
    assert asked({"model": {"effort": "low"}}, model="own", models={"own": {**OWN, "effort": "high"}}) == expected
    assert asked({"model": "other"}, model="own", models={"own": OWN, "other": OTHER})[0] == "claude-sonnet-5-5"


def test_a_matrix_of_aliases_takes_nothing_from_the_model_of_the_file(asked):
    """Each combination asks the alias that it names."""
    step = {"matrix": {"model": ["own", "other"]}}
    first, second = asked(step, model={"id": "m", "effort": "max"}, models={"own": OWN, "other": OTHER})
    assert (first[:3], second[:3]) == (("claude-haiku-5-5", 300, "low"), ("claude-sonnet-5-5", None, None))


@pytest.mark.parametrize(
    ("file", "overrides", "expected"),
    [
        ({}, {"model": "claude-sonnet-5-5"}, ("claude-sonnet-5-5", None)),
        ({"model": "claude-haiku-5-5"}, {"model": "claude-sonnet-5-5"}, ("claude-sonnet-5-5", None)),
        ({"model": "claude-haiku-5-5"}, {"model.max_tokens": "7"}, ("claude-haiku-5-5", 7)),
        ({"model": OTHER}, {"model.max_tokens": "7"}, ("claude-sonnet-5-5", 7)),
        ({"model": "claude-haiku-5-5"}, {"model.id": "claude-sonnet-5-5"}, ("claude-sonnet-5-5", None)),
        ({"model": OTHER}, {"steps.draft.model.max_tokens": "7"}, ("claude-sonnet-5-5", 7)),
        ({"model": "own", "models": {"own": OTHER, "more": OWN}}, {"model": "more"}, ("claude-haiku-5-5", 300)),
    ],
)
def test_the_model_of_the_file_is_set_from_outside(asked, file, overrides, expected):
    """As a whole, or a key of it: an id is short for a mapping."""
    assert asked({}, overrides, **file)[:2] == expected


def test_a_key_below_a_step_s_id_is_set_too(asked):
    """`--set steps.draft.model.max_tokens=7` where the step names an id."""
    step = {"model": "claude-haiku-5-5"}
    assert asked(step, {"steps.draft.model.max_tokens": "7"})[:2] == ("claude-haiku-5-5", 7)
