"""The layer that sends the first of the requests with a shared part of their prompts alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from yamlgen.claude.requests import Layer, Request
from yamlgen.interfaces import RequestObserver
from yamlgen.pacing.warming import PromptWarmer, SharedPart, WarmingTurn
from yamlgen.prompt_prefixes import MARK, SECONDS, Block, cached_parts, least_cached
from yamlgen.token_estimate import MARGIN
from yamlgen.value_objects import JSON, Attempt, Cause, Usage


@dataclass(frozen=True, slots=True)
class WarmingLayer:
    """The layer between the batches and the pace of single requests. Requests that cache nothing pass."""

    below: Layer
    warmer: PromptWarmer

    async def answer(self, request: Request) -> Attempt:
        """Send a request when its turn has come, and return the answer."""
        if request.cache is None:
            return await self.below.answer(request)
        sent = request.sent
        parts = [SharedPart(part.digest, SECONDS[part.lifetime or ""]) for part in parts_over_minimum(sent)]
        if not parts:
            return await self.below.answer(request)
        async with self.warmer.turn(parts) as turn:
            context = request.context
            observed = replace(context, observer=_NotedSending(context.observer, turn))
            attempt = await self.below.answer(replace(request, context=observed))
            usage = attempt.usage
            turn.is_cached = bool(usage.cache_read_input_tokens or usage.cache_creation_input_tokens)
            return attempt


def parts_over_minimum(body: Mapping[str, JSON]) -> list[Block]:
    """Return the cached parts of a request, without those that are certainly too short for its model."""
    least = least_cached(str(body["model"]))
    return [part for part in cached_parts(body) if part.tokens * (1 + MARGIN) >= least]


def hour_part(body: Mapping[str, JSON], address: str, *, repeats: bool) -> bytes:
    """Return the digest of the longest part of a request that is cached for an hour and that others may share.

    Args:
        body: the request.
        address: the address that caches it.
        repeats: whether equal requests are sent. Otherwise no other one shares the breakpoint of the whole request.

    Returns:
        The digest; empty if there is no such part.
    """
    shared = body if repeats else {name: value for name, value in body.items() if name != MARK}
    parts = (part for part in reversed(parts_over_minimum(shared)) if part.lifetime == "1h")
    return next((part.digest + address.encode() for part in parts), b"")


@dataclass(frozen=True, slots=True)
class _NotedSending:
    """An observer that notes when the request is sent, for those that wait for it."""

    observer: RequestObserver
    turn: WarmingTurn

    def sent(self) -> None:
        self.turn.note_sent()
        self.observer.sent()

    def retried(self, reason: str, wait: float) -> None:
        self.observer.retried(reason, wait)

    def received(self, attempt: Attempt, *, cause: Cause) -> None:
        self.observer.received(attempt, cause=cause)

    def cut(self, usage: Usage, cost: float | None) -> None:
        self.observer.cut(usage, cost)
