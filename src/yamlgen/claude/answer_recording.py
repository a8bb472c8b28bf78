"""The recording of billed answers: each is stored with its tokens and cost before it is parsed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from yamlgen.claude.prices import price_function_of
from yamlgen.claude.requests import Request, RequestSender
from yamlgen.claude.usage import charges_of, usage_of
from yamlgen.interfaces import PriceFunction
from yamlgen.model_capabilities import undated
from yamlgen.value_objects import JSON, Attempt, Charge


@dataclass(frozen=True, slots=True)
class Accounting:
    """The cost of the answers of one model.

    Attributes:
        model: the id of the model.
        price: its price; `None` if it is unknown.
        others: the prices of fallback models, by their ids; the list price applies to any other.
    """

    model: str
    price: PriceFunction | None = None
    others: Mapping[str, PriceFunction | None] = field(default_factory=dict)

    def cost(self, charge: Charge) -> float | None:
        """Return the cost of an answer; `None` if it is unknown or the price list fails for its token counts."""
        return _cost(self.price, charge)

    def cost_of(self, response: Mapping[str, JSON], *, batch: bool = False) -> float | None:
        """Return the cost of a response: each part at the price of the model that it is charged for.

        Args:
            response: the body.
            batch: whether it came with a batch.
        """
        total = 0.0
        for model, charge in charges_of(response, self.model):
            part = _cost(self._price_of(model), replace(charge, batch=True) if batch else charge)
            if part is None:
                return None
            total += part
        return total

    def saved_of(self, response: Mapping[str, JSON], *, batch: bool = False) -> float:
        """Return by how much a response cost less than without the prompt cache; 0 if a price is unknown.

        It is negative if more was written to the cache than read from it.
        """
        total = 0.0
        for model, charge in charges_of(response, self.model):
            charged = replace(charge, batch=True) if batch else charge
            plain, cost = (_cost(self._price_of(model), each) for each in (charged.uncached, charged))
            if plain is None or cost is None:
                return 0.0
            total += plain - cost
        return total

    def _price_of(self, model: str) -> PriceFunction | None:
        if model == self.model:
            return self.price
        named = next((id_ for id_ in self.others if undated(id_) == undated(model)), None)
        return _listed(model) if named is None else self.others[named]

    async def cut(self, request: Request, message: Mapping[str, JSON]) -> None:
        """Count the tokens of a stream that was cut off."""
        usage, cost = usage_of(message), self.cost_of(message)
        if request.log is not None:
            await request.log.cut(self.model, usage, cost)
        request.context.observer.cut(usage, cost)


@lru_cache
def _listed(model: str) -> PriceFunction | None:
    return price_function_of(model, None)


def _cost(price: PriceFunction | None, charge: Charge) -> float | None:
    try:
        return None if price is None else price(charge)
    except (ArithmeticError, LookupError, ValueError):
        return None


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
        cost = self.accounting.cost_of(received.body)
        attempt = Attempt(received.body, usage, (), received.request_id, seconds, cost)
        if request.log is None:
            return attempt
        return await request.log.record(request.key, request.mode.setup, request.body, attempt)
