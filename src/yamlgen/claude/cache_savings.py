"""What the prompt cache has saved at each answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.requests import Layer, Request
from yamlgen.value_objects import Attempt


@dataclass(frozen=True, slots=True)
class CacheSavingsLayer:
    """The layer that notes what the prompt cache has saved at the answers that a run pays for."""

    below: Layer
    accounting: Accounting

    async def answer(self, request: Request) -> Attempt:
        """Return the answer of the layer below, with what was saved."""
        attempt = await self.below.answer(request)
        usage = attempt.usage
        if attempt.reused or not (usage.cache_read_input_tokens or usage.cache_creation_input_tokens):
            return attempt
        return replace(attempt, saved=self.accounting.saved_of(attempt.response, batch=attempt.batched))
