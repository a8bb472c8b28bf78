"""The search for a batch whose creation is in doubt: the request was sent, and its answer was not read.

The API gives a batch no name of ours. Candidates are the batches that were created since the intent, with as many
requests; whose results have the custom ids of our requests is ours. A batch in doubt is created again only if no
candidate is left after some minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from yamlgen.batches.batch_api import BatchAPI, BatchCallFailed, RemoteBatch
from yamlgen.batches.batch_store import BatchRecord, BatchStore, OutcomeReader
from yamlgen.batches.waits import EARLIER, Backoff, RepeatedCalls, Rests


class BatchSearch:
    """Searches for the batch of one intent.

    Args:
        api: the batch endpoints.
        store: knows the batches and their requests.
        calls: repeats calls.
        rests: the pauses of the run.
        reader: reads results.
    """

    def __init__(
        self, api: BatchAPI, store: BatchStore, calls: RepeatedCalls, rests: Rests, reader: OutcomeReader
    ) -> None:
        self._api = api
        self._store = store
        self._calls = calls
        self._rests = rests
        self._reader = reader

    async def find(self, record: BatchRecord, until: datetime, looked: Callable[[], object]) -> RemoteBatch | None:
        """Return the batch of an intent; `None` if the API has certainly not created it.

        Args:
            record: the intent.
            until: when a batch that is not listed yet was not created: some minutes after its body was sent.
            looked: called after each look that found nothing certain.
        """
        assert record.intended is not None  # noqa: S101 - a batch in doubt has an intent
        since, others, backoff = record.intended - EARLIER, set[str](), Backoff()
        while True:
            candidates = [
                batch
                for batch in await self._created_since(record)
                if since <= batch.created <= until + EARLIER  # else those of others would never end
                and (batch.requests == record.requests or not batch.counts)  # some gateways do not count
                and batch.id not in others
                and not self._store.knows(batch.id)
            ]
            for batch in candidates:
                if batch.status == "ended":
                    if await self._is_own(batch, record):
                        return batch
                    others.add(batch.id)
            is_late = self._api.is_simulated or self._api.now() >= until
            if is_late and all(batch.status == "ended" for batch in candidates):
                return None
            looked()
            await self._rests.rest(backoff.delay())

    async def _created_since(self, record: BatchRecord) -> list[RemoteBatch]:
        assert record.intended is not None  # noqa: S101 - as above
        found: list[RemoteBatch] = []
        after: str | None = None
        while True:
            page, after = await self._calls.make(lambda after=after: self._api.list(after))  # type: ignore[misc]
            found += page
            if after is None or not page or page[-1].created < record.intended - EARLIER:
                return found

    async def _is_own(self, batch: RemoteBatch, record: BatchRecord) -> bool:
        """Return whether the results of a batch are those of our requests."""

        async def look() -> bool:
            async with self._api.results(batch.id) as lines:
                async for line in lines:
                    try:
                        result = self._reader.parse(line)
                    except BatchCallFailed:  # the next line says whose it is
                        continue
                    return result is not None and self._store.variant_of(record.number, result[0]) is not None
            return False

        try:
            return await self._calls.make(look)
        except BatchCallFailed as failure:
            if failure.status in (404, 410):  # its results are gone, so it is older than the intent
                return False
            raise
