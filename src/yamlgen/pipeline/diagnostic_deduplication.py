"""Merging of diagnostics that come from one mistake: the first place is reported, and the hint lists the other lines.

An unknown name is fixed where it should be declared or, if it is misspelt, wherever it was copied. A mistake inside an
anchor is reported once, regardless of the number of aliases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.suggestions import Hint

_NAMES: Final = frozenset(
    {Code.UNKNOWN_NAME, Code.UNKNOWN_PARAM, Code.UNKNOWN_STEP, Code.UNKNOWN_FIELD, Code.UNKNOWN_COLUMN}
    | {
        Code.UNKNOWN_MODEL_ALIAS,
        Code.UNKNOWN_ANCHOR,
        Code.UNKNOWN_FILTER,
        Code.MAY_BE_NULL,
        Code.NEVER_EQUAL,
        Code.BAD_DRAW,
        Code.BAD_REFERENCE,
    }
)
_UNKNOWN: Final = re.compile(r"(?:has no|unknown [a-z ]+) `([^`]+)`")
"""Finds the unknown name in a message."""

_OWNER: Final = re.compile(r"((?:an item of )?`(?:steps\.[^`]+|output)`) has no `[^`]+`: (it is .*)")
"""Finds, in a message, the value whose members are unknown, and the reason."""

_ELSEWHERE: Final = re.compile(r" in a step (?:or output )?(.*)")
"""Finds, in a hint, where a name is available."""

_MOST: Final = 5
"""The maximum number of other lines that a hint lists."""


def each_once(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the diagnostics in source order, with those of one mistake merged."""
    first: dict[tuple[object, ...], Diagnostic] = {}
    others: dict[tuple[object, ...], list[Mark]] = {}
    for told in diagnostics:
        key: tuple[object, ...] = (told.severity, told.code, told.message, told.mark)
        is_by_version = told.code is Code.SAMPLING_REFUSED and " in version " in told.message
        if (
            told.code in _NAMES
            or is_by_version
            or (told.code is Code.WRONG_KIND and told.message.startswith("`steps."))
        ):
            name = _UNKNOWN.search(told.message)
            is_near = name is not None and (told.hint or "").startswith("did you mean")
            owner, of_items = _OWNER.fullmatch(told.message), _ELSEWHERE.search(told.hint or "")
            key = (told.severity, told.code, name[1], told.hint) if name and is_near else key[:3]
            if owner and owner[2] == "it is a string" and owner[1] != "`output`":
                # all of them report that this step has no schema
                key = (told.severity, told.code, *owner.groups())
            elif owner and not is_near:
                key = (told.severity, told.code, *owner.groups(), told.hint)
            key = (told.severity, told.code, of_items[1]) if of_items else key
            is_undeclared = told.code in (Code.UNKNOWN_PARAM, Code.SAMPLING_REFUSED) and not is_near
            is_undeclared = is_undeclared or (told.code is Code.UNKNOWN_MODEL_ALIAS and told.hint is None)
            key = (told.severity, told.code, told.hint) if is_undeclared else key
        if ("error", *key[1:]) in first:
            key = ("error", *key[1:])
        if key in first:
            others.setdefault(key, []).append(told.mark)
        else:
            first[key] = told
    return [with_others(told, others.get(key, [])) for key, told in first.items()]


def with_others(told: Diagnostic, marks: list[Mark]) -> Diagnostic:
    """Return a diagnostic whose hint lists the other places of the same mistake."""
    lines = dict.fromkeys(
        f"{mark.line}" if mark.file == told.mark.file else f"{mark.file}:{mark.line}"
        for mark in marks
        if (mark.file, mark.line) != (told.mark.file, told.mark.line)
    )
    if not lines:
        return told
    named = list(lines)[:_MOST]
    more = f" and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
    also = f"also in line{'s' if len(lines) > 1 else ''} {', '.join(named)}{more}"
    hint = f"{told.hint} ({also})" if told.hint else also
    return replace(told, hint=told.hint.reworded(hint) if isinstance(told.hint, Hint) else hint)
