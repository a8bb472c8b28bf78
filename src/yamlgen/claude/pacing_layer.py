"""A request's place in flight, until its answer is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yamlgen.claude.requests import Layer, Request
from yamlgen.pacing.limiter import Slot
from yamlgen.value_objects import Attempt


@dataclass(frozen=True, slots=True)
class PacingLayer:
    """The layer that gives a request a place in flight, and frees it when the layer below has finished.

    The layer below stores the answer, so an answer is stored before another request takes its place.
    """

    below: Layer

    async def answer(self, request: Request) -> Attempt:
        """Send a request when the limiter admits it, and return the answer."""
        slot = Slot(request.context)
        try:
            return await self.below.answer(replace(request, slot=slot))
        finally:
            slot.give_back()
