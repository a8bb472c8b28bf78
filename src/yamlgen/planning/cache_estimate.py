"""The estimate of the prompt cache: which tokens of coming requests are written to it, and which are read from it.

The first request with a part writes it, the others read it. A part that is cached for five minutes may not be found by
the requests of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from yamlgen.interfaces import PriceFunction
from yamlgen.prompt_prefixes import Block, blocks_of, is_marked, least_cached, tokens_before
from yamlgen.token_estimate import MARGIN
from yamlgen.value_objects import JSON, Charge, Usage

_MOST_PARTS: Final = 1_000_000
"""The maximum number of different parts that are remembered. Each further part counts as written."""

_OFTEN: Final = 10
"""The minimum number of requests for which it is said what `cache` would save."""


class CachedTokens(NamedTuple):
    """What the prompt cache does for requests.

    Attributes:
        read: the tokens that are read from it.
        written: the tokens that are written to it.
        saved: the US dollars by which they cost less than without it; negative if they cost more.
    """

    read: float = 0.0
    written: float = 0.0
    saved: float = 0.0

    def plus(self, other: CachedTokens, times: float = 1.0) -> CachedTokens:
        """Return the sum with the same for other requests, each of which is sent `times` times."""
        return CachedTokens(*(one + times * each for one, each in zip(self, other, strict=True)))

    @property
    def first(self) -> CachedTokens:
        """The difference if one of the requests writes what it would read."""
        return CachedTokens(-self.read, self.read)


NOT_CACHED: Final = CachedTokens()


class CacheShares(NamedTuple):
    """Shares of the input tokens of a request: what is read and written, by lifetime; the rest is not cached."""

    read_5m: float = 0.0
    read_1h: float = 0.0
    written_5m: float = 0.0
    written_1h: float = 0.0

    @property
    def unread(self) -> CacheShares:
        """The shares if what is cached for five minutes is not found, and is written again."""
        return CacheShares(0.0, self.read_1h, self.written_5m + self.read_5m, self.written_1h)

    def tokens(self, charge: Charge, price: PriceFunction | None) -> CachedTokens:
        """Return what the cache does for a request that is charged for this without it."""
        tokens = charge.usage.input_tokens
        saved = price(charge) - price(self.charge(charge)) if price is not None and any(self) else 0.0
        return CachedTokens(tokens * (self.read_5m + self.read_1h), tokens * (self.written_5m + self.written_1h), saved)

    def charge(self, charge: Charge) -> Charge:
        """Return what is charged if these shares of the input tokens are cached."""
        if not any(self):
            return charge
        tokens = charge.usage.input_tokens
        hour = round(tokens * self.written_1h)
        written, read = hour + round(tokens * self.written_5m), round(tokens * (self.read_5m + self.read_1h))
        usage = Usage(max(0, tokens - written - read), charge.usage.output_tokens, written, read)
        return replace(charge, usage=usage, hour_writes=hour)


class CacheSpan(NamedTuple):
    """The shares with which a request costs least, and most."""

    least: CacheShares
    most: CacheShares


UNCACHED: Final = CacheSpan(CacheShares(), CacheShares())


@dataclass(slots=True)
class SeenParts:
    """The cached parts of the known requests to one model."""

    _seen: set[bytes] = field(default_factory=set)

    def add(self, request: Mapping[str, JSON]) -> CacheSpan:
        """Add a request, and return its shares."""
        if not is_marked(request):
            return UNCACHED
        parts, total = _long_enough(request)
        found = max((at for at, part in enumerate(parts) if part.digest in self._seen), default=-1)
        if len(self._seen) < _MOST_PARTS:
            self._seen.update(part.digest for part in parts)
        shares = _shares(parts, found + 1, total)
        return CacheSpan(shares, shares)

    def unknown(self, request: Mapping[str, JSON], constant: int) -> CacheSpan:
        """Return the shares of a request whose texts are not known, apart from the first messages.

        Args:
            request: the request, with templates in place of the texts.
            constant: how many messages are the same for every row; -1 if the system prompt is not.
        """
        if not is_marked(request):
            return UNCACHED
        (parts, total), known = _long_enough(request), tokens_before(request, constant)
        sure = sum(part.tokens <= known for part in parts)
        return CacheSpan(_shares(parts, len(parts), total), _shares(parts, sure, total))


def could_save(tokens: int, requests: int, model: str, price: PriceFunction | None, *, batched: bool) -> float:
    """Return what caching the part that requests share would save, in US dollars; 0 if that is not worth it.

    Args:
        tokens: the estimated tokens of the part.
        requests: the number of the requests.
        model: the id of their model.
        price: the price of an answer.
        batched: whether they are sent in batches, where the part is cached for an hour.
    """
    if price is None or requests < _OFTEN or tokens * (1 - MARGIN) < least_cached(model):
        return 0.0
    plain, read = (price(Charge(usage, batch=batched)) for usage in (Usage(tokens), Usage(0, 0, 0, tokens)))
    written = price(Charge(Usage(0, 0, tokens), tokens if batched else 0, batch=batched))
    return max(0.0, requests * plain - written - (requests - 1) * read)


def cache_told(cached: CachedTokens, could: float, *, batched: bool) -> list[str]:
    """Return what the prompt cache does for a step, or would do, as phrases.

    Args:
        cached: what it does for the requests.
        could: what a cache would save, in US dollars; 0 if it would save nothing, or there is one.
        batched: whether the requests are sent in batches.
    """
    told = []
    if cached.read or cached.written:
        tokens = f"prompt cache: about {round(cached.written):,} tokens written, {round(cached.read):,} read"
        effect = f"saves about {_dollars(cached.saved)}"
        if cached.saved < 0:
            effect = f"costs about {_dollars(-cached.saved)} more than without `cache`"
        told.append(f"{tokens}, which {effect}" if cached.saved else tokens)
    if could:
        told.append(f"{_key(batched=batched)} on this step would save about {_dollars(could)}")
    return told


def movable_told(tokens: int, saved: float, *, batched: bool) -> str:
    """Return what a cache would save if the beginning of the prompts were in `system`, as a phrase."""
    return (
        f"the prompts begin with about {tokens:,} tokens that are the same for every row: in `system`, with "
        f"{_key(batched=batched)}, these would save about {_dollars(saved)}"
    )


def _key(*, batched: bool) -> str:
    return f"`cache: {'1h' if batched else '5m'}`"


def _dollars(amount: float) -> str:
    return f"${amount:,.{2 if amount >= 1 else 4}f}"


def _long_enough(request: Mapping[str, JSON]) -> tuple[list[Block], int]:
    """Return the cached parts of a request that its model caches, and the tokens of the request."""
    least, blocks = least_cached(str(request["model"])), blocks_of(request)
    return [each for each in blocks if each.lifetime and each.tokens >= least], blocks[-1].tokens if blocks else 0


def _shares(parts: list[Block], found: int, total: int) -> CacheShares:
    """Return the shares if the first `found` parts are read, and the others are written."""
    shares, before = [0.0] * 4, 0
    for number, part in enumerate(parts):
        at = (0 if number < found else 2) + (part.lifetime == "1h")
        shares[at] += max(0, part.tokens - before) / max(total, part.tokens, 1)
        before = max(before, part.tokens)
    return CacheShares(*shares)
