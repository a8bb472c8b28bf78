"""The frames that a run and its worker processes exchange: a head in JSON, and a body of bytes.

Heads are numbered, and an answer has the number of its question, so that nothing else is taken for it. The body of a
call is its arguments, and that of an answer is the value, both in JSON. A body has its own length, so one that is not
valid JSON is not mistaken for a broken connection.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

LENGTHS: Final = struct.Struct("!IQ")
"""What a frame begins with: the lengths of the head and of the body."""

MOST_HEAD: Final = 1 << 26
MOST_BODY: Final = 1 << 32
"""Longer ones are not frames: somebody else has written to the connection."""


def frame_of(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Return a frame."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def lengths_of(start: bytes) -> tuple[int, int]:
    """Return the lengths of the head and the body of a frame.

    Raises:
        ValueError: this is not the start of a frame.
    """
    head, body = LENGTHS.unpack(start)
    if head > MOST_HEAD or body > MOST_BODY:
        raise ValueError("not a frame")
    return head, body
