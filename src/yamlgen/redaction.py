"""Secrets in strings: how they are recognised, and what replaces them."""

from __future__ import annotations

import re

_BEGINNING = "sk-ant-"
KEY_SHAPE = re.compile(rf"{_BEGINNING}[A-Za-z0-9_\-]+")
"""The form of an API key."""

_SHORTEST_SECRET = 6

LONG_SECRET = 20
"""A secret of at least this length cannot be an ordinary word, and is hidden wherever it occurs."""

HIDDEN = "[secret]"
"""The replacement for a secret."""


def is_secret(key: str) -> bool:
    """Return whether a key must be hidden. Gateways accept keys like `x` or `none`, which occur in any string."""
    return len(key) >= _SHORTEST_SECRET


def redact(text: str) -> str:
    """Return `text` without anything that looks like an API key."""
    return KEY_SHAPE.sub(f"{_BEGINNING}{HIDDEN}", text) if _BEGINNING in text else text
