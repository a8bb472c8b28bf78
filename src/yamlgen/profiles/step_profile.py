"""What each step of a run did: requests, re-asks and why, tokens, cost, latency, stop reasons."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from yamlgen.profiles.fields.field_profile import Bin, Quantiles, ValueCount
from yamlgen.profiles.fields.number_tally import quantiles
from yamlgen.profiles.number_bits import NumberBits
from yamlgen.reports.report import alike
from yamlgen.schemas.broken_rules import broken_rule_in
from yamlgen.store.row_scan import ScannedRow, ScannedStep
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import TOKENS, StoredAttempt
from yamlgen.value_objects import JSON

MOST_REASONS: Final = 12
_MOST_KEPT: Final = 200
"""The maximum number of reasons that are told apart: the words of a check may differ in each row."""

_MOST_SECONDS: Final = 100_000
"""The maximum number of latencies that are kept. A run of more answers keeps every second one, then every fourth."""

_DIGITS: Final = 4
_EDGES: Final = tuple(round(mantissa * 10.0**power, 4) for power in range(-3, 4) for mantissa in (1, 1.5, 2, 3, 5, 7))
"""The edges of the bars of latencies: each is about half as long again as the one before it."""

_NOTHING: Final[dict[str, JSON]] = {"usage": {}, "cost_usd": 0.0, "cache_saved_usd": 0.0}
_CUT_OFF: Final = "max_tokens"
_REFUSED: Final = "refusal"


@dataclass(frozen=True, slots=True)
class ReaskReason:
    """Why answers were sent back.

    Attributes:
        keyword: the keyword of the schema that they break, such as `maxLength`; empty for other reasons.
        place: the path of the wrong value, with `[]` for the items of a list, such as `$.tags[]`; empty without one.
        message: the words of the validator or of the check about the first of them. They may quote the answer.
        count: how many answers were sent back for this reason.
    """

    keyword: str
    place: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class StepProfile:
    """What a step did in a run. Rows with equal requests share an answer, which counts once.

    The tokens and the cost are those of the record of the run, if it has ended: a stream that was cut off is among
    them. The other numbers are those of the rows that the run has reached.

    Attributes:
        name: its name.
        kind: its kind.
        statuses: in how many rows it is `finished`, `null`, `skipped`, `failed`, `missing` or `not run`.
        answers: the answers that the rows are made of, also those that were invalid.
        stored: how many of them an earlier run has paid for.
        batched: how many of the others came with batches.
        reasks: how many of the others came to a re-ask, which shows the model what was wrong with its answer.
        larger: how many of the others came to a request with more tokens, after an answer was cut off.
        refused: how many of the others came from a model that was asked after another has refused. During the run,
            without those that the API has asked within the same request.
        why: why answers were sent back, the most frequent first; an answer counts for its first error.
        more: how many answers were sent back for reasons that `why` leaves out.
        stop_reasons: how often each stop reason came, without stored answers; the most frequent first.
        models: how many answers came from each model, the most frequent first; stored ones included.
        sent: the requests that were sent, also again after a failure; `None` if the run has not recorded it.
        retried: how many of them were sent again after a failure; `None` if the run has not recorded it.
        usage: the tokens that this run paid for, by the names of the API.
        cost_usd: what they cost, in US dollars; `None` if a price is unknown.
        cache_saved_usd: how much less they cost by the prompt cache; `None` if that is unknown.
        latency: the seconds that answers took that are neither stored nor came with batches; `None` without any.
        latency_bins: their histogram. The bars are wider for longer times.
    """

    name: str
    kind: str
    statuses: Mapping[str, int]
    answers: int = 0
    stored: int = 0
    batched: int = 0
    reasks: int = 0
    larger: int = 0
    refused: int = 0
    why: tuple[ReaskReason, ...] = ()
    more: int = 0
    stop_reasons: tuple[ValueCount, ...] = ()
    models: Mapping[str, int] = field(default_factory=dict)
    sent: int | None = None
    retried: int | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    cache_saved_usd: float | None = None
    latency: Quantiles | None = None
    latency_bins: tuple[Bin, ...] = ()


class StepObserver:
    """Counts what the steps did.

    Args:
        kinds: the kinds of the steps, by their names, in file order.
        run: the name of the run.
        counted: what is known of each step beyond its rows, as `counts_of` returns it.
    """

    def __init__(self, kinds: Mapping[str, str], run: str, counted: Mapping[str, JSON]) -> None:
        self._kinds = kinds
        self._run = run
        self._counted = counted
        self._statuses: dict[str, Counter[str]] = {name: Counter() for name in kinds}
        self._answers = {name: _Answers() for name in kinds}
        self._seen = NumberBits()

    def add(self, row: ScannedRow) -> None:
        """Add a row."""
        for name, counts in self._statuses.items():
            step = row.steps.get(name)
            if step is None:
                counts["not run"] += 1
            else:
                counts[step.status] += 1
                if step.attempts:
                    self._add_answers(self._answers[name], step)

    def _add_answers(self, answers: _Answers, step: ScannedStep) -> None:
        if len(step.attempts) == 1:
            (attempt,) = step.attempts
            if self._seen.add(attempt.number):
                answers.add(attempt, is_own=attempt.run == self._run)
            return
        for case in _by_case(step.attempts):
            fresh = [attempt for attempt in case if self._seen.add(attempt.number)]
            for attempt in fresh:
                answers.add(attempt, is_own=attempt.run == self._run)
            if fresh:
                own = {attempt.number for attempt in fresh if attempt.run == self._run}
                for before, attempt in pairwise(case):
                    if attempt.number in own:
                        answers.follow(before)

    def models(self) -> dict[str, dict[str, int]]:
        """Return how many answers came from each model, by the model that was requested."""
        made: dict[str, dict[str, int]] = {}
        for (requested, model), count in sum((each.models for each in self._answers.values()), Counter()).most_common():
            made.setdefault(requested, {})[model] = count
        return made

    def steps(self) -> tuple[StepProfile, ...]:
        """Return the steps, in file order."""
        return tuple(self._step(name, kind) for name, kind in self._kinds.items())

    def _step(self, name: str, kind: str) -> StepProfile:
        counted, answers = self._counted.get(name) or {}, self._answers[name]
        paid = counted.get("paid") or _NOTHING
        return StepProfile(
            name=name,
            kind=kind,
            statuses=dict(self._statuses[name]),
            sent=counted.get("sent"),
            retried=counted.get("retried"),
            usage={token: paid["usage"].get(token, 0) for token in TOKENS},
            cost_usd=paid["cost_usd"],
            cache_saved_usd=paid.get("cache_saved_usd"),
            **answers.told(counted.get("fallbacks") or {}),
        )


class _Answers:
    """Counts the answers of a step."""

    def __init__(self) -> None:
        self.answers = self.stored = self.batched = self.reasks = self.larger = self.refused = self.others = 0
        self.reasons: dict[tuple[str, str, str], list[Any]] = {}
        self.stop_reasons: Counter[str | None] = Counter()
        self.models: Counter[tuple[str, str]] = Counter()
        self.replaced: Counter[str] = Counter()
        self.latencies = _Latencies()

    def add(self, attempt: StoredAttempt, *, is_own: bool) -> None:
        """Add an answer."""
        self.answers += 1
        requested = attempt.requested or attempt.model or ""
        self.models[requested, attempt.model or requested] += 1
        if not is_own:
            self.stored += 1
            return
        self.stop_reasons[attempt.stop_reason] += 1
        if attempt.model is not None and attempt.model != requested:
            self.replaced[attempt.model] += 1
        if attempt.batch is not None:
            self.batched += 1
        else:
            self.latencies.add(attempt.seconds)

    def follow(self, before: StoredAttempt) -> None:
        """Note that an answer was followed by another one."""
        if before.stop_reason == _CUT_OFF:
            self.larger += 1
        elif before.stop_reason == _REFUSED:
            self.refused += 1
        else:
            self.reasks += 1
            self._add_reason(before.errors[0] if before.errors else "")

    def _add_reason(self, error: str) -> None:
        rule = broken_rule_in(error)
        key = (rule.keyword, rule.place, "" if rule.keyword else alike(error))
        if key not in self.reasons and len(self.reasons) >= _MOST_KEPT:
            self.others += 1
        else:
            self.reasons.setdefault(key, [error, 0])[1] += 1

    def told(self, fallbacks: Collection[str]) -> dict[str, Any]:
        """Return the fields of a `StepProfile`.

        Args:
            fallbacks: the models that answered after a refusal. Others that were not requested are other names of
                those that were.
        """
        models: Counter[str] = Counter()
        for (_, model), count in self.models.items():
            models[model] += count
        why = sorted(self.reasons.items(), key=lambda each: -each[1][1])
        reasons = [ReaskReason(keyword, place, words, count) for (keyword, place, _), (words, count) in why]
        return {
            "answers": self.answers,
            "stored": self.stored,
            "batched": self.batched,
            "reasks": self.reasks,
            "larger": self.larger,
            "refused": self.refused + sum(self.replaced[model] for model in fallbacks),
            "why": tuple(reasons[:MOST_REASONS]),
            "more": self.others + sum(each.count for each in reasons[MOST_REASONS:]),
            "stop_reasons": tuple(ValueCount(*each) for each in self.stop_reasons.most_common()),
            "models": dict(models.most_common()),
            "latency": self.latencies.quantiles(),
            "latency_bins": self.latencies.bins(),
        }


class _Latencies:
    """Keeps seconds, and counts them by bars."""

    def __init__(self) -> None:
        self._seconds = array("d")
        self._counts = [0] * (len(_EDGES) + 1)
        self._count, self._every = 0, 1
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_right(_EDGES, seconds)] += 1
        self._longest = max(self._longest, seconds)
        if self._count % self._every == 0:
            if len(self._seconds) >= _MOST_SECONDS:
                self._seconds, self._every = self._seconds[::2], 2 * self._every
            if self._count % self._every == 0:
                self._seconds.append(seconds)
        self._count += 1

    def quantiles(self) -> Quantiles | None:
        """Return the quantiles; `None` without any seconds."""
        kept = quantiles(sorted(self._seconds))
        if kept is None:
            return None
        told = (kept.least, kept.p5, kept.p50, kept.p95, self._longest)
        return Quantiles(*(round(seconds, _DIGITS) for seconds in told))

    def bins(self) -> tuple[Bin, ...]:
        """Return the bars, from the first that is not empty to the last."""
        edges = (0.0, *_EDGES, round(max(self._longest, 1.5 * _EDGES[-1]), _DIGITS))
        filled = [at for at, count in enumerate(self._counts) if count]
        if not filled:
            return ()
        return tuple(Bin(edges[at], edges[at + 1], self._counts[at]) for at in range(filled[0], filled[-1] + 1))


def _by_case(attempts: list[StoredAttempt]) -> Iterable[list[StoredAttempt]]:
    """Return the answers to each request, in their order."""
    cases: dict[str, list[StoredAttempt]] = {}
    for attempt in attempts:
        cases.setdefault(attempt.case, []).append(attempt)
    return cases.values()


def kinds_of(about: Mapping[str, JSON]) -> dict[str, str]:
    """Return the kinds of the steps of a run, by their names, in file order; from its record."""
    known = about.get("declared") or (about.get("lock") or {}).get("steps") or {}  # an earlier version has only a lock
    steps = (about.get("resolved") or {}).get("steps") or {}
    return {name: (known.get(name) or keys).get("kind", "") for name, keys in steps.items()}


def counts_of(run_reader: RunReader, run: RunEntry) -> Mapping[str, JSON]:
    """Return what a run has recorded of its steps, by their names; of one that has not ended, what it has paid for."""
    recorded: Mapping[str, JSON] = (run.report or {}).get("steps") or {}
    return recorded or {name: {"paid": paid} for name, paid in run_reader.paid(run.number).items()}
