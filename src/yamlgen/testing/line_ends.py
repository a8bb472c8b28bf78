"""Line ends, which git may change in a clone: values are compared as if each line ended with LF."""

from __future__ import annotations

from typing import Any


def with_lf(value: Any) -> Any:
    """Return a JSON value with LF in place of CRLF in every string, also in keys; the value itself without CRLF."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n") if "\r\n" in value else value
    if isinstance(value, dict):
        return {with_lf(name): with_lf(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [with_lf(member) for member in value]
    return value
