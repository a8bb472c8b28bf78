"""Something that looks wrong with the data of a run. `suspicion_rules` finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_EXAMPLES: Final = 5
"""The maximum number of rows that are named for a suspicion."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something that looks wrong.

    Attributes:
        rule: the name of the rule, such as `never_came`.
        place: the field, the draw, the step or the columns that it is about.
        message: what was found, with its numbers, as a sentence. It has no text of a row or of an answer.
        rows: a few rows in which it shows, counted from 1.
    """

    rule: str
    place: str
    message: str
    rows: tuple[int, ...] = ()
