"""Notes which requests each row needs, while rows are taken through a plan with stored answers."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from yamlgen.interfaces import AttemptLog, RequestContext, ResponseStore
from yamlgen.value_objects import Refusal


class RequestLog:
    """A store of answers that notes the keys of the first requests: those before any re-ask.

    Args:
        store: has the answers.
    """

    def __init__(self, store: ResponseStore) -> None:
        self._store = store
        self._keys: dict[tuple[str, str], set[bytes]] = {}

    def taken(self, identity: str, step: str) -> frozenset[bytes]:
        """Return the keys of the requests of a row at a step, and forget them."""
        return frozenset(self._keys.pop((identity, step), ()))

    def attempts_of(self, keys: tuple[bytes, ...], context: RequestContext) -> AbstractAsyncContextManager[AttemptLog]:
        """Open the attempts that begin with the request of these keys."""
        self._keys.setdefault((context.identity, context.step), set()).add(keys[0])
        return self._store.attempts_of(keys, context)

    def is_refused(self, schema: bytes) -> bool:
        """Return whether the API has refused a native schema, given its key."""
        return self._store.is_refused(schema)

    async def refuse(self, schema: bytes, refusal: Refusal) -> None:
        """Store that the API has refused a native schema."""
        await self._store.refuse(schema, refusal)
