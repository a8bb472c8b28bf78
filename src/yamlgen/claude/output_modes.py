"""The ways of asking for an output, and how one is left: what the API does not take natively, a tool asks for.

The limits that are documented are known before a request is made (`language.native`). How large the grammar of a
schema becomes is known to the API alone, which refuses the request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yamlgen.interfaces import AttemptLog, Check, RequestContext
from yamlgen.values import Attempt

if TYPE_CHECKING:
    from yamlgen.claude.structured import Structured

_SAID: Final = re.compile(
    r"compiled grammar|grammar compilation|schema is too complex|too many optional parameters"
    r"|too many parameters with union|output_config\.format[\w.]*:"
    r"|not support structured output|structured outputs? (?:is|are) not (?:supported|available)",
    re.IGNORECASE,
)
_STATUSES: Final = frozenset({400, 422})


class ClosedWay(Exception):  # noqa: N818 - an answer: this schema needs another way
    """The API has refused the schema in this way."""


@dataclass(eq=False)
class Way:
    """A way of asking: natively, by a tool, for a text.

    Attributes:
        setup: that of its requests, once one was made.
    """

    structured: Structured | None
    setup: bytes = b""

    @property
    def is_closed(self) -> bool:
        """Whether the API has refused it: what it was answered before still counts."""
        return self.structured is not None and self.structured.is_refused

    def check(self) -> None:
        """Send a request only in a way that the API takes.

        Raises:
            ClosedWay: it does not take this one any more.
        """
        if self.is_closed:
            raise ClosedWay


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said to the model for one row, in one way.

    Attributes:
        attempts: the answers until now that were invalid.
    """

    way: Way
    asker: RequestContext
    check: Check | None
    chain: AttemptLog | None
    attempts: list[Attempt]


def is_about_schema(status: int, message: str) -> bool:
    """Whether a refusal of a request with a native schema is about that schema."""
    return status in _STATUSES and _SAID.search(message) is not None


def warning_of(step: str, model: str, message: str, *, is_kept: bool) -> str:
    """The warning of a step, or of a model by itself, that goes over to a tool; `is_kept` where a store notes it."""
    who, asked = (f"step `{step}`: ", "the step asks") if step else ("", "it is asked")
    until = "from now on, in later runs too" if is_kept else "from now on"
    return f"{who}`{model}` does not take the schema as native output, so {asked} by a tool {until}; {message}"
