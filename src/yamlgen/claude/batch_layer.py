"""The layer that leaves requests for a batch, instead of sending each by itself.

Owns which request is still sent by itself: the first of a setup, so that the API judges the settings before a hundred
thousand requests are posted; and those of a step that has too few for a batch.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from yamlgen.batches.batch_store import BatchOrigin, GatheredRequest, entry_of
from yamlgen.batches.desk import BatchDesk
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.batch_results import error_of, is_transient
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.requests import FALLBACKS, Layer, Request
from yamlgen.claude.sending import told_rows
from yamlgen.claude.warming_layer import hour_part
from yamlgen.interfaces import RowWaits
from yamlgen.model_capabilities import betas_needed
from yamlgen.planning.request_costs import charge_for
from yamlgen.prompt_prefixes import is_marked
from yamlgen.token_estimate import MARGIN, tokens_of
from yamlgen.value_objects import JSON, Attempt, Usage

_SINGLE: Final = frozenset({"stream", FALLBACKS})
"""The fields of a request that a batch refuses."""


class DeskAccess(NamedTuple):
    """How the requests of one model are batched.

    Attributes:
        desk: gathers requests.
        variant: the name of the plan's variant.
        origin: where its batches are posted.
        betas: the beta features that all its requests need.
        batched: whether its step is sent in batches. Some features exist in batches only.
    """

    desk: BatchDesk
    variant: str
    origin: BatchOrigin
    betas: tuple[str, ...] = ()
    batched: bool = False


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
        log, desk, needed = request.log, self.batching.desk, self._needed(request)
        if log is None:
            return await self.below.answer(request)
        sent, part = request.sent, b""
        if request.cache is not None and desk.handles(request.context.step):
            part = hour_part(sent, self.batching.origin.base_url, repeats=request.cache.repeats)
        if desk.is_waiting(request.key, request.context.row, part):
            raise RowWaits
        # Its batch may have been collected since the lookup: only now it is certain that no batch has the request.
        attempt = log.recall(request.keys)
        if attempt is not None:
            return attempt
        failure = desk.failure(request.key)
        if failure is not None and not (is_transient(failure) and desk.may_send_again(failure)):
            raise error_of(failure, self.error_context)
        if not needed:
            if not desk.handles(request.context.step):
                return await self.below.answer(request)
            async with self._firsts[request.mode.setup]:
                request.mode.check()
                if not log.is_proven(request.mode.setup):
                    return await self.below.answer(request)
        await self._leave(request, sent, part)
        raise RowWaits

    async def _leave(self, request: Request, sent: Mapping[str, JSON], part: bytes) -> None:
        """Leave a request at the desk.

        Args:
            request: the request.
            sent: the body as it is sent by itself.
            part: the digest of the part of its prompt that is cached for an hour; empty if there is none.
        """
        body = {name: value for name, value in request.body.items() if name not in _SINGLE}
        sent = {name: value for name, value in sent.items() if name not in _SINGLE}
        entry = entry_of(request.key, sent, told_rows(request) if self.simulated else {})
        gathered = GatheredRequest(request.key, request.mode.setup, self.batching.variant, entry, body)
        step, row = request.context.step, request.context.row
        betas, origin = (*self.batching.betas, *self._needed(request)), self.batching.origin
        most, reask = self._most(sent), request.cause in ("reask", "larger")
        await self.batching.desk.gather(step, gathered, row, origin, reask=reask, most=most, betas=betas, part=part)

    def _needed(self, request: Request) -> tuple[str, ...]:
        """Return the beta features of a request that exist in batches only."""
        if not self.batching.batched:
            return ()
        return betas_needed(request.body["model"], request.body["max_tokens"])

    def _most(self, body: Mapping[str, JSON]) -> float | None:
        """Return the maximum cost of a request, in US dollars; `None` if the price is unknown."""
        tokens, written = round(tokens_of(body) * (1 + MARGIN)), body["max_tokens"]
        if not is_marked(body):
            return self.accounting.cost(charge_for(body, Usage(tokens, written), batch=True))
        charge = charge_for(body, Usage(0, written, tokens), batch=True)
        return self.accounting.cost(replace(charge, hour_writes=tokens))
