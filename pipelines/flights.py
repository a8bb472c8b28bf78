# ruff: noqa: INP001 - a file beside a pipeline is no package
"""What `enrich_with_python.yaml` leaves to Python: the calendar of a flight, and an audit of the numbers in a text.

Pure functions: the same arguments always give the same value, and nothing is read or written.
"""

import re
from collections.abc import Iterator
from datetime import date

_GAGARIN = date(1961, 4, 12)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July")
_MONTHS += ("August", "September", "October", "November", "December")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def calendar(launched: str, landed: str) -> dict[str, object]:
    """Dates as people write them, `16 July 1969`, as ISO dates, with what can be reckoned from them."""
    first, last = _date(launched), _date(landed)
    return {
        "launched": first.isoformat(),
        "landed": last.isoformat(),
        "launch_weekday": _WEEKDAYS[first.weekday()],
        "landing_weekday": _WEEKDAYS[last.weekday()],
        "days": (last - first).days + 1,
        "days_after_gagarin": (first - _GAGARIN).days,
    }


def unsupported(text: str, facts: object) -> list[str]:
    """The numbers of a text that the facts do not have; words such as `eleven` are not looked at."""
    known = set(_numbers(facts))
    return list(dict.fromkeys(number for number in _NUMBER.findall(text) if _plain(number) not in known))


def audited(label: str, facts: object) -> dict[str, object]:
    """A label with its unsupported numbers beside it."""
    return {"label": label, "unsupported": unsupported(label, facts)}


def _date(text: str) -> date:
    try:
        day, month, year = text.split()
        return date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        raise ValueError(f"{text!r} is no date such as '16 July 1969'") from None


def _numbers(facts: object) -> Iterator[str]:
    """The numbers in any JSON value, those inside its texts included."""
    if isinstance(facts, dict):
        facts = list(facts.values())
    if isinstance(facts, list):
        for fact in facts:
            yield from _numbers(fact)
    else:
        yield from map(_plain, _NUMBER.findall(str(facts)))


def _plain(number: str) -> str:
    """`07` and `1,000` as other people write them."""
    return number.replace(",", "").lstrip("0") or "0"
