"""The rules of suspicion: what looks wrong with the data of a run. A rule is silent on right work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from yamlgen.profiles.doubts.answer_ends import AnswerObserver
from yamlgen.profiles.doubts.draw_shares import DrawObserver
from yamlgen.profiles.doubts.field_doubts import doubts
from yamlgen.profiles.doubts.field_origins import FieldOrigins
from yamlgen.profiles.doubts.suspicions import Suspicion
from yamlgen.profiles.doubts.unread_columns import ColumnObserver
from yamlgen.profiles.fields.field_profile import Basis, Field
from yamlgen.store.row_scan import ScannedRow
from yamlgen.value_objects import JSON

RULES: Final = (
    "refusals",
    "cut_off",
    "failed_nulls",
    "one_value",
    "duplicates",
    "mostly_null",
    "full_length",
    "broken",
    "never_came",
    "at_bound",
    "draws_off_weights",
    "unread_columns",
)
"""The rules, the most important first: what is lost or worthless, then what is doubtful, then what may be meant so."""

MOST_SUSPICIONS: Final = 20
"""The maximum number of suspicions that are listed; the rest is told in one."""


class SuspicionObserver:
    """Gathers from the rows what fields do not show.

    Args:
        about: the record of the run: the pipeline as it ran, and what is known of its steps.
    """

    def __init__(self, about: Mapping[str, JSON]) -> None:
        resolved = about.get("resolved") or {}
        self._about = about
        self._answers = AnswerObserver(resolved)
        self._draws = DrawObserver(resolved.get("steps") or {})
        self._columns = ColumnObserver(about)

    def add(self, row: ScannedRow) -> None:
        """Add a row."""
        self._answers.add(row)
        self._draws.add(row)
        self._columns.add(row)

    def suspicions(self, fields: Iterable[Field], basis: Basis) -> tuple[Suspicion, ...]:
        """Return what looks wrong, the most important first; at most 20, and then one that tells how many more.

        Args:
            fields: the fields of the rows.
            basis: what they were counted in.
        """
        origins = FieldOrigins(self._about, basis.output if basis.source == "output" else None)
        found = [each for field in fields for each in doubts(field, origins.of(field.name))]
        found += [*self._answers.suspicions(), *self._draws.suspicions(), *self._columns.suspicions()]
        found.sort(key=lambda each: RULES.index(each.rule))
        return tuple(_first(found))


def _first(found: list[Suspicion]) -> Iterator[Suspicion]:
    """Yield the first suspicions, and what is left out as one."""
    yield from found[:MOST_SUSPICIONS]
    if more := found[MOST_SUSPICIONS:]:
        counts = Counter(each.rule for each in more)
        named = ", ".join(f"{count:,} by `{rule}`" for rule, count in counts.items())
        yield Suspicion("more", "", f"{len(more):,} more are not listed: {named}")
