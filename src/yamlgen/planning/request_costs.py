"""What requests cost one by one and in batches, and how many batches come one after another."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple, Protocol, TypeAlias

from yamlgen.forecast import StepForecast
from yamlgen.interfaces import PriceFunction
from yamlgen.model_capabilities import betas_needed
from yamlgen.planning.cache_estimate import UNCACHED, CacheSpan
from yamlgen.steps.batch_config import Batch
from yamlgen.steps.plan_step import PlanStep
from yamlgen.token_estimate import MARGIN, tokens_of
from yamlgen.value_objects import JSON, Charge, Usage

_NOTHING: Final[Mapping[str, JSON]] = {}

Span: TypeAlias = tuple[float, float]
"""The minimum and the maximum."""


class History(Protocol):
    """The tokens of earlier answers of a step to one model.

    Attributes:
        answers: the number of answers.
        output: the minimum and the maximum of their output tokens.
        mean_output: the mean of their output tokens.
        is_lock: whether they are known from a lock file, and are not in the store.
        uncached: the share of the input tokens that were not read from the prompt cache; 1 if it is unknown.
        seconds: the mean of their durations; `None` if it is unknown.
    """

    @property
    def answers(self) -> int: ...  # noqa: D102 - above

    @property
    def output(self) -> tuple[int, int]: ...  # noqa: D102

    @property
    def mean_output(self) -> float: ...  # noqa: D102

    @property
    def is_lock(self) -> bool: ...  # noqa: D102

    @property
    def uncached(self) -> float: ...  # noqa: D102

    @property
    def seconds(self) -> float | None: ...  # noqa: D102

    def input_tokens(self, characters: int) -> float:
        """Return the input tokens of a request of this many characters."""
        ...


@dataclass(frozen=True, slots=True)
class PastAnswers:
    """The tokens of earlier answers that are at hand: see `History`. `per_character` is of the input tokens."""

    answers: int
    per_character: float
    output: tuple[int, int]
    mean_output: float
    uncached: float = 1.0
    seconds: float | None = None
    is_lock: ClassVar[bool] = False

    @classmethod
    def of(cls, sizes: Iterable[tuple[int, int, int]], more: Iterable[tuple[int, float]] = ()) -> PastAnswers | None:
        """Return the tokens of answers; `None` if there are none.

        Args:
            sizes: the input tokens, the output tokens, and the characters of the request, of each answer.
            more: the input tokens that were read from the prompt cache, and the duration in seconds, of the answers
                that were not in a batch.
        """
        columns, others = list(zip(*sizes, strict=True)), list(zip(*more, strict=True))
        if not columns:
            return None
        read, written, characters = columns
        per_character = sum(read) / max(sum(characters), 1)
        cached, durations = others or ((), ())
        seconds = sum(durations) / len(durations) if durations else None
        ends, mean = (min(written), max(written)), sum(written) / len(written)
        return cls(len(read), per_character, ends, mean, max(0.0, 1 - sum(cached) / max(sum(read), 1)), seconds)

    def input_tokens(self, characters: int) -> float:
        """Return the input tokens of a request of this many characters."""
        return characters * self.per_character


class TokenRatio(NamedTuple):
    """How the tokens that the API counts compare with the estimate.

    Attributes:
        requests: the number of requests that were counted.
        ratio: the sum of their tokens, divided by the estimate.
    """

    requests: int
    ratio: float

    def __str__(self) -> str:
        s = "" if self.requests == 1 else "s"
        return f"{self.requests} request{s} counted by the API: {self.ratio:.3g} times the estimate"


@dataclass(frozen=True, slots=True)
class RequestCosts:
    """The cost of requests in US dollars: if they are sent one by one, and if they are sent in batches."""

    single: Span = (0.0, 0.0)
    batch: Span = (0.0, 0.0)

    def plus(self, other: RequestCosts) -> RequestCosts:
        """Return the sum."""
        return RequestCosts(_sum(self.single, other.single), _sum(self.batch, other.batch))

    def times(self, least: float, most: float) -> RequestCosts:
        """Return the minimum `least` times, and the maximum `most` times."""
        return RequestCosts(
            (self.single[0] * least, self.single[1] * most), (self.batch[0] * least, self.batch[1] * most)
        )

    def with_single(self, share: float) -> RequestCosts:
        """Return the costs if a share of the requests is sent by itself in any case."""
        least, most = (batch + (single - batch) * share for single, batch in zip(self.single, self.batch, strict=True))
        return RequestCosts(self.single, (least, most))


FREE: Final = RequestCosts()


def costs_of(
    price: PriceFunction | None,
    least: Usage,
    most: Usage,
    *,
    request: Mapping[str, JSON] = _NOTHING,
    cached: CacheSpan = UNCACHED,
) -> RequestCosts:
    """Return the costs of one request from its minimum and maximum usage; nothing without a price.

    Args:
        price: the price of an answer.
        least: the minimum usage.
        most: the maximum usage.
        request: the body, whose speed and region have prices of their own.
        cached: which shares of its input tokens the prompt cache reads and writes.
    """
    if price is None:
        return FREE

    def span(*, batch: bool) -> Span:
        low, high = charge_for(request, least, batch=batch), charge_for(request, most, batch=batch)
        worst = cached.most.unread if batch else cached.most
        return price(cached.least.charge(low)), price(worst.charge(high))

    return RequestCosts(span(batch=False), span(batch=True))


def charge_for(request: Mapping[str, JSON], usage: Usage, *, batch: bool = False) -> Charge:
    """Return what an answer to a request is charged for, given its usage. No batch has fast answers."""
    is_fast = request.get("speed") == "fast" and not batch
    return Charge(usage, fast=is_fast, batch=batch, in_us=request.get("inference_geo") == "us")


def reckoned(
    request: Mapping[str, JSON],
    past: History | None,
    price: PriceFunction | None,
    output: tuple[int, int],
    cached: CacheSpan = UNCACHED,
    counted: TokenRatio | None = None,
) -> tuple[int, RequestCosts]:
    """Return the estimated tokens of a request, and its cost; nothing without a price.

    Args:
        request: the body.
        past: the usage of earlier answers, if there are any.
        price: the price of an answer.
        output: the minimum and maximum number of tokens in the answer.
        cached: which shares of its input tokens the prompt cache reads and writes.
        counted: how the tokens that the API has counted compare with the estimate, if it has counted some.
    """
    tokens = round(past.input_tokens(len(json.dumps(request, ensure_ascii=False)))) if past else tokens_of(request)
    if counted is not None:
        tokens = round(tokens * counted.ratio)
    ends = tokens, tokens
    if past is None and counted is None:
        ends = math.floor(tokens * (1 - MARGIN)), math.ceil(tokens * (1 + MARGIN))
    return tokens, costs_of(price, *map(Usage, ends, output), request=request, cached=cached)


def is_batch_only(step: PlanStep) -> bool:
    """Return whether a request of a step can have its `max_tokens` only in a batch."""
    return any(betas_needed(variant.model, variant.max_tokens) for variant in step.variants)


def is_sent_in_batches(step: PlanStep, requests: int) -> bool:
    """Return whether a step sends this many requests in batches."""
    if step.batch is None or not requests:
        return False
    return requests >= step.batch.least(reasks=False) or is_batch_only(step)


def way_of_sending(batch: Batch, *, batched: bool, first: int) -> list[str]:
    """Return which requests of a batched step are sent one by one, as phrases.

    Args:
        batch: the settings of the step.
        batched: whether its requests are sent in batches.
        first: the number of requests that are sent first, by themselves.
    """
    least = batch.least(reasks=False)
    if not batched and least > 1:
        return [f"fewer requests than `batch.minimum` ({least}): one by one, at the full price"]
    return ["the first request by itself, at the full price"] if first else []


def rounds_of(steps: Iterable[PlanStep], forecasts: Mapping[str, StepForecast]) -> tuple[int, int]:
    """Return the minimum and maximum number of batches that come one after another.

    Args:
        steps: the steps, each after the steps that it needs.
        forecasts: the forecasts of those that send requests, by step.
    """
    ends: dict[str, tuple[int, int]] = {}
    for step in steps:
        before = [ends[name] for name in step.needs]
        own = _rounds(step, forecasts[step.name]) if step.name in forecasts else (0, 0)
        least, most = (max((each[end] for each in before), default=0) + own[end] for end in (0, 1))
        ends[step.name] = least, most
    return max((each[0] for each in ends.values()), default=0), max((each[1] for each in ends.values()), default=0)


def _rounds(step: PlanStep, forecast: StepForecast) -> tuple[int, int]:
    """Return the minimum and maximum number of batches of a step that come one after another."""
    if step.batch is None or not (forecast.batched or forecast.waiting):
        return (1, 1) if forecast.waiting else (0, 0)
    sure = forecast.requests if forecast.least_requests is None else forecast.least_requests
    is_sure = forecast.waiting or (forecast.batched and is_sent_in_batches(step, sure))
    reasks = max(variant.reasks for variant in step.variants)
    is_bounded = forecast.least_requests is not None and not is_batch_only(step)
    if is_bounded and forecast.requests + forecast.waiting < step.batch.least(reasks=True):
        reasks = 0
    return int(bool(is_sure)), 1 + reasks


def _sum(one: Span, other: Span) -> Span:
    return one[0] + other[0], one[1] + other[1]
