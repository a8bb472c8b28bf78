"""The forecast of a run: the requests that it will send, counted from the outcomes of a run that may not send.

Owns the estimate of tokens and dollars, and its explanation. Stored answers are known. A request that depends on a
missing answer is estimated from its templates. Each request is estimated separately, since long prompts may cost more
per token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from yamlgen.errors import Code, RowError
from yamlgen.events import RowsTakenOver, RunForecast, StepForecast
from yamlgen.forecast import RequestLoad
from yamlgen.interfaces import Model, PriceFunction
from yamlgen.planning.asked_requests import AskedRequests
from yamlgen.planning.batched_steps import can_be_batched
from yamlgen.planning.cache_estimate import (
    NOT_CACHED,
    cache_told,
)
from yamlgen.planning.coming_steps import ComingSteps
from yamlgen.planning.plan import Plan
from yamlgen.planning.request_costs import (
    FREE,
    History,
    RequestCosts,
    TokenRatio,
    is_sent_in_batches,
    rounds_of,
    way_of_sending,
)
from yamlgen.row_result import RowResult
from yamlgen.shaping.output_plan import STEP
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.value_objects import JSON

_MAXIMUM: Final = "the maximum of its list"


@dataclass
class _Count:
    """The counts of one step.

    Attributes:
        asked: the requests to each of its models, by the names of the variants.
        rows: the rows that reach it.
        stored: the answers in the store.
        waiting: the requests that are in a batch already.
        failed: the rows that fail because of a stored answer.
        cases: how often it runs for the `known` rows.
        known: the rows whose number of cases is known.
        unknown: the rows whose number of cases is unknown, since it depends on missing answers.
        doubtful: those of the unknown rows that may send no request.
        doubts: the reasons, as phrases.
    """

    asked: dict[str, AskedRequests]
    rows: int = 0
    stored: int = 0
    waiting: int = 0
    failed: int = 0
    cases: int = 0
    known: int = 0
    unknown: int = 0
    doubtful: int = 0
    doubts: set[str] = field(default_factory=set)


@dataclass
class Forecaster:
    """Counts the outcomes of rows that were answered only from the store.

    Args:
        plan: the plan of the run.
        models: the models, by the names of the plan's variants, for the shape of their requests.
        past: the usage of earlier answers, by variant.
        price_functions: the prices of answers, by variant.
        allows: returns whether the run may send requests for a row.
        is_waiting: returns whether the request with a key is in a batch already.
        is_left_out: returns whether a request of a row at a step is not to be counted, given the identity of the row,
            the step, and the key of the request; empty if that depends on a missing answer.
        counted: how the tokens that the API has counted compare with the estimate, by variant.
    """

    plan: Plan
    models: Mapping[str, Model]
    past: Mapping[str, History | None]
    price_functions: Mapping[str, PriceFunction | None]
    allows: Callable[[str], bool]
    is_waiting: Callable[[bytes], bool] = lambda _: False
    is_left_out: Callable[[str, str, bytes], bool] = lambda *_: False
    counted: Mapping[str, TokenRatio] = field(default_factory=dict)
    rows: int = 0
    unanswered: int = 0
    _counts: dict[str, _Count] = field(init=False)
    _ordered: tuple[PlanStep, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._ordered = self.plan.ordered()
        self._counts = {
            step.name: _Count({variant.name: self._asked(step, variant) for variant in step.every_variant})
            for step in self.plan.generating
        }

    def _asked(self, step: PlanStep, variant: Variant) -> AskedRequests:
        most = len(step.matrix or ((),))
        counted = self.counted.get(variant.name)
        return AskedRequests(step, variant, self.past[variant.name], self.price_functions[variant.name], most, counted)

    def samples(self) -> dict[str, list[tuple[Mapping[str, JSON], int]]]:
        """Return some requests that the run will send, each with its estimated tokens, by variant.

        A variant whose requests all depend on missing answers has one request, without the text of these answers.
        """
        found: dict[str, list[tuple[Mapping[str, JSON], int]]] = {}
        for step in self.plan.generating:
            count = self._counts[step.name]
            for name, asked in count.asked.items():
                sample = asked.sample
                if not sample and count.unknown and name in {variant.name for variant in step.variants}:
                    sample = [self.models[name].request(step.unfilled())]
                if sample:
                    found[name] = [(request, asked.reckon(request)[0]) for request in sample]
        return found

    async def add(self, outcome: RowResult) -> None:
        """Count one row."""
        self.rows += 1
        coming = ComingSteps(outcome, self.plan)
        keys: set[bytes] = set()
        for step in self._ordered:
            answer = outcome.answers.get(step.name)
            error = outcome.failures.get(step.name) if answer is None else answer.failure
            is_missing = error is not None and error.code is Code.NOT_STORED
            if not step.variants:
                if is_missing or (error is None and coming.has(step)):
                    coming.missing.add(step.name)
                    coming.uncalled |= {step.name} if is_missing or coming.uncalled & step.needs else set()
                continue
            count = self._counts[step.name]
            if answer is not None and error is None:
                count.rows += not answer.skipped
                if not answer.skipped:
                    self._count_known(count, step.cases_of(answer.value), 0)
            elif error is not None:
                if is_missing and not self.allows(outcome.row.identity):
                    continue
                count.rows += 1
                count.failed += answer is None and not is_missing and any(map(_is_final, error.parts or (error,)))
                before = count.waiting
                sent = self._count_missing(step, error, keys, outcome.row.identity)
                count.cases += count.waiting - before
                stored = sum(not attempt.errors for attempt in error.attempts)  # the attempts with a valid answer
                stored += sum(_is_answered(part) for part in error.parts or (error,))
                if stored or sent or count.waiting > before:
                    self._count_known(count, stored, sent)
                if is_missing:
                    coming.missing.add(step.name)
            elif coming.has(step) and self.allows(outcome.row.identity):
                coming.missing.add(step.name)
                coming.uncalled |= {step.name} if coming.uncalled & step.needs else set()
                if self.is_left_out(outcome.row.identity, step.name, b""):
                    continue
                count.rows += 1
                count.unknown += 1
                doubts = coming.doubts(step)
                count.doubtful += bool(doubts)
                count.doubts.update(doubts)
        self.unanswered += not coming.missing.isdisjoint(self._counts)

    def take_over(self, taken: RowsTakenOver) -> None:
        """Count rows that are taken over, as if each had been added with its results."""
        self.rows += len(taken.rows)
        for step in self._ordered:
            made = taken.steps.get(step.name)
            if step.variants and made is not None:
                count, cases = self._counts[step.name], made.finished if step.is_single else made.items
                count.rows += made.finished
                count.stored += cases
                count.cases += cases
                count.known += made.finished

    def _count_known(self, count: _Count, stored: int, sent: int) -> None:
        count.stored += stored
        count.cases += stored + sent
        count.known += 1

    def _count_missing(self, step: PlanStep, error: RowError, keys: set[bytes], identity: str) -> int:
        """Count the missing requests of a row, and return the number of those that are not in a batch already."""
        sent = 0
        for part in error.parts or (error,):
            if part.code is not Code.NOT_STORED or part.key in keys:  # equal requests share the answer
                continue
            keys.add(part.key)
            if self.is_waiting(part.wanted or part.key):
                self._counts[step.name].waiting += 1
                continue
            if not self.is_left_out(identity, step.name, part.key):
                self._counts[step.name].asked[part.variant].add(part.request or {})
            sent += 1
        return sent

    def forecast(self, rows: int, *, sure: bool = False) -> RunForecast:
        """Return the forecast for all `rows` of the input, extrapolated from the counted rows.

        Args:
            rows: the number of rows.
            sure: without the requests that depend on missing answers.
        """
        scale = rows / self.rows if self.rows else 0.0
        steps = tuple(self._step(step, scale, only_sure=sure) for step in self.plan.generating)
        outputs = {output.name or STEP: output.count(rows) for output in self.plan.outputs}
        rounds = rounds_of(self._ordered, {step.step: step for step in steps})
        sampled = None if self.rows == rows else self.rows
        unanswered = round(self.unanswered * scale)
        return RunForecast(self.plan.name, rows, steps, sampled, outputs=outputs, rounds=rounds, unanswered=unanswered)

    def _step(self, step: PlanStep, scale: float, *, only_sure: bool) -> StepForecast:
        count = self._counts[step.name]
        count = replace(count, unknown=0, doubtful=0) if only_sure else count
        cases, guessed = _cases(step, count)
        requests = fewest = read = least = most = first = 0
        costs: RequestCosts | None = FREE
        told: list[str] = []
        loads: list[RequestLoad] = []
        caching, could = NOT_CACHED, 0.0
        likely = 0.0
        share = cases / len(step.variants)  # each has the same number of combinations of the matrix
        few = step.cases_per_item * step.least_items / len(step.variants) if guessed.endswith(_MAXIMUM) else share
        for asked in count.asked.values():
            is_first = asked.variant in step.variants  # the others are only asked after a refusal
            all_unknown, doubtful = count.unknown * is_first, count.doubtful * is_first
            unknown, sure = all_unknown * share, (all_unknown - doubtful) * share
            sent = round((asked.requests + unknown) * scale)
            if not sent:
                continue
            tokens, each, cached = 0, FREE, NOT_CACHED
            if unknown:
                tokens, each, cached = asked.reckon(self.models[asked.variant.name].request(step.unfilled()))
            its = round((asked.tokens + unknown * tokens) * scale)
            requests, read = requests + sent, read + its
            loads.append(asked.load(sent, its))
            fewest += round((asked.requests + (count.unknown - count.doubtful) * is_first * few) * scale)
            least += asked.output[0] * round((asked.requests + sure) * scale)
            most += asked.output[1] * sent
            first += asked.first
            if asked.price_function is None:
                costs = None
            elif costs is not None:
                sum_of_all = asked.costs.plus(each.times(sure, unknown)).times(scale, scale)
                costs = costs.plus(sum_of_all.with_single(asked.first / sent))
            told += [asked.how, *asked.excluded, *asked.movable(sent)]
            if asked.are_equal and step.samples is None:
                told.append(f"{round(asked.requests * scale):,} equal requests: the same for every row")
            likely += asked.likely * scale
            is_cold = asked.cached == NOT_CACHED
            caching = caching.plus(asked.cached.plus(cached, unknown), scale).plus(cached.first, is_cold)
            could += asked.could_save(sent)
        if count.unknown:
            told += ["input without the text of missing answers", *sorted(count.doubts)]
            told += [guessed] if guessed else []
        if count.unknown and guessed.startswith("at least"):
            costs = None
        single, batch = (None, None) if costs is None else (costs.single, costs.batch if can_be_batched(step) else None)
        batched = is_sent_in_batches(step, requests - first)
        if step.batch is not None and requests:
            told += way_of_sending(step.batch, batched=batched, first=first)
        told += cache_told(caching, could, batched=step.batch is not None)
        return StepForecast(
            step=step.name,
            rows=round(count.rows * scale),
            stored=round(count.stored * scale),
            failed=round(count.failed * scale),
            requests=requests,
            input_tokens=read,
            output_tokens=(least, most),
            cost=batch if batched else single,
            how="; ".join(dict.fromkeys(told)),
            earlier_answers=min((load.answers for load in loads), default=0),
            least_requests=None if guessed.startswith("at least") else fewest,
            waiting=round(count.waiting * scale),
            batched=batched,
            single_cost=single,
            batch_cost=batch,
            likely_cost=likely if single and all(load.answers for load in loads) else None,
            loads=tuple(loads),
            counted=sum(asked.counted.requests for asked in count.asked.values() if asked.counted),
            cache_read_tokens=round(caching.read),
            cache_write_tokens=round(caching.written),
            cache_could_save=could or None,
        )


def _is_final(error: RowError) -> bool:
    """Return whether an error is final: it has an answer, or the API has refused the request."""
    return _is_answered(error) or error.code is Code.BAD_REQUEST


def _is_answered(error: RowError) -> bool:
    """Return whether an error is a failed answer."""
    return bool(error.attempts) and error.code is not Code.NOT_STORED


def _cases(step: PlanStep, count: _Count) -> tuple[float, str]:
    """Return how often a step runs for a row whose number of cases is unknown, and how this was estimated."""
    once = step.cases_per_item
    if step.for_each is None:
        return once, ""
    if count.cases:
        each = count.cases / count.known
        return each, f"with {each / once:.3g} items per row, as in the known rows"
    if step.most_items is not None:
        return once * step.most_items, f"with {step.most_items} items per row, {_MAXIMUM}"
    least = max(1, step.least_items)
    unbounded = "the maximum length of its list is unknown (set `maxItems` in the schema)"
    return once * least, f"at least {least} per row: {unbounded}"
