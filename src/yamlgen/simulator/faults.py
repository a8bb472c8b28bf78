"""Faults by rate: which requests fail, and how, depending on a seed.

The decision depends on the seed, the request's body and how often this body was sent before. A run is therefore
reproducible regardless of the order of its requests, and a retry of the same body may still succeed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import Code, UsageError
from yamlgen.suggestions import suggestion

ON_MESSAGES: Final = (
    "rate_limit",
    "overloaded",
    "server_error",
    "bad_request",
    "hang",
    "no_message",
    "disconnect",
    "refusal",
    "truncate",
    "blank",
    "unreadable",
    "invalid_output",
)
"""The faults of a message, in the order in which they are tried; a request has at most one fault."""

OF_ANSWERS: Final = ("refusal", "truncate", "blank", "invalid_output")
"""The faults of a message that is otherwise an answer."""

ON_BATCHES: Final = (
    "batch_lost",
    "batch_cut",
    "batch_expired",
    "batch_canceled",
    "batch_errored",
    "batch_twice",
)
"""The faults of batches: the first two of a batch as a whole, the others of its requests."""

NAMES: Final = (*ON_MESSAGES, *ON_BATCHES)
"""The known faults."""

_LASTING: Final = frozenset({"bad_request"})
"""The faults that depend on the content of a request: a retry gets them again."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each fault occurs.

    Attributes:
        rates: the share of requests with each fault, 0 to 1.
        seed: selects the requests with faults.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def parse(cls, texts: Iterable[str], seed: int = 0) -> Faults:
        """Parse `name=rate` strings, as on the command line. The last one of a name applies; rates of 0 are dropped.

        Their order and the notation of a rate make no difference.

        Raises:
            UsageError: a name is unknown, or a rate is not a number from 0 to 1.
        """
        rates: dict[str, float] = {}
        for text in texts:
            name, _, number = text.partition("=")
            name = name.strip()
            if name not in NAMES:
                hint = suggestion(name, NAMES, "faults")
                raise UsageError(f"there is no fault `{name}`", code=Code.BAD_PARAM, hint=hint)
            try:
                rate = float(number)
            except ValueError:
                rate = -1.0
            if not 0 <= rate <= 1:
                but = f"not `{number.strip()}`" if number.strip() else "and it is missing"
                message = f"the rate of the fault `{name}` must be a number from 0 to 1, {but}"
                raise UsageError(message, code=Code.BAD_PARAM, hint=f"write a rate such as `{name}=0.1`")
            rates[name] = rate
        return cls({name: rates[name] for name in NAMES if rates.get(name)}, seed)

    def pick(self, digest: bytes, before: int, names: Iterable[str] = ON_MESSAGES) -> str | None:
        """Return the fault of one request, or `None`.

        Args:
            digest: a hash of the request's body.
            before: how often this body was sent before.
            names: the faults that the request may have.
        """
        for name in names:
            rate, times = self.rates.get(name, 0.0), 0 if name in _LASTING else before
            if rate and _share(f"{self.seed} {name} {times} ".encode() + digest) < rate:
                return name
        return None


def _share(text: bytes) -> float:
    """Return a pseudo-random number from 0 (inclusive) to 1 (exclusive) that depends only on `text`."""
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


NO_FAULTS = Faults()
