"""Answers that ended early, and what became of it: refusals, answers that were cut off, and nulls in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import Code
from yamlgen.model_capabilities import undated
from yamlgen.profiles.doubts.suspicions import MOST_EXAMPLES, Suspicion
from yamlgen.profiles.number_bits import NumberBits
from yamlgen.reports.amount_words import share_told
from yamlgen.store.row_scan import ScannedRow
from yamlgen.value_objects import JSON

MOST_CUT_OFF: Final = 0.01
"""The share of answers that may be cut off at `max_tokens`: a few are what `on_truncated` is for."""

MOST_FAILED_NULLS: Final = 0.01
"""The share of rows in which something may have failed and be null: `on_error: null` is there for a few."""

_LOST_BY: Final = {Code.REFUSED, Code.TRUNCATED}


@dataclass
class _Ends:
    """How the answers of a step ended: how many there are, and of each way their number and some of the rows."""

    reached: int = 0
    answers: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rows: dict[str, list[int]] = field(default_factory=dict)

    def note(self, way: str, number: int) -> None:
        self.counts[way] += 1
        rows = self.rows.setdefault(way, [])
        if len(rows) < MOST_EXAMPLES and (not rows or rows[-1] != number + 1):
            rows.append(number + 1)


class AnswerObserver:
    """Counts how the answers of the steps ended.

    Args:
        resolved: the pipeline as it ran.
    """

    def __init__(self, resolved: Mapping[str, JSON]) -> None:
        aliases = resolved.get("models") or {}
        self._own = {
            name: _models(keys, aliases)
            for name, keys in (resolved.get("steps") or {}).items()
            if keys.get("on_refusal") not in (None, "fail")
        }
        self._ends: dict[str, _Ends] = {}
        self._seen = NumberBits()

    def add(self, row: ScannedRow) -> None:
        """Add the answers of a row."""
        for name, step in row.steps.items():
            ends = self._ends.get(name)
            if ends is None:
                ends = self._ends[name] = _Ends()
            ends.reached += 1
            if step.status == "null" or step.failed_items:
                ends.note("null", row.number)
            if not step.attempts:
                continue
            own = self._own.get(name)
            for attempt in step.attempts:
                if not self._seen.add(attempt.number):  # equal rows share an answer
                    continue
                ends.answers += 1
                if attempt.stop_reason in ("refusal", "max_tokens"):
                    ends.note(attempt.stop_reason, row.number)
                elif own and not attempt.errors and undated(attempt.model or "") not in own:
                    ends.note("fallback", row.number)
            if step.error or step.failed_items:
                for code in {each["code"] for each in (step.error, *step.failed_items) if each} & _LOST_BY:
                    ends.note(code, row.number)

    def suspicions(self) -> Iterator[Suspicion]:
        """Yield the steps with refusals or answers of other models, with many cut answers or failed nulls."""
        for name, ends in self._ends.items():
            yield from _refused(name, ends)
        for name, ends in self._ends.items():
            count = ends.counts["max_tokens"]
            if count > MOST_CUT_OFF * ends.answers:
                share, was = share_told(count, ends.answers), "was" if count == 1 else "were"
                parts = [f"{count:,} of {ends.answers:,} answers ({share}) {was} cut off"]
                parts += _lacking(ends.counts[Code.TRUNCATED])
                yield Suspicion("cut_off", name, "; ".join(parts), tuple(ends.rows["max_tokens"]))
        for name, ends in self._ends.items():
            count = ends.counts["null"]
            if count > MOST_FAILED_NULLS * ends.reached:
                part = f"{count:,} of {ends.reached:,} rows ({share_told(count, ends.reached)})"
                yield Suspicion(
                    "failed_nulls", name, f"in {part}, a null stands for what failed", tuple(ends.rows["null"])
                )


def _refused(name: str, ends: _Ends) -> Iterator[Suspicion]:
    count, others = ends.counts["refusal"], ends.counts["fallback"]
    parts = []
    if count:
        are = "is a refusal" if count == 1 else "are refusals"
        parts.append(f"{count:,} of {ends.answers:,} answers ({share_told(count, ends.answers)}) {are}")
    if others:
        are = "is" if others == 1 else "are"
        parts.append(f"{others:,} of {ends.answers:,} answers {are} by another model, because the first one refused")
    parts += _lacking(ends.counts[Code.REFUSED])
    if parts:
        yield Suspicion("refusals", name, "; ".join(parts), tuple(ends.rows.get("refusal") or ends.rows["fallback"]))


def _lacking(rows: int) -> list[str]:
    return [f"{rows:,} {'row lacks' if rows == 1 else 'rows lack'} a value because of it"] if rows else []


def _models(step: Mapping[str, JSON], aliases: Mapping[str, JSON]) -> frozenset[str]:
    """Return the ids of the models that a step asks first, without dates."""
    model = step.get("model")
    named = (step.get("matrix") or {}).get("model") or [] if model is None else [model]
    found = [aliases.get(each, {"id": each}) if isinstance(each, str) else each for each in named]
    return frozenset(undated(each["id"]) for each in found if each.get("id"))
