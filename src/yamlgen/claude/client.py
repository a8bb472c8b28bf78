"""The SDK's client, with our transport, connections and retries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import anthropic
import httpx2

from yamlgen.claude.connections import open_connections, patience
from yamlgen.claude.credentials import Credentials
from yamlgen.claude.transport import Transport
from yamlgen.errors import EnvironmentProblem

_BETA: Final = "anthropic-beta"


def build_client(  # noqa: PLR0913 - each is one part of a client, by name
    *,
    credentials: Credentials,
    base_url: str,
    transport: Transport,
    max_retries: int = 0,
    api_version: str | None = None,
    http_client: httpx2.AsyncClient | None = None,
    headers: Mapping[str, str] | None = None,
    keyless: EnvironmentProblem | None = None,
) -> anthropic.AsyncAnthropic:
    """Return an SDK client whose requests go through `transport`, or fail with `keyless` before they are sent.

    Only a client with `max_retries` 0 sends requests. Another value is for clients that only show their attributes.
    """
    if http_client is None:
        http_client = open_connections(base_url, transport.timeout, transport.limiter.ceiling)
    return sdk_client(
        credentials=credentials,
        base_url=base_url,
        timeout=transport.timeout,
        middleware=transport,
        http_client=http_client,
        max_retries=max_retries,
        api_version=api_version,
        headers=headers,
        keyless=keyless,
    )


def sdk_client(  # noqa: PLR0913 - each is one part of a client, by name
    *,
    credentials: Credentials,
    base_url: str,
    timeout: float,
    middleware: Callable[[Any, Any], Awaitable[Any]],
    http_client: httpx2.AsyncClient,
    max_retries: int = 0,
    api_version: str | None = None,
    headers: Mapping[str, str] | None = None,
    keyless: EnvironmentProblem | None = None,
) -> anthropic.AsyncAnthropic:
    """Return an SDK client on `http_client` whose calls go through `middleware`, or fail with `keyless`."""

    async def stop(_request: Any, _call_next: Any) -> Any:
        assert keyless is not None  # noqa: S101 - used only in a client with `keyless`
        raise keyless

    return anthropic.AsyncAnthropic(
        **credentials.arguments,
        base_url=base_url,
        timeout=patience(timeout),
        max_retries=max_retries,
        default_headers={**(headers or {}), **({"anthropic-version": api_version} if api_version else {})},
        http_client=http_client,
        middleware=[middleware] if keyless is None else [stop, middleware],
        open_telemetry={"traces": {"content_mode": "metadata_only"}},
    )


def beta_header(client: anthropic.AsyncAnthropic, betas: Sequence[str]) -> dict[str, str]:
    """Return the header with the betas of a request and those of the client; empty if the request has none."""
    if not betas:
        return {}
    given = (value for name, value in client.default_headers.items() if name.lower() == _BETA)
    ours = [beta.strip() for value in given for beta in str(value).split(",") if beta.strip()]
    return {_BETA: ",".join(dict.fromkeys([*ours, *betas]))}
