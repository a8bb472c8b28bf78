"""The layer that leaves requests for a batch, instead of sending each by itself.

Owns which request is still sent by itself: the first of a setup, so that the API judges the settings before a hundred
thousand requests are posted; and those of a step that has too few for a batch.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.batches.batch_store import GatheredRequest, entry_of
from yamlgen.batches.desk import BatchDesk
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.batch_results import error_of, is_transient
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.requests import Layer, Request
from yamlgen.claude.sending import told_rows
from yamlgen.interfaces import RowWaits
from yamlgen.planning.request_costs import MARGIN
from yamlgen.token_estimate import tokens_of
from yamlgen.value_objects import JSON, Attempt, Charge, Usage

_STREAM: Final = "stream"
"""The field of a request that a batch refuses."""


@dataclass(frozen=True, slots=True)
class DeskAccess:
    """How the requests of one model are batched.

    Attributes:
        desk: gathers requests.
        variant: the name of the plan's variant.
        betas: the beta features that its requests need. Only batches have them.
    """

    desk: BatchDesk
    variant: str
    betas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchLayer:
    """The layer between the lookup and the sending of single requests.

    Args:
        below: sends a request by itself.
        batching: how the requests are batched.
        error_context: the sender, for error messages.
        accounting: the price of the model.
        simulated: whether the simulator answers. It receives the row, on which its answer depends.
    """

    below: Layer
    batching: DeskAccess
    error_context: ErrorContext
    accounting: Accounting
    simulated: bool = False
    _firsts: defaultdict[bytes, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def answer(self, request: Request) -> Attempt:
        """Return the answer to a request that is not sent in a batch; leave the others.

        Raises:
            RowWaits: the answer will come with a batch.
        """
        log, desk, betas = request.log, self.batching.desk, self.batching.betas
        if log is None:
            return await self.below.answer(request)
        if desk.is_waiting(request.key, request.context.row):
            raise RowWaits
        # Its batch may have been collected since the lookup: only now it is certain that no batch has the request.
        attempt = log.recall(request.keys)
        if attempt is not None:
            return attempt
        failure = desk.failure(request.key)
        if failure is not None and not (is_transient(failure) and desk.may_send_again(failure)):
            raise error_of(failure, self.error_context)
        if not betas:
            if not desk.handles(request.context.step):
                return await self.below.answer(request)
            async with self._firsts[request.mode.setup]:
                request.mode.check()
                if not log.is_proven(request.mode.setup):
                    return await self.below.answer(request)
        await self._leave(request)
        raise RowWaits

    async def _leave(self, request: Request) -> None:
        """Leave a request at the desk."""
        body = {name: value for name, value in request.body.items() if name != _STREAM}
        entry = entry_of(request.key, body, told_rows(request) if self.simulated else {})
        gathered = GatheredRequest(request.key, request.mode.setup, self.batching.variant, entry, body)
        step, row = request.context.step, request.context.row
        most, betas = self._most(body), self.batching.betas
        await self.batching.desk.gather(step, gathered, row, reask=request.reask, most=most, betas=betas)

    def _most(self, body: Mapping[str, JSON]) -> float | None:
        """Return the maximum cost of a request, in US dollars; `None` if the price is unknown."""
        usage = Usage(round(tokens_of(body) * (1 + MARGIN)), body["max_tokens"])
        return self.accounting.cost(Charge(usage, batch=True))
