"""Canonical JSON, by which values are told apart: keys sorted, no spaces, UTF-8.

What is hashed anywhere in yamlgen is hashed in this form, so it is a contract: another form would make every stored
answer unfindable.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from yamlgen.ports import JSON

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: JSON) -> bytes:
    """A JSON value as the bytes that equal values share; half of a surrogate pair keeps its code point."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def digest(value: JSON) -> bytes:
    """The sha256 of a value's canonical JSON, 32 bytes."""
    return hashlib.sha256(canonical(value)).digest()


def fingerprint(value: JSON) -> str:
    """`digest` in hexadecimal."""
    return digest(value).hex()
