"""The events of a run, as a stream of immutable values.

The engine only emits these; progress display, log and report are computed from them. `row` is the position of the row
in the input, from 0. `id` is its id, if the input has ids. The event of an answer follows after the answer is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from yamlgen.value_objects import JSON, Usage


@dataclass(frozen=True, slots=True)
class StepForecast:
    """The estimated requests of a run at one step.

    Attributes:
        step: the name of the step.
        rows: the number of rows that reach it.
        stored: the number of rows whose answer is already stored, including those in `failed`.
        failed: the number of rows that fail because of their stored answer.
        requests: the number of requests to send, without re-asks.
        input_tokens: the tokens of those requests; an estimate.
        output_tokens: the minimum and the maximum of the tokens of their answers.
        cost: the minimum and the maximum, in US dollars; `None` if the price of the model is unknown.
        how: how the estimate was made, as a phrase.
        earlier_answers: the number of earlier answers that the estimate uses; with several models, the smallest number.
        least_requests: the minimum number of requests, of which `requests` is then the maximum; `None` if the number of
            requests has no known maximum. Not in the JSON.
    """

    step: str
    rows: int
    stored: int
    failed: int
    requests: int
    input_tokens: int
    output_tokens: tuple[int, int]
    cost: tuple[float, float] | None
    how: str
    earlier_answers: int = 0
    least_requests: int | None = None


@dataclass(frozen=True, slots=True)
class RunForecast:
    """The estimated requests of a run, emitted before it starts.

    Attributes:
        sampled: the number of rows that the estimate is based on; `None` for all rows.
        simulation: the seed, faults and version of the simulator; `None` for a run that uses the API.
        outputs: the minimum and the maximum number of rows of each output, if no row fails; the maximum is `None` if it
            is unknown.
    """

    pipeline: str
    rows: int
    steps: tuple[StepForecast, ...]
    sampled: int | None
    simulation: Mapping[str, JSON] | None = None
    outputs: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """The number of requests of all steps."""
        return sum(step.requests for step in self.steps)

    @property
    def least_requests(self) -> int | None:
        """The minimum number of requests of all steps; `None` if `requests` is not their maximum."""
        least = [step.least_requests for step in self.steps if step.requests]
        return None if None in least else sum(each for each in least if each is not None)

    @property
    def sends(self) -> bool:
        """Whether at least one request will certainly be sent.

        Requests that depend on a function whose results are not kept may turn out to be stored.
        """
        return any(step.output_tokens[0] for step in self.steps)

    @property
    def stored(self) -> int:
        """The number of stored answers of all steps."""
        return sum(step.stored for step in self.steps)

    @property
    def cost(self) -> tuple[float, float] | None:
        """The minimum and the maximum cost, in US dollars; `None` if a price is unknown."""
        costs = [step.cost for step in self.steps if step.requests]
        if any(cost is None for cost in costs):
            return None
        known = [cost for cost in costs if cost is not None]
        return sum(cost[0] for cost in known), sum(cost[1] for cost in known)

    def as_json(self) -> dict[str, JSON]:
        """Return the forecast as JSON. Output tokens, and costs in US dollars, have the keys `least` and `most`."""
        steps: dict[str, JSON] = {}
        for step in self.steps:
            fields = asdict(step)
            del fields["step"], fields["cost"], fields["least_requests"]
            steps[step.step] = {**fields, "output_tokens": _span(step.output_tokens), "cost_usd": _span(step.cost)}
        return {
            "pipeline": self.pipeline,
            "rows": self.rows,
            "requests": self.requests,
            "simulation": self.simulation,
            "stored": self.stored,
            "cost_usd": _span(self.cost),
            "steps": steps,
            "outputs": {name: {"rows": {"least": rows[0], "most": rows[1]}} for name, rows in self.outputs.items()},
        }


def _span(ends: tuple[float, float] | None) -> dict[str, float] | None:
    return None if ends is None else {"least": ends[0], "most": ends[1]}


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
        reask: whether it answers a re-ask.
    """

    row: int
    step: str
    usage: Usage
    cost: float | None
    reused: bool
    seconds: float
    reask: bool


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
    | RequestSent
    | RequestRetried
    | AnswerReceived
    | StreamCut
    | PaceChanged
    | StepFinished
    | StepSkipped
    | ItemFailed
    | StepFailed
    | RowFinished
    | RowFailed
    | RunDraining
    | RunWarned
    | RunFinished
)

Emit: TypeAlias = Callable[[Event], None]
