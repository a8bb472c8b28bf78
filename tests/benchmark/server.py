"""A Messages API that costs next to nothing: `python server.py LATENCY` prints its address, then serves until killed.

It looks for the name of the tool that is asked for, and writes an answer that was made before. `GET /figures` tells
how many it answered, the seconds from the first request to the last answer, the most that were in flight, and its own
CPU seconds, by which it is seen not to be what is measured.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import Any, Final

from wire import message, response, serve

TOOL: Final = re.compile(rb'"tools": ?\[\{.*?"name": ?"([^"]+)"')
_OUTPUT: Final = {"label": "question", "score": 3, "reason": "it asks for something"}


class Lean:
    """Answers each request alike, after a latency in seconds."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.answers: dict[bytes | None, bytes] = {}
        self._clear()

    def _clear(self) -> None:
        self.answered = self.flying = self.most = 0
        self.first = self.last = 0.0
        self.cpu = time.process_time()

    def take(self, request: bytes, transport: asyncio.Transport) -> None:
        """Answer when the latency is over."""
        self.first = self.first or time.monotonic()
        self.flying += 1
        self.most = max(self.most, self.flying)
        found = TOOL.search(request)
        tool = found[1] if found else None
        if tool not in self.answers:
            self.answers[tool] = response(200, message(tool and tool.decode(), _OUTPUT))
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self._answer, transport, self.answers[tool])
        else:
            self._answer(transport, self.answers[tool])

    def figures(self) -> dict[str, Any]:
        """What was seen; what comes next is counted anew."""
        seconds, cpu = self.last - self.first, time.process_time() - self.cpu
        told = {"answered": self.answered, "seconds": seconds, "most": self.most, "cpu": cpu}
        self._clear()
        return told

    def _answer(self, transport: asyncio.Transport, answer: bytes) -> None:
        self.flying -= 1
        self.answered += 1
        transport.write(answer)
        self.last = time.monotonic()


if __name__ == "__main__":
    asyncio.run(serve(Lean(float(sys.argv[1]))))
