"""`AnthropicLLM`: the model without a pipeline, with the interface of distilabel's class.

Owns that interface only: the calls, their arguments, the client. Requests, structured output, retries and errors are
those of a pipeline's run. A client is open during a call or an `async with` block, in the event loop that uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeAlias

import anthropic

from yamlgen.cancellation import Cancellation
from yamlgen.claude.client import build_client
from yamlgen.claude.connections import affordable
from yamlgen.claude.credentials import ApiKey
from yamlgen.claude.custom_headers import custom_headers
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.structured import StructuredOutput
from yamlgen.claude.transport import Transport
from yamlgen.errors import Code, NotOffered, RowError, YamlgenError
from yamlgen.interfaces import UNOBSERVED
from yamlgen.llm.arguments import REASKS, inputs_of, key_of, number_of, pair_of, prompt_of
from yamlgen.llm.configuration import Configuration
from yamlgen.llm.generations import GenerateOutput, Told, is_no_generation, joined, output, spoken, warn, without
from yamlgen.pacing.limiter import Limiter
from yamlgen.steps.config_fields import MOST_CONCURRENCY, Settings
from yamlgen.sync_bridge import wait_for
from yamlgen.value_objects import Prompt

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Input: TypeAlias = "Messages | tuple[Messages, Mapping[str, Any] | None]"
"""A conversation, or a pair of a conversation and its structured output."""


class _Unsent(float):
    """A documented default that is not sent: newer models refuse a sampling parameter even at its default."""


class _Unset(int):
    """A documented default that `generation_kwargs` overrides."""


_TEMPERATURE: Final = _Unsent(1.0)
_MAX_TOKENS: Final = _Unset(128)


@dataclass(frozen=True)
class _Generation:
    """One conversation, ready to be sent, with the maximum number of re-asks."""

    prompt: Prompt
    settings: Settings
    structured: StructuredOutput | None
    reasks: int


@dataclass
class _SharedClient:
    """A client of one event loop, and the number of calls that use it."""

    client: anthropic.AsyncAnthropic
    users: int = 0


class AnthropicLLM(Configuration):
    """A Claude model that generates text, or JSON that fits a schema.

    With a pydantic model as the schema, a generation is `model_dump_json()` of the validated instance, with its
    defaults, coercions, validators and serializers. The keys are the names of the fields, unless the model's
    configuration sets `serialize_by_alias`.

    Args:
        model: the model's id; any name is sent unchanged.
        api_key: the key, a string or a pydantic secret. Default: the variable ANTHROPIC_API_KEY.
        base_url: the API's address. Default: the variable ANTHROPIC_BASE_URL, else the public address.
        timeout: seconds that one request may take.
        max_retries: the maximum number of retries after a transient failure.
        http_client: your own `httpx2.AsyncClient`, which you close.
        structured_output: `{"schema": a pydantic model or a JSON Schema, "format": "json", "mode": ...,
            "max_retries": 1}`; only the schema is required.
        allow_http: whether the key may be sent over plain `http://` to another machine.
        generation_kwargs: default arguments of calls, such as `{"max_tokens": 500}`.
        use_offline_batch_generation: must be `False`: batches are not supported, as in distilabel for this model.
        offline_batch_generation_block_until_done: accepted and not used, because batches are not supported.
        jobs_ids: accepted and not used, because batches are not supported.
        service_tier: the priority of the requests: `auto` or `standard_only`.
        inference_geo: where the requests are processed: `us` or `global`.
        speed: `fast` or `standard`.
        metadata: `{"user_id": ...}`, an opaque identifier of the person for whom the requests are sent.
        betas: beta features of the API, as the header `anthropic-beta` names them.
        extra_body: further fields of every request.

    Example:
        >>> llm = AnthropicLLM(model="claude-haiku-5-5")
        >>> llm.generate(inputs=[[{"role": "user", "content": "Hello world!"}]])  # doctest: +SKIP
        [{'generations': ['Hello! ...'], 'statistics': {'input_tokens': [10], 'output_tokens': [12]}}]
    """

    def __post_init__(self) -> None:
        self._forget()
        super().__post_init__()

    def _forget(self) -> None:
        """Drop all clients."""
        self._aclient: anthropic.AsyncAnthropic | None = None
        self._sessions: dict[tuple[object, ...], _SharedClient] = {}
        self._held: dict[asyncio.AbstractEventLoop, AsyncExitStack] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy or pickle: the attributes, without clients."""
        return {**self.__dict__, "_aclient": None, "_sessions": {}, "_held": {}, "_structures": {}}

    @property
    def model_name(self) -> str:
        """The model's id."""
        return self.model

    def load(self) -> None:
        """Build the client, `_aclient`, without sending anything. The first generation calls this itself.

        Raises:
            MissingKey: there is no key.
            EnvironmentProblem: the key would be sent unencrypted.
        """
        self._aclient = self._client(self._key()[0], self.max_retries)

    def unload(self) -> None:
        """Drop the client of `load`. The clients of running calls are closed with their calls."""
        self._aclient = None

    def _client(self, key: str, max_retries: int) -> anthropic.AsyncAnthropic:
        """Return a client for the current attributes."""
        self._check()
        cancellation = Cancellation()
        limiter = Limiter(affordable(MOST_CONCURRENCY), cancellation)
        return build_client(
            credentials=ApiKey(key),
            base_url=str(self.base_url),
            transport=Transport(self.timeout, self.max_retries, limiter, str(self.base_url), cancellation),
            max_retries=max_retries,
            http_client=self.http_client,
        )

    async def agenerate(
        self,
        input: Input,  # noqa: A002 - the reference's name
        max_tokens: int = _MAX_TOKENS,
        stop_sequences: list[str] | None = None,
        temperature: float = _TEMPERATURE,
        top_p: float | None = None,
        top_k: int | None = None,
    ) -> GenerateOutput:
        """Return one generation for one conversation.

        Arguments that are not passed, or are `None`, come from `generation_kwargs`.

        Args:
            input: messages `{"role", "content"}`, a system message first; or a pair of the messages and their own
                structured output.
            max_tokens: the maximum number of tokens of the answer, thinking included. Default: 128.
            stop_sequences: strings at which the model stops.
            temperature: sent only if it is passed, like `top_p` and `top_k`; newer models refuse them.
            top_p: nucleus sampling.
            top_k: the number of most likely tokens to sample from.

        Returns:
            The generation, or `None` with a warning if there is none: a refusal, no text, or an output that is invalid
            after the last re-ask.

        Raises:
            UsageError: the call is wrong; nothing was sent.
            RowError: the request failed.
            RunStopped: no request will succeed: a rejected key, an unknown model.
        """
        given = _passed(max_tokens, stop_sequences, temperature, top_p, top_k)
        told: list[str] = []
        try:
            made, warning = await self._send(self._job(input, self._settings(given)), told)
        finally:
            warn(*told)
        warn(warning)
        return made

    def _job(self, item: Input, settings: Settings) -> _Generation:
        """Return what to send for one conversation. A wrong call fails here, before anything is sent."""
        messages, wanted = pair_of(item, self.structured_output)
        structured = None if wanted is None else self._structured(wanted, settings)
        prompt = replace(prompt_of(messages), user_id=settings.metadata.user_id if settings.metadata else None)
        return _Generation(prompt, settings, structured, (wanted or {}).get("max_retries", REASKS))

    async def _send(self, job: _Generation, told: list[str]) -> Told:
        """Send one conversation; warnings that concern other conversations too are added to `told`."""
        for turn in job.prompt.messages:
            if isinstance(turn.content, str) and not turn.content.strip():
                message = f"a message with the role `{turn.role}` is blank, which the API refuses"
                raise RowError(message, code=Code.ROW_TEMPLATE, hint="nothing was sent")
        key, key_name = self._key()
        async with self._session(key) as client:
            error_context = ErrorContext(self.model, str(self.base_url), key_name, key, custom_headers().secrets)
            model = ClaudeModel(
                client,
                job.settings,
                error_context,
                structured=job.structured,
                reasks=job.reasks,
                timeout=self.timeout,
                warn=told.append,
            )
            try:
                answer = await model.answer(job.prompt, UNOBSERVED)
                return output(str(answer.value), answer.usage), None
            except RowError as error:
                told_so = spoken(error)
                if not is_no_generation(error):
                    raise told_so from error.__cause__
                return without(told_so, text=job.structured is None)
            except YamlgenError as error:
                raise spoken(error) from error.__cause__

    def generate(
        self,
        inputs: Sequence[Input],
        num_generations: int = 1,
        *,
        max_tokens: int = _MAX_TOKENS,
        stop_sequences: list[str] | None = None,
        temperature: float = _TEMPERATURE,
        top_p: float | None = None,
        top_k: int | None = None,
    ) -> list[GenerateOutput]:
        """Return generations for each input, in order. All are requested at once, also inside a running event loop.

        A generation whose request fails is `None`, with its usage as statistics, and a warning with the reason. The
        other generations are not affected.

        Args:
            inputs: the conversations, each as for `agenerate`.
            num_generations: the number of generations for each input; each is one request.
            max_tokens: as for `agenerate`, like the others.
            stop_sequences: strings at which the model stops.
            temperature: sent only if it is passed, like `top_p` and `top_k`.
            top_p: nucleus sampling.
            top_k: the number of most likely tokens to sample from.

        Returns:
            An output for each input, with `num_generations` generations, and as many numbers in each statistic.

        Raises:
            UsageError: the call is wrong; nothing was sent.
            RunStopped: no request will succeed: a rejected key, an unknown model.
        """
        settings = self._settings(_passed(max_tokens, stop_sequences, temperature, top_p, top_k))
        number, jobs = number_of(num_generations), [self._job(item, settings) for item in inputs_of(inputs)]
        told: list[str] = []
        try:
            outcomes = wait_for(self._generate_all([job for job in jobs for _ in range(number)], told))
        finally:
            warn(*told)
        warn(*(warning for _, warning in outcomes))
        return joined([made for made, _ in outcomes], number)

    def generate_outputs(
        self, inputs: Sequence[Input], num_generations: int = 1, **kwargs: Any
    ) -> list[GenerateOutput]:
        """Call `generate`, under the name that distilabel's pipelines use.

        Raises:
            NotOffered: `use_offline_batch_generation` is set.
        """
        if self.use_offline_batch_generation:
            message = "`use_offline_batch_generation` is set, but batches are not supported"
            raise NotOffered(message, code=Code.SETTING_REFUSED, hint="leave it out to send each input as a request")
        return self.generate(inputs, num_generations, **kwargs)

    async def _generate_all(self, jobs: Sequence[_Generation], told: list[str]) -> list[Told]:
        async def one(job: _Generation) -> Told:
            try:
                return await self._send(job, told)
            except RowError as error:
                return without(error, text=False)

        try:
            async with self, asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(job)) for job in jobs]
        except BaseExceptionGroup as failed:  # the cause would end all of them
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def __aenter__(self) -> Self:
        """Keep one client open for all calls in the block."""
        stack = AsyncExitStack()
        await stack.enter_async_context(self._session(self._key()[0]))
        self._held.setdefault(asyncio.get_running_loop(), AsyncExitStack()).push_async_callback(stack.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.aclose()

    @asynccontextmanager
    async def _session(self, key: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
        """Yield a client for this event loop and the current attributes, shared by all running calls."""
        if self._aclient is None:
            self.load()
        own = self.http_client
        made_of = (asyncio.get_running_loop(), key, self.base_url, self.timeout, self.max_retries, own, self.allow_http)
        session = self._sessions.get(made_of)
        if session is None:
            session = self._sessions[made_of] = _SharedClient(self._client(key, 0))
        session.users += 1
        try:
            yield session.client
        finally:
            session.users -= 1
            if session.users == 0:
                del self._sessions[made_of]
                if own is None:
                    await session.client.close()

    def _key(self) -> tuple[str, str]:
        """Return the key and its origin."""
        return key_of(self.api_key, self._api_key_env_var)


def _passed(
    max_tokens: int, stop_sequences: list[str] | None, temperature: float, top_p: float | None, top_k: int | None
) -> dict[str, Any]:
    """Return the arguments that the caller passed."""
    given: dict[str, Any] = {"stop_sequences": stop_sequences, "top_p": top_p, "top_k": top_k}
    passed = {name: value for name, value in given.items() if value is not None}
    if not isinstance(max_tokens, _Unset):
        passed["max_tokens"] = max_tokens
    if temperature is not None and not isinstance(temperature, _Unsent):
        passed["temperature"] = temperature
    return passed
