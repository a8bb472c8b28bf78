"""What functions return: copied into plain JSON values, and refused with the place where it is not JSON."""

import enum
import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from yamlgen.errors import Code, RowError
from yamlgen.steps.python import python_values
from yamlgen.steps.python.python_values import MOST_DEPTH, json_value


class Colour(enum.StrEnum):
    """A text that is more than a text."""

    RED = "red"


class Level(enum.IntEnum):
    """An integer that is more than an integer."""

    LOW = 1


@dataclass
class Point:
    """No JSON value."""

    x: int = 1


class Model(BaseModel):
    """No JSON value either."""

    x: int = 1


def refused(value):
    """What is said of a value, after the function's name."""
    with pytest.raises(RowError) as raised:
        json_value("score", value)
    assert raised.value.code is Code.INVALID_VALUE
    assert raised.value.hint
    assert raised.value.message.startswith("`score` returned ")
    return raised.value.message.removeprefix("`score` returned ").removesuffix(", which is not a JSON value")


@pytest.mark.parametrize("value", [None, True, False, 0, -1, 10**399, 1.5, "", "ü🙂", [], {}, [[{"a": [None]}]]])
def test_json_values_are_what_they_are(value):
    """A JSON value comes back equal, with its types."""
    assert json.dumps(json_value("score", value)) == json.dumps(value)


def test_the_value_is_a_copy():
    """What the function goes on to do with what it returned changes nothing."""
    value = {"items": [1]}
    copied = json_value("score", value)
    value["items"].append(2)
    assert copied == {"items": [1]}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        (namedtuple("P", "x y")(1, 2), [1, 2]),  # noqa: PYI024 - as authors have them
        (OrderedDict(a=1), {"a": 1}),
        (Colour.RED, "red"),
        ({Colour.RED: Level.LOW}, {"red": 1}),
    ],
)
def test_what_is_more_than_json_becomes_json(value, plain):
    """A tuple becomes a list, and what is of a subclass becomes what it is of."""
    copied = json_value("score", value)
    assert copied == plain
    assert type(copied) is type(plain)
    assert all(type(key) is str for key in copied) or not isinstance(copied, dict)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"tags": {1, 2}}, "a set at $.tags"),
        ([0, {"a": b"x"}], "a bytes at $[1].a"),
        (Point(), "a Point at $"),
        ([Model()], "a Model at $[0]"),
        (iter([]), "a list_iterator at $"),
        (object, "a type at $"),
        ({"a": {1: 2}}, "a dict with an int as a key at $.a"),
        ({"score": float("nan")}, "nan at $.score"),
        ([float("-inf")], "-inf at $[0]"),
        ("a\ud800", "a string with half of a surrogate pair at $"),
        ({"a\udc00": 1}, "a string with half of a surrogate pair at $"),
        ([10**401], "an integer of more than 400 digits at $[0]"),
        ({"sk-ant-api03-secret": {1}}, "a set at $.sk-ant-[secret]"),
        ({"a\n" * 500: {1}}, None),
    ],
)
def test_what_is_no_json_is_told_with_its_place(value, said):
    """Anything else is named by its type, with the path to it, in a message of a bearable length."""
    found = refused(value)
    assert len(found) < 200
    assert said is None or found == said


def test_what_is_the_same_many_times_over_is_counted_each_time(monkeypatch):
    """Lists in lists, each twice, would be copied for ever; so would a long text that is returned often."""
    monkeypatch.setattr(python_values, "MOST_SIZE", 1 << 16)
    doubled = []
    for _ in range(60):
        doubled = [doubled, doubled]
    assert "more than 65,536 characters in all at $[0]" in refused(doubled)
    assert "more than 65,536 characters in all at $[64]" in refused(["x" * 1000] * 99)


def test_what_holds_itself_is_told():
    """A cycle, or a nesting that nobody means, is told and not crashed on; as deep as that is fine."""
    cycle = {}
    cycle["me"] = [cycle, cycle]
    assert "contains itself" in refused(cycle)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert "nested more than 200 levels deep" in refused(deep)
    fine = 1
    for _ in range(MOST_DEPTH):
        fine = [fine]
    assert json_value("score", fine) == fine
