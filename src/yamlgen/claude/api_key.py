"""The API key: found under the name of its variable, and usable in a header."""

from __future__ import annotations

import re
from typing import Final

from yamlgen.environment import variable
from yamlgen.errors import Code, MissingKey
from yamlgen.option_names import by_surface, option

_HEADER: Final = re.compile(r"[!-~]+")


def key_in(name: str, *, retries: bool = False) -> str:
    """The key in the environment variable `name`; `retries` as of `ClaudeProvider`.

    Raises:
        MissingKey: the variable is not set, or holds no key.
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
    """The key, if a header can carry it.

    Raises:
        MissingKey: it cannot; the message does not show it.
    """
    if not _HEADER.fullmatch(key):
        message = f"the API key in {where} holds characters that no key has"
        raise MissingKey(message, code=Code.NO_KEY, hint="was it copied with quotes, spaces or a line break?")
    return key
