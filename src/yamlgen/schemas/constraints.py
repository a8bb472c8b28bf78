"""The combined constraints of several schemas on the same value: bounds, types, names, items.

Owns the contradictions that are visible at one place, without a look into nested schemas.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from yamlgen.parsing.source_map import DataPath
from yamlgen.schemas.keywords import is_match
from yamlgen.schemas.type_words import SCHEMAS, spoken
from yamlgen.schemas.types import kind_of, with_integers
from yamlgen.value_objects import JSON

KINDS: Final = ("object", "array", "string", "number", "boolean", "null")
SAYS_NO_MORE: Final = frozenset({"type", "enum", "const", "title", "description", "default", "examples", "$comment"})
_IN_PLACE: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies", "$ref", "$dynamicRef"}
)

Part: TypeAlias = tuple[DataPath, JSON]
"""A schema with its path."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why no value satisfies a part.

    Attributes:
        is_meant: whether the author forbids every value on purpose, as with `false`.
        is_endless: whether the part requires itself recursively.
        is_whole: whether the fact is a complete sentence.
        is_mild: whether the part is still a valid schema, such as an empty `enum`.
    """

    path: DataPath
    fact: str = ""
    hint: str | None = None
    is_meant: bool = False
    is_endless: bool = False
    is_whole: bool = False
    is_mild: bool = False


def kinds_of(parts: list[Part]) -> set[str]:
    """Return the kinds that all parts allow; an integer is a number."""
    return {"number" if kind == "integer" else kind for kind in allowed(parts)}


def allowed(parts: list[Part]) -> frozenset[str]:
    """Return the types that all parts allow; "number" includes "integer"."""
    types = with_integers(KINDS)
    for _, part in parts:
        named = part.get("type") if isinstance(part, dict) else None
        if named is not None:
            types &= with_integers(named if isinstance(named, list) else [named])
    return types


def no_kind(parts: list[Part]) -> Reason:
    """Return the first `type` that contradicts those before it."""
    before: list[Part] = []
    for path, part in parts:
        if isinstance(part, dict) and "type" in part:
            if not allowed([*before, (path, part)]):
                fact = f"a value cannot be both {_wanted(before)} and {_wanted([(path, part)])}"
                return Reason((*path, "type"), fact)
            before.append((path, part))
    return Reason(parts[0][0], is_meant=True)


def _wanted(parts: list[Part]) -> str:
    """Return the types that all parts allow, in words."""
    types = allowed(parts)
    return spoken(types - {"integer"} if "number" in types else types, SCHEMAS)


def asked_of(parts: list[Part], values: list[JSON]) -> tuple[str, str]:
    """Return what none of the values satisfies, as a verb and its negation: `is a string`, `is not a string`."""
    types = allowed(parts)
    if types and len(types) < len(SCHEMAS) and not any(kind_of(value) in types for value in values):
        return f"is {_wanted(parts)}", f"is not {_wanted(parts)}"
    words = [word for _, part in parts if isinstance(part, dict) for word in part if word not in SAYS_NO_MORE]
    words = list(dict.fromkeys(words)) or ["enum" if any(listed(part, "enum") for _, part in parts) else "const"]
    what = f"`{words[0]}`" if len(words) == 1 else "the rest of the schema"
    return f"matches {what}", f"does not match {what}"


def crossed(parts: list[Part], low: str, high: str) -> Reason | None:
    """Return why the minimum exceeds the maximum, each the tightest of all parts."""
    least, at = max(numbers(parts, low), key=lambda bound: bound[0], default=(0, ()))
    most = min((bound for bound, _ in numbers(parts, high)), default=math.inf)
    if least <= most:
        return None
    return Reason(at, f"`{low}` is {figure(least)} and `{high}` is {figure(most)}", f"lower `{low}` or raise `{high}`")


def no_number(parts: list[Part]) -> Reason | None:
    """Return why no number, or no integer, lies between the bounds."""
    lows = [(*bound, False) for bound in numbers(parts, "minimum")]
    lows += [(*bound, True) for bound in numbers(parts, "exclusiveMinimum")]
    highs = [(*bound, False) for bound in numbers(parts, "maximum")]
    highs += [(*bound, True) for bound in numbers(parts, "exclusiveMaximum")]
    if not lows or not highs:
        return None
    low, at, above = max(lows, key=lambda bound: (bound[0], bound[2]))
    high, other, below = min(highs, key=lambda bound: (bound[0], not bound[2]))
    fact = f"`{at[-1]}` is {figure(low)} and `{other[-1]}` is {figure(high)}"
    if low > high or (low == high and (above or below)):
        return Reason(at, fact, f"lower `{at[-1]}` or raise `{other[-1]}`")
    steps = [step for step, _ in numbers(parts, "multipleOf") if isinstance(step, int) and step > 0]
    if not steps and "number" in allowed(parts):
        return None
    first = math.floor(low) + 1 if above else math.ceil(low)
    last = math.ceil(high) - 1 if below else math.floor(high)
    if first > last:
        return Reason(at, f"{fact}: there is no integer between them")
    step = max(steps, default=1)
    if -(-first // step) * step > last:
        return Reason(at, f"{fact}: there is no multiple of {step:,} between them")
    return None


def required(parts: list[Part]) -> dict[str, DataPath]:
    """Return the required names, each with the place that requires it."""
    found: dict[str, DataPath] = {}
    rules: list[tuple[str, str, DataPath]] = []
    for path, part in parts:
        for index, name in enumerate(listed(part, "required")):
            found.setdefault(name, (*path, "required", index))
        for word in ("dependentRequired", "dependencies"):
            for trigger, names in mapped(part, word).items():
                if isinstance(names, list):
                    at = (*path, word, trigger)
                    rules += [(trigger, name, (*at, index)) for index, name in enumerate(names)]
    grew = True
    while grew:
        new = {name: at for trigger, name, at in rules if trigger in found and name not in found}
        found |= new
        grew = bool(new)
    return found


def member(path: DataPath, part: dict[str, Any], name: str) -> Part | None:
    """Return the schema that a part applies to one property; `None` if there is none, or it is uncertain."""
    properties = mapped(part, "properties")
    if name in properties:
        return (*path, "properties", name), properties[name]
    if any(is_match(pattern, name) for pattern in mapped(part, "patternProperties")):
        return None
    if "additionalProperties" in part:
        return (*path, "additionalProperties"), part["additionalProperties"]
    if "unevaluatedProperties" in part and _IN_PLACE.isdisjoint(part):
        return (*path, "unevaluatedProperties"), part["unevaluatedProperties"]
    return None


def too_few_names(parts: list[Part]) -> Reason | None:
    """Return why fewer names are allowed than `minProperties` requires."""
    least, at = max(numbers(parts, "minProperties"), key=lambda bound: bound[0], default=(0, ()))
    for _, part in parts:
        if isinstance(part, dict) and part.get("additionalProperties") is False:
            names = [name for name, member in mapped(part, "properties").items() if member is not False]
            if not mapped(part, "patternProperties") and len(names) < least:
                fact = f"the minimum number of properties is {least:,}, and the number of allowed ones {len(names):,}"
                return Reason(at, fact)
    return None


def item(path: DataPath, part: JSON, index: int) -> Part | None:
    """Return the schema that a part applies to one item."""
    first = listed(part, "prefixItems")
    if index < len(first):
        return (*path, "prefixItems", index), first[index]
    return ((*path, "items"), part["items"]) if isinstance(part, dict) and "items" in part else None


def count(schema: JSON) -> float:
    """Return how many values a schema allows at most; infinity if it does not list them."""
    if not isinstance(schema, dict):
        return math.inf
    if "const" in schema:
        return 1
    sizes = {"boolean": 2, "null": 1}
    named = sizes.get(schema["type"], math.inf) if isinstance(schema.get("type"), str) else math.inf
    return min(len(schema["enum"]), named) if isinstance(schema.get("enum"), list) else named


def numbers(parts: list[Part], word: str) -> list[tuple[Any, DataPath]]:
    """Return the numbers under a keyword in all parts, each with its place."""
    found = [(part.get(word), (*path, word)) for path, part in parts if isinstance(part, dict)]
    return [(n, path) for n, path in found if isinstance(n, int | float) and not isinstance(n, bool)]


def listed(part: JSON, word: str) -> list[Any]:
    """Return the list under a keyword of a part; empty if there is none."""
    value = part.get(word) if isinstance(part, dict) else None
    return value if isinstance(value, list) else []


def mapped(part: JSON, word: str) -> dict[str, Any]:
    """Return the mapping under a keyword of a part; empty if there is none."""
    value = part.get(word) if isinstance(part, dict) else None
    return value if isinstance(value, dict) else {}


def equal(one: JSON, other: JSON) -> bool:
    """Whether two values are equal in JSON Schema: 1 equals 1.0, but not `true`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def figure(number: float) -> str:
    """Return a number as messages show it."""
    text = json.dumps(number)
    return text if len(text) <= 24 else f"{text[:20]}..."  # noqa: PLR2004 - longer than any number typed by hand


def shown(value: JSON) -> str:
    """Return a value as messages show it."""
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"  # noqa: PLR2004 - fits into a sentence
