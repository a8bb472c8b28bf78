"""Why a case did not pass, as plain lines: for reports without colours and columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from yamlgen.testing.verdicts import CaseVerdict, Miss


def details(case: CaseVerdict) -> Iterator[str]:
    """Yield why a case did not pass."""
    for flaw in case.flaws:
        yield f"{flaw.mark.file}:{flaw.mark.line}: {'; '.join(filter(None, [flaw.what, flaw.detail]))}"
    for miss in case.misses:
        yield f"{missed_told(miss)} ({_counted(miss.rows, 'row')})"
        yield from ("   ".join(filter(None, change_told(change))) for change in miss.changes)
        if miss.not_reached:
            yield not_reached_told(miss)
    if case.misses:
        yield recording_told(case)


def missed_told(miss: Miss) -> str:
    """Return why requests are not recorded, as a phrase."""
    if miss.recorded is None:
        return f"`{miss.step}` has no recorded answers"
    day = date.fromisoformat(miss.recorded)
    return f"`{miss.step}` sends another request than was recorded on {day.day} {day:%b %Y}"


def not_reached_told(miss: Miss) -> str:
    """Return which steps were not reached because of a miss."""
    return f"not reached: {', '.join(f'`{step}`' for step in miss.not_reached)}"


def recording_told(case: CaseVerdict) -> str:
    """Return what recording the missing requests of a case would send and cost."""
    requests = sum(miss.requests for miss in case.misses)
    least = "at least " if any(miss.not_reached for miss in case.misses) else ""
    costs = [miss.cost for miss in case.misses]
    known = [cost for cost in costs if cost is not None]
    price = "cost unknown"
    if len(known) == len(costs):
        ends = [_dollars(sum(cost[end] for cost in known)) for end in (0, 1)]
        price = f"about {ends[1]}" if ends[0] == ends[1] else " to ".join(ends)
        price = price.replace("about <", "less than ")
    return f"yamlgen test --record sends {least}{_counted(requests, 'request')}, {price}"


def change_told(change: tuple[str, str | None, str | None]) -> tuple[str, str]:
    """Return the place of a change, and its old and its new line."""
    place, old, new = change
    return place, "   ".join([*([] if old is None else [f"- {old}"]), *([] if new is None else [f"+ {new}"])])


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _dollars(amount: float) -> str:
    return "<$0.0001" if 0 < amount < 0.0001 else f"${amount:,.4f}"  # noqa: PLR2004 - the last digit that is shown
