"""How long a run takes, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from yamlgen.forecast import RunDuration

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def duration_told(duration: RunDuration) -> str:
    """Return how long a run takes, and what limits it."""
    if duration.limit == "concurrency":
        return f"{about(duration)}: by the duration of earlier answers and the number of requests at once"
    limit, share = f"{duration.per_minute:,.0f} a minute", ""
    if duration.share < 1:
        share = f"{duration.share:.3g} of "
    seen = f", seen on {duration.seen[:10]}" if duration.seen else ""
    named = duration.limit.replace("_", " ")
    return f"{about(duration)}: {named} bind ({share}{limit} for {duration.pool}{seen})"


def about(duration: RunDuration) -> str:
    """Return a duration in a suitable unit, or a range of two."""
    least, most = duration.seconds
    if most < _MINUTE:
        return "less than a minute"
    longest, shortest = _told(most), _told(least)
    if least < _MINUTE:
        return f"up to {longest}" if longest != shortest else f"about {longest}"
    return f"about {longest}" if shortest == longest else f"{shortest} to {longest}"


def _told(seconds: float) -> str:
    if seconds < 2 * _HOUR:
        return f"{max(1, round(seconds / _MINUTE))} min"
    if seconds < 2 * _DAY:
        hours, minutes = divmod(round(seconds / _MINUTE), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(seconds / _DAY)} days"
