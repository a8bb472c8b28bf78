"""The verdict on each step: what a change sends again, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from yamlgen.comparison.first_differences import FirstDifference, StepSide, first_accepted, first_asked
from yamlgen.comparison.step_tallies import StepTally
from yamlgen.forecast import StepForecast
from yamlgen.planning.step_order import ordered
from yamlgen.value_objects import JSON


class StepVerdict(StrEnum):
    """What a change does to a step."""

    SAME = "same"
    COSMETIC = "cosmetic"
    ASKS_AGAIN = "asks again"
    ASKS_MORE = "asks more"
    ASKS_LESS = "asks less"
    BEHIND = "behind"
    RECHECKS = "rechecks"
    RECOMPUTED = "recomputed"


ASKING: Final = frozenset({StepVerdict.ASKS_AGAIN, StepVerdict.ASKS_MORE, StepVerdict.BEHIND})
"""The verdicts of steps that may send requests."""

_MOVES: Final = ASKING | {StepVerdict.ASKS_LESS, StepVerdict.RECHECKS, StepVerdict.RECOMPUTED}
"""The verdicts of steps whose values may differ."""


@dataclass(frozen=True, slots=True)
class StepChange:
    """What a change does to a step.

    Attributes:
        step: its name.
        verdict: the verdict.
        move: `added`, `removed`, or `renamed`; `None` for a step of both sides.
        before: the name that it had, if it was renamed.
        first: the first difference; `None` if its own text and its rows are the same.
        behind: the steps that it needs and that may have other values.
        tally: the numbers of rows; `None` if the rows are unknown.
        sure: the requests that a run certainly sends because of the change; `None` if their number is unknown.
        most: the same, with those that depend on missing answers.
        is_paid: whether it sends requests to a model.
    """

    step: str
    verdict: StepVerdict
    move: str | None = None
    before: str | None = None
    first: FirstDifference | None = None
    behind: tuple[str, ...] = ()
    tally: StepTally | None = None
    sure: StepForecast | None = None
    most: StepForecast | None = None
    is_paid: bool = True

    @property
    def asks(self) -> bool:
        """Whether a run may send requests because of the change."""
        if self.tally is None:
            return self.is_paid and self.verdict in ASKING
        return self.is_paid and bool(self.tally.sure or self.tally.opened)

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        rows = None
        if self.tally is not None:
            tally = self.tally
            rows = {
                "total": tally.rows,
                "sure": tally.sure,
                "open": tally.opened,
                "stored": tally.stored,
                "pending": tally.pending,
                "rejected": tally.rejected,
                "accepted": tally.accepted,
                "recomputed": tally.values,
                "first": tally.first,
            }
        return {
            "step": self.step,
            "verdict": str(self.verdict),
            "move": self.move,
            "before": self.before,
            "first": None if self.first is None else self.first.as_json(),
            "behind": list(self.behind),
            "rows": rows,
            "requests": _requests(self.sure, self.most),
            "cost_usd": _cost(self.sure, self.most),
        }


def _requests(sure: StepForecast | None, most: StepForecast | None) -> JSON:
    if sure is None or most is None:
        return None
    return {"sure": sure.requests, "most": None if most.least_requests is None else most.requests}


def _cost(sure: StepForecast | None, most: StepForecast | None) -> JSON:
    if sure is None or most is None or sure.cost is None:
        return None
    return {"least": sure.cost[0], "likely": sure.likely_cost, "most": None if most.cost is None else most.cost[1]}


class OtherCauses(NamedTuple):
    """What differs outside of the steps; `None`: nothing.

    Attributes:
        rows: the rows of the input.
        common: what is common to all steps, and affects no request.
        store: the store that only the old side has.
    """

    rows: FirstDifference | None = None
    common: FirstDifference | None = None
    store: FirstDifference | None = None


def step_changes(
    before: Mapping[str, StepSide],
    after: Mapping[str, StepSide],
    names: Mapping[str, str | None],
    tallies: Mapping[str, StepTally] | None,
    forecasts: Mapping[str, tuple[StepForecast, StepForecast]],
    causes: OtherCauses,
) -> list[StepChange]:
    """Return what a change does to each step: those of the new side in file order, then those that were removed.

    Args:
        before: the steps of the old side.
        after: the steps of the new side.
        names: for each step of the new side, its name on the old side; `None` if it is new.
        tallies: the numbers of rows by step; `None` if the rows are unknown.
        forecasts: the sure requests, and those that depend on missing answers too, by step.
        causes: what differs outside of the steps.
    """
    made: dict[str, StepChange] = {}
    for name in ordered({name: side.step.needs for name, side in after.items()}):
        old = before.get(names[name] or "")
        behind = tuple(need for need in sorted(after[name].step.needs) if made[need].verdict in _MOVES)
        tally = None if tallies is None else tallies[name]
        sure, most = forecasts.get(name, (None, None))
        if tally is not None and most is not None and tally.rechecked:  # the number of re-asks is unknown
            most = replace(most, requests=most.requests + tally.rechecked, least_requests=None, cost=None)
        verdict, first = _verdict(old, after[name], tally, behind, causes)
        moved = None if old is None else "renamed" if names[name] != name else None
        made[name] = StepChange(
            name,
            verdict,
            "added" if old is None else moved,
            names[name] if moved else None,
            first,
            behind if verdict is StepVerdict.BEHIND else (),
            tally,
            sure,
            most,
            bool(after[name].step.variants),
        )
    known = set(names.values())
    gone = [side for name, side in before.items() if name not in known]
    removed = [_removed(side, None if tallies is None else tallies[side.step.name]) for side in gone]
    return [*(made[name] for name in after), *removed]


def _removed(side: StepSide, tally: StepTally | None) -> StepChange:
    verdict = StepVerdict.ASKS_LESS if side.step.variants else StepVerdict.RECOMPUTED
    return StepChange(side.step.name, verdict, "removed", tally=tally, is_paid=bool(side.step.variants))


def _verdict(
    old: StepSide | None,
    new: StepSide,
    tally: StepTally | None,
    behind: Sequence[str],
    causes: OtherCauses,
) -> tuple[StepVerdict, FirstDifference | None]:
    """Return the verdict on a step, and its first difference."""
    is_paid = bool(new.step.variants)
    if old is None:
        place = FirstDifference(new.places.key("kind"))
        return (StepVerdict.ASKS_MORE if is_paid else StepVerdict.RECOMPUTED), place
    asked, accepted = first_asked(old, new), first_accepted(old, new)
    if not is_paid:
        return _of_value(old, new, tally, behind, asked or accepted, causes)
    found = (
        _without_rows(asked, [*behind, *filter(None, [causes.rows])])
        if tally is None
        else _with_rows(tally, asked, behind)
    )
    if found is not None:
        is_own = asked is not None and found is not StepVerdict.BEHIND
        return found, asked if is_own else causes.rows if tally is None or tally.changed else None
    if causes.store is not None and tally is not None and tally.sure:
        return StepVerdict.ASKS_AGAIN, causes.store
    if accepted is not None or (tally is not None and tally.sure):
        return StepVerdict.RECHECKS, accepted or asked
    return _cosmetic(old, new, causes.common)


def _without_rows(asked: FirstDifference | None, behind: Sequence[object]) -> StepVerdict | None:
    if asked is not None:
        return StepVerdict.ASKS_AGAIN
    return StepVerdict.BEHIND if behind else None


def _with_rows(tally: StepTally, asked: FirstDifference | None, behind: Sequence[str]) -> StepVerdict | None:
    is_behind = asked is None and bool(behind)
    if tally.again:
        return StepVerdict.BEHIND if is_behind else StepVerdict.ASKS_AGAIN
    if tally.more:
        return StepVerdict.BEHIND if is_behind else StepVerdict.ASKS_MORE
    if tally.opened > tally.rechecked:
        return StepVerdict.BEHIND if is_behind else StepVerdict.ASKS_AGAIN
    return StepVerdict.ASKS_LESS if tally.less else None


def _of_value(
    old: StepSide,
    new: StepSide,
    tally: StepTally | None,
    behind: Sequence[str],
    own: FirstDifference | None,
    causes: OtherCauses,
) -> tuple[StepVerdict, FirstDifference | None]:
    """Return the verdict on a step without a model."""
    is_changed = own is not None or bool(behind)
    if tally is not None:
        is_changed = bool(tally.values or tally.opened or tally.less)
    if is_changed or (own is not None and tally is None):
        return StepVerdict.RECOMPUTED, own or (causes.rows if tally is not None and tally.changed else None)
    return _cosmetic(old, new, causes.common)


def _cosmetic(
    old: StepSide, new: StepSide, common: FirstDifference | None
) -> tuple[StepVerdict, FirstDifference | None]:
    if old.text != new.text:
        return StepVerdict.COSMETIC, None
    return (StepVerdict.SAME, None) if common is None else (StepVerdict.COSMETIC, common)
