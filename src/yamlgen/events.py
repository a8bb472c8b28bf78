"""What happens during a run, as a stream of immutable values.

The engine emits these and nothing else; progress, journal, log and report are folds over them. `row` is the
row's position in the input, from 0, and `id` its id, where the input has ids. An answer's event comes after the
answer is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias

from yamlgen.value_objects import JSON, Usage


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What a run will ask at one step, as far as it can be known before.

    Attributes:
        step: its name.
        rows: how many rows reach it.
        stored: rows whose answer is in the store already, failed ones (`failed`) included.
        failed: rows that a stored answer has failed.
        requests: how many requests there are to send, re-asks left out.
        input_tokens: of those requests; an estimate.
        output_tokens: the least and the most that their answers may take.
        cost: the least and the most, in US dollars; `None` where the model's price is not known.
        how: how the estimate was made, as a phrase.
        earlier_answers: how many it was made from, of the model of which the fewest are known.
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


@dataclass(frozen=True, slots=True)
class RunForecast:
    """What a run will ask, told before it starts.

    Attributes:
        sampled: how many rows it was reckoned from, `None` if all.
        simulation: seed, faults and version of the simulator that will be asked; `None` where the API is.
    """

    pipeline: str
    rows: int
    steps: tuple[StepForecast, ...]
    sampled: int | None
    simulation: Mapping[str, JSON] | None = None

    @property
    def requests(self) -> int:
        """The requests of all steps."""
        return sum(step.requests for step in self.steps)

    @property
    def sends(self) -> bool:
        """Whether a request is sure to be sent: what waits for a function that is not kept may be in the store."""
        return any(step.output_tokens[0] for step in self.steps)

    @property
    def stored(self) -> int:
        """The answers of all steps that are in the store."""
        return sum(step.stored for step in self.steps)

    @property
    def cost(self) -> tuple[float, float] | None:
        """The least and the most that the run costs, in US dollars; `None` where a price is missing."""
        costs = [step.cost for step in self.steps if step.requests]
        if any(cost is None for cost in costs):
            return None
        known = [cost for cost in costs if cost is not None]
        return sum(cost[0] for cost in known), sum(cost[1] for cost in known)

    def as_json(self) -> dict[str, JSON]:
        """The forecast as plain JSON values: tokens, and costs in US dollars, as `least` and `most`."""
        steps: dict[str, JSON] = {}
        for step in self.steps:
            told = asdict(step)
            del told["step"], told["cost"]
            steps[step.step] = {**told, "output_tokens": _span(step.output_tokens), "cost_usd": _span(step.cost)}
        return {
            "pipeline": self.pipeline,
            "rows": self.rows,
            "requests": self.requests,
            "simulation": self.simulation,
            "stored": self.stored,
            "cost_usd": _span(self.cost),
            "steps": steps,
        }


def _span(ends: tuple[float, float] | None) -> dict[str, float] | None:
    return None if ends is None else {"least": ends[0], "most": ends[1]}


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins.

    Attributes:
        rows: how many the input has, `None` when that is not known.
        headers: the names of those that the environment adds to every request.
        simulated: whether the simulator answers, so that nothing is paid.
    """

    run: str
    pipeline: str
    steps: tuple[str, ...]
    rows: int | None
    headers: tuple[str, ...] = ()
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request goes out; one that is tried again goes out again."""

    row: int
    step: str


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A request goes out again after `wait` seconds, because of `reason`."""

    row: int
    step: str
    reason: str
    wait: float
    id: JSON = None


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """A paid answer is on disk, or was there already (`reused`).

    Attributes:
        usage: its tokens.
        cost: in US dollars, `None` where the price is not known.
        reask: whether it answers a request that showed the model what was wrong before.
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
    """A stream broke off after it had taken tokens, which are paid for and no answer."""

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
    """A step has a value for a row: that of `items` of them, those that are null included, where it is a list."""

    row: int
    step: str
    items: int = 0


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """A step is not done for a row, because its `when`, or that of a step it needs, does not hold."""

    row: int
    step: str


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """An item of a step has no value for a row, and is null in its list (`on_item_error: "null"`).

    `case` is its place, from 0, among all times that the step is done for the row: items, combinations and samples.
    `useless` says that a paid answer was of no use: cut off, empty, unreadable, or against the schema.
    """

    row: int
    step: str
    case: int
    code: str
    message: str
    useless: bool = False
    id: JSON = None


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step has no value for a row; told at once, before the row is on disk.

    `useless` says that a paid answer was of no use: cut off, empty, unreadable, or against the schema.
    """

    row: int
    step: str
    code: str
    message: str = ""
    useless: bool = False


@dataclass(frozen=True, slots=True)
class RowFinished:
    """All steps of a row are done, and its record is on disk."""

    row: int


@dataclass(frozen=True, slots=True)
class RowFailed:
    """A row is set aside at a step, and what is known of it is on disk."""

    row: int
    step: str
    code: str
    message: str
    id: JSON = None


@dataclass(frozen=True, slots=True)
class RunDraining:
    """Nothing more is sent; what is in flight is waited for."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunWarned:
    """The run goes on, but its user should know `message`."""

    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over.

    Attributes:
        error: the sentence that ended it early, `None` when it came to its end.
        seconds: how long it took.
        kept: of a run that ended early, what is kept and where, as a sentence.
    """

    error: str | None
    seconds: float
    kept: str | None = None


Event: TypeAlias = (
    RunForecast
    | RunStarted
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
