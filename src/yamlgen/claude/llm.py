"""`AnthropicLLM`: the model by itself, for Python users, in the shape that distilabel gave it.

Owns that shape and nothing else: the attributes, the defaults, the generations with their statistics. Requests,
structured output, retries and errors are those of a pipeline's run. A client lives as long as a call is under way,
or as long as `async with`, in the event loop that uses it, and is closed with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self, TypeAlias, TypedDict

import anthropic
import httpx2
from pydantic import BaseModel

from yamlgen.claude.client import PUBLIC_URL, build_client, open_connections, safe_address, usable_key
from yamlgen.claude.failure import Sender
from yamlgen.claude.mode import mode_named
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.structured import Structured
from yamlgen.claude.transport import Transport
from yamlgen.claude.user_schema import schema_of
from yamlgen.door import wait_for
from yamlgen.errors import Code, EnvironmentProblem, RowError, UsageError
from yamlgen.halt import Halt
from yamlgen.language.native import Unfit
from yamlgen.language.plan import DEFAULT_CONCURRENCY
from yamlgen.language.spec import Runtime, Settings
from yamlgen.language.words import suggestion
from yamlgen.ports import Answer, Message, Prompt, Usage

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Input: TypeAlias = "Messages | tuple[Messages, Mapping[str, Any]]"
"""A conversation, or a pair of one and its own structured output."""

_KEYS: Final = ("schema", "mode", "max_retries")
_NO_GENERATION: Final = frozenset({Code.NO_TEXT, Code.REFUSED, Code.INVALID_OUTPUT, Code.TRUNCATED})


class _Unsent(float):
    """A documented default that is not sent: newer models refuse a sampling parameter even at its default."""


_TEMPERATURE: Final = _Unsent(1.0)


class Statistics(TypedDict):
    """Tokens, one number per generation."""

    input_tokens: list[int]
    output_tokens: list[int]


class GenerateOutput(TypedDict):
    """What came of one input."""

    generations: list[str | None]
    statistics: Statistics


@dataclass(frozen=True)
class _Job:
    """One conversation, ready to be sent; `wanted` is its structured output as the caller gave it."""

    prompt: Prompt
    settings: Settings
    structured: Structured | None
    wanted: Mapping[str, Any]


@dataclass
class _Session:
    """A client in the loop that uses it, and how many calls are under way."""

    client: anthropic.AsyncAnthropic
    users: int = 0


@dataclass
class AnthropicLLM:
    """A Claude model that generates text, or JSON that a schema accepts.

    Args:
        model: the model's id; any name is sent as it is.
        api_key: the key; without one, the variable ANTHROPIC_API_KEY.
        base_url: the API's address; without one, the variable ANTHROPIC_BASE_URL, then the public one.
        timeout: seconds that one request may take.
        max_retries: how often a transient failure is tried again.
        http_client: an `httpx2.AsyncClient` of your own, which you close.
        structured_output: `{"schema": a pydantic model or a JSON Schema, "mode": ..., "max_retries": 1}`.

    Example:
        >>> llm = AnthropicLLM(model="claude-haiku-5-5")
        >>> llm.generate(inputs=[[{"role": "user", "content": "Hello world!"}]])  # doctest: +SKIP
        [{'generations': ['Hello! ...'], 'statistics': {'input_tokens': [10], 'output_tokens': [12]}}]
    """

    model: str
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float = 600.0
    max_retries: int = 6
    http_client: httpx2.AsyncClient | None = field(default=None, repr=False)
    structured_output: Mapping[str, Any] | None = None

    _api_key_env_var: ClassVar[str] = "ANTHROPIC_API_KEY"

    def __post_init__(self) -> None:
        self._address_given = bool(self.base_url)
        self.base_url = self.base_url or os.environ.get("ANTHROPIC_BASE_URL") or PUBLIC_URL
        self._aclient: anthropic.AsyncAnthropic | None = None
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._held: dict[asyncio.AbstractEventLoop, AsyncExitStack] = {}
        self._ssl: ssl.SSLContext | None = None
        if self.http_client is not None and not isinstance(self.http_client, httpx2.AsyncClient):
            kind = f"{type(self.http_client).__module__}.{type(self.http_client).__name__}"
            message = f"http_client must be an httpx2.AsyncClient, not {kind}"
            raise UsageError(message, code=Code.BAD_PARAM, hint="anthropic 2 sits on httpx2: make it with that package")
        if self.structured_output is not None:
            self._structured(self.structured_output, Settings(id=self.model))

    @property
    def model_name(self) -> str:
        """The model's id."""
        return self.model

    def load(self) -> None:
        """Build the client, `_aclient`; nothing is sent. Called by itself before the first generation.

        Raises:
            EnvironmentProblem: there is no key, or it would go out in the open.
        """
        if not self._address_given:
            safe_address(str(self.base_url), Runtime())
        self._aclient = build_client(
            api_key=self._key(),
            base_url=str(self.base_url),
            transport=self._transport(),
            max_retries=self.max_retries,
            http_client=self._http_client(),
        )

    async def agenerate(
        self,
        input: Input,  # noqa: A002 - the reference's name
        max_tokens: int = 128,
        stop_sequences: list[str] | None = None,
        temperature: float = _TEMPERATURE,
        top_p: float | None = None,
        top_k: int | None = None,
    ) -> GenerateOutput:
        """One generation for one conversation.

        Args:
            input: messages `{"role", "content"}`, a leading system message first; or a pair of them and a
                structured output of their own.
            max_tokens: the most tokens of the answer, thinking included.
            stop_sequences: texts at which the model stops.
            temperature: sent only when it is passed, like `top_p` and `top_k`; newer models refuse them.
            top_p: nucleus sampling.
            top_k: the likeliest tokens to sample from.

        Returns:
            The generation, or `None` and a warning when there is none: a refusal, no text, an output still invalid
            after the last re-ask.

        Raises:
            RowError: the request failed.
            RunStopped: no request will succeed: a rejected key, an unknown model.
        """
        return await self._send(self._job(input, max_tokens, stop_sequences, temperature, top_p, top_k))

    def _job(
        self,
        item: Input,
        max_tokens: int = 128,
        stop_sequences: list[str] | None = None,
        temperature: float = _TEMPERATURE,
        top_p: float | None = None,
        top_k: int | None = None,
    ) -> _Job:
        """What one conversation asks for; a wrong call is told here, before anything is sent."""
        messages, wanted = item if isinstance(item, tuple) else (item, self.structured_output)
        given: dict[str, Any] = {"temperature": None if temperature is _TEMPERATURE else temperature}
        given |= {"id": self.model, "max_tokens": max_tokens, "stop_sequences": stop_sequences}
        settings = Settings.model_construct(**given, top_p=top_p, top_k=top_k)
        structured = self._structured(wanted, settings) if wanted else None
        return _Job(_prompt(messages), settings, structured, wanted or {})

    async def _send(self, job: _Job) -> GenerateOutput:
        reasks = int(job.wanted.get("max_retries", 1))
        async with self._session() as client:
            sender = Sender(self.model, str(self.base_url), self._api_key_env_var, client.api_key or "")
            model = ClaudeModel(client, job.settings, sender, structured=job.structured, reasks=reasks)
            try:
                answer = await model.answer(job.prompt, lambda _reason, _wait: None)
            except RowError as error:
                if error.code not in _NO_GENERATION:
                    raise
                return _without(error, text=job.structured is None)
        generation = answer.value if job.structured is None else _as_json(answer, job.wanted)
        return _output(generation, answer.usage)

    def generate(self, inputs: Sequence[Input], **arguments: Any) -> list[GenerateOutput]:
        """One generation for each input, all at once, in their order; also inside a running event loop.

        An input whose request fails has the generation `None`, what it used as statistics, and a warning that says
        why; the others are not touched by it.

        Args:
            inputs: the conversations.
            **arguments: those of `agenerate`.

        Raises:
            RunStopped: no request will succeed: a rejected key, an unknown model.
        """
        return wait_for(self._generate_all([self._job(item, **arguments) for item in inputs]))

    async def _generate_all(self, jobs: Sequence[_Job]) -> list[GenerateOutput]:
        async def one(job: _Job) -> GenerateOutput:
            try:
                return await self._send(job)
            except RowError as error:
                return _without(error, text=False)

        try:
            async with self, asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(job)) for job in jobs]
        except BaseExceptionGroup as failed:  # what ended one of them would end them all
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def __aenter__(self) -> Self:
        """Keep one client open for all calls until the end of the block."""
        stack = AsyncExitStack()
        await stack.enter_async_context(self._session())
        self._held.setdefault(asyncio.get_running_loop(), AsyncExitStack()).push_async_callback(stack.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held.aclose()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[anthropic.AsyncAnthropic]:
        """A client of this loop, shared by the calls that are under way, closed by the last of them."""
        if self._aclient is None:
            self.load()
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = _Session(self._client_here())
        session.users += 1
        try:
            yield session.client
        finally:
            session.users -= 1
            if session.users == 0:
                del self._sessions[loop]
                if self.http_client is None:
                    await session.client.close()

    def _client_here(self) -> anthropic.AsyncAnthropic:
        """A copy of the client with connections and a limiter of this loop's own, its own retries off."""
        assert self._aclient is not None  # noqa: S101 - loaded by the caller
        return self._aclient.copy(http_client=self._http_client(), middleware=[self._transport()], max_retries=0)

    def _http_client(self) -> httpx2.AsyncClient:
        if self.http_client is not None:
            return self.http_client
        self._ssl = self._ssl or httpx2.create_ssl_context()
        return open_connections(str(self.base_url), self.timeout, DEFAULT_CONCURRENCY, verify=self._ssl)

    def _transport(self) -> Transport:
        return Transport(self.timeout, self.max_retries, DEFAULT_CONCURRENCY, str(self.base_url), Halt())

    def _key(self) -> str:
        given = self.api_key
        if given is not None and hasattr(given, "get_secret_value"):
            given = given.get_secret_value()
        key = (given or os.environ.get(self._api_key_env_var) or "").strip()
        if not key:
            hint = f"pass `api_key`, or set {self._api_key_env_var}"
            raise EnvironmentProblem("there is no API key", code=Code.NO_KEY, hint=hint)
        return usable_key(key, "`api_key`" if given else self._api_key_env_var)

    def _structured(self, wanted: Mapping[str, Any], settings: Settings) -> Structured:
        for key in wanted:
            if key not in _KEYS:
                hint = suggestion(str(key), _KEYS, "keys")
                raise UsageError(f"structured_output has no `{key}`", code=Code.UNKNOWN_KEY, hint=hint)
        if "schema" not in wanted:
            hint = 'pass {"schema": a pydantic model or a JSON Schema}'
            raise UsageError("structured_output needs a `schema`", code=Code.MISSING_KEY, hint=hint)
        schema = schema_of(wanted["schema"])
        try:
            return Structured("answer", schema, settings, mode_named(wanted.get("mode") or "auto"))
        except Unfit as unfit:
            hint = "leave `mode` out: it then picks what the model can do"
            message = f"native output cannot express the schema: {unfit}"
            raise UsageError(message, code=Code.SETTING_REFUSED, hint=hint) from None

    def dump(self) -> dict[str, Any]:
        """The configuration as plain data, without the key."""
        wanted = dict(self.structured_output) if self.structured_output else None
        if wanted:
            wanted["schema"] = schema_of(wanted["schema"]).value
            if "mode" in wanted:
                wanted["mode"] = mode_named(wanted["mode"])
        return {
            "model": self.model,
            "base_url": self.base_url,
            "timeout": self.timeout,
            "max_retries": self.max_retries,
            "structured_output": wanted,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AnthropicLLM:
        """An instance from what `dump` returned."""
        return cls(**data)


def _prompt(messages: Messages) -> Prompt:
    turns = list(messages)
    system = None
    if turns and turns[0].get("role") == "system":
        system = turns.pop(0).get("content") or None
    if not turns:
        raise UsageError("there is no message to answer", code=Code.WRONG_VALUE, hint="add one of the role `user`")
    for turn in turns:
        if turn.get("role") not in ("user", "assistant") or "content" not in turn:
            message = f"a message must be {{'role': 'user' or 'assistant', 'content': ...}}, not {dict(turn)!r:.80}"
            raise UsageError(message, code=Code.WRONG_VALUE, hint="a system message stands first, and once")
    return Prompt(system, tuple(Message(turn["role"], turn["content"]) for turn in turns))


def _as_json(answer: Answer, wanted: Mapping[str, Any]) -> str:
    schema = wanted.get("schema")
    text = json.dumps(answer.value, ensure_ascii=False)
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema.model_validate_json(text).model_dump_json()
    return text


def _without(error: RowError, *, text: bool) -> GenerateOutput:
    """The output of an input that has no generation; a text that was cut off is kept, and both are warned of."""
    usage = sum((attempt.usage for attempt in error.attempts), Usage())
    generation: str | None = None
    if text and error.code is Code.TRUNCATED:
        blocks = error.attempts[-1].response.get("content", [])
        generation = "".join(block.get("text", "") for block in blocks if block.get("type") == "text") or None
    hint = f" ({error.hint})" if error.hint else ""
    warnings.warn(f"{error.message}{hint}", stacklevel=3)
    return _output(generation, usage)


def _output(generation: str | None, usage: Usage) -> GenerateOutput:
    read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    return {
        "generations": [generation],
        "statistics": {"input_tokens": [read], "output_tokens": [usage.output_tokens]},
    }
