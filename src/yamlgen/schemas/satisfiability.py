"""Find the parts of a JSON Schema that no value can satisfy, and why.

Owns the search for contradictions. It reports only certain contradictions, and skips what it cannot decide (patterns,
`not`, conditions). A schema that requires itself recursively has no value, because values are finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import jsonschema_rs

from yamlgen.errors import Code
from yamlgen.parsing.source_map import DataPath, Issue
from yamlgen.schemas.constraints import (
    KINDS,
    SAYS_NO_MORE,
    Part,
    Reason,
    allowed,
    asked_of,
    count,
    crossed,
    equal,
    item,
    kinds_of,
    listed,
    mapped,
    member,
    no_kind,
    no_number,
    numbers,
    required,
    shown,
    too_few_names,
)
from yamlgen.schemas.json_pointer import steps, within, written
from yamlgen.schemas.keywords import subschemas, validator_of
from yamlgen.schemas.types import kind_of
from yamlgen.suggestions import Hint, nearest
from yamlgen.value_objects import JSON

_NOTHING: Final[tuple[JSON, ...]] = (False, {"not": {}}, {"not": True})
"""The schemas that explicitly allow no value: the author means that."""

_HOME: Final = "urn:yamlgen:schema"
_MOST_LOOKS: Final = 10_000
_MOST_VALIDATORS: Final = 200
_DEEPEST: Final = 60


def contradictions(schema: JSON) -> Iterator[Issue]:
    """Yield each contradiction of a self-contained schema once; those that leave it no value come first.

    The path of an issue is that of the keyword, or of the entry in its list, that contradicts the others. The issue is
    a warning if some value still satisfies the schema.
    """
    search = _EmptinessSearch(schema)
    told: set[DataPath] = set()
    for path, part in subschemas(schema):
        whole = search.reason([(path, part)])
        for reason, kind in [(whole, "value")] if whole is not None else search.partial(path, part):
            if reason.path in told or reason.is_meant:
                continue
            told.add(reason.path)
            is_all = reason is whole and not path
            is_fatal, fact = is_all and not reason.is_mild, reason.fact
            if not reason.is_whole:
                fact = f"{'the schema' if is_all else 'this part of the schema'} allows no {kind}: {fact}"
            yield Issue(Code.BAD_SCHEMA, reason.path, fact, reason.hint, is_warning=not is_fatal)


def is_empty(schema: JSON) -> bool:
    """Check whether it is certain that no value satisfies a self-contained schema."""
    return _EmptinessSearch(schema).reason([((), schema)]) is not None


@dataclass
class _EmptinessSearch:
    root: JSON
    looks: int = 0
    validators: dict[DataPath, jsonschema_rs.Draft202012Validator | None] = field(default_factory=dict)
    satisfiable: set[Any] = field(default_factory=set)

    @cached_property
    def _anchors(self) -> Mapping[str, DataPath]:
        parts = [(part.get("$anchor", part.get("$dynamicAnchor")), path) for path, part in subschemas(self.root)]
        return {f"#{name}": path for name, path in parts if isinstance(name, str)}

    @cached_property
    def _is_one_resource(self) -> bool:
        return not any(path and "$id" in part for path, part in subschemas(self.root))

    def partial(self, path: DataPath, part: dict[str, Any]) -> Iterator[tuple[Reason, str]]:
        """Yield the contradictions in a part that some value satisfies, each with the kind of value it forbids."""
        parts = self._conjunction([(path, part)])
        for kind in KINDS:
            dead = self._dead(kind, parts, ()) if kind in kinds_of(parts) else None
            if dead is not None:
                yield dead, kind
        for word in ("anyOf", "oneOf"):
            for index, branch in enumerate(listed(part, word)):
                dead = self.reason([(path, part), ((*path, word, index), branch)], frozenset({path}))
                if dead is not None:
                    yield dead, "value"
        yield from ((reason, "value") for reason in self._refused_choices(path, part))

    def reason(
        self, parts: list[Part], skipped: frozenset[DataPath] = frozenset(), stack: tuple[Any, ...] = ()
    ) -> Reason | None:
        """Return why no value satisfies all these parts; `None` if some value does, or may.

        Args:
            parts: the schemas, each with its path.
            skipped: the parts whose branches are skipped.
            stack: the searches that are under way, outermost first.
        """
        self.looks += 1
        whole = self._conjunction(parts)
        key = (frozenset(path for path, _ in whole), skipped)
        if key in self.satisfiable or self.looks > _MOST_LOOKS or len(stack) > _DEEPEST:
            return None
        if key in stack:
            return Reason(parts[0][0], is_endless=True)
        reason = self._reason(whole, skipped, (*stack, key))
        if reason is None:
            self.satisfiable.add(key)
        return reason

    def _reason(self, parts: list[Part], skipped: frozenset[DataPath], stack: tuple[Any, ...]) -> Reason | None:
        nothing = next((path for path, part in parts if part in _NOTHING), None)
        if nothing is not None:
            return Reason(nothing, is_meant=True)
        choices = self._no_choice(parts)
        if choices is not None:
            return choices
        kinds = kinds_of(parts)
        if not kinds:
            return no_kind(parts)
        dead = [self._dead(kind, parts, stack) for kind in KINDS if kind in kinds]
        if None not in dead:
            return next((reason for reason in dead if reason and not reason.is_meant), dead[0])
        here = frozenset(path for path, _ in parts)
        for path, part in parts:
            for word in ("anyOf", "oneOf") if path not in skipped else ():
                branches = [((*path, word, index), branch) for index, branch in enumerate(listed(part, word))]
                found = [self.reason([*parts, branch], skipped | here, stack) for branch in branches]
                if found and None not in found:
                    return next((reason for reason in found if reason and not reason.is_meant), found[0])
        return None

    def _conjunction(self, parts: list[Part]) -> list[Part]:
        """Return all schemas that a value must satisfy: these parts, their `$ref` targets, and their `allOf`."""
        found: dict[DataPath, JSON] = {}
        waiting = list(parts)
        while waiting:
            path, part = waiting.pop(0)
            if path in found:
                continue
            found[path] = part
            if not isinstance(part, dict):
                continue
            waiting += [((*path, "allOf", index), each) for index, each in enumerate(listed(part, "allOf"))]
            target = self._target(part.get("$ref"))
            if target is not None:
                waiting.append(target)
        return list(found.items())

    def _target(self, ref: object) -> Part | None:
        if not isinstance(ref, str) or not ref.startswith("#") or not self._is_one_resource:
            return None
        try:
            is_pointer = ref == "#" or ref.startswith("#/")
            path = steps(self.root, ref[1:]) if is_pointer else self._anchors[ref]
        except LookupError:
            return None
        target = within(self.root, path)
        return (path, target) if isinstance(target, dict | bool) else None

    def _no_choice(self, parts: list[Part]) -> Reason | None:
        """Return why none of the values in `const` or `enum` is allowed."""
        for path, part in parts:
            word = next((word for word in ("const", "enum") if isinstance(part, dict) and word in part), None)
            if word is None:
                continue
            values = [part["const"]] if word == "const" else listed(part, "enum")
            if not values:
                return Reason((*path, word), "`enum` is empty", "list its values, or remove it", is_mild=True)
            if not any(self._accepts(parts, value) for value in values):
                is_so, is_not = asked_of(parts, values)
                fact = f"{shown(part[word])} {is_not}" if word == "const" else f"no value of `enum` {is_so}"
                return Reason((*path, word), fact)
        return None

    def _refused_choices(self, path: DataPath, part: dict[str, Any]) -> Iterator[Reason]:
        values, parts = listed(part, "enum"), self._conjunction([(path, part)])
        for index, value in enumerate(values):
            if not self._accepts(parts, value, path):
                is_not = asked_of(parts, [value])[1]
                fact = f"{shown(value)} in `enum` is never allowed: it {is_not}"
                hint = f"remove it, or change {'`type`' if is_not.startswith('is') else 'the schema'} to allow it"
                yield Reason((*path, "enum", index), fact, hint, is_whole=True)

    def _accepts(self, parts: list[Part], value: JSON, of: DataPath | None = None) -> bool:
        """Whether a value may satisfy all parts; `of` is the path of the part that lists it."""
        if kind_of(value) not in allowed(parts):
            return False
        for path, part in parts:
            if isinstance(part, bool):
                continue
            if part.keys() <= SAYS_NO_MORE:
                if "const" in part and not equal(value, part["const"]):
                    return False
                if path != of and "enum" in part and not any(equal(value, each) for each in listed(part, "enum")):
                    return False
            elif not self._valid(path, value):
                return False
        return True

    def _valid(self, path: DataPath, value: JSON) -> bool:
        """Whether a value is valid at a place in the schema; true if there are too many places."""
        validator = self._validator(path)
        try:
            return validator is None or bool(validator.is_valid(value))
        except (ValueError, RecursionError):
            return True

    def _validator(self, path: DataPath) -> jsonschema_rs.Draft202012Validator | None:
        if path not in self.validators:
            if len(self.validators) >= _MOST_VALIDATORS or not self._is_one_resource or not isinstance(self.root, dict):
                return None
            home = {key: part for key, part in self.root.items() if key != "$schema"}
            schema = {"$defs": {"home": {**home, "$id": _HOME}}, "$ref": f"{_HOME}#{written(path)}"}
            self.validators[path] = _usable(schema)
        return self.validators[path]

    def _dead(self, kind: str, parts: list[Part], stack: tuple[Any, ...]) -> Reason | None:
        """Return why no value of one kind satisfies all parts."""
        match kind:
            case "object":
                return self._no_object(parts, stack)
            case "array":
                return self._no_array(parts, stack)
            case "string":
                return crossed(parts, "minLength", "maxLength")
            case "number":
                return no_number(parts)
        return None

    def _no_object(self, parts: list[Part], stack: tuple[Any, ...]) -> Reason | None:
        bounds = crossed(parts, "minProperties", "maxProperties")
        if bounds is not None:
            return bounds
        names = required(parts)
        most = min((bound for bound, _ in numbers(parts, "maxProperties")), default=math.inf)
        if len(names) > most:
            path = next(path for bound, path in numbers(parts, "maxProperties") if bound == most)
            fact = f"the maximum number of properties is {most:,}, and the number of required ones {len(names):,}"
            return Reason(path, fact)
        for name, at in names.items():
            asked: list[Part] = []
            for path, part in parts:
                if not isinstance(part, dict):
                    continue
                own = member(path, part, name)
                if own is not None and own[1] is False and own[0][-1] != name:
                    word = own[0][-1]
                    near = nearest(name, mapped(part, "properties"))
                    hint = f"did you mean `{near}`?" if near else f"add `{name}` under `properties`"
                    hint = Hint(hint, mapped(part, "properties"))
                    return Reason(at, f"`{name}` is required, but `{word}: false` forbids it", hint)
                asked += [own] if own is not None else []
                rule = part.get("propertyNames", True)
                if rule is False or (isinstance(rule, dict) and not self._valid((*path, "propertyNames"), name)):
                    return Reason(at, f"`{name}` is required, but `propertyNames` forbids it")
            reason = self.reason(asked, stack=stack) if asked else None
            if reason is not None and reason.is_meant:
                return Reason(at, f"`{name}` is required, but its schema allows no value", "remove one of the two")
            if reason is not None and reason.is_endless:
                hint = "make it optional, or allow null there"
                return Reason(at, f"`{name}` is required in itself, without end", hint)
            if reason is not None:
                return reason
        return too_few_names(parts)

    def _no_array(self, parts: list[Part], stack: tuple[Any, ...]) -> Reason | None:
        bounds = crossed(parts, "minItems", "maxItems")
        if bounds is not None:
            return bounds
        least, at = max(numbers(parts, "minItems"), key=lambda bound: bound[0], default=(0, ()))
        tuples = max((len(listed(part, "prefixItems")) for _, part in parts), default=0)
        for index in range(int(min(least, tuples + 1, _DEEPEST))):
            items = [each for each in (item(path, part, index) for path, part in parts) if each is not None]
            reason = self.reason(items, stack=stack) if items else None
            if reason is not None and (reason.is_meant or reason.is_endless):
                why = "contains itself without end" if reason.is_endless else "is not allowed"
                return Reason(at, f"the minimum number of items is {least:,}, but item {index + 1} {why}")
            if reason is not None:
                return reason
        is_unique = any(isinstance(part, dict) and part.get("uniqueItems") is True for _, part in parts)
        for path, part in parts if is_unique and not tuples else ():
            each = item(path, part, 0)
            most = count(each[1]) if each is not None else math.inf
            if most < least:
                fact = f"the minimum number of items is {least:,}, and the number of different values {most:,}"
                return Reason(at, fact)
        return self._no_contained(parts, stack)

    def _no_contained(self, parts: list[Part], stack: tuple[Any, ...]) -> Reason | None:
        """Return why no array satisfies `contains`."""
        most_items = min((bound for bound, _ in numbers(parts, "maxItems")), default=math.inf)
        for path, part in parts:
            if not isinstance(part, dict) or "contains" not in part:
                continue
            least, most = part.get("minContains", 1), part.get("maxContains", math.inf)
            word = "minContains" if "minContains" in part else "contains"
            if least > most:
                return Reason((*path, word), f"`{word}` requires {least:,}, but `maxContains` allows {most:,}")
            if least > most_items:
                return Reason((*path, word), f"`{word}` requires {least:,}, but `maxItems` allows {most_items:,}")
            if least < 1:
                continue
            contained = ((*path, "contains"), part["contains"])
            reason = self.reason([contained], stack=stack)
            if reason is not None:
                return replace(reason, is_meant=reason.is_meant or reason.is_endless)
            if any(listed(each, "prefixItems") for _, each in parts):
                continue
            items = [each for each in (item(path, part, 0) for path, part in parts) if each is not None]
            if items and self.reason([contained, *items], stack=stack) is not None:
                return Reason((*path, "contains"), "`items` forbids every value that `contains` requires")
        return None


def _usable(schema: JSON) -> jsonschema_rs.Draft202012Validator | None:
    try:
        return validator_of(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return None
