"""How much detail a page shows: less if it would become too large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Detail:
    """How much is shown. Every cut is told on the page.

    Attributes:
        text: whether texts that come from rows and answers are shown.
        fields: how many fields.
        values: how many values of a field.
        characters: how many characters of a value.
        columns: how many bars a histogram has; 0 for none, and for order statistics without a table.
        name: how many characters of a name.
        ways: how many ways of failing, with an example each.
        answers: how many answers of an example, the last ones.
        lines: how many lines of a request, of an answer, and of the words of its validator.
        excerpt: how many characters each of them has.
        suspicions: how many suspicions.
        groups: how many tables of samples, and of numbers by groups.
        steps: how many steps.
        slots: how many slots the strip of time has.
    """

    text: bool = True
    fields: int = 40
    values: int = 12
    characters: int = 600
    columns: int = 20
    name: int = 100
    ways: int = 20
    answers: int = 4
    lines: int = 24
    excerpt: int = 600
    suspicions: int = 40
    groups: int = 8
    steps: int = 40
    slots: int = 60


_LEVELS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"characters": 200, "excerpt": 400, "lines": 16, "ways": 12},
    {"characters": 120, "excerpt": 300, "lines": 10, "ways": 8, "columns": 12, "suspicions": 25},
    {"values": 8, "characters": 80, "name": 60, "answers": 3, "steps": 30, "slots": 40},
    {"values": 5, "columns": 8, "excerpt": 200, "lines": 6, "ways": 6, "steps": 20, "groups": 6, "suspicions": 15},
    {"columns": 4},
    {"values": 3, "characters": 40, "columns": 0, "name": 40, "excerpt": 100, "lines": 4, "ways": 4, "answers": 1},
    {"values": 1, "name": 30, "steps": 4, "groups": 2, "lines": 3, "ways": 3, "suspicions": 10, "slots": 20},
)


def details(*, text: bool) -> tuple[Detail, ...]:
    """Return how much detail a page can show, from the most to the least."""
    made, detail = [], Detail(text=text)
    for level in _LEVELS:
        detail = replace(detail, **level)
        made.append(detail)
    return tuple(made)
