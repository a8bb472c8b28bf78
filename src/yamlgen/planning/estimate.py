"""The forecast of a run: the requests that it will send, counted from the outcomes of a run that may not send.

Owns the estimate of tokens and dollars, and its explanation. Stored answers are known. A request that depends on a
missing answer is estimated from its templates. Each request is estimated separately, since long prompts may cost more
per token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from yamlgen.errors import Code, RowError
from yamlgen.events import RunForecast, StepForecast
from yamlgen.interfaces import Model, PriceFunction
from yamlgen.model_capabilities import betas_needed, tokenizer_of
from yamlgen.planning.coming_steps import ComingSteps
from yamlgen.planning.lint import MANY
from yamlgen.planning.plan import Plan
from yamlgen.planning.request_costs import (
    FREE,
    MARGIN,
    History,
    RequestCosts,
    is_sent_in_batches,
    reckoned,
    rounds_of,
    way_of_sending,
)
from yamlgen.row_result import RowResult
from yamlgen.shaping.output_plan import STEP
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.value_objects import JSON, Charge, Usage

_MAXIMUM: Final = "the maximum of its list"


@dataclass
class _Asked:
    """The known requests to one model of a step, and the estimate of any request to it.

    Attributes:
        tokens: the tokens of the known requests.
        costs: their cost; zero if there is no price.
        likely: their cost one by one, with answers of average length; zero without earlier answers.
        most: the maximum number of different requests for one row.
    """

    variant: Variant
    past: History | None
    price_function: PriceFunction | None
    most: int
    requests: int = 0
    tokens: int = 0
    costs: RequestCosts = FREE
    likely: float = 0.0
    _first: set[str] = field(default_factory=set)

    @property
    def output(self) -> tuple[int, int]:
        """The minimum and maximum number of tokens in an answer."""
        return self.past.output if self.past else (1, self.variant.max_tokens)

    @property
    def how(self) -> str:
        """How a request is estimated."""
        if self.past:
            answers = f"answer{'' if self.past.answers == 1 else 's'}"
            if self.past.is_lock:
                return f"by the lock: {self.past.answers} {answers}"
            return f"as in {self.past.answers} earlier {answers}"
        each = tokenizer_of(self.variant.model).characters
        return f"about {each:g} characters of English per token, within {MARGIN:.0%}; answers up to `max_tokens`"

    def add(self, request: Mapping[str, JSON]) -> None:
        """Count a request."""
        if len(self._first) <= self.most:
            self._first.add(json.dumps(request))
        tokens, costs = self.reckon(request)
        self.requests += 1
        self.tokens += tokens
        self.costs = self.costs.plus(costs)
        if self.past is not None and self.price_function is not None:
            self.likely += self.price_function(Charge(Usage(tokens, round(self.past.mean_output))))

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

    def reckon(self, request: Mapping[str, JSON]) -> tuple[int, RequestCosts]:
        """Return the estimated tokens of a request, and its cost."""
        return reckoned(request, self.past, self.price_function, self.output)


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

    asked: dict[str, _Asked]
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
    """

    plan: Plan
    models: Mapping[str, Model]
    past: Mapping[str, History | None]
    price_functions: Mapping[str, PriceFunction | None]
    allows: Callable[[str], bool]
    is_waiting: Callable[[bytes], bool] = lambda _: False
    is_left_out: Callable[[str, str, bytes], bool] = lambda *_: False
    rows: int = 0
    unanswered: int = 0
    _counts: dict[str, _Count] = field(init=False)
    _ordered: tuple[PlanStep, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._ordered = self.plan.ordered()
        self._counts = {
            step.name: _Count({variant.name: self._asked(step, variant) for variant in step.variants})
            for step in self.plan.generating
        }

    def _asked(self, step: PlanStep, variant: Variant) -> _Asked:
        most = len(step.matrix or ((),))
        return _Asked(variant, self.past[variant.name], self.price_functions[variant.name], most)

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
            if self.is_waiting(part.key):
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
        answers: list[int] = []
        likely = 0.0
        share = cases / len(step.variants)  # each has the same number of combinations of the matrix
        few = step.cases_per_item * step.least_items / len(step.variants) if guessed.endswith(_MAXIMUM) else share
        for asked in count.asked.values():
            unknown, sure = count.unknown * share, (count.unknown - count.doubtful) * share
            sent = round((asked.requests + unknown) * scale)
            if not sent:
                continue
            tokens, each = 0, FREE
            if unknown:
                tokens, each = asked.reckon(self.models[asked.variant.name].request(step.unfilled()))
            requests, read = requests + sent, read + round((asked.tokens + unknown * tokens) * scale)
            fewest += round((asked.requests + (count.unknown - count.doubtful) * few) * scale)
            least += asked.output[0] * round((asked.requests + sure) * scale)
            most += asked.output[1] * sent
            first += asked.first
            if asked.price_function is None:
                costs = None
            elif costs is not None:
                sum_of_all = asked.costs.plus(each.times(sure, unknown)).times(scale, scale)
                costs = costs.plus(sum_of_all.with_single(asked.first / sent))
            told.append(asked.how)
            if asked.are_equal and step.samples is None:
                told.append(f"{round(asked.requests * scale):,} equal requests: the same for every row")
            answers.append(asked.past.answers if asked.past else 0)
            likely += asked.likely * scale
        if count.unknown:
            told += ["input without the text of missing answers", *sorted(count.doubts)]
            told += [guessed] if guessed else []
        if count.unknown and guessed.startswith("at least"):
            costs = None
        single, batch = (None, None) if costs is None else (costs.single, costs.batch)
        batched = is_sent_in_batches(step, requests - first)
        if step.batch is not None and requests:
            told += way_of_sending(step.batch, batched=batched, first=first)
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
            earlier_answers=min(answers, default=0),
            least_requests=None if guessed.startswith("at least") else fewest,
            waiting=round(count.waiting * scale),
            batched=batched,
            single_cost=single,
            batch_cost=batch,
            likely_cost=likely if single and all(answers) else None,
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
