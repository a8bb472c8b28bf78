"""The report of tests as text: what failed, what is not recorded, and the counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from yamlgen.api.results import counted
from yamlgen.api.tests import change_told, confusion_table, missed_told, not_reached_told, recording_told
from yamlgen.cli.messages import safe
from yamlgen.cli.terminal import style

if TYPE_CHECKING:
    from yamlgen.api.tests import CaseVerdict, Flaw, TestReport
    from yamlgen.value_objects import JSON

PASSED: Final = "passed"
FAILED: Final = "failed"
MISSED: Final = "not recorded"

_WORDS: Final = {PASSED: ("PASS", "blue"), FAILED: ("FAIL", "red"), MISSED: ("MISS", "yellow")}
_INDENT: Final = " " * 6
_WIDTH: Final = 36
"""The width of the first of two columns."""


def text_lines(report: TestReport, *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines of a report.

    Args:
        report: the report.
        verbose: whether to name the cases that passed, too.
    """
    for case in report.cases:
        if case.verdict == PASSED:
            if verbose:
                yield _head(case, "" if case.repeats is None else f"{case.repeats[0]} of {case.repeats[1]} runs")
        elif case.verdict == FAILED:
            yield _head(case, _place(case.flaws[0] if case.flaws else case))
            for flaw in case.flaws:
                yield _columns(safe(flaw.what), safe(flaw.detail))
        else:
            yield from _missed(case)
        if verbose or case.verdict == FAILED:
            yield from gold_lines(case.gold)
    yield from (safe(note) for note in report.notes)
    yield counts(report)


def counts(report: TestReport) -> str:
    """Return how many cases passed, failed and are not recorded, and how many recordings are simulated and unused."""
    numbers = {each: sum(case.verdict == each for case in report.cases) for each in _WORDS}
    told = [f"{number} {each}" for each, number in numbers.items() if number or each == PASSED]
    parts = [", ".join(told)]
    if (simulated := sum(report.simulated.values())) > 0:
        parts.append(f"{counted(simulated, 'recorded answer')} simulated")
    if (unused := sum(report.unused.values())) > 0:
        parts.append(f"{counted(unused, 'recording')} unused (--prune)")
    return "; ".join(parts)


def gold_lines(gold: Mapping[str, JSON]) -> Iterator[str]:
    """Yield the accuracy of each field, and the table of its labels."""
    for name, numbers in gold.items():
        missing = f", {numbers['missing']} without an output row" if numbers["missing"] else ""
        accuracy = f"{numbers['accuracy']:.3g} of {counted(numbers['n'], 'value')} are right{missing}"
        yield _columns(f"gold {safe(name)}", accuracy)
        yield from (f"{_INDENT}  {safe(line)}" for line in confusion_table(numbers))


def _missed(case: CaseVerdict) -> Iterator[str]:
    rows = max((miss.rows for miss in case.misses), default=0)
    first, *others = case.misses
    yield _head(case, safe(missed_told(first)), f": {counted(rows, 'row')}" if rows > 1 else "")
    for number, miss in enumerate([first, *others]):
        if number:
            yield _columns("", safe(missed_told(miss)))
        for change in miss.changes:
            place, lines = change_told(change)
            yield _columns(safe(place), safe(lines))
        if miss.not_reached:
            yield _columns("", safe(not_reached_told(miss)))
    yield f"{_INDENT}{recording_told(case)}"


def _head(case: CaseVerdict, second: str, more: str = "") -> str:
    word, colour = _WORDS[case.verdict]
    name = f"{safe(case.case)}{more}"
    return f"{style(word, fg=colour, bold=True)}  {name:{_WIDTH}}  {second}".rstrip()


def _columns(first: str, second: str) -> str:
    return f"{_INDENT}{first:{_WIDTH}}  {second}".rstrip()


def _place(of: Flaw | CaseVerdict) -> str:
    return safe(f"{Path(of.mark.file)}:{of.mark.line}:{of.mark.column}")
