"""Faults by rate: which answers go wrong, and how, decided by a seed.

A decision depends on the seed, the request's body and how often this body came before: a run is reproduced
exactly, whatever the order in which its requests arrive, and a retry of one body may still succeed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from yamlgen.errors import Code, UsageError

NAMES = (
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
"""The known faults, in the order in which they are tried: one request has one fault at most."""

_LASTING: Final = frozenset({"bad_request"})
"""Those that are about what a request holds: it meets them however often it comes."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each fault happens.

    Attributes:
        rates: fault -> share of the requests, 0 to 1.
        seed: another seed picks other requests.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def parse(cls, texts: Iterable[str], seed: int = 0) -> Faults:
        """Read `name=rate` texts, as the command line takes them; the last one of a name counts, and no rate of 0.

        Their order, and how a rate is written, make no difference.

        Raises:
            UsageError: an unknown name, or a rate that is no number from 0 to 1.
        """
        rates: dict[str, float] = {}
        for text in texts:
            name, _, number = text.partition("=")
            name = name.strip()
            try:
                rate = float(number)
            except ValueError:
                rate = -1.0
            if name not in NAMES or not 0 <= rate <= 1:
                raise UsageError(
                    f"`{text}` is no fault",
                    code=Code.BAD_PARAM,
                    hint=f"write NAME=RATE, a rate from 0 to 1, a name of {', '.join(NAMES)}",
                )
            rates[name] = rate
        return cls({name: rates[name] for name in NAMES if rates.get(name)}, seed)

    def pick(self, digest: bytes, before: int) -> str | None:
        """The fault of one request, or `None`.

        Args:
            digest: a hash of the request's body.
            before: how often this body came before.
        """
        for name in NAMES:
            rate, times = self.rates.get(name, 0.0), 0 if name in _LASTING else before
            if rate and _share(f"{self.seed} {name} {times} ".encode() + digest) < rate:
                return name
        return None


def _share(text: bytes) -> float:
    """A number from 0 up to 1 that looks random and depends on `text` alone."""
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


NO_FAULTS = Faults()
