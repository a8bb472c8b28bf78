"""How a value is drawn: the rules as values, what they draw for a row, what they can draw, and its schema.

A value is made from the sha256 of the canonical JSON of [seed, who, name], which makes this a contract as canonical
JSON is: another way would change the data of every pipeline that draws. Python's `random` promises no such thing. Each
named draw has a hash of its own, so one that is added, removed or moved changes no other; and that hash is read as
a fraction of what there is to draw from, so a weight or a bound that is changed a little changes few rows.
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
from yamlgen.value_objects import JSON

_FEW: Final = 64
"""The most values of a column or of a span of integers that are known one by one."""
_SPARE: Final = 128
"""How many bits a hash has at least beyond what is drawn, so that no value is likelier than another by 2**-128."""


@dataclass(frozen=True, slots=True)
class Choices:
    """One of `values`; `ends` are their weights, as whole numbers, each added to those before it."""

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
    """A number from `least` to `most`; with `decimals` one of the decimal fractions there, both ends included."""

    least: float
    most: float
    decimals: int | None


@dataclass(frozen=True, slots=True)
class Dates:
    """A date, as text, from `first` to `last`, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class ConditionalDraw:
    """Drawn by the rule in `cases` of the text that the earlier draw `name` came to, else by `otherwise`."""

    name: str
    cases: Mapping[str, Rule]
    otherwise: Rule | None

    @property
    def rules(self) -> list[Rule]:
        """The rules of which one draws it."""
        return [*self.cases.values(), *([] if self.otherwise is None else [self.otherwise])]


Rule: TypeAlias = Choices | ColumnValues | Integers | Numbers | Dates | ConditionalDraw
"""How one value is drawn: a value itself, picklable."""


def draw(rules: Mapping[str, Rule], seed: int, who: JSON) -> dict[str, JSON]:
    """The values for one row.

    Args:
        rules: as `compile_draws` made them, in their order.
        seed: the step's.
        who: what tells the row, the step, and the item and sample from all others; the same draws the same.
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
    """A whole number from 0 up to `count`, without it: the share of `count` that `chance` is of all hashes."""
    size = len(chance) * 8
    blocks = -(-(count.bit_length() + _SPARE) // size)
    more = (sha256(chance + block.to_bytes(8)).digest() for block in range(1, blocks))
    return int.from_bytes(b"".join((chance, *more))) * count >> blocks * size


def grid(least: float, most: float, decimals: int) -> tuple[int, int]:
    """The first and the last decimal fraction in [least, most], in units of the last decimal."""
    unit = 10**decimals
    return math.ceil(Fraction(repr(least)) * unit), math.floor(Fraction(repr(most)) * unit)


def _text(value: JSON) -> str:
    """A value as a key of `cases` names it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else canonical(value).decode("utf-8", "surrogatepass")


def values_of(rule: Rule) -> dict[str, bool] | None:
    """The texts of all values of a draw, and whether each can come to be drawn; `None` where they are too many."""
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
    """The JSON Schema of what `draw` makes."""
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
    """Values that differ as JSON, in order."""
    found: dict[bytes, JSON] = {}
    for value in values:
        found.setdefault(distinct_key(value), deepcopy(value))
    return found


def distinct_key(value: JSON) -> bytes:
    """What two values share if they are equal as JSON, where 1 is 1.0 and is not true."""
    return canonical(_whole(value))


def _whole(value: JSON) -> JSON:
    """A value with its numbers that are whole as integers."""
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
    """The `type` of a schema that all of `values` satisfy."""
    found = {_TYPES[type(value)] for value in values}
    if "number" in found:
        found.discard("integer")
    return found.pop() if len(found) == 1 else sorted(found)


def ends_of(weights: list[float]) -> tuple[int, ...]:
    """Weights as the smallest whole numbers in the same proportion, summed up: nothing is lost to rounding."""
    exact = [Fraction(repr(weight)) for weight in weights]
    unit = math.lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * unit) for weight in exact]
    common = math.gcd(*whole)
    return tuple(accumulate(weight // common for weight in whole))
