"""Strategies for the rules of a draw step, and for values that differ as JSON."""

import json

from hypothesis import strategies as st
from schema_strategies import ANY, INTEGER, NUMBER, TEXT, Shape, odd


def distinct(values):
    """Values without those that are the same as JSON."""
    return [value for index, value in enumerate(values) if not any(_same(value, other) for other in values[:index])]


def _same(one, other):
    return json.dumps(one) == json.dumps(other) or (
        one == other and isinstance(one, bool) is isinstance(other, bool) and isinstance(one, int | float | list | dict)
    )


@st.composite
def rules(draw):
    """The rules of a draw step, and the shape of what it draws."""
    made, members = {}, []
    for name in draw(st.lists(st.sampled_from(["who", "what", "much", "day", "cell"]), min_size=1, unique=True)):
        kind = draw(st.sampled_from(["choices", "weights", "integer", "number", "date", "column", "given"]))
        before = [other for other, rule in made.items() if "choices" in rule and "weights" not in rule]
        if kind == "given" and not before:
            kind = "choices"
        rule, shape = draw(_rules(kind, before, made))
        made[name] = rule
        members.append((name, shape))
    return made, Shape("object", members=tuple(members))


@st.composite
def _rules(draw, kind, before, made):
    match kind:
        case "choices":
            texts = draw(st.lists(st.sampled_from(["x", "y", "ü", ""]), min_size=1, unique=True))
            return {"choices": texts}, TEXT
        case "weights":
            values = distinct(draw(st.lists(odd, min_size=1, max_size=4)))
            return {"choices": values, "weights": [*draw(_weights(len(values) - 1)), 1]}, ANY
        case "integer":
            least = draw(st.integers(-5, 5))
            return {"integer": [least, least + draw(st.integers(0, 10**6))]}, INTEGER
        case "number":
            least = draw(st.sampled_from([-1.5, 0, 0.1, 3]))
            more = {"decimals": draw(st.integers(1, 5))} if draw(st.booleans()) else {}
            return {"number": [least, least + draw(st.sampled_from([1, 0.25, 1e9]))], **more}, NUMBER
        case "date":
            return {"date": ["2024-02-28", draw(st.sampled_from(["2024-02-28", "2026-01-01"]))]}, TEXT
        case "column":
            return {"column": draw(st.sampled_from(["town", "size"])), "path": "towns.csv"}, TEXT
        case _:
            given = draw(st.sampled_from(before))
            kinds = st.sampled_from(["integer", "date"])
            cases = {value: draw(_rules(draw(kinds), (), {}))[0] for value in made[given]["choices"]}
            if len(cases) > 1 and draw(st.booleans()):
                cases.popitem()
                return {"given": given, "cases": cases, "otherwise": {"choices": [None, 1, True]}}, ANY
            return {"given": given, "cases": cases}, ANY


def _weights(size):
    return st.lists(st.sampled_from([0, 1, 0.1, 2.5]), min_size=size, max_size=size)
