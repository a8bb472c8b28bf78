"""An end whose client is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anthropic

from yamlgen.cancellation import Cancellation
from yamlgen.claude.batch_calls import BatchCalls, open_batch_calls
from yamlgen.claude.client import build_client
from yamlgen.claude.credentials import ApiKey, Credentials
from yamlgen.claude.custom_headers import CustomHeaders
from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.transport import Transport
from yamlgen.errors import EnvironmentProblem
from yamlgen.pacing.limiter import Limiter


@dataclass(frozen=True, slots=True)
class OpenEndpoint:
    """An end with its client.

    Attributes:
        endpoint: the end.
        client: its client, with the retries of the SDK at 0.
        credentials: its credentials.
        error_context: the sender, for error messages.
        headers: its further headers.
        keyless: why it has no credentials; then every call fails with it.
    """

    endpoint: Endpoint
    client: anthropic.AsyncAnthropic
    credentials: Credentials
    error_context: ErrorContext
    headers: CustomHeaders
    keyless: EnvironmentProblem | None = None

    @asynccontextmanager
    async def batch_calls(self) -> AsyncIterator[BatchCalls]:
        """Open the calls of its batch endpoints."""
        async with open_batch_calls(
            credentials=self.credentials,
            error_context=self.error_context,
            timeout=self.endpoint.runtime.timeout,
            api_version=self.endpoint.runtime.api_version,
            headers=self.headers.own,
            keyless=self.keyless,
        ) as calls:
            yield calls


@asynccontextmanager
async def open_endpoint(
    endpoint: Endpoint,
    limiter: Limiter,
    cancellation: Cancellation,
    *,
    retries: bool = False,
    tell: Callable[[], object] | None = None,
) -> AsyncIterator[OpenEndpoint]:
    """Open the client of an end. Without credentials it opens too, and the first request fails.

    Args:
        endpoint: the end.
        limiter: admits its requests.
        cancellation: the end of the run.
        retries: as in `ClaudeProvider`.
        tell: called once, if a simulator answers instead of the API.

    Raises:
        EnvironmentProblem: the proxy or the certificates of the environment cannot be used.
    """
    runtime, address, headers = endpoint.runtime, endpoint.address, endpoint.headers()
    credentials: Credentials = ApiKey("")
    keyless = headers.missing
    try:
        credentials = endpoint.credentials(retries=retries)
    except EnvironmentProblem as error:
        keyless = error
    transport = Transport(runtime.timeout, runtime.max_retries, limiter, address, cancellation, tell, credentials)
    client = build_client(
        credentials=credentials,
        base_url=address,
        transport=transport,
        api_version=runtime.api_version,
        headers=headers.own,
        keyless=keyless,
    )
    async with client:
        error_context = endpoint.error_context(credentials, headers)
        yield OpenEndpoint(endpoint, client, credentials, error_context, headers, keyless)
