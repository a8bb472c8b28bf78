"""Where yamlgen is called from, the command line or Python, and so how a message names what its reader can do.

Owns both namings of each thing: an option of the command line is an argument in Python. A process is Python's until
the command line takes it over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SHORT: Final = {"output": "-o"}
"""The options that are known by their short names."""

_commanded: list[None] = []


@contextmanager
def cli_option_names() -> Iterator[None]:
    """Let messages name the options of the command line for as long as the context lasts, in all threads."""
    _commanded.append(None)
    try:
        yield
    finally:
        _commanded.pop()


def by_surface(*, command: str, python: str) -> str:
    """The words for where yamlgen is called from; for what is no option, setting or argument."""
    return command if _commanded else python


def option(name: str, value: str | None = None) -> str:
    """An option and its value, such as `--store PATH` or `store=PATH`; without one, a switch."""
    if _commanded:
        return f"`{_SHORT.get(name, '--' + name.replace('_', '-'))}{'' if value is None else f' {value}'}`"
    return f"`{name}={True if value is None else value if value.isupper() else repr(value)}`"


def override(path: str, value: str) -> str:
    """How a value of a pipeline is set from outside: `--set a.b=c` or `overrides={'a.b': 'c'}`."""
    return f"--set {path}={value}" if _commanded else f"overrides={{{path!r}: {value!r}}}"


def parameter(name: str, value: str) -> str:
    """How a parameter of a pipeline is given: `-p name=value` or `params={'name': value}`."""
    return f"-p {name}={value}" if _commanded else f"params={{{name!r}: {value}}}"
