"""Claude as a step's model: a prompt in, a validated value out, every billed answer counted.

Owns the order of the layers in between. Each layer has its own file.
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
from yamlgen.claude.batch_layer import BatchLayer, DeskAccess
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
    """A model with its settings, and the way in which its answers are parsed.

    Args:
        client: the SDK's client, with its own retries at 0.
        settings: the model's settings; `id` is set.
        error_context: the sender, for error messages.
        structured: the structured output; `None` for text.
        reasks: the maximum number of re-asks for an invalid output. Text is invalid if it is blank or fails a check.
        timeout: seconds that one request may take. An answer that may take longer is streamed.
        store: stores the answers; without it every request is sent.
        keys: computes their keys; required with `store`.
        simulated: whether the simulator answers.
        price_function: computes the cost of usage; `None` if the price is unknown.
        warn: receives warnings for the user.
        batching: leaves requests for batches; `None`: each is sent by itself.
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
        batching: DeskAccess | None = None,
    ) -> None:
        self._store = store
        self._builder = RequestBuilder(settings, timeout, keys)
        self._fallback = SchemaFallback(structured, self._builder, error_context, store, warn)
        accounting = Accounting(self._builder.model, price_function)
        # The layers, from the network up. Each uses the one before it.
        sending = SingleRequestSender(client, error_context, accounting.cut, simulated)
        recording = RecordingLayer(sending, accounting)
        pacing = PacingLayer(recording)
        batches = pacing if batching is None else BatchLayer(pacing, batching, error_context, accounting, simulated)
        lookup = LookupLayer(batches, self._fallback, simulated=simulated)
        self._reasking = ReaskLayer(lookup, self._builder, error_context, reasks)

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """Return the body of the first request for `prompt`, exactly as it would be sent."""
        return self._builder.body(prompt, self._fallback.mode)

    async def answer(self, prompt: Prompt, context: RequestContext, check: Check | None = None) -> Answer:
        """Send a request and validate the output; re-ask while it is invalid and re-asks are left."""
        attempts: list[Attempt] = []
        try:
            return await self._by(self._fallback.first, prompt, context, check, attempts)
        except RequestModeRefused:
            assert self._fallback.other is not None  # noqa: S101 - raised only if there is one
            return await self._by(self._fallback.other, prompt, context, check, attempts)

    async def _by(
        self, mode: RequestMode, prompt: Prompt, context: RequestContext, check: Check | None, attempts: list[Attempt]
    ) -> Answer:
        """Return the answer in one request mode. `attempts` has the answers of the other mode."""
        request = self._builder.first(prompt, mode, context)
        if self._store is None:
            return await self._reasking.answer(request, check, attempts)
        async with self._store.attempts_of(request.keys, context) as log:
            return await self._reasking.answer(replace(request, log=log), check, attempts)
