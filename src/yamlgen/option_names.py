"""The names of options in messages: `--store PATH` on the command line, `store=PATH` in Python.

Messages use the Python names, unless the process was started from the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SHORT: Final = {"output": "-o"}
"""The options that messages show by their short name."""

_commanded: list[None] = []


@contextmanager
def cli_option_names() -> Iterator[None]:
    """Make messages use the names of the command line, in all threads, until the context ends."""
    _commanded.append(None)
    try:
        yield
    finally:
        _commanded.pop()


def by_surface(*, command: str, python: str) -> str:
    """Return the wording for the command line or for Python, for anything that is not an option or argument."""
    return command if _commanded else python


def option(name: str, value: str | None = None) -> str:
    """Return an option with its value, such as `--store PATH` or `store=PATH`. Without a value it is a switch."""
    if _commanded:
        return f"`{_SHORT.get(name, '--' + name.replace('_', '-'))}{'' if value is None else f' {value}'}`"
    return f"`{name}={True if value is None else value if value.isupper() else repr(value)}`"


def override(path: str, value: str) -> str:
    """Return how to override a value of a pipeline: `--set a.b=c` or `overrides={'a.b': 'c'}`."""
    return f"--set {path}={value}" if _commanded else f"overrides={{{path!r}: {value!r}}}"


def parameter(name: str, value: str) -> str:
    """Return how to set a parameter of a pipeline: `-p name=value` or `params={'name': value}`."""
    return f"-p {name}={value}" if _commanded else f"params={{{name!r}: {value}}}"


def is_option(place: str) -> bool:
    """Return whether a place is what `override` or `parameter` returned, and not a file."""
    return place.startswith(("-p ", "--set ", "params={", "overrides={"))
