"""Environment variables. An empty or blank variable counts as unset.

All of yamlgen reads the environment through this module. CI systems, shells and files made from a template often leave
variables empty that have no value.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Final

from yamlgen.redaction import is_secret

_SDK: Final = "ANTHROPIC_"
"""What the names of the variables of Anthropic's SDK begin with: nearly all are credentials, or lead to some."""

_NO_CREDENTIAL: Final = "ANTHROPIC_BASE_URL"


def variable(name: str) -> str | None:
    """Return the value of a variable, or `None` if it is not set, empty or blank."""
    return _given(os.environ.get(name))


def naming(value: str) -> str | None:
    """Return the name of a variable that has this value, or `None`."""
    return next((name for name, given in os.environ.items() if given == value), None)


def provide(values: Mapping[str, str | None]) -> None:
    """Set variables that do not have a value yet.

    Raises:
        ValueError: a variable cannot have this name or value.
    """
    for name, value in values.items():
        if (given := _given(value)) is not None and variable(name) is None:
            os.environ[name] = given


def inherited(changes: Mapping[str, str], without: Collection[str] = ()) -> dict[str, str]:
    """Return the environment for another program: the one of this process with changes, and without some variables."""
    return {name: value for name, value in os.environ.items() if name not in without} | dict(changes)


def without_credentials(named: Collection[str]) -> dict[str, str]:
    """Return the environment for a program that must not send requests in our name.

    It lacks the variables of the SDK, and copies of their values.

    Args:
        named: other variables with credentials.
    """
    hidden = {name for name in os.environ if name.startswith(_SDK) and name != _NO_CREDENTIAL} | set(named)
    secrets = {value for name in hidden if is_secret(value := os.environ.get(name, ""))}
    return {name: value for name, value in os.environ.items() if name not in hidden and value not in secrets}


def _given(value: str | None) -> str | None:
    return value if value and not value.isspace() else None
