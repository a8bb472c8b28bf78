"""What the parts of a JSON Schema that hold at one place ask together: bounds, kinds, names, items.

Owns the contradictions that show at one place, without a look into what is inside.
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
    """Why nothing satisfies a part.

    Attributes:
        is_meant: whether the author says so outright.
        is_endless: whether the part needs itself inside itself.
        is_whole: whether the fact is a sentence that stands alone.
        is_mild: whether the part is a right one all the same, such as an empty `enum`.
    """

    path: DataPath
    fact: str = ""
    hint: str | None = None
    is_meant: bool = False
    is_endless: bool = False
    is_whole: bool = False
    is_mild: bool = False


def kinds_of(parts: list[Part]) -> set[str]:
    """The kinds that the types of all parts leave; an integer is a number."""
    return {"number" if kind == "integer" else kind for kind in allowed(parts)}


def allowed(parts: list[Part]) -> frozenset[str]:
    """The types that all parts allow; where numbers are allowed, integers are."""
    types = with_integers(KINDS)
    for _, part in parts:
        named = part.get("type") if isinstance(part, dict) else None
        if named is not None:
            types &= with_integers(named if isinstance(named, list) else [named])
    return types


def no_kind(parts: list[Part]) -> Reason:
    """The first type that is at odds with those before it."""
    before: list[Part] = []
    for path, part in parts:
        if isinstance(part, dict) and "type" in part:
            if not allowed([*before, (path, part)]):
                return Reason((*path, "type"), f"nothing is both {_wanted(before)} and {_wanted([(path, part)])}")
            before.append((path, part))
    return Reason(parts[0][0], is_meant=True)


def _wanted(parts: list[Part]) -> str:
    """The types that all parts want, in words."""
    types = allowed(parts)
    return spoken(types - {"integer"} if "number" in types else types, SCHEMAS)


def asked_of(parts: list[Part], values: list[JSON]) -> tuple[str, str]:
    """What none of some values is, as a verb and its denial: `is text`, `is not text`."""
    types = allowed(parts)
    if types and len(types) < len(SCHEMAS) and not any(kind_of(value) in types for value in values):
        return f"is {_wanted(parts)}", f"is not {_wanted(parts)}"
    words = [word for _, part in parts if isinstance(part, dict) for word in part if word not in SAYS_NO_MORE]
    words = list(dict.fromkeys(words)) or ["enum" if any(listed(part, "enum") for _, part in parts) else "const"]
    what = f"`{words[0]}`" if len(words) == 1 else "the rest of the schema"
    return f"fits {what}", f"does not fit {what}"


def crossed(parts: list[Part], low: str, high: str) -> Reason | None:
    """Why the least is above the most, each the tightest of all parts."""
    least, at = max(numbers(parts, low), key=lambda bound: bound[0], default=(0, ()))
    most = min((bound for bound, _ in numbers(parts, high)), default=math.inf)
    if least <= most:
        return None
    return Reason(at, f"`{low}` is {figure(least)}, and `{high}` {figure(most)}", f"lower `{low}`, or raise `{high}`")


def no_number(parts: list[Part]) -> Reason | None:
    """Why no number lies between the bounds, or none that is whole."""
    lows = [(*bound, False) for bound in numbers(parts, "minimum")]
    lows += [(*bound, True) for bound in numbers(parts, "exclusiveMinimum")]
    highs = [(*bound, False) for bound in numbers(parts, "maximum")]
    highs += [(*bound, True) for bound in numbers(parts, "exclusiveMaximum")]
    if not lows or not highs:
        return None
    low, at, above = max(lows, key=lambda bound: (bound[0], bound[2]))
    high, other, below = min(highs, key=lambda bound: (bound[0], not bound[2]))
    fact = f"`{at[-1]}` is {figure(low)}, and `{other[-1]}` {figure(high)}"
    if low > high or (low == high and (above or below)):
        return Reason(at, fact, f"lower `{at[-1]}`, or raise `{other[-1]}`")
    steps = [step for step, _ in numbers(parts, "multipleOf") if isinstance(step, int) and step > 0]
    if not steps and "number" in allowed(parts):
        return None
    first = math.floor(low) + 1 if above else math.ceil(low)
    last = math.ceil(high) - 1 if below else math.floor(high)
    if first > last:
        return Reason(at, f"{fact}: no integer is between them")
    step = max(steps, default=1)
    if -(-first // step) * step > last:
        return Reason(at, f"{fact}: no multiple of {step:,} is between them")
    return None


def required(parts: list[Part]) -> dict[str, DataPath]:
    """The names that must be there, each with the place that says so."""
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
    """What a part asks of one of its members; `None` where that is nothing, or not sure."""
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
    """Why there are fewer names than members are wanted."""
    least, at = max(numbers(parts, "minProperties"), key=lambda bound: bound[0], default=(0, ()))
    for _, part in parts:
        if isinstance(part, dict) and part.get("additionalProperties") is False:
            names = [name for name, member in mapped(part, "properties").items() if member is not False]
            if not mapped(part, "patternProperties") and len(names) < least:
                return Reason(at, f"at least {least:,} members are wanted, and {len(names):,} are allowed")
    return None


def item(path: DataPath, part: JSON, index: int) -> Part | None:
    """What a part asks of one item."""
    first = listed(part, "prefixItems")
    if index < len(first):
        return (*path, "prefixItems", index), first[index]
    return ((*path, "items"), part["items"]) if isinstance(part, dict) and "items" in part else None


def count(schema: JSON) -> float:
    """How many values a schema allows at most, where it lists them."""
    if not isinstance(schema, dict):
        return math.inf
    if "const" in schema:
        return 1
    sizes = {"boolean": 2, "null": 1}
    named = sizes.get(schema["type"], math.inf) if isinstance(schema.get("type"), str) else math.inf
    return min(len(schema["enum"]), named) if isinstance(schema.get("enum"), list) else named


def numbers(parts: list[Part], word: str) -> list[tuple[Any, DataPath]]:
    """The numbers that a keyword has in all parts, each with its place."""
    found = [(part.get(word), (*path, word)) for path, part in parts if isinstance(part, dict)]
    return [(n, path) for n, path in found if isinstance(n, int | float) and not isinstance(n, bool)]


def listed(part: JSON, word: str) -> list[Any]:
    """The list that a keyword has in a part; empty where it has none."""
    value = part.get(word) if isinstance(part, dict) else None
    return value if isinstance(value, list) else []


def mapped(part: JSON, word: str) -> dict[str, Any]:
    """The mapping that a keyword has in a part; empty where it has none."""
    value = part.get(word) if isinstance(part, dict) else None
    return value if isinstance(value, dict) else {}


def equal(one: JSON, other: JSON) -> bool:
    """Whether two values are one for JSON Schema, to which 1 and 1.0 are, and 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def figure(number: float) -> str:
    """A number as messages show it."""
    text = json.dumps(number)
    return text if len(text) <= 24 else f"{text[:20]}..."  # noqa: PLR2004 - as long as any number that is typed


def shown(value: JSON) -> str:
    """A value as messages show it."""
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"  # noqa: PLR2004 - what fits beside a sentence
