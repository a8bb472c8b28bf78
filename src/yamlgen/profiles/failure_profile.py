"""The failures of a run: rows, steps and items that failed, by step, code and keyword."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from yamlgen.errors import Code
from yamlgen.reports.run_commands import RunCommands
from yamlgen.schemas.broken_rules import BrokenRule, broken_rule_in
from yamlgen.store.row_scan import ScannedRow, ScannedStep
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import StoredAttempt
from yamlgen.value_objects import JSON

MOST_WAYS: Final = 40
_BROKEN: Final = frozenset({Code.INVALID_OUTPUT, Code.INVALID_VALUE})
"""The errors that may be about a schema."""


@dataclass(frozen=True, slots=True)
class FailedAnswer:
    """An answer of an example.

    Attributes:
        text: what the model wrote: its text, or the arguments of its tool as JSON. May be long.
        errors: the words of the validator, of a check, or about its end; empty if the answer was valid.
        stop_reason: why it ended.
        model: the model that answered.
        case: the item, combination or sample; empty for a step with one request.
    """

    text: str
    errors: tuple[str, ...]
    stop_reason: str | None
    model: str | None
    case: str


@dataclass(frozen=True, slots=True)
class FailureWay:
    """One way in which rows failed, with its first row as the example.

    Attributes:
        step: the step; `output` if an output row could not be made.
        code: the code of the error.
        keyword: the keyword of the schema that the last answer broke, such as `maxLength`; empty if there is none.
        place: the path of the value that broke it, such as `$.tags[]`; empty if there is none.
        effect: what became of it: `failed row`, `null step`, `null item` or `missing row`.
        count: how many there are.
        row: the row of the example, counted from 1.
        id: its id.
        message: the words of the error.
        hint: how to mend it; empty if there is no hint.
        request: the request of the example, as it was sent; `None` if there was none.
        answers: the answers of the example, in their order.
        command: the command that runs the failed rows again, once what the hint says is done; empty during the run.
        shows: the command that shows the example with all of its requests and answers.
    """

    step: str
    code: str
    keyword: str
    place: str
    effect: str
    count: int
    row: int
    id: JSON
    message: str
    hint: str
    request: JSON
    answers: tuple[FailedAnswer, ...]
    command: str
    shows: str


WayKey: TypeAlias = tuple[str, str, str, str]
"""A way of failing: the step, the code, the keyword, and the effect; see `FailureWay`."""


@dataclass(slots=True)
class _Way:
    """A way of failing with its first row, as far as a row alone tells."""

    row: ScannedRow
    place: str
    error: Mapping[str, JSON]
    attempts: list[StoredAttempt]
    count: int = 0


class FailureObserver:
    """Groups failures.

    Args:
        run_reader: the store, which must be open until `ways` is called.
        run: the run.
    """

    def __init__(self, run_reader: RunReader, run: RunEntry) -> None:
        self._run_reader = run_reader
        self._run = run
        self._ways: dict[WayKey, _Way] = {}

    def add(self, row: ScannedRow) -> None:
        """Add the failures of a row."""
        for key, way in failures_of(row):
            self._ways.setdefault(key, way).count += 1

    @property
    def counted(self) -> int:
        """In how many ways rows failed, by step, code and keyword; also those that `ways` leaves out."""
        return sum(effect == "failed row" for *_, effect in self._ways)

    def ways(self) -> tuple[FailureWay, ...]:
        """Return the ways of failing, the most frequent first, at most 40."""
        return tuple(self._way(*each) for each in self._sorted()[:MOST_WAYS])

    def more(self) -> int:
        """Return how many failures there are of ways that `ways` leaves out."""
        return sum(way.count for _, way in self._sorted()[MOST_WAYS:])

    def _sorted(self) -> list[tuple[WayKey, _Way]]:
        return sorted(self._ways.items(), key=lambda each: -each[1].count)

    def _way(self, key: WayKey, way: _Way) -> FailureWay:
        (step, code, keyword, effect), row, error = key, way.row, way.error
        commands = RunCommands(self._run_reader.place, self._run)
        exchanges = [(each, *self._run_reader.exchange(each)) for each in way.attempts]
        return FailureWay(
            step=step,
            code=code,
            keyword=keyword,
            place=way.place,
            effect=effect,
            count=way.count,
            row=row.number + 1,
            id=row.id,
            message=str(error["message"]),
            hint=str(error.get("hint") or ""),
            request=_request(error) or next((request for _, request, _ in reversed(exchanges)), None),
            answers=tuple(_answer(attempt, response) for attempt, _, response in exchanges),
            command="" if self._run.status == "running" else commands.retry(),
            shows=commands.show_row(row.number + 1 if row.id is None else row.id),
        )


def failures_of(row: ScannedRow) -> Iterator[tuple[WayKey, _Way]]:
    """Yield the failures of a row: why it failed, and each of its items and steps that failed and are null."""
    if row.status != "finished":
        failed = [(name, step, step.error) for name, step in row.steps.items() if step.status in _LACKING]
        for name, step, error in _first_missing(failed)[:1]:
            effect = "missing row" if error.get("code") == Code.NOT_STORED else "failed row"
            yield _failure(row, name, effect, error, _attempts_of(step, error))
    for name, step in row.steps.items():
        if step.status == "null" and step.error is not None:
            yield _failure(row, name, "null step", step.error, _attempts_of(step, step.error))
        for item in step.failed_items:
            own = [each for each in step.attempts if item["case"] in (None, each.case)]
            yield _failure(row, name, "null item", item, own)


def _failure(
    row: ScannedRow, step: str, effect: str, error: Mapping[str, JSON], attempts: list[StoredAttempt]
) -> tuple[WayKey, _Way]:
    code = str(error["code"])
    rule = _rule(code, error, attempts)
    return (step, code, rule.keyword, effect), _Way(row, rule.place, error, attempts)


_LACKING: Final = ("failed", "missing")


def _first_missing(
    failed: list[tuple[str, ScannedStep, Mapping[str, JSON] | None]],
) -> list[tuple[str, ScannedStep, Mapping[str, JSON]]]:
    """Return the errors of a row; first that which counts: a missing answer, or the error of the first step."""
    known = [(name, step, error) for name, step, error in failed if error is not None]
    return sorted(known, key=lambda each: each[2].get("code") != Code.NOT_STORED)


def _attempts_of(step: ScannedStep, error: Mapping[str, JSON]) -> list[StoredAttempt]:
    """Return the answers that came to an error: of a step with several cases, those of the case that it names."""
    message = str(error["message"])
    own = [each for each in step.attempts if each.case and message.startswith(f"{each.case}: ")]
    return own or step.attempts


def _rule(code: str, error: Mapping[str, JSON], attempts: list[StoredAttempt]) -> BrokenRule:
    """Return the keyword that the last answer broke; an empty one if the error is about none."""
    if code not in _BROKEN:
        return BrokenRule()
    errors = attempts[-1].errors if attempts else ()
    return broken_rule_in(errors[0] if errors else str(error["message"]))


def _request(error: Mapping[str, JSON]) -> JSON:
    """Return the request of an error, or of the first item among several."""
    items: Any = error.get("items") or ()
    return error.get("request") or next((each["request"] for each in items if each.get("request")), None)


def _answer(attempt: StoredAttempt, response: JSON) -> FailedAnswer:
    return FailedAnswer(answer_text(response), tuple(attempt.errors), attempt.stop_reason, attempt.model, attempt.case)


def answer_text(response: JSON) -> str:
    """Return what a model wrote: its texts, and the arguments of its tool; a response of another form as it is."""
    return "\n".join(_written(response))


def _written(response: JSON) -> Iterator[str]:
    content = response.get("content") if isinstance(response, dict) else None
    if not isinstance(content, list):
        yield json.dumps(response, ensure_ascii=False)
        return
    for block in content:
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            yield block["text"]
        elif isinstance(block, dict) and "input" in block:
            yield json.dumps(block["input"], ensure_ascii=False)
