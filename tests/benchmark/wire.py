"""HTTP/1.1 as far as a benchmark needs it: requests are taken as bytes, and answers are written as they were made.

Owns the connection and the address, and nothing of what is answered. A server with routes and parsed headers would
cost more than the clients that are measured against it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

_LENGTH: Final = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)


class Api(Protocol):
    """What answers."""

    def take(self, request: bytes, transport: asyncio.Transport) -> None:
        """Answer a whole request on its connection, now or later."""

    def figures(self) -> dict[str, Any]:
        """What was seen since the last time this was asked."""


class Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass the request on, once it is whole."""
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self.received, 0, end)
        if found and len(self.received) < end + 4 + int(found[1]):
            return
        request, self.received = self.received, b""
        if request.startswith(b"GET"):
            self.transport.write(response(200, self.api.figures()))
        else:
            self.api.take(request, self.transport)


def response(status: int, body: Mapping[str, Any], headers: Mapping[str, object] | None = None) -> bytes:
    """A whole response of HTTP."""
    content = json.dumps(body).encode()
    told = {"content-type": "application/json", "content-length": len(content), "request-id": "req_1"} | (headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode() + content


def message(tool: str | None, output: Mapping[str, Any], tokens: int = 30) -> dict[str, Any]:
    """A message of the API with the output in a call of `tool`, or as text."""
    block = {"type": "text", "text": json.dumps(output)}
    if tool is not None:
        block = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": output}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [block],
        "stop_reason": "end_turn" if tool is None else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 120, "output_tokens": tokens},
    }


async def serve(api: Api) -> None:
    """Print the address, and serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()
