"""The credentials of a connection: an API key, or access tokens that are renewed.

Owns when a token is renewed: shortly before it expires, by the SDK's cache, or after the API has refused it, once for
all requests that had it. Clients with the same credentials exchange tokens one after the other, and use each other's: a
refresh token may be valid only once. The SDK reads profiles and identity tokens, and exchanges them. No error shows
what a token server has sent, because it may repeat a secret.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import anthropic
import httpx2
from anthropic.lib.credentials import AccessToken, AccessTokenProvider, TokenCache

from yamlgen.claude.credential_errors import RenewalFailed, failed_renewal
from yamlgen.system_limits import in_thread

_REST: Final = 5.0
"""Seconds after a failed renewal in which others fail at once: not every request asks a token server that is down."""

_REMEMBERED: Final = 16
"""How many secrets are remembered: a run may renew its token many times."""

_LONGEST: Final = 60.0
"""Seconds that an exchange waits for another."""

_SENT: Final = ("refresh_token", "assertion")
"""The secrets in a request to a token server."""


class Credentials(Protocol):
    """How a client proves who sends a request."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the SDK's client."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """Return what no message may show."""
        ...

    def refuse(self, sent: httpx2.Request) -> bool:
        """Note that the API has refused a request, and return whether it may succeed when it is sent again."""
        ...

    def close(self) -> None:
        """Close what it holds open; the client of the SDK does so too."""
        ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, which the SDK sends as it is."""

    key: str = field(repr=False)

    @property
    def arguments(self) -> dict[str, Any]:
        """The key."""
        return {"api_key": self.key}

    def secrets(self) -> tuple[str, ...]:
        """Return the key."""
        return (self.key,)

    def refuse(self, sent: httpx2.Request) -> bool:  # noqa: ARG002
        """Return false: it stays refused."""
        return False

    def close(self) -> None:
        """Do nothing."""


class _Exchange:
    """What the clients with the same credentials share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.latest: AccessToken | None = None


_EXCHANGES: Final[WeakValueDictionary[tuple[str | None, ...], _Exchange]] = WeakValueDictionary()


class AccessTokens:
    """The access tokens of a connection, of one event loop.

    Args:
        provider: returns a token, or exchanges one; called in a thread.
        what: the credentials, for messages.
        client: the connections of the provider to its token server; closed with the client of the SDK, or after the
            exchange that is in flight then.
        secrets: further secrets.
        shared: what its tokens depend on; clients with the same share them. Empty for none.
        renews: whether a token that the API refuses can be renewed.
        clock: returns the time in seconds since 1970.
    """

    def __init__(
        self,
        provider: AccessTokenProvider,
        what: str,
        client: httpx2.Client | None = None,
        *,
        secrets: tuple[str, ...] = (),
        shared: tuple[str | None, ...] = (),
        renews: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._what = what
        self._client = client
        self._is_open = True
        self._in_flight = 0
        self._using = threading.Lock()
        self._renews = renews
        self._cache = TokenCache(self._renewed, time_source=clock)
        self._seen: deque[str] = deque(secrets, maxlen=_REMEMBERED)
        self._exchange = _EXCHANGES.setdefault(shared, _Exchange()) if shared else _Exchange()
        self._latest = ""
        self._refused = ""
        self._failed: tuple[float, RenewalFailed] | None = None
        if client is not None:
            client.event_hooks = {"request": [self._note]}

    @property
    def arguments(self) -> dict[str, Any]:
        """The tokens themselves: the SDK asks them before each request."""
        return {"credentials": self}

    async def __call__(self, *, force_refresh: bool = False) -> AccessToken:  # noqa: ARG002 - the cache decides
        """Return the token for one request.

        Raises:
            RenewalFailed: there is none.
        """
        return AccessToken(await self._cache.async_get_token(), expires_at=0)  # 0: it is asked again for the next

    def secrets(self) -> tuple[str, ...]:
        """Return the tokens until now, and what they were exchanged for."""
        return tuple(self._seen)

    def refuse(self, sent: httpx2.Request) -> bool:
        """Note that the API has refused the token of a request: the next request renews it, unless another has."""
        token = sent.headers.get("authorization", "").removeprefix("Bearer ")
        if self._renews and token == self._latest != self._refused:
            self._refused = token
            self._cache.invalidate()
        return self._renews

    def close(self) -> None:
        """Close the connections to the token server, now or after the exchange in flight."""
        with self._using:
            self._is_open = False
            self._close_unused()

    def _close_unused(self) -> None:
        """Close the client, if nobody needs it: closed in the middle of a connect, it would leave a socket open."""
        if self._client is not None and not self._is_open and not self._in_flight:
            self._client.close()

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._using:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._using:
                self._in_flight -= 1
                self._close_unused()

    async def _renewed(self, *, force_refresh: bool = False) -> AccessToken:
        if self._failed is not None and time.monotonic() - self._failed[0] < _REST:
            raise self._failed[1]
        try:
            token = await in_thread(partial(self._exchanged, force=force_refresh))
        except (anthropic.AnthropicError, httpx2.HTTPError, OSError, ValueError) as error:
            failed = failed_renewal(error, self._what)
            self._failed = time.monotonic(), failed
            raise failed from None
        self._failed = None
        self._latest = token.token
        self._remember(token.token)
        return token

    def _exchanged(self, *, force: bool) -> AccessToken:
        """Return a token that another client has got meanwhile, or else a new one."""
        shared = self._exchange
        is_alone = shared.lock.acquire(timeout=_LONGEST)
        try:
            token = shared.latest
            with self._use():
                if token is None or token.token in (self._latest, self._refused):
                    token = self._provider(force_refresh=False)
                if force and token.token == self._refused:
                    token = self._provider(force_refresh=True)
            shared.latest = token
            return token
        finally:
            if is_alone:
                shared.lock.release()

    def _remember(self, secret: str) -> None:
        with suppress(ValueError):
            self._seen.remove(secret)
        self._seen.append(secret)

    def _note(self, request: httpx2.Request) -> None:
        """Note the secrets in a request to the token server."""
        with suppress(ValueError):
            body = json.loads(request.content)
            for secret in (body[name] for name in _SENT if isinstance(body.get(name), str)):
                self._remember(secret)
