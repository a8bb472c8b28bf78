"""What a run will ask, before it asks: a fold over the outcomes of a run that may not send.

Owns the estimate of tokens and dollars, and says how it was made. What is already in the store is known; a request
that depends on an answer which is not there yet is reckoned from its templates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from yamlgen.errors import Code
from yamlgen.events import RunForecast, StepForecast
from yamlgen.language.plan import Plan, PlanStep
from yamlgen.outcome import Outcome
from yamlgen.ports import Message, Model, Prompt, Tariff, Usage

PER_TOKEN: Final = 4
"""Characters of a token, where no earlier answer tells."""


class Past(Protocol):
    """What earlier answers of a step took."""

    @property
    def answers(self) -> int: ...  # noqa: D102 - as the store has them

    @property
    def per_character(self) -> float: ...  # noqa: D102

    @property
    def output(self) -> tuple[int, int]: ...  # noqa: D102


@dataclass
class _Count:
    stored: int = 0
    failed: int = 0
    requests: int = 0
    unknown: int = 0
    characters: int = 0


@dataclass
class Forecaster:
    """Takes the outcomes of rows that were answered from the store alone.

    Args:
        plan: what will run.
        models: the model of each step, for the shape of its requests.
        past: what earlier answers took, by step.
        tariffs: what usage costs, by step.
        allows: whether the run may send for a row.
    """

    plan: Plan
    models: Mapping[str, Model]
    past: Mapping[str, Past | None]
    tariffs: Mapping[str, Tariff | None]
    allows: Callable[[str], bool]
    rows: int = 0
    _counts: dict[str, _Count] = field(init=False)
    _ordered: tuple[PlanStep, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._ordered = self.plan.ordered()
        self._counts = {step.name: _Count() for step in self._ordered}

    async def add(self, outcome: Outcome) -> None:
        """Count one row."""
        self.rows += 1
        missing: set[str] = set()
        keys: set[bytes] = set()
        for step in self._ordered:
            count = self._counts[step.name]
            error = outcome.failures.get(step.name)
            if step.name in outcome.answers:
                count.stored += 1
            elif error is not None and error.code is not Code.NOT_STORED:
                count.failed += 1
                count.stored += bool(error.attempts)
            elif not self.allows(outcome.row.identity):
                continue
            elif error is not None:
                missing.add(step.name)
                if error.key in keys:  # another step asks the same of this row, and they share the answer
                    continue
                keys.add(error.key)
                count.requests += 1
                count.characters += len(json.dumps(error.request, ensure_ascii=False))
            elif all(need in outcome.answers or need in missing for need in step.needs):
                missing.add(step.name)
                count.requests += 1
                count.unknown += 1

    def forecast(self, rows: int) -> RunForecast:
        """What all `rows` of the input will ask, reckoned from those that were counted."""
        scale = rows / self.rows if self.rows else 0.0
        steps = tuple(self._step(step, scale) for step in self.plan.steps)
        return RunForecast(self.plan.name, rows, steps, None if self.rows == rows else self.rows)

    def _step(self, step: PlanStep, scale: float) -> StepForecast:
        count, past, tariff = self._counts[step.name], self.past[step.name], self.tariffs[step.name]
        requests = round(count.requests * scale)
        per_character = past.per_character if past else 1 / PER_TOKEN
        characters = count.characters + count.unknown * self._characters(step)
        read = round(characters * scale * per_character)
        least, most = past.output if past else (1, step.max_tokens)
        written = (least * requests, most * requests)
        cost = None
        if tariff is not None:
            each = read // requests if requests else 0
            cost = tuple(requests * tariff(Usage(each, output)) for output in (least, most))
        how = f"as in {past.answers} earlier answers" if past else f"{PER_TOKEN} characters a token, up to `max_tokens`"
        if count.unknown:
            how += "; without the text of answers that are still to come"
        return StepForecast(
            step=step.name,
            rows=round((count.stored + count.requests) * scale),
            stored=round(count.stored * scale),
            failed=round(count.failed * scale),
            requests=requests,
            input_tokens=read,
            output_tokens=written,
            cost=cost if cost is None else (cost[0], cost[1]),
            how=how,
        )

    def _characters(self, step: PlanStep) -> int:
        """The length of a request whose templates are not filled in."""
        turns = tuple(Message(turn.role, turn.content) for turn in step.messages)
        return len(json.dumps(self.models[step.name].request(Prompt(step.system, turns)), ensure_ascii=False))
