"""The requests of a step to one model that a run will send: their number, tokens and cost, and a sample of them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.forecast import RequestLoad
from yamlgen.interfaces import PriceFunction
from yamlgen.model_capabilities import betas_needed, pool_of, tokenizer_of
from yamlgen.planning.cache_estimate import (
    NOT_CACHED,
    UNCACHED,
    CachedTokens,
    CacheSpan,
    SeenParts,
    could_save,
    movable_told,
)
from yamlgen.planning.lint import MANY
from yamlgen.planning.request_costs import FREE, History, RequestCosts, TokenRatio, charge_for, reckoned
from yamlgen.prompt_prefixes import tokens_before
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.token_estimate import MARGIN, tokens_in, tokens_of
from yamlgen.value_objects import JSON, Usage

_SAMPLE: Final = 20
"""The maximum number of requests to a model of which a sample consists."""


@dataclass
class AskedRequests:
    """The known requests to one model of a step, and the estimate of any request to it.

    Attributes:
        tokens: the tokens of the known requests.
        costs: their cost; zero if there is no price.
        likely: their cost one by one, with answers of average length; zero without earlier answers.
        most: the maximum number of different requests for one row.
        counted: how the tokens that the API has counted compare with the estimate, if it has counted some.
        sample: some of the known requests, drawn from all of them.
        cached: what the prompt cache does for them, if they are sent one by one.
        parts: their cached parts.
        shared: the tokens that all rows share, in a step without a cache; `None` if no request is known. Like all
            tokens of texts they are estimated, and `scale` corrects them by what earlier answers were charged for.
    """

    step: PlanStep
    variant: Variant
    past: History | None
    price_function: PriceFunction | None
    most: int
    counted: TokenRatio | None = None
    requests: int = 0
    tokens: int = 0
    costs: RequestCosts = FREE
    likely: float = 0.0
    sample: list[Mapping[str, JSON]] = field(default_factory=list)
    cached: CachedTokens = NOT_CACHED
    parts: SeenParts = field(default_factory=SeenParts)
    shared: int | None = None
    scale: float = 1.0
    _first: set[str] = field(default_factory=set)
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - the same sample each time

    @property
    def output(self) -> tuple[int, int]:
        """The minimum and maximum number of tokens in an answer."""
        return self.past.output if self.past else (1, self.variant.max_tokens)

    @property
    def how(self) -> str:
        """How a request is estimated."""
        if self.past:
            answers = f"answer{'' if self.past.answers == 1 else 's'}"
            where = f"by the lock: {self.past.answers}" if self.past.is_lock else f"as in {self.past.answers} earlier"
            return f"{where} {answers}" if self.counted is None else f"{where} {answers}; input: {self.counted}"
        if self.counted is not None:
            return f"input: {self.counted}; answers up to `max_tokens`"
        each = tokenizer_of(self.variant.model).characters
        return f"about {each:g} characters of English per token, within {MARGIN:.0%}; answers up to `max_tokens`"

    @property
    def excluded(self) -> list[str]:
        """The requests that are not estimated, because they depend on its answers."""
        told = ["without larger requests after truncated answers"] if self.variant.grows else []
        is_followed = self.variant.fallbacks or self.variant.by_default
        return [*told, "without the fallback models of refused requests"] if is_followed else told

    def add(self, request: Mapping[str, JSON]) -> None:
        """Count a request."""
        if len(self._first) <= self.most:
            self._first.add(json.dumps(request))
        if len(self.sample) < _SAMPLE:
            self.sample.append(request)
        elif (place := self._random.randrange(self.requests + 1)) < _SAMPLE:
            self.sample[place] = request
        span = self.parts.add(request) if self.step.caches else UNCACHED
        tokens, costs, cached = self._reckon(request, span)
        self.cached = self.cached if cached is NOT_CACHED else self.cached.plus(cached)
        self.requests += 1
        self.tokens += tokens
        self.costs = self.costs.plus(costs)
        if self.past is not None and self.price_function is not None:
            charge = charge_for(request, Usage(tokens, round(self.past.mean_output)))
            self.likely += self.price_function(span.least.charge(charge))

    @property
    def are_equal(self) -> bool:
        """Whether all of many rows send the same requests."""
        return len(self._first) <= self.most and self.requests > MANY * self.most

    @property
    def first(self) -> int:
        """The number of requests that are sent by themselves before any batch, because there are no answers yet."""
        variant = self.variant
        is_known = (self.past is not None and not self.past.is_lock) or variant.alike != variant.name
        return 0 if is_known or betas_needed(variant.model, variant.max_tokens) else 1

    def load(self, requests: int, tokens: int) -> RequestLoad:
        """Return what counts for the rate limits, of this many requests with this many tokens."""
        name, pool = self.variant.name, pool_of(self.variant.model, fast=self.variant.settings.speed == "fast")
        uncached = tokens * max(0.0, 1 - self.cached.read / max(self.tokens, 1))
        if self.past is None:
            return RequestLoad(name, pool, requests, uncached, (requests, float(self.variant.max_tokens) * requests))
        written = self.past.mean_output * requests
        uncached = min(uncached, tokens * self.past.uncached)
        return RequestLoad(name, pool, requests, uncached, (written, written), self.past.seconds, self.past.answers)

    def reckon(self, request: Mapping[str, JSON]) -> tuple[int, RequestCosts, CachedTokens]:
        """Return the estimated tokens of a request whose texts are not known, its cost, and what is cached of it."""
        span = self.parts.unknown(request, self.step.constant) if self.step.caches else UNCACHED
        return self._reckon(request, span)

    def _reckon(self, request: Mapping[str, JSON], span: CacheSpan) -> tuple[int, RequestCosts, CachedTokens]:
        tokens, costs = reckoned(request, self.past, self.price_function, self.output, span, self.counted)
        if self.shared is None:
            is_whole = self.step.constant >= len(request["messages"])
            self.scale = tokens / max(tokens_of(request), 1)
            self.shared = 0 if self.step.caches or is_whole else tokens_before(request, self.step.constant)
        if span is UNCACHED:
            return tokens, costs, NOT_CACHED
        charge = charge_for(request, Usage(tokens), batch=self.step.batch is not None)
        return tokens, costs, span.least.tokens(charge, self.price_function)

    def could_save(self, requests: int) -> float:
        """Return what a cache for the part that its requests share would save, in US dollars."""
        return self._could_save(round((self.shared or 0) * self.scale), requests)

    def movable(self, requests: int) -> list[str]:
        """Return what a cache would save if the beginning of its prompts were in `system`, as phrases."""
        tokens = round(tokens_in(self.step.beginning, tokenizer_of(self.variant.model)) * self.scale)
        saved = 0.0 if self.step.caches or self.could_save(requests) else self._could_save(tokens, requests)
        return [movable_told(tokens, saved, batched=self.step.batch is not None)] if saved else []

    def _could_save(self, tokens: int, requests: int) -> float:
        batched = self.step.batch is not None
        return could_save(tokens, requests, self.variant.model, self.price_function, batched=batched)
