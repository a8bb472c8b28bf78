"""What changed in the type of the rows of an output, and whether it breaks who reads them.

A change breaks readers if a row can now be what no row was before: a column is gone, or may be absent or null; another
type; a new value of an `enum`; a wider type. So does a lost value of an `enum`, for which a reader may wait. A new
column and a narrower type break nothing. Keywords that cannot be ordered (`pattern`, `not`, `if`) are reported as
changed, and break nothing, because nothing is known; one that is gone makes the type wider. `oneOf` is read as `anyOf`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Literal

from yamlgen.comparison.type_forms import TypeForm, forms_of, is_anything, is_never
from yamlgen.comparison.type_limits import limit_changes
from yamlgen.schemas.constraints import KINDS
from yamlgen.schemas.type_words import BARE
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON

ChangeKind = Literal["added", "removed", "narrower", "wider", "changed"]

_MOST: Final = 200
"""Maximum number of changes at one place, its parts included."""

_MOST_VALUES: Final = 4
_LONGEST: Final = 40
_NAME: Final = re.compile(r"[\w$-]+")


@dataclass(frozen=True, slots=True)
class TypeChange:
    """One change of the type of an output.

    Attributes:
        path: the column, or its part: "tone", "reply.tone", "labels[]", "messages[0]"; "*" stands for members that are
            not declared. Empty for the row itself.
        kind: "added" and "removed" for columns and members; "narrower" if less is allowed than before, "wider" if more;
            "changed" if neither is sure.
        message: what changed, to be read after the path.
        breaks: whether it breaks readers.
    """

    path: str
    kind: ChangeKind
    message: str
    breaks: bool


def type_changes(before: JSON, after: JSON) -> tuple[TypeChange, ...]:
    """Compare the types of the rows of an output.

    Args:
        before: a self-contained JSON Schema of the rows.
        after: the same of the other side.

    Returns:
        The changes, in the order of the columns; none if the schemas are two spellings of one type.
    """
    found = _TypeComparison(before, after).of(before, after, is_row=True)
    return tuple(replace(each, path=each.path.removeprefix(".")) for each in found)


class _TypeComparison:
    """Compares parts of two schemas; each pair is compared once, so that recursive types end."""

    def __init__(self, before: JSON, after: JSON) -> None:
        self.roots = before, after
        self.known: dict[tuple[str, str, bool], tuple[TypeChange, ...]] = {}

    def of(self, before: JSON, after: JSON, *, is_row: bool = False) -> tuple[TypeChange, ...]:
        """Return the changes between two parts, with paths that start at them."""
        key = json.dumps(before, sort_keys=True), json.dumps(after, sort_keys=True), is_row
        if key not in self.known:
            self.known[key] = ()
            old, new = forms_of(before, self.roots[0]), forms_of(after, self.roots[1])
            self.known[key] = _first(self._forms(old, new, is_row=is_row))
        return self.known[key]

    def _forms(self, old: list[TypeForm], new: list[TypeForm], *, is_row: bool) -> Iterator[TypeChange]:
        if is_anything(old) and is_anything(new):
            return
        kinds, others = _kinds(old), _kinds(new)
        if is_anything(old) or is_anything(new) or not kinds - {"null"} & others:
            if kinds != others or is_anything(old) or is_anything(new):
                yield _other_type(old, new)
            return
        if ("null" in kinds) != ("null" in others):
            yield _wider("may be null") if "null" in others else _narrower("is never null")
        old, new = ([form for form in forms if form.kind != "null"] for forms in (old, new))
        if all(form.values is not None and not form.texts for form in (*old, *new)):
            yield from _values(_listed(old), _listed(new))
            return
        kinds, others = _kinds(old), _kinds(new)
        if kinds != others:
            yield _other_type(old, new)
        for kind in KINDS:
            if kind in kinds & others:
                ones, twos = ([form for form in forms if form.kind == kind] for forms in (old, new))
                yield from self._alternatives(ones, twos, is_row=is_row)

    def _alternatives(self, old: list[TypeForm], new: list[TypeForm], *, is_row: bool) -> Iterator[TypeChange]:
        """Yield the changes between the alternatives of one kind, without those that both sides have."""
        left = list(new)
        gone = []
        for form in old:
            same = next((each for each in left if not _first(self._details(form, each, is_row=is_row))), None)
            if same is None:
                gone.append(form)
            else:
                left.remove(same)
        if len(gone) == len(left) == 1:
            yield from self._details(gone[0], left[0], is_row=is_row)
        elif gone and left:
            yield TypeChange("", "changed", f"has other alternatives of type {BARE[gone[0].kind]}", breaks=True)
        elif gone or left:
            message = f"{len(new)} alternatives of type {BARE[(gone or left)[0].kind]} instead of {len(old)}"
            yield _narrower(message) if gone else _wider(message)

    def _details(self, old: TypeForm, new: TypeForm, *, is_row: bool) -> Iterator[TypeChange]:
        if old.values is not None and new.values is not None:
            yield from _values(old.values, new.values)
        elif old.values is not None:
            yield _wider(f"any {BARE[old.kind]} instead of {_shown(old.values, 'or')}")
        elif new.values is not None:
            yield _narrower(f"{_shown(new.values, 'or')} instead of any {BARE[new.kind]}")
        else:
            yield from _limits(old, new)
            if old.kind == "object":
                yield from self._members(old.keywords, new.keywords, is_row=is_row)
            if old.kind == "array":
                yield from self._items(old.keywords, new.keywords)
        yield from _texts(old, new)

    def _members(self, old: Mapping[str, Any], new: Mapping[str, Any], *, is_row: bool) -> Iterator[TypeChange]:
        columns, others = old.get("properties", {}), new.get("properties", {})
        rest, other_rest = old.get("additionalProperties", True), new.get("additionalProperties", True)
        for name in [*columns, *(name for name in others if name not in columns)]:
            path = f".{name}" if _NAME.fullmatch(name) else f".{json.dumps(name, ensure_ascii=False)}"
            if name not in others:
                is_told = is_row and not is_never(other_rest)
                message = "is no longer declared, and may be absent" if is_told else "is gone"
                yield TypeChange(path, "removed", message, breaks=True)
            elif name not in columns:
                is_told = is_row and not is_never(rest)
                yield TypeChange(path, "added", "is declared now" if is_told else "is new", breaks=False)
            else:
                is_sure, was_sure = name in new.get("required", ()), name in old.get("required", ())
                if is_sure != was_sure:
                    change = _narrower("is always present") if is_sure else _wider("may be absent")
                    yield replace(change, path=path)
                yield from _under(path, self.of(columns[name], others[name]))
        what = "columns" if is_row else "members"
        if is_never(rest) or is_never(other_rest):
            if not is_never(other_rest):
                yield TypeChange("", "wider", f"may have other {what}", breaks=False)
            elif not is_never(rest):
                yield TypeChange("", "narrower", f"has no other {what}", breaks=is_row)
        else:
            yield from _under(".*", self.of(rest, other_rest))

    def _items(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[TypeChange]:
        first, others = old.get("prefixItems", ()), new.get("prefixItems", ())
        rest, other_rest = old.get("items", True), new.get("items", True)
        for index in range(max(len(first), len(others))):
            one = first[index] if index < len(first) else rest
            other = others[index] if index < len(others) else other_rest
            if not is_never(one) and not is_never(other):
                yield from _under(f"[{index}]", self.of(one, other))
        if not is_never(rest) and not is_never(other_rest):
            yield from _under("[]", self.of(rest, other_rest))


def _first(changes: Iterable[TypeChange]) -> tuple[TypeChange, ...]:
    return tuple(islice(changes, _MOST))


def _under(path: str, changes: Iterable[TypeChange]) -> Iterator[TypeChange]:
    return (replace(each, path=f"{path}{each.path}") for each in changes)


def _narrower(message: str) -> TypeChange:
    return TypeChange("", "narrower", message, breaks=False)


def _wider(message: str) -> TypeChange:
    return TypeChange("", "wider", message, breaks=True)


def _kinds(forms: Iterable[TypeForm]) -> set[str]:
    return {form.kind for form in forms}


def _other_type(old: list[TypeForm], new: list[TypeForm]) -> TypeChange:
    kinds, others = _kinds(old), _kinds(new)
    message = f"{_words(new)} instead of {_words(old)}"
    if kinds > others:
        return _narrower(message)
    return _wider(message) if kinds < others else TypeChange("", "changed", message, breaks=True)


def _words(forms: list[TypeForm]) -> str:
    """Return the types of the forms: "string or null"."""
    if is_anything(forms):
        return "any value"
    kinds = ("integer" if _is_integer(form) else form.kind for form in forms)
    names = [BARE[kind] for kind in dict.fromkeys(kinds)]
    return " or ".join(["number" if name == "integer" and "number" in names else name for name in names]) or "no value"


def _is_integer(form: TypeForm) -> bool:
    whole = form.values is not None and all(re.fullmatch(r"-?\d+", value) for value in form.values)
    return form.kind == "number" and (whole or "integer" in form.keywords)


def _listed(forms: list[TypeForm]) -> list[str]:
    return [value for form in forms for value in form.values or ()]


def _values(old: Sequence[str], new: Sequence[str]) -> Iterator[TypeChange]:
    lost, gained = ([value for value in ones if value not in others] for ones, others in ((old, new), (new, old)))
    if lost:
        yield TypeChange("", "narrower", f"lost the {_counted(lost)}", breaks=True)
    if gained:
        yield _wider(f"gained the {_counted(gained)}")


def _counted(values: Sequence[str]) -> str:
    return f"value{'' if len(values) == 1 else 's'} {_shown(values, 'and')}"


def _shown(values: Sequence[str], word: str) -> str:
    """Return values for a sentence: `"a", "b" or "c"`."""
    shown = [value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}..." for value in values[:_MOST_VALUES]]
    if len(values) > len(shown):
        shown.append(f"{len(values) - len(shown)} more")
    return f" {word} ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)


def _limits(old: TypeForm, new: TypeForm) -> Iterator[TypeChange]:
    """Yield the changes of bounds, lengths and formats."""
    for kind, message in limit_changes(old.kind, old.keywords, new.keywords):
        yield TypeChange("", kind, message, breaks=kind != "narrower")


def _texts(old: TypeForm, new: TypeForm) -> Iterator[TypeChange]:
    gone, come = old.texts - new.texts, new.texts - old.texts
    words = listing(sorted({word for word, _ in gone | come}))
    many = len({word for word, _ in gone | come}) > 1
    if gone and come:
        yield TypeChange("", "changed", f"{words} {'differ' if many else 'differs'}", breaks=False)
    elif come:
        yield _narrower(f"{words} {'are' if many else 'is'} new")
    elif gone:
        yield _wider(f"{words} {'are' if many else 'is'} gone")
