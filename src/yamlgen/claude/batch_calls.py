"""The calls of the batch endpoints. They have connections of their own, and no call is retried here.

Owns the path of each endpoint, the deadline of each call, and the time by the API's clock. Results are read from the
configured host only: the key is never sent to the host in `results_url`.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import quote

import anthropic
import httpx2

from yamlgen.batches.batch_api import BatchCallFailed, RemoteBatch
from yamlgen.claude.batch_errors import (
    BatchOperation,
    UnreadResponse,
    broken_results,
    failed_call,
    refused_call,
    wrong_answer,
)
from yamlgen.claude.batch_reading import batch_in, is_id, page_in
from yamlgen.claude.client import beta_header, sdk_client
from yamlgen.claude.connections import open_connections
from yamlgen.claude.credentials import Credentials
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.deadline import Deadline
from yamlgen.errors import EnvironmentProblem, YamlgenError
from yamlgen.simulator.row_headers import SIMULATOR_HEADER
from yamlgen.value_objects import JSON

_PATH: Final = "/v1/messages/batches"
_UNREAD: Final = anthropic.AsyncAPIResponse[bytes]
_STREAM: Final = anthropic.AsyncStream[Any]

_CONNECTIONS: Final = 4
_SLOWEST: Final = 1e6
"""The bytes per second at which a server reads and checks the body of a creation, at least."""

_LONGEST_LINE: Final = 64 * 2**20


@asynccontextmanager
async def open_batch_calls(
    *,
    credentials: Credentials,
    error_context: ErrorContext,
    timeout: float,  # noqa: ASYNC109 - that of each call
    api_version: str | None = None,
    headers: Mapping[str, str] | None = None,
    keyless: EnvironmentProblem | None = None,
) -> AsyncIterator[BatchCalls]:
    """Open the calls of the batch endpoints; the context closes their connections.

    Args:
        credentials: the credentials.
        error_context: the sender, with the address.
        timeout: seconds that a call may take, or that a body may stall.
        api_version: the version of the API.
        headers: further headers of every call.
        keyless: why there is no key; then every call fails with it.

    Raises:
        EnvironmentProblem: the proxy or the certificates of the environment cannot be used.
    """
    base_url = error_context.base_url
    client = sdk_client(
        credentials=credentials,
        base_url=base_url,
        timeout=timeout,
        middleware=partial(_pass_unread, credentials),
        http_client=open_connections(base_url, timeout, _CONNECTIONS),
        api_version=api_version,
        headers=headers,
        keyless=keyless,
    )
    async with client:
        yield BatchCalls(client, error_context, timeout)


async def _pass_unread(credentials: Credentials, request: Any, call_next: Any) -> UnreadResponse:
    """Return any response as it is. The SDK does not touch a value that is not its own.

    If the API has refused a token, the call is made once more with a new one; but not a creation, whose body is sent:
    it is always preceded by another call.
    """
    http = (await call_next(request)).http_response
    creates = request.method.upper() == "POST" and request.url.endswith(_PATH)
    if http.status_code == HTTPStatus.UNAUTHORIZED and not creates and credentials.refuse(http.request):
        await http.aclose()
        http = (await call_next(request)).http_response
    return UnreadResponse(http)


class BatchCalls:
    """The batch endpoints of one API.

    Args:
        client: an SDK client that does not retry, and returns each response as an `UnreadResponse`.
        error_context: the sender, for error messages.
        timeout: seconds that a call may take, or that a body may stall.
    """

    def __init__(self, client: anthropic.AsyncAnthropic, error_context: ErrorContext, timeout: float) -> None:
        self._client = client
        self._error_context = error_context
        self._timeout = timeout
        self._clock = _ServerClock()
        self._is_simulated = False

    @property
    def is_simulated(self) -> bool:
        """Whether the last response came from a simulator, which lists a batch as soon as it has it."""
        return self._is_simulated

    async def create(self, pieces: AsyncIterator[bytes], length: int, betas: Sequence[str] = ()) -> RemoteBatch:
        """Create a batch from a body of `length` bytes, which is streamed. An error of `pieces` is raised as it is.

        The deadline is extended while bytes are sent.
        """
        operation = BatchOperation("the creation of a batch", creates=True)
        patience = self._timeout + length / _SLOWEST
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(length),
            **beta_header(self._client, betas),
        }
        async with aclosing(_CountedBody(pieces, length)) as body:
            try:
                http = await self._whole(operation, patience, "POST", _PATH, headers=headers, content=body)
            except BatchCallFailed:
                if body.error is not None:
                    raise body.error from None
                raise
        return self._batch(http, operation)

    async def list(self, after: str | None = None, limit: int = 100) -> tuple[list[RemoteBatch], str | None]:
        """Return a page of batches, newest first, and the id after which the next page begins; `None` at the end."""
        operation = BatchOperation("the listing of batches")
        query = {"limit": limit} if after is None else {"limit": limit, "after_id": after}
        http = await self._whole(operation, self._timeout, "GET", _PATH, query=query)
        page = page_in(_json_in(http), self.now())
        if page is None or not all(self._is_clean(batch.id) for batch in page[0]):
            raise wrong_answer(http, _json_in(http), operation, self._error_context)
        return page

    async def retrieve(self, id: str) -> RemoteBatch:  # noqa: A002 - the API's word
        """Return the state of a batch."""
        operation = BatchOperation(f"the check of batch {id}", id)
        http = await self._whole(operation, self._timeout, "GET", _path_of(id))
        return self._batch(http, operation)

    async def cancel(self, id: str) -> RemoteBatch:  # noqa: A002
        """Cancel a batch. Raises with status 400 or 409 if it has ended."""
        operation = BatchOperation(f"the cancelation of batch {id}", id)
        http = await self._whole(operation, self._timeout, "POST", f"{_path_of(id)}/cancel")
        return self._batch(http, operation)

    @asynccontextmanager
    async def results(self, id: str) -> AsyncIterator[AsyncIterator[bytes]]:  # noqa: A002
        """Open the results of an ended batch, from the configured host: lines of JSON, in any order.

        The lines come without their line ends. Each read has its own deadline, which does not run between reads.
        """
        operation = BatchOperation(f"the download of the results of batch {id}", id)
        with self._mapped(operation, self._timeout):
            async with Deadline(self._timeout):
                http = await self._unread(operation, "GET", f"{_path_of(id)}/results")
        try:
            async with aclosing(self._lines(http, operation)) as lines:
                yield lines
        finally:
            await http.aclose()

    async def synchronize(self) -> None:
        """Hear the time of the API's clock, if no response has arrived yet. A response with an error has it too."""
        if self._clock.is_heard:
            return
        try:
            await self.list(limit=1)
        except BatchCallFailed as failed:
            if failed.status == 0:
                raise

    def now(self) -> datetime:
        """Return the time of the API's clock: of this machine, corrected by the `Date` of the last response."""
        return self._clock.now()

    async def _whole(self, operation: BatchOperation, patience: float, *call: str, **options: Any) -> httpx2.Response:
        """Make a call within its deadline, and return the response with its body."""
        with self._mapped(operation, patience):
            async with Deadline(patience) as deadline:
                body = options.get("content")
                if isinstance(body, _CountedBody):
                    body.sent = lambda: deadline.renew(patience)
                http = await self._unread(operation, *call, **options)
                try:
                    await http.aread()
                finally:
                    await http.aclose()
                return http

    async def _unread(
        self,
        operation: BatchOperation,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
    ) -> httpx2.Response:
        """Make a call, and return its response with its body unread.

        Raises:
            BatchCallFailed: the API returned an error.
        """
        options: Any = {"headers": headers or {}, "params": query or {}}
        sent: Awaitable[Any]
        if method == "GET":
            sent = self._client.get(path, cast_to=_UNREAD, options=options, stream=True, stream_cls=_STREAM)
        else:
            sent = self._client.post(
                path, cast_to=_UNREAD, content=content, options=options, stream=True, stream_cls=_STREAM
            )
        response = cast("UnreadResponse", await sent)
        http = response.http_response
        self._clock.correct(http.headers.get("date"))
        self._is_simulated = SIMULATOR_HEADER in http.headers
        if not http.is_success:
            try:
                await http.aread()
            finally:
                await http.aclose()
            raise refused_call(response, operation, self._error_context)
        return http

    async def _lines(self, http: httpx2.Response, operation: BatchOperation) -> AsyncGenerator[bytes]:
        """Yield the lines of a body that are not blank."""
        chunks, parts, size = http.aiter_bytes(), list[bytes](), 0
        while (chunk := await self._next(chunks, operation)) is not None:
            first, *others = chunk.split(b"\n")
            parts.append(first)
            size += len(first)
            if size > _LONGEST_LINE:
                limit = f"a line is longer than {_LONGEST_LINE // 2**20} MB"
                raise broken_results(limit, operation, self._error_context)
            for other in others:
                line = b"".join(parts).removesuffix(b"\r")
                parts, size = [other], len(other)
                if line.strip():
                    yield line
        last = b"".join(parts).strip()
        if last and not _is_whole(last):  # nothing else shows that a body without a stated end was cut off
            raise broken_results("the last line is cut off", operation, self._error_context)
        if last:
            yield last

    async def _next(self, chunks: AsyncIterator[bytes], operation: BatchOperation) -> bytes | None:
        with self._mapped(operation, self._timeout):
            async with Deadline(self._timeout):
                return await anext(chunks, None)

    def _batch(self, http: httpx2.Response, operation: BatchOperation) -> RemoteBatch:
        body = _json_in(http)
        batch = batch_in(body, self.now())
        if batch is None or not self._is_clean(batch.id) or operation.batch not in ("", batch.id):
            raise wrong_answer(http, body, operation, self._error_context)
        return batch

    def _is_clean(self, id: str) -> bool:  # noqa: A002
        """Return whether an id can be shown: a server may send the key in its place."""
        return self._error_context.masked(id) == id

    @contextmanager
    def _mapped(self, operation: BatchOperation, patience: float) -> Iterator[None]:
        try:
            yield
        except (YamlgenError, TimeoutError, anthropic.APIConnectionError, httpx2.HTTPError) as error:
            raise failed_call(error, operation, self._error_context, patience) from None


class _CountedBody:
    """The body of a creation, which must have the stated length.

    Attributes:
        error: why it could not be sent.
        sent: called before each piece.
    """

    def __init__(self, pieces: AsyncIterator[bytes], length: int) -> None:
        self._pieces = pieces
        self._left = length
        self.error: Exception | None = None
        self.sent: Callable[[], object] = int

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.sent()
        try:
            piece = await anext(self._pieces, None)
            self._left -= len(piece or b"")
            self._check(is_end=piece is None)
        except Exception as error:
            self.error = error
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece

    def _check(self, *, is_end: bool) -> None:
        if self._left < 0 or (is_end and self._left):
            raise ValueError(f"the body of a batch does not have the stated length: {-self._left:+} bytes")

    async def aclose(self) -> None:
        """Close the pieces."""
        if (close := getattr(self._pieces, "aclose", None)) is not None:
            await close()


class _ServerClock:
    """The clock of the API: this machine's, counted by a monotonic clock, and kept within the second of each `Date`."""

    def __init__(self) -> None:
        self.is_heard = False
        self._offset = time.time() - time.monotonic()

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(time.monotonic() + self._offset, UTC)

    def correct(self, date: str | None) -> None:
        """Correct the clock by the header of a response that has arrived."""
        self.is_heard = True
        try:
            least = parsedate_to_datetime(date or "").timestamp() - time.monotonic()
        except (ValueError, OverflowError):
            return
        self._offset = min(max(self._offset, least), least + 1)


def _path_of(id: str) -> str:  # noqa: A002
    assert is_id(id), "not the id of a batch"  # noqa: S101 - each was checked when it was received
    return f"{_PATH}/{quote(id, safe='')}"


def _json_in(http: httpx2.Response) -> JSON:
    try:
        return json.loads(http.content)
    except (ValueError, RecursionError):
        return None


def _is_whole(line: bytes) -> bool:
    """Return whether a line is JSON, apart from what its decoder does not support."""
    try:
        json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    except (ValueError, RecursionError):  # too many digits, too deep
        return True
    return True
