"""The kind of a 200: a billed answer, an error, or not a response of a Messages API.

Owns that decision, which is made before any validation. A body of the type `message` was billed and is stored, whether
it is streamed or not, readable or not. Anything else is a failure of the server, which is never stored and never shown
to a model.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import httpx2
from anthropic import AsyncStream

from yamlgen.claude.error_mapping import InvalidMessage, ServerError
from yamlgen.claude.server_errors import MOST_READ, error_in_body, quotable, request_id_of, size_of
from yamlgen.claude.streams import UNREAD, StreamedMessage
from yamlgen.schemas.type_words import VALUES, described
from yamlgen.value_objects import JSON

_DEEP: Final = 200
"""The number of brackets above which a body is checked for whether it can be serialized again."""

_EVENTS: Final = re.compile(rb"(\xef\xbb\xbf)?\s*(event|data|id|retry)?:")
_TYPE: Final = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,80}(?![\w.+-])")
_A_MESSAGE: Final = re.compile(rb'"type"\s*:\s*"message"')
_TYPES: Final = {**VALUES, "string": "a text"}
"""The names of types in `fault_of`. Re-asks send them to the model, so a change would change the keys of answers."""

_TOKENS: Final = re.compile(rb'"(\w+_tokens)"\s*:\s*(\d{1,16})(?![\d.eE])')


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A billed answer as received: the body of its message, and the request id."""

    body: dict[str, JSON]
    request_id: str | None


async def read_answer(http: httpx2.Response, stream: StreamedMessage, heard: Callable[[], None]) -> RawAnswer:
    """Read the answer in a 200.

    Args:
        http: the response, with its body unread.
        stream: receives the events of a stream. After an error it contains what was billed.
        heard: called for each event.

    Raises:
        ServerError: the response contains an error.
        InvalidMessage: the response is not an answer of a Messages API.
        httpx2.RemoteProtocolError: a stream ended before its last event.
    """
    try:
        return RawAnswer(await _read(http, stream, heard), request_id_of(http))
    except ServerError as error:
        raise ServerError(replace(error.said, sent=size_of(http))) from None


async def _read(http: httpx2.Response, stream: StreamedMessage, heard: Callable[[], None]) -> dict[str, JSON]:
    if not http.headers.get("content-type", "").startswith("text/event-stream"):
        content = await http.aread()
        if not _EVENTS.match(content):
            return body_in(content, http.headers.get("content-type", ""))
    bytes_ = _Bytes(http, stream)
    async for event in AsyncStream.raw_events(cast("httpx2.Response", bytes_)):
        stream.add(event.data)
        heard()
    if not stream.ended:
        raise httpx2.RemoteProtocolError("the stream ended before its last event")
    return stream.whole()


class _Bytes:
    """The bytes of a stream as UTF-8. Invalid bytes make the answer unusable, but do not end the stream."""

    def __init__(self, http: httpx2.Response, stream: StreamedMessage) -> None:
        self._http = http
        self._stream = stream

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        async for piece in self._http.aiter_bytes():
            text = decoder.decode(piece)
            clean = text.encode(errors="replace")
            if clean != text.encode(errors="surrogateescape"):
                self._stream.spoil("it is not UTF-8")
            yield clean


def body_in(content: bytes, kind: str) -> dict[str, JSON]:
    """Return the message in a body, or its readable parts.

    Raises:
        ServerError: the body is an error.
        InvalidMessage: the body is neither.
    """
    try:
        body = json.loads(content)
        if content.count(b"[") + content.count(b"{") > _DEEP:
            json.dumps(body)  # which supports less depth than reading
    except (ValueError, RecursionError) as error:
        if _A_MESSAGE.search(content) is None:
            raise no_message(content, kind) from None
        text, told = content.decode(errors="replace"), str(error) or type(error).__name__
        return {"type": "message", "content": [], "usage": _usage_in(content), UNREAD: text, "broken": told}
    if isinstance(body, dict):
        if body.get("type") == "message":
            return body
        if body.get("type") == "error" or isinstance(body.get("error"), dict):
            raise ServerError(error_in_body(body))
    raise no_message(content, kind)


def no_message(content: bytes, kind: str) -> InvalidMessage:
    """Return the error that describes what came instead of a message; for an HTML page, its title."""
    text = content[:MOST_READ].decode(errors="replace")
    told = quotable(text, kind)
    begin = f"it begins with {text!r}" if text else "it is empty"
    found = _TYPE.match(kind)
    named = found[0] if found else "of no type"
    return InvalidMessage(named, f"{named}, and {begin}" if told == text else told)


def _usage_in(content: bytes) -> dict[str, JSON]:
    """Return the first count of each kind of tokens in an unreadable body."""
    counts: dict[str, JSON] = {}
    for name, count in _TOKENS.findall(content):
        counts.setdefault(name.decode(), int(count))
    return counts


def fault_of(response: Mapping[str, JSON]) -> str | None:
    """Return why a billed answer cannot be read as a message; `None` if it can."""
    if UNREAD in response:
        return f"the answer cannot be read: {response.get('broken', 'it is broken')}"
    content, reason = response.get("content"), response.get("stop_reason")
    if not isinstance(content, list):
        return f"`content` is {described(content, _TYPES)}, not a list"
    if not isinstance(reason, str | None):
        return f"`stop_reason` is {described(reason, _TYPES)}, not a text"
    for number, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            return f"`content[{number}]` is no block"
        if block["type"] == "text" and not isinstance(block.get("text"), str):
            return f"`content[{number}].text` is {described(block.get('text'), _TYPES)}, not a text"
    return None
