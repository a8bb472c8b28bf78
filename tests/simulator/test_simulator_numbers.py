"""Simulated numbers are inside the bounds of a schema, however large or small those are and wherever they stand."""

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given

from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.instances import Instances
from yamlgen.simulator.plausible_values import PlausibleValues

VALUES = PlausibleValues()
FIELDS = ["age", "year", "score", "latitude", "x"]


def drawn(schema, seed=0):
    """One instance."""
    VALUES.seed(seed)
    return Instances(schema, VALUES).draw()


def obeys(value, bounds):
    """Whether a number is inside the bounds, by exact arithmetic on what is written."""
    step = bounds.get("multipleOf")
    return (
        isinstance(value, int | float)
        and not (bounds["type"] == "integer" and value != int(value))
        and ("minimum" not in bounds or value >= bounds["minimum"])
        and ("maximum" not in bounds or value <= bounds["maximum"])
        and ("exclusiveMinimum" not in bounds or value > bounds["exclusiveMinimum"])
        and ("exclusiveMaximum" not in bounds or value < bounds["exclusiveMaximum"])
        and (step is None or Fraction(str(value)) % Fraction(str(step)) == 0)
    )


magnitudes = st.integers(-(10**30), 10**30) | st.integers(-1000, 1000) | st.floats(-1e300, 1e300) | st.floats(-1, 1)
steps = st.sampled_from([1, 2, 7, 1000, 10**10, 0.5, 0.1, 0.01, 2.5, 0.001])


@st.composite
def ranges(draw):
    """The bounds of numbers, around one that satisfies them."""
    kind = draw(st.sampled_from(["integer", "number"]))
    step = draw(st.none() | steps) if kind == "number" else draw(st.none() | st.integers(1, 10**6))
    inside = int(draw(magnitudes)) if kind == "integer" or step else draw(magnitudes)
    if step:
        inside = int(inside / step) * step if isinstance(step, int) else draw(st.integers(-(10**6), 10**6))
    room = draw(st.sampled_from([0, 1, 10**6, 10**20]))
    bounds = {"type": kind}
    for low, high in (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")):
        apart = room if low == "minimum" else room + abs(inside) + 1
        if draw(st.booleans()):
            bounds[low] = inside - apart
        if draw(st.booleans()):
            bounds[high] = inside + apart
    return {**bounds, "multipleOf": step} if step else bounds


def split(bounds):
    """The same bounds in two parts of an `allOf`."""
    items = list(bounds.items())
    return {"allOf": [{"type": "number"}, dict(items[::2]), dict(items[1::2])]}


PLACES = {
    "bare": (lambda bounds: bounds, lambda value: value),
    "array": (lambda bounds: {"type": "array", "items": bounds, "minItems": 1}, lambda value: value[0]),
    "anyOf": (lambda bounds: {"anyOf": [bounds, False]}, lambda value: value),
    "allOf": (split, lambda value: value),
    "$ref": (lambda bounds: {"$ref": "#/$defs/n", "$defs": {"n": bounds}}, lambda value: value),
    "sibling of $ref": (
        lambda bounds: {**bounds, "$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}},
        lambda value: value,
    ),
}


@given(ranges(), st.sampled_from(sorted(PLACES)), st.integers(0, 2**32))
def test_bounds_are_obeyed(bounds, place, seed):
    """A number is drawn, and satisfies them exactly."""
    put, find = PLACES[place]
    assert obeys(find(drawn(put(bounds), seed)), bounds), bounds


@given(ranges(), st.sampled_from(FIELDS), st.integers(0, 2**32))
def test_what_is_usual_for_a_field_yields_to_its_bounds(bounds, field, seed):
    """An age of a thousand at least is one."""
    schema = {"type": "object", "required": [field], "properties": {field: bounds}}
    assert obeys(drawn(schema, seed)[field], bounds), bounds


@pytest.mark.parametrize(
    "bounds",
    [
        {"type": "number", "minimum": 1e300, "maximum": 1e300},
        {"type": "integer", "minimum": 1e300, "maximum": 1e300},
        {"type": "number", "exclusiveMinimum": 10**20},
        {"type": "integer", "exclusiveMaximum": -1e300},
        {"type": "number", "minimum": -1.7e308, "maximum": 1.7e308},
        {"type": "number", "minimum": 5e-324, "maximum": 5e-324},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e-323},
        {"type": "number", "minimum": 0.1, "maximum": 0.1, "multipleOf": 0.1},
        {"type": "number", "minimum": 10**400},
    ],
)
def test_the_ends_of_what_a_number_can_be_are_reached(bounds):
    """Ranges of a single number, and beyond every float."""
    assert all(obeys(drawn(bounds, seed), bounds) for seed in range(10))


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        ({"allOf": [{"type": "number", "multipleOf": 0.3}, {"multipleOf": 0.5}]}, lambda x: x % 1.5 == 0),
        ({"enum": [*range(1000)], "minimum": 999}, lambda x: x == 999),
        ({"type": "integer", "not": {"maximum": 10**9}}, lambda x: x > 10**9),
        ({"type": "number", "not": {"type": "number", "exclusiveMinimum": -5}}, lambda x: x <= -5),
    ],
)
def test_bounds_that_are_put_together_or_turned_are_obeyed(schema, kept):
    """Steps of both sides, members of an enum, and what must not be."""
    assert all(kept(drawn(schema, seed)) for seed in range(20))


def test_a_range_without_a_number_is_an_error():
    """Between 1 and 2 there is no integer."""
    with pytest.raises(SimulatedAPIError, match="cannot satisfy"):
        drawn({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2})
