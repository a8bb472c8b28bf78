"""The requests that cost nothing: what the API says about a model, and how many tokens a request has.

They have connections of their own and a short deadline, are never retried, and never fail: what went wrong is a part of
the reply.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import anthropic
import httpx2

from yamlgen.claude.client import sdk_client
from yamlgen.claude.connections import failure_of, open_connections
from yamlgen.claude.credential_errors import renewal_in
from yamlgen.claude.credentials import Credentials
from yamlgen.claude.endpoints import Endpoint
from yamlgen.claude.secret_mask import Mask, mask_of, scrub
from yamlgen.claude.server_errors import error_response_of
from yamlgen.deadline import Deadline
from yamlgen.value_objects import JSON

_CONNECTIONS: Final = 8
_RESPONSE: Final = anthropic.AsyncAPIResponse[bytes]

_COUNTED: Final = ("model", "messages", "system", "thinking", "tools", "tool_choice", "output_config", "cache_control")
"""The fields of a request that a count of its tokens accepts."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a free request.

    Attributes:
        status: the HTTP status; 0 if there was no response.
        body: the body, if it is a JSON object.
        headers: the headers, with lower-case names.
        kind: the type of the API's error, if it is one of them.
        fault: what went wrong, as a phrase without secrets; `None` for a success.
        hint: the fix of a failed connection.
    """

    status: int = 0
    body: Mapping[str, JSON] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    fault: str | None = None
    hint: str | None = None


class FreeRequests:
    """Sends free requests to one address.

    Args:
        client: an SDK client whose calls return the response as it is.
        timeout: seconds that each request may take.
        secrets: returns the secrets, which the server may repeat.
    """

    def __init__(
        self, client: anthropic.AsyncAnthropic, timeout: float, secrets: Callable[[], tuple[str, ...]]
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._secrets = secrets

    @property
    def _mask(self) -> Mask:
        return mask_of(self._secrets())

    async def model(self, model: str) -> Reply:
        """Return what the API says about a model."""
        return await self._send(f"/v1/models/{quote(model, safe='')}")

    async def models(self) -> Reply:
        """Return the first page of the models, with one model."""
        return await self._send("/v1/models?limit=1")

    async def count(self, request: Mapping[str, JSON]) -> Reply:
        """Return the number of input tokens of the body of a request."""
        body = {name: request[name] for name in _COUNTED if name in request}
        return await self._send("/v1/messages/count_tokens", body)

    async def _send(self, path: str, body: Mapping[str, JSON] | None = None) -> Reply:
        try:
            async with Deadline(self._timeout):
                if body is None:
                    response: Any = await self._client.get(path, cast_to=_RESPONSE)
                else:
                    response = await self._client.post(path, cast_to=_RESPONSE, body=body)
                return self._read(response)
        except TimeoutError:
            return Reply(fault=f"no answer within {self._timeout:g} s")
        except (anthropic.AnthropicError, httpx2.HTTPError, OSError) as error:
            if (renewal := renewal_in(error)) is not None:
                return Reply(fault=renewal.error.message, hint=renewal.error.hint)
            fault, hint = failure_of(error)
            return Reply(fault=self._mask.hide(fault), hint=hint)

    def _read(self, response: _Whole) -> Reply:
        http = response.http
        headers = {name.lower(): value for name, value in http.headers.items()}
        body: JSON = None
        try:
            body = json.loads(http.content)
        except (ValueError, RecursionError):
            body = None
        found = scrub(body, self._mask) if isinstance(body, dict) else None
        if http.is_success:
            kind = headers.get("content-type", "no content type").partition(";")[0]
            return Reply(http.status_code, found, headers, fault=None if found else f"the answer is not JSON ({kind})")
        said = error_response_of(http)
        return Reply(said.status, found, headers, said.kind, self._mask.hide(said.text) or f"status {said.status}")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A response that was read. The SDK does not touch a value that is not its own."""

    http: httpx2.Response


async def _pass_whole(credentials: Credentials, request: Any, call_next: Any) -> _Whole:
    http = (await call_next(request)).http_response
    if http.status_code == HTTPStatus.UNAUTHORIZED and credentials.refuse(http.request):
        await http.aclose()
        http = (await call_next(request)).http_response
    await http.aread()
    return _Whole(http)


@asynccontextmanager
async def open_free_requests(
    endpoint: Endpoint,
    timeout: float,  # noqa: ASYNC109 - that of each request
) -> AsyncIterator[FreeRequests]:
    """Open the free requests of an end; the context closes their connections.

    Raises:
        EnvironmentProblem: there is no key, or the address, the proxy, the certificates or the headers of the
            environment cannot be used.
    """
    credentials, headers = endpoint.credentials(), endpoint.headers()
    headers.check()
    client = sdk_client(
        credentials=credentials,
        base_url=endpoint.address,
        timeout=timeout,
        middleware=partial(_pass_whole, credentials),
        http_client=open_connections(endpoint.address, timeout, _CONNECTIONS),
        api_version=endpoint.runtime.api_version,
        headers=headers.own,
    )
    async with client:
        yield FreeRequests(client, timeout, lambda: (*credentials.secrets(), *headers.secrets))
