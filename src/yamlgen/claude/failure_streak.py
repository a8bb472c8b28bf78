"""Consecutive failures, and when their number raises the doubt whether any request will succeed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from yamlgen.claude.error_mapping import NAMED
from yamlgen.errors import Code, RowError
from yamlgen.value_objects import SystemicFailure

_VARYING: Final = re.compile(r"[\w-]*\d[\w-]*|\"[^\"]*\"|'[^']*'|`[^`]*`")
"""What differs between two refusals for the same reason: numbers, ids, quoted parts of the request."""

ALIKE: Final = 20
UNLIKE: Final = 100
"""How many consecutive failures raise the doubt: with the same message, and with any."""


@dataclass
class FailureStreak:
    """Counts the consecutive failures of one setup (address, model, settings) that has never succeeded.

    Attributes:
        doubt: shared with the engine, which decides whether the run continues.
    """

    doubt: SystemicFailure = field(default_factory=SystemicFailure)
    _last: str = ""
    _alike: int = 0
    _all: int = 0

    def answered(self) -> None:
        """Note a success: from now on failures concern single requests."""
        self.doubt.cleared = True

    def failed(self, error: RowError) -> SystemicFailure | None:
        """Count a failure, and return the doubt if it is raised: the other rows may fail too."""
        tells = error.status if error.code is Code.BAD_REQUEST else error.code in (Code.TRANSPORT, Code.NOT_A_MESSAGE)
        if self.doubt.cleared or not tells:
            return None
        told = _VARYING.sub("#", NAMED.sub("", error.message)) if error.code is Code.BAD_REQUEST else str(error.code)
        self._alike = self._alike + 1 if told == self._last else 1
        self._last = told
        self._all += 1
        patience = self.doubt.patience
        self.doubt.raised |= self._alike >= ALIKE * patience or self._all >= UNLIKE * patience
        return self.doubt if self.doubt.raised else None
