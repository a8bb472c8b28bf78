"""The variables of the environment: empty is unset, and a file fills what is unset."""

import os

import pytest

from yamlgen.environment import inherited, provide, variable


@pytest.fixture(autouse=True)
def _own(monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.pop("YAMLGEN_TEST", None)


@pytest.mark.parametrize("value", ["", " ", "\t\n", "\u00a0"])
def test_an_empty_variable_is_unset(value):
    """What holds nothing but white space says nothing."""
    os.environ["YAMLGEN_TEST"] = value
    assert variable("YAMLGEN_TEST") is None


@pytest.mark.parametrize("value", ["a", " a ", "0"])
def test_a_variable_is_what_it_is(value):
    """Every other value comes as it is."""
    os.environ["YAMLGEN_TEST"] = value
    assert variable("YAMLGEN_TEST") == value


@pytest.mark.parametrize("before", [None, "", "  "])
def test_what_is_provided_fills_what_is_empty(before):
    """A variable without a value gets the one that is provided."""
    if before is not None:
        os.environ["YAMLGEN_TEST"] = before
    provide({"YAMLGEN_TEST": "new"})
    assert variable("YAMLGEN_TEST") == "new"


@pytest.mark.parametrize("value", ["new", "", None])
def test_what_is_provided_replaces_nothing(value):
    """A variable with a value keeps it."""
    os.environ["YAMLGEN_TEST"] = "old"
    provide({"YAMLGEN_TEST": value})
    assert variable("YAMLGEN_TEST") == "old"


@pytest.mark.parametrize("value", ["", " ", None])
def test_nothing_is_provided_by_an_empty_value(value):
    """An empty value does not even set the variable."""
    provide({"YAMLGEN_TEST": value})
    assert "YAMLGEN_TEST" not in os.environ


def test_another_program_gets_the_environment_with_changes():
    """Changed, and without what it should not have; the environment of this process stays."""
    os.environ.update(YAMLGEN_TEST="a", YAMLGEN_OTHER="b")
    given = inherited({"YAMLGEN_TEST": "c"}, without={"YAMLGEN_OTHER"})
    assert given == {name: value for name, value in os.environ.items() if name != "YAMLGEN_OTHER"} | {
        "YAMLGEN_TEST": "c"
    }
    assert os.environ["YAMLGEN_TEST"] == "a"
