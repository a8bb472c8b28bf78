"""A message from the events of its stream, even if a server sends odd ones.

Owns what is stored of a stream. A stream that reached its last event was billed. If its events do not form a message,
the events from the first invalid one on are stored unchanged, with the readable part and the reason. A stream that was
cut off still shows its usage.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from yamlgen.claude.error_mapping import ServerError
from yamlgen.claude.server_errors import error_in_body
from yamlgen.value_objects import JSON

UNREAD: Final = "unread"
"""The key under which an unreadable body is stored as a string, next to its readable parts."""

_FIELDS: Final = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
"""The kinds of pieces, each with its field."""


class StreamedMessage:
    """Collects the events of one stream.

    Attributes:
        message: the message so far, without its content.
        ended: whether the last event has arrived.
    """

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.ended = False
        self._blocks: list[dict[str, Any]] = []
        self._pieces: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        self._events: list[str] = []
        self._broken = ""

    def add(self, data: str) -> None:
        """Add the data of one event.

        Raises:
            ServerError: the event is an error.
        """
        if self.ended or not data.strip():  # some gateways send `[DONE]` after the last event
            return
        try:
            event = json.loads(data)
            if event.get("type") == "error" or isinstance(event.get("error"), dict):
                raise ServerError(error_in_body(event))
            self._take(event)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            self.spoil(f"{type(error).__name__}: {error}")
        if self._broken:
            self._events.append(data)

    def spoil(self, why: str) -> None:
        """Note that a part could not be read; the first reason is stored."""
        self._broken = self._broken or why

    def _take(self, event: Mapping[str, Any]) -> None:
        match event["type"]:
            case "message_start":
                self.message = {**event["message"]}
            case "content_block_start":
                if event["index"] != len(self._blocks):
                    raise ValueError(f"block {event['index']} follows {len(self._blocks)} blocks")
                self._blocks.append({**event["content_block"]})
                if event["content_block"].get("type") == "fallback":  # the model of the message is then another
                    self.message["model"] = event["content_block"]["to"]["model"]
            case "content_block_delta":
                self._take_piece(self._blocks[event["index"]], event["index"], event["delta"])
            case "message_delta":
                self.message |= event["delta"]
                usage = {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
                self.message["usage"] = {**(self.message.get("usage") or {}), **usage}
            case "message_stop":
                self.ended = True

    def _take_piece(self, block: dict[str, Any], index: int, delta: Mapping[str, Any]) -> None:
        field = _FIELDS.get(delta["type"])
        if field is not None:
            piece = delta[field]
            if not isinstance(piece, str):
                raise TypeError(f"a piece of {field} is no text")
            self._pieces[index, field].append(piece)
        elif delta["type"] == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]

    def whole(self) -> dict[str, JSON]:
        """Return the message; if the events form none, the readable part and the events from the first invalid one."""
        content = [self._filled(index, block) for index, block in enumerate(self._blocks)]
        made = {**self.message, "type": "message", "content": content}
        if self._broken:
            return {**made, UNREAD: "\n".join(self._events), "broken": self._broken}
        return made

    def _filled(self, index: int, block: dict[str, Any]) -> dict[str, Any]:
        filled = dict(block)
        for field in _FIELDS.values():
            pieces = self._pieces.get((index, field))
            if pieces is None:
                continue
            text = "".join(pieces)
            if field != "partial_json":
                filled[field] = f"{filled.get(field) or ''}{text}"
            elif text.strip():
                filled["input"] = _input_of(text)
        return filled


def _input_of(text: str) -> JSON:
    """Return the input of a tool call; the string itself if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
