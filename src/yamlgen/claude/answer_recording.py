"""The recording of billed answers: each is stored with its tokens and cost before it is parsed."""

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
    """The cost of the answers of one model. `price` is `None` if it is unknown."""

    model: str
    price: PriceFunction | None = None

    def cost(self, charge: Charge) -> float | None:
        """Return the cost of an answer; `None` if it is unknown or the price list fails for its token counts."""
        try:
            return None if self.price is None else self.price(charge)
        except (ArithmeticError, LookupError, ValueError):
            return None

    async def cut(self, request: Request, message: Mapping[str, JSON]) -> None:
        """Count the tokens of a stream that was cut off."""
        usage = usage_of(message)
        cost = self.cost(charge_of(message, usage))
        if request.log is not None:
            await request.log.cut(self.model, usage, cost)
        request.context.observer.cut(usage, cost)


@dataclass(frozen=True, slots=True)
class RecordingLayer:
    """The layer that stores each answer with its tokens and cost."""

    request_sender: RequestSender
    accounting: Accounting

    async def answer(self, request: Request) -> Attempt:
        """Send a request, store the answer and return it.

        Raises:
            EnvironmentProblem: the store cannot be written.
        """
        started = time.monotonic()
        received = await self.request_sender.send(request)
        seconds, usage = time.monotonic() - started, usage_of(received.body)
        cost = self.accounting.cost(charge_of(received.body, usage))
        attempt = Attempt(received.body, usage, (), received.request_id, seconds, cost)
        if request.log is None:
            return attempt
        return await request.log.record(request.key, request.mode.setup, request.body, attempt)
