"""Canonical JSON (sorted keys, no spaces, UTF-8), and digests of it.

yamlgen hashes every value in this form. It is a contract: with another form, no stored answer would be found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

from yamlgen.value_objects import JSON


def encoding(encoder: json.JSONEncoder) -> Callable[[JSON], str]:
    """Return a function that returns what `encoder.encode` does.

    `encode` makes the same encoder in C again for each value, which takes as long as a small value takes to encode.

    Args:
        encoder: it does not indent, does not check for circular references, and writes what is not ASCII.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)  # CPython has it
    if make is None or encoder.check_circular or encoder.ensure_ascii or encoder.indent is not None:
        return encoder.encode
    text = json.encoder.encode_basestring
    about = (encoder.key_separator, encoder.item_separator, encoder.sort_keys, encoder.skipkeys, encoder.allow_nan)
    encode = make(None, encoder.default, text, None, *about)
    return lambda value: "".join(encode(value, 0))


_encode: Final = encoding(
    json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)
)

_LINE_ENDS: Final = (("\x85", r"\u0085"), ("\u2028", r"\u2028"), ("\u2029", r"\u2029"))


def canonical(value: JSON) -> bytes:
    """Return a JSON value as canonical bytes: equal values have equal bytes. Lone surrogates keep their code point."""
    return _encode(value).encode("utf-8", "surrogatepass")


def encoded(text: str) -> bytes:
    """Return a string in UTF-8, with lone surrogates, which UTF-8 cannot encode, as JSON escapes."""
    return text.encode("utf-8", "backslashreplace")


def one_line(text: str) -> str:
    """Return JSON with NEL, LS and PS, which some readers treat as line ends, as JSON escapes."""
    for character, escape in _LINE_ENDS:
        if character in text:  # much faster than `replace`
            text = text.replace(character, escape)
    return text


def storable(text: str) -> str:
    """Return a string that UTF-8 can encode, with lone surrogates as JSON escapes."""
    return text if text.isascii() else encoded(text).decode()


def short_digest(*parts: str | bytes | None) -> bytes:
    """Return a digest of 16 bytes of these parts."""
    if len(parts) == 1 and isinstance(whole := parts[0], str):
        only = whole.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(b"%d:%b" % (len(only), only), digest_size=16).digest()
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        made.update(b"-" if data is None else b"%d:" % len(data))
        made.update(data or b"")
    return made.digest()


def digest(value: JSON) -> bytes:
    """Return the sha256 of a value's canonical JSON, 32 bytes."""
    return hashlib.sha256(canonical(value)).digest()


def fingerprint(value: JSON) -> str:
    """Return `digest` in hexadecimal."""
    return digest(value).hex()
