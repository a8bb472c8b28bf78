"""The variables of the environment: an empty one is unset, for everybody who asks.

Owns every look at them. CI systems and shells leave variables empty that nobody has given a value, and so do files
made from a template; such a variable hides nothing and means nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def variable(name: str) -> str | None:
    """The value of a variable as it is; `None` where it is not set, empty or blank."""
    return _given(os.environ.get(name))


def naming(value: str) -> str | None:
    """The variable that has this value, if one has."""
    return next((name for name, given in os.environ.items() if given == value), None)


def provide(values: Mapping[str, str | None]) -> None:
    """Set variables, except those that have a value.

    Raises:
        ValueError: no variable can have such a name or value.
    """
    for name, value in values.items():
        if (given := _given(value)) is not None and variable(name) is None:
            os.environ[name] = given


def _given(value: str | None) -> str | None:
    return value if value and not value.isspace() else None
