"""What was paid for: the tokens and the cost of each answer, and its place in the store, before anything reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from yamlgen.claude.requests import Request, RequestSender
from yamlgen.claude.usage import charge_of, usage_of
from yamlgen.interfaces import PriceFunction
from yamlgen.value_objects import JSON, Attempt, Charge


@dataclass(frozen=True, slots=True)
class Accounting:
    """What the answers of one model cost; `price` is `None` where it is not known."""

    model: str
    price: PriceFunction | None = None

    def cost(self, charge: Charge) -> float | None:
        """What an answer cost; whatever the list of prices makes of odd tokens, the answer is worth keeping."""
        try:
            return None if self.price is None else self.price(charge)
        except (ArithmeticError, LookupError, ValueError):
            return None

    async def cut(self, request: Request, message: Mapping[str, JSON]) -> None:
        """Count what a stream took that broke off."""
        usage = usage_of(message)
        cost = self.cost(charge_of(message, usage))
        if request.log is not None:
            await request.log.cut(self.model, usage, cost)
        request.context.observer.cut(usage, cost)


@dataclass(frozen=True, slots=True)
class RecordingLayer:
    """The layer that keeps each answer which it gets, and what it took."""

    request_sender: RequestSender
    accounting: Accounting

    async def answer(self, request: Request) -> Attempt:
        """The answer to a request, kept.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        started = time.monotonic()
        received = await self.request_sender.send(request)
        seconds, usage = time.monotonic() - started, usage_of(received.body)
        cost = self.accounting.cost(charge_of(received.body, usage))
        attempt = Attempt(received.body, usage, (), received.request_id, seconds, cost)
        if request.log is None:
            return attempt
        return await request.log.record(request.key, request.mode.setup, request.body, attempt)
