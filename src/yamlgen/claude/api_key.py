"""The API key or the token: read from its environment variable, and checked to fit into a header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from yamlgen.environment import variable
from yamlgen.errors import Code, MissingKey
from yamlgen.option_names import by_surface, option

_NAMES: Final = {"key": "API key", "token": "access token"}
_HEADER: Final = re.compile(r"[!-~]+")


def key_in(name: str, *, what: str = "key", others: tuple[str, ...] = (), retries: bool = False) -> str:
    """Return the key in an environment variable.

    Args:
        name: the variable.
        what: `key` or `token`.
        others: variables that could be set instead.
        retries: as in `ClaudeProvider`.

    Raises:
        MissingKey: the variable is not set, or does not contain a usable key.
    """
    key = variable(name)
    if key is None:
        raise no_key([name], what=what, others=others, retries=retries)
    return usable_key(key.strip(), name, what)


def no_key(
    names: Sequence[str], *, what: str = "key", others: tuple[str, ...] = (), retries: bool = False
) -> MissingKey:
    """Return the error of variables that are not set. The arguments are those of `key_in`."""
    file = by_surface(command=f" (or put it into a file: {option('env_file', '.env')})", python="")
    trial = "" if retries else f", or try without a key: {option('simulate')}"
    instead = f", or {' or '.join(others)}" if others else ""
    are = "variable {} is" if len(names) == 1 else "variables {} are"
    message = f"no {_NAMES[what]}: the environment {are.format(' and '.join(names))} not set"
    return MissingKey(message, code=Code.NO_KEY, hint=f"set {' and '.join(names)}{file}{instead}{trial}")


def usable_key(key: str, where: str, what: str = "key") -> str:
    """Return the key, if a header can contain it.

    Raises:
        MissingKey: a header cannot; the message does not show the key.
    """
    if not _HEADER.fullmatch(key):
        message = f"the {_NAMES[what]} in {where} contains characters that no {what} has"
        raise MissingKey(
            message, code=Code.NO_KEY, hint="check whether it was copied with quotes, spaces or a line break"
        )
    return key
