"""The forecast of a run: its requests, their tokens and their cost, estimated before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from yamlgen.value_objects import JSON


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
    def needs_key(self) -> bool:
        """Whether the run certainly needs an API key: it sends requests, or waits for batches."""
        return self.sends or bool(self.waiting)

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
            for name in ("step", "cost", "single_cost", "batch_cost", "least_requests", "likely_cost"):
                del fields[name]
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
