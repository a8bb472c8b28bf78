"""A model as the API lists it, against the table of models and the settings of a step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.planning.listed_model import ListedModel
from yamlgen.simulator import catalogue

MODEL = "claude-sonnet-4-6"

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["supported", "types", "low"]), inner),
    max_leaves=5,
)
NAMES = ("id", "lifecycle", "retires_at", "max_input_tokens", "max_tokens", "capabilities")


@pytest.mark.parametrize("model", catalogue.MODELS)
def test_the_table_agrees_with_itself(model):
    """The simulator lists what the table has, so that nothing differs."""
    listed = ListedModel.read(catalogue.info(model), model)
    assert list(listed.differences()) == []
    assert listed.ending() is None


def test_what_the_api_does_not_say_differs_in_nothing():
    """An answer with an id and no facts."""
    listed = ListedModel.read({"type": "model", "id": MODEL, "lifecycle": None}, MODEL)
    assert list(listed.differences()) == []


@given(st.fixed_dictionaries({"type": st.just("model")}, optional=dict.fromkeys(NAMES, VALUES)))
def test_whatever_the_api_says_can_be_read(body):
    """A server may send anything."""
    listed = ListedModel.read(body, MODEL)
    if listed is not None:
        list(listed.differences())
        listed.ending()
        assert listed.about()


def test_a_new_date_of_retirement_is_told():
    """The table has none, or another one."""
    info = {**catalogue.info(MODEL), "lifecycle": "deprecated", "retires_at": "2027-02-01T00:00:00Z"}
    listed = ListedModel.read(info, MODEL)
    assert listed.ending() == (
        "the API says that `claude-sonnet-4-6` is deprecated, and retires on 2027-02-01; "
        "its successor is `claude-sonnet-5-5`"
    )
