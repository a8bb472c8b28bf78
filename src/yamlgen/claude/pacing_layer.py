"""A request's place in flight, for as long as its answer is not safe."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yamlgen.claude.requests import Layer, Request
from yamlgen.pacing.limiter import Slot
from yamlgen.value_objects import Attempt


@dataclass(frozen=True, slots=True)
class PacingLayer:
    """The layer that gives a request a place in flight, and back only when the layer below is done with its answer.

    What the layer below does is part of that: an answer is kept before another request may take its place.
    """

    below: Layer

    async def answer(self, request: Request) -> Attempt:
        """The answer to a request, which goes out when the limiter lets it."""
        slot = Slot(request.context)
        try:
            return await self.below.answer(replace(request, slot=slot))
        finally:
            slot.give_back()
