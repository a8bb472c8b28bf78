"""The body of a request that creates a batch, which is read as a stream: one request of the batch after the other."""

from __future__ import annotations

import codecs
import json
import re
from array import array
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final

from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_text
from yamlgen.simulator.line_spool import LineSpool
from yamlgen.simulator.responses import no_constant
from yamlgen.simulator.row_headers import AGAIN_HEADER, ROW_HEADER

MOST_BYTES: Final = 256 * 10**6
MOST_REQUESTS: Final = 100_000

_DECODER: Final = json.JSONDecoder(parse_constant=no_constant)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_ESCAPE: Final = 16
"""An error this near to the end of what was read may come from the end: a literal or an escape that is cut."""

_CUSTOM_ID: Final = "^[a-zA-Z0-9_-]{1,64}$"
_FIELDS: Final = frozenset({"custom_id", "params", ROW_HEADER, AGAIN_HEADER})
"""The fields of a request of a batch. The last two are those of yamlgen: for a message they are headers."""


class RequestSpool(LineSpool):
    """The requests of a batch.

    Attributes:
        digest: a hash of all requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.digest = b""

    def request(self, index: int) -> dict[str, Any]:
        """Return a request: `custom_id` and `params`."""
        request: dict[str, Any] = json.loads(self[index])
        return request


async def read_batch(chunks: AsyncIterator[bytes]) -> RequestSpool:
    """Read the body of a request that creates a batch.

    Raises:
        SimulatedAPIError: 400 or 413. The params of the requests are not checked, as by the API.
    """
    spool, hashed, ids = RequestSpool(), sha256(), array("Q")
    async for text, request in _Body(chunks).requests():
        if len(spool) == MOST_REQUESTS:
            message = f"requests: List should have at most {MOST_REQUESTS} items after validation, not {len(spool) + 1}"
            raise SimulatedAPIError(message)
        _check_request(request, f"requests.{len(spool)}")
        ids.append(int.from_bytes(sha256(request["custom_id"].encode()).digest()[:8], "big"))
        line = text.replace("\n", " ").replace("\r", " ").encode()  # they can only be white space between values
        hashed.update(line)
        spool.append(line)
    if not len(spool):
        raise SimulatedAPIError("requests: List should have at least 1 item after validation, not 0")
    spool.finish()
    _check_unique(ids, spool)
    spool.digest = hashed.digest()
    return spool


def _check_request(request: Any, where: str) -> None:
    if not isinstance(request, dict):
        raise SimulatedAPIError(f"{where}: Input should be an object")
    for name in request:
        if name not in _FIELDS:
            raise SimulatedAPIError(f"{where}.{name}: Extra inputs are not permitted")
    if not re.fullmatch(_CUSTOM_ID[1:-1], check_text(request, where, "custom_id")):
        raise SimulatedAPIError(f"{where}.custom_id: String should match pattern '{_CUSTOM_ID}'")
    if "params" not in request:
        raise SimulatedAPIError(f"{where}.params: Field required")
    if not isinstance(request["params"], dict):
        raise SimulatedAPIError(f"{where}.params: Input should be an object")


def _check_unique(ids: array[int], spool: RequestSpool) -> None:
    """Refuse a custom id that occurs twice. Their hashes are sorted, because a set of ids takes much more memory."""
    before = None
    for each in sorted(ids):
        if each == before:
            index = ids.index(each, ids.index(each) + 1)
            name = spool.request(index)["custom_id"]
            raise SimulatedAPIError(f"requests.{index}.custom_id: `{name}` is not unique in the batch")
        before = each


class _Body:
    """A JSON object with the array `requests`, in chunks. Only the part that is being decoded is in memory."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._before = 0
        self._bytes = 0
        self._ended = False

    async def requests(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield each element of `requests` as text and as value."""
        if await self._next() != "{":
            if self._next_of("["):
                raise SimulatedAPIError("Input should be an object")
            await self._value()
            raise SimulatedAPIError("Input should be an object")
        self._at += 1
        if await self._next() == "}":
            raise SimulatedAPIError("requests: Field required")
        found = False
        while True:
            if await self._next() != '"':
                raise self._invalid("Expecting property name enclosed in double quotes", self._at)
            _, name = await self._value()
            await self._take(":")
            if name != "requests":
                raise SimulatedAPIError(f"{name}: Extra inputs are not permitted")
            if found:
                raise SimulatedAPIError("requests: Duplicate field")
            found = True
            async for element in self._elements():
                yield element
            if await self._take(",}") == "}":
                break
        if await self._next():
            raise self._invalid("Extra data", self._at)

    async def _elements(self) -> AsyncIterator[tuple[str, Any]]:
        if await self._next() != "[":
            if not self._next_of("{"):
                await self._value()
            raise SimulatedAPIError("requests: Input should be a valid array")
        self._at += 1
        if await self._next() == "]":
            self._at += 1
            return
        while True:
            await self._next()
            yield await self._value()
            if await self._take(",]") == "]":
                return

    async def _value(self) -> tuple[str, Any]:
        """Return the value that starts here, as text and decoded."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_cut = error.pos >= len(self._text) - _ESCAPE or error.msg.startswith("Unterminated string")
                if not (is_cut and await self._grow()):
                    raise self._invalid(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self._invalid(str(error), self._at) from None
            else:
                if end < len(self._text) or not await self._grow():  # a number may go on
                    text = self._text[self._at : end]
                    self._at = end
                    return text, value

    async def _take(self, characters: str) -> str:
        """Take one of these characters."""
        found = await self._next()
        if not found or found not in characters:
            raise self._invalid(f"Expecting {' or '.join(map(repr, characters))}", self._at)
        self._at += 1
        return found

    async def _next(self) -> str:
        """Return the next character that is no white space, without taking it; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text) or not await self._grow():
                return self._text[self._at : self._at + 1]

    def _next_of(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    async def _grow(self) -> bool:
        """Read on until twice as much is unread; `False` at the end. So a large value is decoded a few times only."""
        if self._ended:
            return False
        pieces = [self._text[self._at :]]
        most = 2 * len(pieces[0])
        length = len(pieces[0])
        self._before += self._at
        while length <= most:
            piece = await self._piece()
            pieces.append(piece)
            length += len(piece)
            if self._ended:
                break
        self._text, self._at = "".join(pieces), 0
        return True

    async def _piece(self) -> str:
        chunk = await anext(self._chunks, None)
        self._ended = chunk is None
        self._bytes += len(chunk or b"")
        if self._bytes > MOST_BYTES:
            raise SimulatedAPIError("Request exceeds the maximum size", "request_too_large")
        try:
            return self._decoder.decode(chunk or b"", final=self._ended)
        except UnicodeDecodeError:
            raise SimulatedAPIError("The request body is not valid JSON: it is not UTF-8") from None

    def _invalid(self, message: str, at: int) -> SimulatedAPIError:
        return SimulatedAPIError(f"The request body is not valid JSON: {message}: char {self._before + at}")
