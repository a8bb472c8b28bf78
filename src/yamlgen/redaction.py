"""What is a secret, wherever it stands in a text, and what stands in its place."""

from __future__ import annotations

import re

KEY_SHAPE = re.compile(r"sk-ant-[A-Za-z0-9_\-]+")
"""What an API key looks like."""

_SHORTEST_SECRET = 6

LONG_SECRET = 20
"""From so many characters on a secret is no word, and is hidden wherever it stands."""

HIDDEN = "[secret]"
"""What stands in place of a secret."""


def is_secret(key: str) -> bool:
    """Whether a key is one to hide: gateways take `x` or `none`, which every text holds."""
    return len(key) >= _SHORTEST_SECRET


def redact(text: str) -> str:
    """`text` without anything that looks like an API key."""
    return KEY_SHAPE.sub(f"sk-ant-{HIDDEN}", text)
