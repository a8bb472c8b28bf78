"""Converts a message to server-sent events for a streaming client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE = re.compile(r"\s*\S+(?:\s+\S+){0,3}\s*", re.DOTALL)


def events_of(message: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the events of a message in order, encoded."""
    usage = {**message["usage"], "output_tokens": 1}
    model = next(
        (block["from"]["model"] for block in message["content"] if block["type"] == "fallback"), message["model"]
    )
    start = {**message, "model": model, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    start |= {"usage": {name: count for name, count in usage.items() if name != "iterations"}}
    yield _event("message_start", message=start)
    yield _event("ping")
    for index, block in enumerate(message["content"]):
        yield _event("content_block_start", index=index, content_block=_emptied(block))
        for delta in _deltas(block):
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    stop = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    counts = {
        key: message["usage"][key]
        for key in ("output_tokens", "server_tool_use", "iterations")
        if key in message["usage"]
    }
    yield _event("message_delta", delta=stop, usage=counts)
    yield _event("message_stop")


def _event(kind: str, **members: Any) -> bytes:
    data = json.dumps({"type": kind, **members}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _emptied(block: Mapping[str, Any]) -> dict[str, Any]:
    match block["type"]:
        case "tool_use" | "server_tool_use":
            return {**block, "input": {}}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "text":
            return {**block, "text": ""}
        case _:
            return dict(block)


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the deltas of a block; results of server tools have none and are sent whole."""
    match block["type"]:
        case "tool_use" | "server_tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            text = json.dumps(block["input"], ensure_ascii=False)
            for start in range(0, len(text), 24):
                yield {"type": "input_json_delta", "partial_json": text[start : start + 24]}
        case "thinking":
            if block["thinking"]:
                yield {"type": "thinking_delta", "thinking": block["thinking"]}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            for piece in _PIECE.findall(block["text"]) or [block["text"]]:
                yield {"type": "text_delta", "text": piece}
