"""Canonical JSON, by which values are told apart: keys sorted, no spaces, UTF-8; and their digests.

What is hashed anywhere in yamlgen is hashed in this form, so it is a contract: another form would make every stored
answer unfindable.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from yamlgen.value_objects import JSON

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)


_LINE_ENDS: Final = (("\x85", r"\u0085"), ("\u2028", r"\u2028"), ("\u2029", r"\u2029"))


def canonical(value: JSON) -> bytes:
    """A JSON value as the bytes that equal values share; half of a surrogate pair keeps its code point."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def encoded(text: str) -> bytes:
    """A text in UTF-8; half of a surrogate pair, which UTF-8 cannot hold, as the escape that JSON has for it."""
    return text.encode("utf-8", "backslashreplace")


def one_line(text: str) -> str:
    """A JSON text in which what some readers take for the end of a line (NEL, LS, PS) stands as JSON's escape."""
    for character, escape in _LINE_ENDS:
        if character in text:  # which is much faster to see than to replace
            text = text.replace(character, escape)
    return text


def storable(text: str) -> str:
    """A text that UTF-8 can hold."""
    return encoded(text).decode()


def short_digest(*parts: str | bytes | None) -> bytes:
    """Sixteen bytes that tell these parts from any others."""
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        made.update(b"-" if data is None else b"%d:" % len(data))
        made.update(data or b"")
    return made.digest()


def digest(value: JSON) -> bytes:
    """The sha256 of a value's canonical JSON, 32 bytes."""
    return hashlib.sha256(canonical(value)).digest()


def fingerprint(value: JSON) -> str:
    """`digest` in hexadecimal."""
    return digest(value).hex()
