"""Columns whose static types show that no row has the shape that a trainer accepts.

Each report is a proof: the schema of the type and that of what trainers accept have no value in common. What cannot be
decided is not reported; `shape_errors` decides it for each row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from yamlgen.parsing.source_map import DataPath
from yamlgen.schemas.constraints import shown
from yamlgen.schemas.satisfiability import is_empty
from yamlgen.schemas.trainer_formats import (
    EMPTY,
    INSTRUCTORS,
    KEYS,
    MADE_OF,
    MISSING,
    OPTIONAL,
    ROLES,
    RULES,
    UNASKED,
    MessageRules,
    for_others,
    misplaced,
    no_object,
    not_of,
    two_forms,
    unknown_key,
    unknown_role,
    wrong_end,
)
from yamlgen.schemas.type_words import VALUES, spoken
from yamlgen.schemas.types import ANYTHING, Type, referred, standing
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON

_Flaw: TypeAlias = tuple[DataPath, str]
"""The path of what is wrong, and the predicate of the sentence."""

_STRING: Final = {"type": "string"}
_LIST: Final = {"type": "array"}
_OBJECT: Final = {"type": "object"}
_BESIDE: Final = frozenset({"$defs", "title", "description", "default", "examples", "$comment"})
"""Keywords that do not restrict a value."""
_DEEPEST: Final = 6
_MOST: Final = 50
"""The maximum number of items that are examined one by one."""


def cannot_fit(shape: str, columns: Mapping[str, Type], *, others: bool = False) -> list[_Flaw]:
    """Return why no row of these columns has a shape; nothing if some row has it, or may have it.

    Args:
        shape: one of `SHAPES`.
        columns: the self-contained types of the columns that every row has.
        others: whether rows may have other columns.

    Returns:
        Sentences such as "`messages[0].role` is missing", each with its path: the column, then, as far as they are
        known, the index of the message and its key.
    """
    found: list[_Flaw] = []
    forms: dict[str, list[str]] = {}
    missing = [] if others else [column for column in RULES[shape] if column not in columns]
    for column, rules in RULES[shape].items():
        if column not in columns:
            continue
        known = columns[column]
        if _no(known, {}):
            continue  # no row is ever written
        is_text = rules.is_text and not _no(known, _STRING)
        flaws = _list_flaws(known, rules, (column,))
        if flaws and not is_text:
            found += flaws
        else:
            forms[column] = ["a string"] * is_text + [MADE_OF] * (not flaws)
    pairs = [(one, other) for one in forms for other in forms if not {*forms[one]} & {*forms[other]}]
    for one, other in pairs[:1]:
        found.append(((other,), two_forms(forms[other][0], one, forms[one][0])))
    said = [(path, f"`{_written(path)}` {fact}") for path, fact in found]
    if missing:
        are = "is missing" if missing[1:] == [] else "are missing"
        these = "this column" if missing[1:] == [] else "these columns"
        said.insert(0, ((missing[0],), f"{listing(missing)} {are}; `shape: {shape}` requires {these}"))
    return said


def _written(path: DataPath) -> str:
    return str(path[0]) + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path[1:])


def _no(known: Type, wanted: Mapping[str, JSON]) -> bool:
    """Check whether it is certain that no value of a type satisfies a schema."""
    if not isinstance(known.schema, dict):
        return not known.schema
    own = {key: part for key, part in known.schema.items() if key != "$defs"}
    return is_empty({"$defs": known.schema.get("$defs", {}), "allOf": [own, wanted]})


def _kinds(known: Type) -> str:
    return _spoken({kind for kind in VALUES if not _no(known, {"type": kind})})


def _spoken(kinds: set[str]) -> str:
    return spoken(kinds - {"integer"} if "number" in kinds else kinds)


def _branches(known: Type, depth: int = _DEEPEST) -> Iterator[Type]:
    """Yield types that together accept every value of a type, with references and unions resolved."""
    schema = known.schema if isinstance(known.schema, dict) else {}
    words = schema.keys() - _BESIDE
    if depth and words == {"$ref"}:
        target = referred(schema, schema["$ref"])
        yield from _branches(ANYTHING if target is None else standing(Type(target), schema), depth - 1)
    elif depth and len(words) == 1 and words <= {"anyOf", "oneOf"}:
        for branch in schema[next(iter(words))]:
            yield from _branches(standing(Type(branch), schema), depth - 1)
    elif "enum" in schema and len(schema["enum"]) <= _MOST:
        yield from (Type({"const": value}) for value in schema["enum"])
    else:
        yield known


@dataclass(frozen=True, slots=True)
class _Items:
    """What is known of the items of a list.

    Attributes:
        first: the types of the first items.
        rest: the type of the items after these; `None` if there are none.
        least: the minimum number of items; at least 1, because an empty list is no conversation.
        most: the maximum number of items.
    """

    first: Sequence[Type]
    rest: Type | None
    least: int
    most: float

    @classmethod
    def of(cls, known: Type) -> _Items:
        """Return what the type of a list says."""
        schema = known.schema if isinstance(known.schema, dict) else {}
        const = schema.get("const")
        if isinstance(const, list) and len(const) <= _MOST:
            return cls([Type({"const": value}) for value in const], None, max(len(const), 1), len(const))
        if len(schema.get("prefixItems", ())) > _MOST or "const" in schema:
            return cls([], ANYTHING, 1, math.inf)
        first = [standing(Type(part), schema) for part in schema.get("prefixItems", ())]
        rest = None if schema.get("items") is False else standing(Type(schema.get("items", {})), schema)
        most = min(schema.get("maxItems", math.inf), math.inf if rest is not None else len(first))
        return cls(first, rest, max(schema.get("minItems", 0), 1), most)

    def at(self, start: int = 0, least: float = math.inf) -> dict[int, Type]:
        """Return the types of the items from `start`, up to the number `least` of items, that lists may have.

        Those after `first` have one type, so that only one of them is returned.
        """
        found = dict(enumerate(self.first))
        if self.rest is not None:
            found[max(len(self.first), start)] = self.rest
        return {index: item for index, item in found.items() if start <= index < min(self.most, least)}


def _list_flaws(known: Type, rules: MessageRules, at: DataPath) -> list[_Flaw]:
    """Return why no value of a type is a list of messages; nothing if one is, or may be."""
    lists = [branch for branch in _branches(known) if not _no(branch, _LIST)]
    if not lists:
        return [(at, not_of(rules, _kinds(known)))]
    flaws = [_item_flaws(_Items.of(branch), rules, at) for branch in lists]
    if not all(flaws):
        return []
    common = [flaw for flaw in flaws[0] if all(flaw in each for each in flaws)]
    path, fact = flaws[0][0]
    return common or [(at, f"is never {MADE_OF}; one reason: `{_written(path)}` {fact}")]


def _item_flaws(items: _Items, rules: MessageRules, at: DataPath) -> list[_Flaw]:
    if items.most == 0:
        return [(at, EMPTY)]
    found = [
        flaw
        for index, item in items.at(least=items.least).items()
        for flaw in _message_flaws(item, (*at, index), rules.first if index == 0 else None)
    ]
    if found:
        return found
    ends = items.at(items.least - 1)
    roles = {role for item in ends.values() for role in _roles(item)}
    if roles.isdisjoint(rules.last):
        if items.most == items.least and len(ends) == 1:
            found.append(((*at, *ends, "role"), wrong_end(rules.last, "last", "` or `".join(sorted(roles)))))
        else:
            found.append((at, f"must end with a message from {' or '.join(f'`{role}`' for role in rules.last)}"))
    if rules.asks and not any("user" in _roles(item) for item in items.at().values()):
        found.append((at, UNASKED))
    return found


def _message_flaws(item: Type, at: DataPath, first: Sequence[str] | None) -> list[_Flaw]:
    """Return why no value of a type is a message; `first` are the roles of a first message, `None` if it is another."""
    if _no(item, _OBJECT):
        return [(at, no_object(_kinds(item)))]
    found: list[_Flaw] = []
    roles = _roles(item)
    place = (*at, "role")
    if _no(item, {**_OBJECT, "required": ["role"]}):
        found.append((place, MISSING))
    elif not roles:
        found.append((place, _no_role(item)))
    elif first is None and set(roles) <= set(INSTRUCTORS):
        found.append((place, misplaced(roles[0])))
    elif first is not None and set(roles).isdisjoint(first):
        found.append((place, wrong_end(tuple(first), "first", "` or `".join(roles))))
    if _no(item, _with(content=_STRING)) and ("assistant" not in roles or _no(item, _CALLS)):
        kinds = {kind for kind in VALUES if not _no(item, _with(content={"type": kind}))}
        found.append(((*at, "content"), f"must be a string, not {_spoken(kinds)}" if kinds else MISSING))
    schema = item.schema if isinstance(item.schema, dict) else {}
    const = schema.get("const")
    names = list(dict.fromkeys([*schema.get("required", ()), *(const if isinstance(const, dict) else ())]))
    for name in names:
        fact = _optional_fact(item, name, roles) if name in OPTIONAL else None
        found += [((*at, name), fact)] if fact is not None else []
    unknown = [((*at, name), unknown_key(name, names)) for name in names if name not in KEYS]
    if unknown:  # a key that is missing has probably the wrong name
        found = [flaw for flaw in found if flaw[1] != MISSING]
    return [*found, *unknown]


def _optional_fact(item: Type, name: str, roles: Sequence[str]) -> str | None:
    """Return the predicate for an optional key that no message of a type may have as it is; `None` if one may."""
    rule = OPTIONAL[name]
    if _no(item, _with(**{name: {"anyOf": [rule.schema, {"type": "null"}]}})):
        kinds = {kind for kind in VALUES if not _no(item, _with(**{name: {"type": kind}}))}
        given = _member(item, name)
        said = _spoken(kinds) if given is None else shown(given)
        return f"must be {rule.must}, not {said}" if kinds else None
    if rule.role is None or not roles or rule.role in roles or not _no(item, _with(**{name: {"type": "null"}})):
        return None
    return for_others(name, "` or `".join(roles))


def _member(item: Type, name: str) -> JSON:
    """Return the value that a member of all values of a type has; `None` if it is unknown."""
    schema = item.schema if isinstance(item.schema, dict) else {}
    const = schema.get("const")
    member = {"const": const.get(name)} if isinstance(const, dict) else schema.get("properties", {}).get(name)
    return member.get("const") if isinstance(member, dict) else None


def _with(**members: JSON) -> dict[str, Any]:
    return {**_OBJECT, "properties": members, "required": list(members)}


_CALLS: Final = {
    **_OBJECT,
    "properties": {
        "role": {"const": "assistant"},
        "tool_calls": {"type": "array", "minItems": 1},
        "content": {"type": "null"},
    },
    "required": ["role", "tool_calls"],
}
"""A message that calls tools, and needs no content."""


def _roles(item: Type) -> list[str]:
    """Return the roles that a message of a type may have."""
    return [role for role in ROLES if not _no(item, _with(role={"const": role}))]


def _no_role(item: Type) -> str:
    """Return the predicate for the role of messages of a type, none of which is a role."""
    role = _member(item, "role")
    return f"must be a role: {listing(ROLES)}" if role is None else unknown_role(role)
