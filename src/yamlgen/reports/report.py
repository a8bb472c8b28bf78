"""The report of a run: counts, tokens and cost for each step, and failures in groups.

It is computed from the events of the run alone, so a report of recorded events equals the live one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from yamlgen.errors import Code
from yamlgen.events import (
    AnswerReceived,
    BatchChecked,
    BatchEnded,
    BatchPosted,
    Event,
    ItemFailed,
    OutputWritten,
    PaceChanged,
    ReportWritten,
    RequestRetried,
    RequestSent,
    RowDeferred,
    RowFailed,
    RowFinished,
    RowResumed,
    RowsTakenOver,
    RunFinished,
    RunStarted,
    RunWarned,
    StepFinished,
    StepSkipped,
    StreamCut,
)
from yamlgen.reports.batch_progress import BatchProgress, fold
from yamlgen.reports.bill import UsageTotal
from yamlgen.reports.timeline import Timeline
from yamlgen.value_objects import JSON, Usage

EXAMPLES: Final = 3
_MOST_GROUPS: Final = 40
"""The maximum number of groups; the messages of a million rows may all differ."""

_LONGEST: Final = 300
_VARYING: Final = re.compile(r""" \(request \S+\)|\d+(\.\d+)?|"[^"]*"|'[^']*'""")


@dataclass
class StepCount:
    """The counts of one step.

    Attributes:
        finished: rows for which it finished, including those in which it failed and is null.
        skipped: rows for which the step was skipped.
        failed: rows that failed at the step.
        items: items, combinations and samples of all rows.
        failed_items: items that failed and are null, in rows that did not fail.
        null_rows: rows in which the step failed and is null (`on_error: null`).
        sent: requests sent, including retries, and those in batches.
        retried: requests sent again after a failure.
        reasks: billed answers to re-asks, which show the model the errors of its previous answer.
        larger: billed answers to requests with more tokens, after an answer was cut off.
        fallbacks: the answers of models that were asked after a refusal, by the id of the model.
        batched: the answers that came with batches; `paid` includes them.
        paid: the answers that this run paid for.
        reused: the answers from the store.
    """

    finished: int = 0
    skipped: int = 0
    failed: int = 0
    items: int = 0
    failed_items: int = 0
    null_rows: int = 0
    sent: int = 0
    retried: int = 0
    reasks: int = 0
    larger: int = 0
    fallbacks: dict[str, int] = field(default_factory=dict)
    batched: int = 0
    paid: UsageTotal = field(default_factory=UsageTotal)
    reused: UsageTotal = field(default_factory=UsageTotal)

    @property
    def done(self) -> int:
        """Rows that finished, were skipped or failed."""
        return self.finished + self.skipped + self.failed

    @property
    def is_lost(self) -> bool:
        """Whether all that it made for all rows is null because it failed: every item, and every row that has none."""
        if self.items or self.failed_items:
            return 0 < self.items == self.failed_items
        return 0 < self.finished == self.null_rows

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {**vars(self), "paid": self.paid.as_json(), "reused": self.reused.as_json()}


class Example(NamedTuple):
    """One failure: the position of the row, from 0, its id or null, and the message."""

    row: int
    id: JSON
    message: str

    def as_json(self) -> dict[str, Any]:
        """Return the failure as JSON values; row numbers start at 1."""
        known = {} if self.id is None else {"id": self.id}
        return {"row": self.row + 1, **known, "message": self.message}


@dataclass
class FailureGroup:
    """Failures of one step whose messages differ only in numbers and quoted values, with a few examples.

    Attributes:
        is_item: whether they are failures of items that are null.
    """

    step: str
    code: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)
    is_item: bool = False

    def add(self, example: Example) -> None:
        """Add a failure."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example._replace(message=example.message[:_LONGEST]))

    def as_json(self) -> dict[str, Any]:
        """Return the group as JSON values; row numbers start at 1."""
        examples = [each.as_json() for each in self.examples]
        return {"step": self.step, "code": self.code, "count": self.count, "examples": examples}


@dataclass(frozen=True, slots=True)
class LostStep:
    """A step that lost every item of every row: the number of items, and the most frequent failure.

    Attributes:
        items: its items that are null, and its rows in which the step itself is null.
        has_items: whether there are any items among them.
    """

    step: str
    items: int
    reason: FailureGroup
    has_items: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the step as JSON values; `count` is how many items or rows have the most frequent failure."""
        reason = self.reason
        message = reason.examples[0].message
        return {"step": self.step, "items": self.items, "code": reason.code, "count": reason.count, "message": message}


_Groups: TypeAlias = dict[tuple[str, str, str], FailureGroup]


@dataclass
class Report:
    """The state of a run. `observe` adds one event.

    Attributes:
        rows: the number of rows of the input.
        missing: rows that lack an answer, because this run sends nothing.
        waiting: rows that wait for the results of batches.
        batches: the batches of the run, by id.
        groups: the failures of rows, and their missing answers.
        item_groups: the failures of items and steps that are null, in rows that did not fail because of them.
        pace: how fast the API accepts requests, by rate limit.
        warnings: the warnings, as sentences.
        outputs: how many rows each output has, by its name: see `OutputWritten`.
        page: the page of its report; `None` if none was asked for. The record has none, for it is written before.
        simulated: whether the run is simulated; `paid` is then what the API would have charged.
        timeline: what was sent over time: the only part that also depends on when it observes the events.
    """

    run: str = ""
    pipeline: str = ""
    rows: int | None = None
    finished: int = 0
    failed: int = 0
    missing: int = 0
    waiting: int = 0
    batches: dict[str, BatchProgress] = field(default_factory=dict)
    steps: dict[str, StepCount] = field(default_factory=dict)
    groups: _Groups = field(default_factory=dict)
    item_groups: _Groups = field(default_factory=dict)
    pace: dict[str, PaceChanged] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    outputs: dict[str, Mapping[str, JSON]] = field(default_factory=dict)
    page: ReportWritten | None = None
    seconds: float = 0.0
    error: str | None = None
    simulated: bool = False
    timeline: Timeline = field(default_factory=Timeline, compare=False)

    def __repr__(self) -> str:
        rows = "" if self.rows is None else f" of {self.rows:,}"
        return f"<Report of {self.pipeline}: {self.finished:,}{rows} rows finished, {self.failed:,} failed>"

    @property
    def paid(self) -> UsageTotal:
        """The answers that this run paid for, including those of failed rows."""
        return sum((step.paid for step in self.steps.values()), UsageTotal())

    @property
    def reused(self) -> UsageTotal:
        """The answers from the store, which this run did not pay for."""
        return sum((step.reused for step in self.steps.values()), UsageTotal())

    @property
    def lost_steps(self) -> list[LostStep]:
        """The steps that lost every item of every row, or failed in every row; none if the run ended early."""
        lost = {name: step for name, step in self.steps.items() if step.is_lost and self.error is None}
        return [
            LostStep(name, step.failed_items + step.null_rows, self._reason(name), step.failed_items > 0)
            for name, step in lost.items()
        ]

    def _reason(self, step: str) -> FailureGroup:
        return next(group for group in largest_first(self.item_groups) if group.step == step)

    def observe(self, event: Event) -> None:
        """Add one event."""
        self.timeline.observe(event)
        match event:
            case RunStarted():
                self.run, self.pipeline, self.rows = event.run, event.pipeline, event.rows
                self.simulated = event.simulated
                self.steps = {name: StepCount() for name in event.steps}
            case RequestSent():
                self.steps[event.step].sent += 1
            case RequestRetried():
                self.steps[event.step].retried += 1
            case AnswerReceived():
                self._answered(event)
            case StreamCut():
                self.steps[event.step].paid.add(event.usage, event.cost, attempts=0)
            case PaceChanged():
                self.pace[event.pool] = event
            case StepFinished():
                self.steps[event.step].finished += 1
                self.steps[event.step].items += event.items
            case StepSkipped():
                self.steps[event.step].skipped += 1
            case ItemFailed():
                self.steps[event.step].failed_items += event.case is not None
                self.steps[event.step].null_rows += event.case is None
                _group(self.item_groups, event).add(_example(event))
            case RowFinished() | RowsTakenOver():
                self._finished(event)
            case RowFailed():
                self._failed(event)
            case OutputWritten() | ReportWritten():
                self._written(event)
            case RunWarned():
                self.warnings.append(event.message)
            case RunFinished():
                self.error, self.seconds = event.error, event.seconds
            case _:
                self._observe_batch(event)

    def _written(self, event: OutputWritten | ReportWritten) -> None:
        if isinstance(event, ReportWritten):
            self.page = event
        else:
            self.outputs[event.output] = event.counts

    def _answered(self, event: AnswerReceived) -> None:
        step = self.steps[event.step]
        step.reasks += event.cause == "reask" and not event.reused
        step.larger += event.cause == "larger" and not event.reused
        if event.fallback:
            step.fallbacks[event.fallback] = step.fallbacks.get(event.fallback, 0) + 1
        if event.batch and not event.reused:  # it was counted when its batch ended, but for its tokens
            step.paid.add(event.usage, 0.0, attempts=0, saved=event.saved)
        else:
            (step.reused if event.reused else step.paid).add(event.usage, event.cost, saved=event.saved)

    def _finished(self, event: RowFinished | RowsTakenOver) -> None:
        if isinstance(event, RowFinished):
            self.finished += 1
            return
        self.finished += len(event.rows)
        for name, taken in event.steps.items():
            step = self.steps[name]
            step.finished += taken.finished
            step.skipped += taken.skipped
            step.items += taken.items
            step.reused += UsageTotal(taken.answers, taken.usage, taken.cost, taken.unpriced)

    def _observe_batch(self, event: Event) -> None:
        """Add an event of a batch. Its answers are paid for when it ends, even if no row reads them."""
        match event:
            case RowDeferred():
                self.waiting += 1
            case RowResumed():
                self.waiting -= 1
            case BatchPosted():
                self._step_of(event).sent += 0 if event.earlier else event.requests
            case BatchChecked():
                fold(self.batches, event)
            case BatchEnded():
                step, answers = self._step_of(event), event.counts.get("succeeded", 0)
                step.batched += answers
                step.paid.add(Usage(), event.cost if answers else 0.0, attempts=answers)
            case _:
                pass

    def _step_of(self, event: BatchPosted | BatchEnded) -> StepCount:
        """Return the counts of a batch's step, which may be one that the pipeline had when it was posted."""
        fold(self.batches, event)
        return self.steps.setdefault(event.step, StepCount())

    def _failed(self, event: RowFailed) -> None:
        if event.code == Code.NOT_STORED:
            self.missing += 1
        else:
            self.failed += 1
            if event.step in self.steps:  # an output is none
                self.steps[event.step].failed += 1
        _group(self.groups, event).add(_example(event))

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "run": self.run,
            "pipeline": self.pipeline,
            "rows": {"input": self.rows, "finished": self.finished, "failed": self.failed, "missing": self.missing},
            "paid": self.paid.as_json(),
            "reused": self.reused.as_json(),
            "steps": {name: step.as_json() for name, step in self.steps.items()},
            "batches": [batch.as_json() for batch in self.batches.values()],
            "pace": {name: _pace_json(pace) for name, pace in self.pace.items()},
            "failures": [group.as_json() for group in largest_first(self.groups)],
            "failed_items": [group.as_json() for group in largest_first(self.item_groups)],
            "lost_steps": [step.as_json() for step in self.lost_steps],
            "outputs": dict(self.outputs),
            "warnings": list(self.warnings),
            "timeline": self.timeline.as_json(),
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


def _group(groups: _Groups, event: RowFailed | ItemFailed) -> FailureGroup:
    """Return the group of a failure; after the maximum number of groups, one for the rest of the step."""
    key = (event.step, event.code, alike(event.message))
    if key not in groups and len(groups) >= _MOST_GROUPS:
        key = (event.step, event.code, "")
    is_item = isinstance(event, ItemFailed) and event.case is not None
    return groups.setdefault(key, FailureGroup(event.step, event.code, is_item=is_item))


def alike(message: str) -> str:
    """Return what messages have in common that differ only in numbers, quoted values and the names of requests."""
    return _VARYING.sub("…", message)[:_LONGEST]


def _example(event: RowFailed | ItemFailed) -> Example:
    return Example(event.row, event.id, event.message)


def largest_first(groups: _Groups) -> list[FailureGroup]:
    """Return groups of failures, the largest first."""
    return sorted(groups.values(), key=lambda group: -group.count)


def _pace_json(pace: PaceChanged) -> Mapping[str, Any]:
    return {
        "limit": pace.limit,
        "most_in_flight": pace.most,
        "rate_limits": pace.limited,
        "failures": pace.overloaded,
        "held_seconds": round(pace.held, 3),
        "quota": None if pace.quota is None else asdict(pace.quota),
        "quota_used": None if pace.quota_used is None else round(pace.quota_used, 4),
    }
