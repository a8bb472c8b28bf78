"""The routes of Message Batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web

from yamlgen.simulator.allowed_arguments import betas_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.batch_body import MOST_BYTES, RequestSpool, read_batch
from yamlgen.simulator.batch_lives import BatchLives
from yamlgen.simulator.batch_outcomes import BatchConditions, BatchModel
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.request_checks import check_headers
from yamlgen.simulator.responses import FAULT_ERRORS, hang_up, own_headers

_PATH: Final = "/v1/messages/batches"
_OF_CREATION: Final = ("rate_limit", "overloaded", "server_error", "batch_lost")
"""The faults that the creation of a batch may have."""

_MOST_TIMES: Final = 255
_AT_ONCE: Final = 100


class BatchRoutes:
    """The routes of Message Batches.

    Args:
        model: answers the requests.
        before: how often each request was sent before, by its digest.
        delay: the time until a batch ends, in seconds.
        most_queued: the maximum number of requests in batches that have not ended.
    """

    def __init__(self, model: BatchModel, before: Counter[bytes], *, delay: float, most_queued: int) -> None:
        self._model = model
        self._faults: Faults = model.faults
        self._sent = before
        self._lives = BatchLives(model, delay=delay, most_queued=most_queued)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_post(_PATH, self._create)
        router.add_get(_PATH, self._list, allow_head=False)
        router.add_get(f"{_PATH}/{{id}}", self._retrieve, allow_head=False)
        router.add_delete(f"{_PATH}/{{id}}", self._delete)
        router.add_post(f"{_PATH}/{{id}}/cancel", self._cancel)
        router.add_get(f"{_PATH}/{{id}}/results", self._results, allow_head=False)

    async def stop(self) -> None:
        """Stop answering requests of batches."""
        await self._lives.stop()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        conditions = BatchConditions(
            check_headers(request.headers), betas_of(request.headers.get("anthropic-beta")), request.headers.copy()
        )
        if request.content_length is not None and request.content_length > MOST_BYTES:
            raise SimulatedAPIError("Request exceeds the maximum size", "request_too_large")
        spool = await read_batch(request.content.iter_any())
        fault = self._faults.pick(spool.digest, self._times(spool.digest), _OF_CREATION)
        if fault in FAULT_ERRORS:
            raise FAULT_ERRORS[fault]
        self._lives.check_queue(len(spool))
        batch = self._lives.create(spool, conditions, await self._times_of_all(spool))
        if fault == "batch_lost":
            hang_up(request)
        return web.json_response(batch.describe())

    def _times(self, digest: bytes) -> int:
        """Return how often this was sent before, and count it."""
        if not self._faults.rates:
            return 0
        self._sent[digest] += 1
        return self._sent[digest] - 1

    async def _times_of_all(self, spool: RequestSpool) -> bytes:
        """Return how often each request was sent before, and count them; nothing without faults, which need it."""
        times = bytearray()
        for index in range(len(spool) if self._faults.rates else 0):
            try:
                digest = self._model.digest(spool.request(index))
            except RecursionError:  # such a request is refused at the end
                digest = b""
            times.append(min(self._times(digest), _MOST_TIMES))
            if index % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return bytes(times)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        return web.json_response(await self._lives.page(request.query))

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        return web.json_response((await self._lives.found(request.match_info["id"])).describe())

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        return web.json_response(await self._lives.delete(request.match_info["id"]))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        batch = await self._lives.found(request.match_info["id"])
        batch.cancel()
        return web.json_response(batch.describe())

    async def _results(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        batch = await self._lives.found(request.match_info["id"])
        results = batch.results
        if results is None:
            raise SimulatedAPIError(f"Message Batch {batch.id} has no results until it has ended.", "not_found_error")
        is_cut = not batch.was_cut and self._faults.pick(batch.digest, 0, ("batch_cut",)) is not None
        batch.was_cut |= is_cut
        response = web.StreamResponse(headers=own_headers())
        response.content_type = "application/x-jsonl"
        await response.prepare(request)
        for piece in results.pieces(results.size // 2 if is_cut else results.size):
            await response.write(piece)
        if is_cut:
            hang_up(request)
        else:
            await response.write_eof()
        return response
