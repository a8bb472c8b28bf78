"""Drawing a value: the rules, the value that a rule draws for a row, its possible values, and its schema.

A value is derived from the sha256 of the canonical JSON of [seed, who, name]. This is a contract, like canonical JSON:
any change would change the data of every pipeline that draws. Python's `random` does not guarantee stable results. Each
draw has its own hash, so adding, removing or moving a draw does not change the others. The hash is used as a fraction
of the range, so a small change of a weight or a bound changes few rows.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate
from typing import Any, Final, TypeAlias

from yamlgen.canonical_json import canonical, digest
from yamlgen.decimal_fractions import grid
from yamlgen.value_objects import JSON

_FEW: Final = 64
"""The maximum number of values of a column or a range of integers that are listed one by one."""
_SPARE: Final = 128
"""The minimum number of spare bits of a hash, so that probabilities are exact to within 2**-128."""


@dataclass(frozen=True, slots=True)
class Choices:
    """One of `values`; `ends` are the cumulative sums of their weights, as integers."""

    values: tuple[JSON, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """One of the values of a column, each of its rows equally likely."""

    values: tuple[JSON, ...]


@dataclass(frozen=True, slots=True)
class Integers:
    """An integer from `least` to `most`, both included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number from `least` to `most`, both included; with `decimals`, a decimal fraction in this range."""

    least: float
    most: float
    decimals: int | None


@dataclass(frozen=True, slots=True)
class Dates:
    """A date, as a string, from `first` to `last`, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class ConditionalDraw:
    """A draw by the rule in `cases` for the value of the earlier draw `name`, or else by `otherwise`."""

    name: str
    cases: Mapping[str, Rule]
    otherwise: Rule | None

    @property
    def rules(self) -> list[Rule]:
        """All rules that can draw it."""
        return [*self.cases.values(), *([] if self.otherwise is None else [self.otherwise])]


Rule: TypeAlias = Choices | ColumnValues | Integers | Numbers | Dates | ConditionalDraw
"""The rule of one draw; it can be pickled."""


def draw(rules: Mapping[str, Rule], seed: int, who: JSON) -> dict[str, JSON]:
    """Return the drawn values for one row.

    Args:
        rules: the rules from `compile_draws`, in their order.
        seed: the seed of the step.
        who: identifies the row, the step, the item and the sample. Equal identities draw equal values.
    """
    made: dict[str, JSON] = {}
    for name, rule in rules.items():
        made[name] = _value(rule, digest([seed, who, name]), made)
    return made


def _value(rule: Rule, chance: bytes, made: Mapping[str, JSON]) -> JSON:
    match rule:
        case Choices(values, ends):
            return deepcopy(values[bisect_right(ends, _below(ends[-1], chance))])
        case ColumnValues(values):
            return deepcopy(values[_below(len(values), chance)])
        case Integers(least, most):
            return least + _below(most - least + 1, chance)
        case Numbers(least, most, decimals):
            return _number(least, most, decimals, chance)
        case Dates(first, last):
            span = last.toordinal() - first.toordinal() + 1
            return date.fromordinal(first.toordinal() + _below(span, chance)).isoformat()
        case ConditionalDraw(name, cases, otherwise):
            text = _text(made[name])
            return _value(cases[text] if otherwise is None else cases.get(text, otherwise), chance, made)


def _number(least: float, most: float, decimals: int | None, chance: bytes) -> float:
    if decimals is not None:
        first, last = grid(least, most, decimals)
        return float((first + _below(last - first + 1, chance)) / 10**decimals)
    share = _below(1 << 53, chance) / (1 << 53)
    return min(max(least * (1 - share) + most * share, least), most)


def _below(count: int, chance: bytes) -> int:
    """Return an integer from 0 up to but not including `count`, proportional to the hash `chance`."""
    size = len(chance) * 8
    blocks = -(-(count.bit_length() + _SPARE) // size)
    more = (sha256(chance + block.to_bytes(8)).digest() for block in range(1, blocks))
    return int.from_bytes(b"".join((chance, *more))) * count >> blocks * size


def _text(value: JSON) -> str:
    """Return a value as a key of `cases`: a string as it is, any other value as JSON."""
    return value if isinstance(value, str) else canonical(value).decode("utf-8", "surrogatepass")


def values_of(rule: Rule) -> dict[str, bool] | None:
    """Return all values of a draw as keys of `cases`, and whether each can be drawn; `None` if there are too many."""
    found: dict[str, bool] = {}
    match rule:
        case Choices(values, ends):
            for value, start, end in zip(values, (0, *ends), ends, strict=False):
                found[_text(value)] = found.get(_text(value), False) or end > start
        case ColumnValues(values):
            found = dict.fromkeys(map(_text, values), True)
        case Integers(least, most) if most - least < _FEW:
            found = dict.fromkeys(map(str, range(least, most + 1)), True)
        case ConditionalDraw():
            for case in rule.rules:
                inner = values_of(case)
                if inner is None:
                    return None
                for text, is_drawn in inner.items():
                    found[text] = found.get(text, False) or is_drawn
        case _:
            return None
    return found


def schema_of(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the JSON Schema of the result of `draw`."""
    return {
        "type": "object",
        "properties": {name: _schema(rule) for name, rule in rules.items()},
        "required": list(rules),
        "additionalProperties": False,
    }


def _schema(rule: Rule) -> dict[str, Any]:
    match rule:
        case Choices(values):
            return {"type": _types(values), "enum": list(_distinct(values).values())}
        case ColumnValues(values):
            distinct = _distinct(values)
            known = {"enum": list(distinct.values())} if len(distinct) <= _FEW else {}
            return {"type": _types(values), **known}
        case Integers(least, most):
            return {"type": "integer", "minimum": least, "maximum": most}
        case Numbers(least, most):
            return {"type": "number", "minimum": least, "maximum": most}
        case Dates():
            return {"type": "string", "format": "date"}
        case ConditionalDraw():
            branches = list(_distinct(map(_schema, rule.rules)).values())
            return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _distinct(values: Iterable[JSON]) -> dict[bytes, JSON]:
    """Return the values that differ as JSON, in order."""
    found: dict[bytes, JSON] = {}
    for value in values:
        found.setdefault(distinct_key(value), deepcopy(value))
    return found


def distinct_key(value: JSON) -> bytes:
    """Return a key that is equal for values that are equal as JSON, where 1 equals 1.0 but not true."""
    return canonical(_whole(value))


def _whole(value: JSON) -> JSON:
    """Return a value with whole numbers as integers."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


_TYPES: Final = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _types(values: Iterable[JSON]) -> str | list[str]:
    """Return the `type` of a schema that accepts all of `values`."""
    found = {_TYPES[type(value)] for value in values}
    if "number" in found:
        found.discard("integer")
    return found.pop() if len(found) == 1 else sorted(found)


def ends_of(weights: list[float]) -> tuple[int, ...]:
    """Return the cumulative sums of weights as the smallest integers in the same proportion, without rounding."""
    exact = [Fraction(repr(weight)) for weight in weights]
    unit = math.lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * unit) for weight in exact]
    common = math.gcd(*whole)
    return tuple(accumulate(weight // common for weight in whole))
