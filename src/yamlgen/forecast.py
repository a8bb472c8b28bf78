"""The forecast of a run: its requests, their tokens and their cost, estimated before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class RequestLoad:
    """The requests of a step to one model, for how long they take.

    Attributes:
        variant: the variant of the step that asks the model.
        pool: the rate limit that applies to them.
        requests: their number.
        input_tokens: their tokens, without those that are read from the prompt cache.
        output_tokens: the minimum and the maximum of the tokens of their answers; both the mean, if it is known.
        seconds: the mean duration of earlier answers; `None` if there are none.
        answers: the number of earlier answers.
    """

    variant: str
    pool: str
    requests: int
    input_tokens: float
    output_tokens: tuple[float, float]
    seconds: float | None = None
    answers: int = 0


@dataclass(frozen=True, slots=True)
class RunDuration:
    """How long the requests of a run take that are not sent in batches.

    Attributes:
        seconds: the minimum and the maximum.
        limit: what limits it: `requests`, `input_tokens`, `output_tokens`, or the `concurrency` of the run.
        per_minute: the rate limit; `None` for `concurrency`.
        pool: the models that share the rate limit; `None` for `concurrency`.
        seen: when an answer has shown the rate limit, in ISO 8601; `None` for `concurrency`.
        share: the part of the rate limit that the run uses.
    """

    seconds: tuple[float, float]
    limit: str
    per_minute: float | None = None
    pool: str | None = None
    seen: str | None = None
    share: float = 1.0

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {
            "seconds": {"least": round(self.seconds[0], 3), "most": round(self.seconds[1], 3)},
            "limit": self.limit,
            "per_minute": self.per_minute,
            "pool": self.pool,
            "seen": self.seen,
            "share": self.share,
        }


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
        cost: the minimum and the maximum, in US dollars, at the batch rate if `batched`; `None` if the price of the
            model is unknown.
        how: how the estimate was made, as a phrase.
        earlier_answers: the number of earlier answers that the estimate uses; with several models, the smallest number.
        least_requests: the minimum number of requests, of which `requests` is then the maximum; `None` if the number of
            requests has no known maximum. Not in the JSON.
        waiting: the number of requests that are in a batch already; not among `requests`.
        batched: whether the requests are sent in batches, apart from the first one to a model that has no answers yet.
        single_cost: the cost if the requests are sent one by one.
        batch_cost: the cost if they are sent in batches.
        likely_cost: the cost of the requests that are certain, one by one, with answers of average length; `None`
            without earlier answers. Not in the JSON.
        loads: the requests to each model. Not in the JSON.
        counted: the number of requests whose tokens the API has counted for the estimate.
        cache_read_tokens: the input tokens that are read from the prompt cache.
        cache_write_tokens: the input tokens that are written to it.
        cache_could_save: what `cache` would save at a step that has none, in US dollars; `None` if it would save
            nothing.
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
    waiting: int = 0
    batched: bool = False
    single_cost: tuple[float, float] | None = None
    batch_cost: tuple[float, float] | None = None
    likely_cost: float | None = None
    loads: tuple[RequestLoad, ...] = ()
    counted: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_could_save: float | None = None


@dataclass(frozen=True, slots=True)
class RunForecast:
    """The estimated requests of a run, emitted before it starts; or of all runs of a test together.

    Attributes:
        pipeline: the name of the pipeline; of a test, the test file, or the number of test files.
        sampled: the number of rows that the estimate is based on; `None` for all rows.
        simulation: the seed, faults and version of the simulator; `None` for a run that uses the API.
        outputs: the minimum and the maximum number of rows of each output, if no row fails; the maximum is `None` if it
            is unknown.
        rounds: how many batches come one after another: the minimum, and the maximum with all re-asks. Each takes up to
            24 hours.
        replaced: the number of simulated answers in the recordings of a test that the answers replace. Not in the JSON.
        duration: how long the requests take; `None` if nothing is known about it.
        unanswered: the number of rows that lack an answer; at most, if that depends on missing values. Not in the JSON.
        files: the forecast of each test file, if this is the total of several. Not in the JSON.
    """

    pipeline: str
    rows: int
    steps: tuple[StepForecast, ...]
    sampled: int | None
    simulation: Mapping[str, JSON] | None = None
    outputs: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    rounds: tuple[int, int] = (0, 0)
    replaced: int = 0
    unanswered: int = 0
    duration: RunDuration | None = None
    files: tuple[RunForecast, ...] = ()

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
    def asking(self) -> tuple[str, ...]:
        """The steps that certainly need an API key: they send requests, or wait for batches."""
        return tuple(step.step for step in self.steps if step.output_tokens[0] or step.waiting)

    @property
    def waiting(self) -> int:
        """The number of requests of all steps that are in a batch already."""
        return sum(step.waiting for step in self.steps)

    @property
    def stored(self) -> int:
        """The number of stored answers of all steps."""
        return sum(step.stored for step in self.steps)

    @property
    def cost(self) -> tuple[float, float] | None:
        """The minimum and the maximum cost, in US dollars; `None` if a price is unknown."""
        return _total(step.cost for step in self.steps if step.requests)

    @property
    def single_cost(self) -> tuple[float, float] | None:
        """The cost if all requests are sent one by one."""
        return _total(step.single_cost for step in self.steps if step.requests)

    @property
    def batch_cost(self) -> tuple[float, float] | None:
        """The cost if all requests are sent in batches."""
        return _total(step.batch_cost for step in self.steps if step.requests)

    def as_json(self) -> dict[str, JSON]:
        """Return the forecast as JSON. Output tokens, and costs in US dollars, have the keys `least` and `most`."""
        steps: dict[str, JSON] = {}
        for step in self.steps:
            fields = asdict(step)
            for name in ("step", "cost", "single_cost", "batch_cost", "least_requests", "likely_cost", "loads"):
                del fields[name]
            fields["cache_could_save_usd"] = fields.pop("cache_could_save")
            tokens = {"output_tokens": _span(step.output_tokens)}
            steps[step.step] = {**fields, **tokens, **_costs(step)}
        return {
            "pipeline": self.pipeline,
            "rows": self.rows,
            "requests": self.requests,
            "simulation": self.simulation,
            "stored": self.stored,
            "waiting": self.waiting,
            **_costs(self),
            "batch_rounds": _span(self.rounds),
            "duration": self.duration.as_json() if self.duration else None,
            "steps": steps,
            "outputs": {name: {"rows": {"least": rows[0], "most": rows[1]}} for name, rows in self.outputs.items()},
        }


def together(files: Sequence[RunForecast]) -> RunForecast:
    """Return the total of the forecasts of several test files."""
    return replace(
        files[0],
        pipeline=f"{len(files)} test files",
        rows=sum(each.rows for each in files),
        steps=tuple(step for each in files for step in each.steps),
        replaced=sum(each.replaced for each in files),
        files=tuple(files),
    )


def price_json(forecast: RunForecast) -> dict[str, JSON]:
    """Return the price of the runs of a test as JSON: the total, and that of each file."""
    files = forecast.files or (forecast,)
    return {**_price(forecast), "files": {each.pipeline: _price(each) for each in files}}


def _price(forecast: RunForecast) -> dict[str, JSON]:
    return {"rows": forecast.rows, "requests": forecast.requests, "cost_usd": _span(forecast.cost)}


def _total(costs: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Return the sum of costs; `None` if one of them is unknown."""
    known: list[tuple[float, float]] = []
    for cost in costs:
        if cost is None:
            return None
        known.append(cost)
    return sum(cost[0] for cost in known), sum(cost[1] for cost in known)


def _costs(of: StepForecast | RunForecast) -> dict[str, JSON]:
    ends = {"cost_usd": of.cost, "single_cost_usd": of.single_cost, "batch_cost_usd": of.batch_cost}
    return {name: _span(cost) for name, cost in ends.items()}


def _span(ends: tuple[float, float] | None) -> dict[str, float] | None:
    return None if ends is None else {"least": ends[0], "most": ends[1]}
