"""Claude as a step's model: a prompt in, a checked value out, every paid answer accounted for.

Owns the order of the layers between the two; each is a file, which owns its idea.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import anthropic

from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.answer_lookup import LookupLayer
from yamlgen.claude.answer_recording import Accounting, RecordingLayer
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.pacing_layer import PacingLayer
from yamlgen.claude.reasking import ReaskLayer
from yamlgen.claude.requests import RequestBuilder, RequestMode, RequestModeRefused
from yamlgen.claude.schema_fallback import SchemaFallback
from yamlgen.claude.sending import SingleRequestSender
from yamlgen.interfaces import Check, PriceFunction, RequestContext, ResponseStore
from yamlgen.row_result import Answer
from yamlgen.steps.config_fields import Settings
from yamlgen.value_objects import JSON, Attempt, Prompt

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput


class ClaudeModel:
    """A model with its settings, and how its answers are to be read.

    Args:
        client: the SDK's client, its own retries at 0.
        settings: the model's settings; `id` is set.
        error_context: who sends, for the sentences of errors.
        structured: how JSON is asked for; `None` for text.
        reasks: how often an invalid output is sent back; a text is invalid where it is blank or a check says so.
        timeout: seconds that one request may take: an answer that may take longer is streamed.
        store: where answers are kept; without it each is asked for.
        keys: makes their keys; given with `store`.
        simulated: whether the simulator answers.
        price_function: what usage costs; `None` where it is not known.
        warn: told what the user of the run should know.
    """

    def __init__(  # noqa: PLR0913 - each is one part of a model, by name
        self,
        client: anthropic.AsyncAnthropic,
        settings: Settings,
        error_context: ErrorContext,
        *,
        structured: StructuredOutput | None = None,
        reasks: int = 0,
        timeout: float = math.inf,
        store: ResponseStore | None = None,
        keys: AnswerKeys | None = None,
        simulated: bool = False,
        price_function: PriceFunction | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._builder = RequestBuilder(settings, timeout, keys)
        self._fallback = SchemaFallback(structured, self._builder, error_context, store, warn)
        accounting = Accounting(self._builder.model, price_function)
        # The layers, from the network up: each answers a request by the one before it.
        sending = SingleRequestSender(client, error_context, accounting.cut, simulated)
        recording = RecordingLayer(sending, accounting)
        pacing = PacingLayer(recording)
        lookup = LookupLayer(pacing, self._fallback, simulated=simulated)
        self._reasking = ReaskLayer(lookup, self._builder, error_context, reasks)

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        return self._builder.body(prompt, self._fallback.mode)

    async def answer(self, prompt: Prompt, context: RequestContext, check: Check | None = None) -> Answer:
        """Ask, check, and ask again while the output is invalid and re-asks are left."""
        attempts: list[Attempt] = []
        try:
            return await self._by(self._fallback.first, prompt, context, check, attempts)
        except RequestModeRefused:
            assert self._fallback.other is not None  # noqa: S101 - it is raised where there is one
            return await self._by(self._fallback.other, prompt, context, check, attempts)

    async def _by(
        self, mode: RequestMode, prompt: Prompt, context: RequestContext, check: Check | None, attempts: list[Attempt]
    ) -> Answer:
        """The answer that one way of asking leads to; `attempts` has what the other was answered before."""
        request = self._builder.first(prompt, mode, context)
        if self._store is None:
            return await self._reasking.answer(request, check, attempts)
        async with self._store.attempts_of(request.keys, context) as log:
            return await self._reasking.answer(replace(request, log=log), check, attempts)
