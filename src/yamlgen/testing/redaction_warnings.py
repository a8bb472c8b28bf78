"""What leaving values out of recordings cannot do: warnings at the place of the case or of the value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.option_names import by_surface
from yamlgen.testing.recordings import RecordingKey
from yamlgen.testing.replay import Originals
from yamlgen.testing.suite import CheckedCase, CheckedSuite
from yamlgen.testing.verdicts import place_of
from yamlgen.value_objects import JSON


def shared_answers(
    cases: Sequence[tuple[CheckedCase, Mapping[RecordingKey, Originals]]],
) -> Iterator[Diagnostic]:
    """Yield a warning for each step whose requests differ only in values that are left out, and share an answer.

    Args:
        cases: the cases that were replayed, each with the requests that its recordings have answered.
    """
    sent: dict[RecordingKey, dict[bytes, tuple[str, int, CheckedCase]]] = {}
    for case, originals in cases:
        for key, requests in originals.items():
            known = sent.setdefault(key, {})
            for original, (step, row) in requests.items():
                known.setdefault(original, (step, row, case))
    told: set[tuple[str, str]] = set()
    for step, row, case, first in (
        (*other, places[0]) for each in sent.values() if (places := list(each.values())) for other in places[1:]
    ):
        if (step, case.name) in told:
            continue
        told.add((step, case.name))
        before = f"{_row(first[2], first[1])} ({place_of(first[2].mark)})"
        message = (
            f"{_row(case, row)} and {before} send requests of step `{step}` that differ only in values that `redact` "
            "leaves out: one recorded answer stands for both"
        )
        again = by_surface(command="`yamlgen test --record=all`", python="`yamlgen.test(record='all')`")
        hint = f"record an answer for each row with {again}; rows with the same id need different ids"
        yield Diagnostic(Code.CONFLICT, message, case.mark, hint, "warning")


def staying_values(suite: CheckedSuite, staying: Mapping[int, JSON]) -> Iterator[Diagnostic]:
    """Yield a warning for each value that is to be left out, but cannot be replaced.

    Args:
        suite: the test file.
        staying: the number of the expression under `redact`, with the value.
    """
    for number, value in sorted(staying.items()):
        expression = suite.config.redact[number]
        kind = "a boolean" if isinstance(value, bool) else "a short string of signs"
        message = f"a value of `{expression}` is {kind}, which cannot be left out of the recorded answers"
        hint = f"remove `{expression}` from `redact`, or do not use it in requests"
        yield Diagnostic(Code.WRONG_VALUE, message, suite.redacted[number], hint, "warning")


def _row(case: CheckedCase, row: int) -> str:
    return f"case `{case.name}`" if case.is_single else f"row {row + 1} of case `{case.name}`"
