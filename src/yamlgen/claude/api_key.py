"""The API key: read from its environment variable, and checked to fit into a header."""

from __future__ import annotations

import re
from typing import Final

from yamlgen.environment import variable
from yamlgen.errors import Code, MissingKey
from yamlgen.option_names import by_surface, option

_HEADER: Final = re.compile(r"[!-~]+")


def key_in(name: str, *, retries: bool = False) -> str:
    """Return the key in the environment variable `name`; `retries` is as in `ClaudeProvider`.

    Raises:
        MissingKey: the variable is not set, or does not contain a usable key.
    """
    key = variable(name)
    if key is None:
        file = by_surface(command=f" (or put it into a file: {option('env_file', '.env')})", python="")
        trial = "" if retries else f", or try without a key: {option('simulate')}"
        hint = f"set {name}{file}{trial}"
        message = f"no API key: the environment variable {name} is not set"
        raise MissingKey(message, code=Code.NO_KEY, hint=hint)
    return usable_key(key.strip(), name)


def usable_key(key: str, where: str) -> str:
    """Return the key, if a header can contain it.

    Raises:
        MissingKey: a header cannot; the message does not show the key.
    """
    if not _HEADER.fullmatch(key):
        message = f"the API key in {where} contains characters that no key has"
        raise MissingKey(
            message, code=Code.NO_KEY, hint="check whether it was copied with quotes, spaces or a line break"
        )
    return key
