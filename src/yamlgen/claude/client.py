"""The SDK's client: made on our transport, its connections and its retries ours."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2

from yamlgen.claude.connections import open_connections, patience
from yamlgen.claude.transport import Transport
from yamlgen.errors import EnvironmentProblem


def build_client(
    *,
    api_key: str,
    base_url: str,
    transport: Transport,
    max_retries: int = 0,
    api_version: str | None = None,
    http_client: httpx2.AsyncClient | None = None,
    keyless: EnvironmentProblem | None = None,
) -> anthropic.AsyncAnthropic:
    """An SDK client whose requests go through `transport`, or fail with `keyless` before they go anywhere.

    Requests are made by a client whose own `max_retries` are 0; others are for show.
    """

    async def stop(_request: Any, _call_next: Any) -> Any:
        assert keyless is not None  # noqa: S101 - it stands before the transport of such a client alone
        raise keyless

    if http_client is None:
        http_client = open_connections(base_url, transport.timeout, transport.limiter.ceiling)
    return anthropic.AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        timeout=patience(transport.timeout),
        max_retries=max_retries,
        default_headers={"anthropic-version": api_version} if api_version else None,
        http_client=http_client,
        middleware=[transport] if keyless is None else [stop, transport],
        open_telemetry={"traces": {"content_mode": "metadata_only"}},
    )
