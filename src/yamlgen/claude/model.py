"""Claude as a step's model: a prompt in, a validated value out, every billed answer counted.

Owns the order of the layers in between. Each layer has its own file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import anthropic

from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.answer_lookup import LookupLayer
from yamlgen.claude.answer_recording import Accounting, RecordingLayer
from yamlgen.claude.api_fallbacks import DEFAULT, APIFallbackLayer, AskedModel
from yamlgen.claude.batch_layer import BatchLayer, DeskAccess
from yamlgen.claude.cache_marks import with_breakpoints
from yamlgen.claude.cache_savings import CacheSavingsLayer
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.pacing_layer import PacingLayer
from yamlgen.claude.reasking import ReaskLayer
from yamlgen.claude.requests import Layer, Request, RequestBuilder, RequestMode, RequestModeRefused, betas_of
from yamlgen.claude.schema_fallback import SchemaFallback
from yamlgen.claude.sending import SingleRequestSender
from yamlgen.claude.warming_layer import WarmingLayer
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import AttemptLog, Check, PriceFunction, RequestContext, ResponseStore
from yamlgen.pacing.warming import PromptWarmer
from yamlgen.row_result import Answer
from yamlgen.steps.config_fields import Settings
from yamlgen.value_objects import JSON, Attempt, Cause, Prompt

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
        others: the prices of the models that the API may ask after a refusal, by their ids.
        warn: receives warnings for the user.
        batching: leaves requests for batches; `None`: each is sent by itself.
        warmer: decides which requests wait for the prompt cache; `None`: none does.
        grows: whether a truncated answer is requested again with more tokens.
        stands_in: whether it is only asked after another model has refused.
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
        others: Mapping[str, PriceFunction | None] | None = None,
        warn: Callable[[str], None] | None = None,
        batching: DeskAccess | None = None,
        warmer: PromptWarmer | None = None,
        grows: bool = False,
        stands_in: bool = False,
    ) -> None:
        self._store = store
        self._settings = settings
        self._cause: Cause = "refusal" if stands_in else "first"
        is_batched = batching is not None and batching.batched
        keys = None if keys is None else keys.with_betas(settings.betas or ())
        self._builder = RequestBuilder(settings, timeout, keys, batched=is_batched)
        self._fallback = SchemaFallback(structured, self._builder, error_context, store, warn)
        accounting = Accounting(self._builder.model, price_function, others or {})
        # The layers, from the network up. Each uses the one before it.
        sending = SingleRequestSender(client, error_context, accounting.cut, simulated, betas_of(settings))
        recording = RecordingLayer(sending, accounting)
        pacing = PacingLayer(recording)
        warmed: Layer = pacing if warmer is None else WarmingLayer(pacing, warmer)
        single = APIFallbackLayer(warmed, warn)
        batches = single if batching is None else BatchLayer(single, batching, error_context, accounting, simulated)
        lookup = LookupLayer(batches, self._fallback, simulated=simulated)
        savings = CacheSavingsLayer(lookup, accounting)
        self._reasking = ReaskLayer(savings, self._builder, error_context, reasks, grows=grows, stands_in=stands_in)

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """Return the body of the first request for `prompt`, exactly as it would be sent."""
        return with_breakpoints(self._builder.body(prompt, self._fallback.mode), prompt.cache)

    @property
    def name(self) -> str:
        """Its id."""
        return self._builder.model

    @property
    def asked(self) -> AskedModel:
        """Its settings, and the body of a request without a prompt."""
        return AskedModel(self._settings, self.request(Prompt(None, ())))

    def name_fallbacks(self, fallbacks: JSON) -> None:
        """Let the API ask fallback models after a refusal; `fallbacks` is in its own form."""
        self._fallback.first.fallbacks = fallbacks
        if self._fallback.other is not None and fallbacks == DEFAULT:
            self._fallback.other.fallbacks = fallbacks

    async def answer(
        self,
        prompt: Prompt,
        context: RequestContext,
        check: Check | None = None,
        before: tuple[Attempt, ...] = (),
    ) -> Answer:
        """Send a request and validate the output; request it again while it is invalid or cut off, as often as allowed.

        Args:
            prompt: the rendered prompt.
            context: the origin of the request.
            check: checks the output in addition to its schema.
            before: the answers of models that have refused before.
        """
        attempts = list(before)
        try:
            return await self._by(self._fallback.first, prompt, context, check, attempts)
        except RequestModeRefused:
            assert self._fallback.other is not None  # noqa: S101 - raised only if there is one
            return await self._by(self._fallback.other, prompt, context, check, attempts)

    async def _by(
        self, mode: RequestMode, prompt: Prompt, context: RequestContext, check: Check | None, attempts: list[Attempt]
    ) -> Answer:
        """Return the answer in one request mode. `attempts` has the answers of the other mode."""
        request = self._builder.first(prompt, mode, context, self._cause)
        if self._store is None:
            return await self._reasking.answer(request, check, attempts)
        async with self._store.attempts_of(request.keys, context) as log:
            try:
                return await self._reasking.answer(replace(request, log=log), check, attempts)
            except RowError as error:
                if not _was_asked_alone(error, request, log):
                    raise
                attempts[:] = error.attempts
        again = self._builder.again(request)
        async with self._store.attempts_of(again.keys, context) as log:
            try:
                return await self._reasking.answer(replace(again, log=log), check, attempts)
            except RowError as error:
                raise error.replace(refused=(request.key,)) from None


def _was_asked_alone(error: RowError, request: Request, log: AttemptLog) -> bool:
    """Return whether a stored refusal is from before the API could ask its own fallback models for the request."""
    if error.code is not Code.REFUSED or request.mode.fallbacks != DEFAULT:
        return False
    last = error.attempts[-1]
    return last.reused and not log.had_fallbacks(last)
