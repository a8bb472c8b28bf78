"""The events of a run, as a stream of immutable values.

The engine only emits these; progress display, log and report are computed from them. `row` is the position of the row
in the input, from 0. `id` is its id, if the input has ids. The event of an answer follows after the answer is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from yamlgen.errors import YamlgenError
from yamlgen.forecast import RunForecast as RunForecast  # noqa: PLC0414 - the first event of a run
from yamlgen.forecast import StepForecast as StepForecast  # noqa: PLC0414
from yamlgen.value_objects import JSON, Cause, RateLimits, Usage


@dataclass(frozen=True, slots=True)
class OutputWritten:
    """An output was written or printed.

    Attributes:
        output: its name; `output` if it has none.
        counts: how many rows it has, and how many were rejected, duplicates, or failed and kept; rows by part.
    """

    output: str
    counts: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class ReportWritten:
    """The report of the run was written, or could not be; after the run has ended.

    Attributes:
        path: the page.
        size: its size in bytes; 0 if it could not be written.
        error: why it could not be written; `None` if it was.
    """

    path: Path
    size: int
    error: YamlgenError | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON values."""
        note = None if self.error is None else self.error.message
        return {"file": str(self.path), "written": self.error is None, "bytes": self.size, "note": note}


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run starts.

    Attributes:
        rows: the number of rows of the input; `None` if it is unknown.
        headers: the names of the headers that the environment adds to every request.
        simulated: whether the simulator answers, so that nothing is billed.
    """

    run: str
    pipeline: str
    steps: tuple[str, ...]
    rows: int | None
    headers: tuple[str, ...] = ()
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request is sent, for the first time or as a retry."""

    row: int
    step: str


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A request will be sent again after `wait` seconds, because of `reason`."""

    row: int
    step: str
    reason: str
    wait: float
    id: JSON = None


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """A billed answer is on disk. If `reused`, it was already stored.

    Attributes:
        usage: its tokens.
        cost: its cost in US dollars; `None` if the price is unknown.
        cause: why its request was sent.
        batch: whether it came with a batch of this run. Its cost is then also a part of `BatchEnded`.
        fallback: the id of the model that answered after the step's own has refused; empty for the step's own.
        saved: by how many US dollars it cost less than without the prompt cache, if this run has paid for it.
    """

    row: int
    step: str
    usage: Usage
    cost: float | None
    reused: bool
    seconds: float
    cause: Cause = "first"
    batch: bool = False
    fallback: str = ""
    saved: float = 0.0


@dataclass(frozen=True, slots=True)
class TakenStep:
    """What a step had made in rows that are taken over: the sums of what their events would have told.

    Attributes:
        finished: rows for which it finished.
        skipped: rows for which the step was skipped.
        items: items, combinations and samples of these rows.
        answers: stored answers, those to re-asks and to larger requests included.
        usage: their tokens.
        cost: their cost in US dollars, without those whose price is unknown.
        unpriced: the answers whose price is unknown.
    """

    finished: int
    skipped: int
    items: int
    answers: int
    usage: Usage
    cost: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class RowsTakenOver:
    """Rows have the results that an equal earlier run stored; in place of their events, one for all.

    Attributes:
        rows: their positions in the input, from 0, in order.
        steps: what their steps had made, by step.
    """

    rows: Sequence[int]
    steps: Mapping[str, TakenStep]


@dataclass(frozen=True, slots=True)
class RowDeferred:
    """A row waits for the results of a batch. `RowResumed` follows."""

    row: int


@dataclass(frozen=True, slots=True)
class RowResumed:
    """A row continues, because a batch with one of its requests ended. Its finished steps are not reported twice."""

    row: int


@dataclass(frozen=True, slots=True)
class BatchPosted:
    """The API has a batch of this run.

    Attributes:
        batch: the API's id of the batch.
        requests: the number of its requests.
        seconds: its age, if an earlier run has posted it; else 0.
        earlier: whether an earlier run has posted it.
    """

    batch: str
    step: str
    requests: int
    seconds: float = 0.0
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class BatchChecked:
    """A batch is still in progress.

    Attributes:
        status: `in_progress` or `canceling`.
        seconds: its age.
        past: how long earlier batches took, in seconds: the shortest and the longest; `None` if there were none.
    """

    batch: str
    step: str
    requests: int
    status: str
    seconds: float
    past: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """The results of a batch are in the store.

    Attributes:
        counts: the number of its requests by outcome: `succeeded`, `errored`, `canceled`, `expired`.
        cost: what its answers cost in US dollars; `None` if a price is unknown.
        seconds: the time from its creation to its end.
    """

    batch: str
    step: str
    requests: int
    counts: Mapping[str, int]
    cost: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class StreamCut:
    """A stream was cut off after it had used tokens: they are billed, but there is no answer."""

    row: int
    step: str
    usage: Usage
    cost: float | None


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """How fast the API lets requests through; told now and then, and whenever it objects.

    Attributes:
        pool: the models that share a rate limit, such as `opus-4`, or one alone, such as `haiku-5-5`.
        limit: how many requests may be in flight.
        in_flight: how many are.
        most: how many were at once.
        waiting: how many wait for a gate or a quota.
        closed: seconds until the gate opens; 0 where it is open.
        reason: what the API objected to last, `None` once an answer came through.
        limited: rate limits (429) until now.
        overloaded: other failures of the server or the connection until now.
        held: seconds for which requests waited for a gate or a quota.
        models: the models of the pipeline in this pool: their aliases, or the id of a model without an alias.
        quota: the limits that the API shows for this pool; `None` until it has shown one.
        rate_limit: the name of the rate limit, which several pools may have at different addresses.
        account: whose rate limit it is.
        quota_used: the largest share of a limit that was used in any minute until now, from 0 to 1; `None` if the API
            has shown no limit.
    """

    pool: str
    limit: int
    in_flight: int
    most: int
    waiting: int
    closed: float
    reason: str | None
    limited: int
    overloaded: int
    held: float
    models: tuple[str, ...] = ()
    quota: RateLimits | None = None
    rate_limit: str = ""
    account: str = ""
    quota_used: float | None = None


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step has a value for a row. If the value is a list, `items` is its length, including null items."""

    row: int
    step: str
    items: int = 0


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A step is skipped for a row, because its `when`, or the `when` of a step that it depends on, is false."""

    row: int
    step: str


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """An item of a step failed for a row, and is null in its list (`on_item_error: null`).

    `case` is its position, from 0, among all cases of the step for this row: items, combinations and samples. It is
    `None` if the step itself failed and is null (`on_error: null`); `StepFinished` follows. `useless`
    means that a billed answer was unusable: cut off, empty, unreadable, or invalid under the schema.
    """

    row: int
    step: str
    case: int | None
    code: str
    message: str
    useless: bool = False
    id: JSON = None


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step failed for a row. Emitted at once, before the row is on disk.

    `useless` means that a billed answer was unusable: cut off, empty, unreadable, or invalid under the schema.
    """

    row: int
    step: str
    code: str
    message: str = ""
    useless: bool = False


@dataclass(frozen=True, slots=True)
class RowFinished:
    """All steps of a row have finished, and its record is on disk."""

    row: int


@dataclass(frozen=True, slots=True)
class RowFailed:
    """A row failed at a step, and its record is on disk."""

    row: int
    step: str
    code: str
    message: str
    id: JSON = None


@dataclass(frozen=True, slots=True)
class RunDraining:
    """No more requests are sent; those in flight are awaited."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunWarned:
    """The run continues, but the user should know `message`."""

    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has ended.

    Attributes:
        error: why the run ended early, as a sentence; `None` if it completed.
        seconds: its duration.
        kept: for a run that ended early, what is stored and where, as a sentence.
    """

    error: str | None
    seconds: float
    kept: str | None = None


Event: TypeAlias = (
    RunForecast
    | RunStarted
    | OutputWritten
    | ReportWritten
    | RequestSent
    | RequestRetried
    | AnswerReceived
    | RowsTakenOver
    | StreamCut
    | PaceChanged
    | StepFinished
    | StepSkipped
    | ItemFailed
    | StepFailed
    | RowFinished
    | RowFailed
    | RowDeferred
    | RowResumed
    | BatchPosted
    | BatchChecked
    | BatchEnded
    | RunDraining
    | RunWarned
    | RunFinished
)

Emit: TypeAlias = Callable[[Event], None]
