"""`AnthropicLLM`: the model by itself, for Python users, in the shape that distilabel gave it.

Owns that shape and nothing else: the attributes, the defaults, the generations with their statistics. Requests,
structured output, retries and errors are those of a pipeline's run. A client lives as long as a call is under way,
or as long as `async with`, in the event loop that uses it, and is closed with it.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self, TypeAlias, TypedDict

import anthropic
import httpx2

from yamlgen.claude.client import build_client, safe_address
from yamlgen.claude.connections import affordable, open_connections
from yamlgen.claude.custom_headers import custom_headers
from yamlgen.claude.failure import Sender
from yamlgen.claude.limiter import Limiter
from yamlgen.claude.mode import mode_named
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.structured import Structured
from yamlgen.claude.transport import Transport
from yamlgen.claude.user_schema import (
    given_address,
    inputs_of,
    key_of,
    pair_of,
    prompt_of,
    runtime_of,
    schema_of,
    settings_of,
    structure_of,
)
from yamlgen.door import wait_for
from yamlgen.environment import variable
from yamlgen.errors import Code, RowError, UsageError
from yamlgen.halt import Halt
from yamlgen.language.native import Unfit
from yamlgen.language.parts import Settings
from yamlgen.language.plan import MOST_CONCURRENCY
from yamlgen.language.settings import PUBLIC_URL
from yamlgen.ports import NOBODY, Prompt, Usage

Messages: TypeAlias = Sequence[Mapping[str, Any]]
Input: TypeAlias = "Messages | tuple[Messages, Mapping[str, Any]]"
"""A conversation, or a pair of one and its own structured output."""

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


_Told: TypeAlias = tuple[GenerateOutput, str | None]
"""An output, and what to warn of."""


@dataclass(frozen=True)
class _Job:
    """One conversation, ready to be sent, and how often an invalid output is sent back."""

    prompt: Prompt
    settings: Settings
    structured: Structured | None
    reasks: int


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
        allow_http: whether the key may go out over plain `http://` beyond this machine.

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
    allow_http: bool = False

    _api_key_env_var: ClassVar[str] = "ANTHROPIC_API_KEY"

    def __post_init__(self) -> None:
        self._found = None if self.base_url else variable("ANTHROPIC_BASE_URL")
        self.base_url = self.base_url or self._found or PUBLIC_URL
        self._forget()
        if self.http_client is not None and not isinstance(self.http_client, httpx2.AsyncClient):
            kind = f"{type(self.http_client).__module__}.{type(self.http_client).__name__}"
            message = f"http_client must be an httpx2.AsyncClient, not {kind}"
            raise UsageError(message, code=Code.BAD_PARAM, hint="anthropic 2 sits on httpx2: make it with that package")
        self._check()
        settings = settings_of(id=self.model)
        if self.structured_output is not None:
            self._structured(self.structured_output, settings)

    def _forget(self) -> None:
        """Hold no client."""
        self._aclient: anthropic.AsyncAnthropic | None = None
        self._sessions: dict[tuple[object, ...], _Session] = {}
        self._held: dict[asyncio.AbstractEventLoop, AsyncExitStack] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle carries: the attributes, and none of the clients that were built from them."""
        return {**self.__dict__, "_aclient": None, "_sessions": {}, "_held": {}}

    def _check(self) -> None:
        """Hold the attributes as they are now against what a client can be built from."""
        runtime = runtime_of(timeout=self.timeout, max_retries=self.max_retries, allow_http=self.allow_http)
        if self._found and self.base_url == self._found:
            safe_address(self._found, runtime, "`allow_http=True`")
        else:
            given_address(str(self.base_url), runtime)
        custom_headers()

    @property
    def model_name(self) -> str:
        """The model's id."""
        return self.model

    def load(self) -> None:
        """Build the client, `_aclient`; nothing is sent. Called by itself before the first generation.

        Raises:
            EnvironmentProblem: there is no key, or it would go out in the open.
        """
        self._aclient = self._client(self._key(), self.max_retries)

    def _client(self, key: str, max_retries: int) -> anthropic.AsyncAnthropic:
        """A client of the attributes as they are now."""
        self._check()
        halt = Halt()
        limiter = Limiter(affordable(MOST_CONCURRENCY), halt)
        return build_client(
            api_key=key,
            base_url=str(self.base_url),
            transport=Transport(self.timeout, self.max_retries, limiter, str(self.base_url), halt),
            max_retries=max_retries,
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
            UsageError: the call is wrong; nothing was sent.
            RowError: the request failed.
            RunStopped: no request will succeed: a rejected key, an unknown model.
        """
        settings = self._settings(
            max_tokens=max_tokens, stop_sequences=stop_sequences, temperature=temperature, top_p=top_p, top_k=top_k
        )
        output, warning = await self._send(self._job(input, settings))
        _warn(warning)
        return output

    def _settings(self, *, temperature: float, **others: Any) -> Settings:
        """The settings of a call, checked; a temperature that the caller did not pass is none."""
        passed = None if temperature is _TEMPERATURE else temperature
        return settings_of(id=self.model, temperature=passed, **others)

    def _job(self, item: Input, settings: Settings) -> _Job:
        """What one conversation asks for; a wrong call is told here, before anything is sent."""
        messages, wanted = pair_of(item, self.structured_output)
        structured = None if wanted is None else self._structured(wanted, settings)
        return _Job(prompt_of(messages), settings, structured, (wanted or {}).get("max_retries", 1))

    async def _send(self, job: _Job) -> _Told:
        text = job.structured is None
        async with self._session() as client:
            sender = Sender(
                self.model, str(self.base_url), self._api_key_env_var, client.api_key or "", custom_headers().secrets
            )
            model = ClaudeModel(
                client, job.settings, sender, structured=job.structured, reasks=job.reasks, timeout=self.timeout
            )
            try:
                answer = await model.answer(job.prompt, NOBODY)
            except RowError as error:
                if error.code not in _NO_GENERATION:
                    raise
                return _without(error, text=text)
        return _output(answer.value if text else json.dumps(answer.value, ensure_ascii=False), answer.usage), None

    def generate(
        self,
        inputs: Sequence[Input],
        max_tokens: int = 128,
        stop_sequences: list[str] | None = None,
        temperature: float = _TEMPERATURE,
        top_p: float | None = None,
        top_k: int | None = None,
    ) -> list[GenerateOutput]:
        """One generation for each input, all at once, in their order; also inside a running event loop.

        An input whose request fails has the generation `None`, what it used as statistics, and a warning that says
        why; the others are not touched by it. The other arguments are those of `agenerate`.

        Raises:
            UsageError: the call is wrong; nothing was sent.
            RunStopped: no request will succeed: a rejected key, an unknown model.
        """
        settings = self._settings(
            max_tokens=max_tokens, stop_sequences=stop_sequences, temperature=temperature, top_p=top_p, top_k=top_k
        )
        told = wait_for(self._generate_all([self._job(item, settings) for item in inputs_of(inputs)]))
        for _, warning in told:
            _warn(warning)
        return [output for output, _ in told]

    async def _generate_all(self, jobs: Sequence[_Job]) -> list[_Told]:
        async def one(job: _Job) -> _Told:
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
        """A client of this loop and of the attributes as they are now, shared by the calls that are under way."""
        if self._aclient is None:
            self.load()
        key, own = self._key(), self.http_client
        made_of = (asyncio.get_running_loop(), key, self.base_url, self.timeout, self.max_retries, own, self.allow_http)
        session = self._sessions.get(made_of)
        if session is None:
            session = self._sessions[made_of] = _Session(self._client(key, 0))
        session.users += 1
        try:
            yield session.client
        finally:
            session.users -= 1
            if session.users == 0:
                del self._sessions[made_of]
                if own is None:
                    await session.client.close()

    def _http_client(self) -> httpx2.AsyncClient:
        if self.http_client is not None:
            return self.http_client
        return open_connections(str(self.base_url), self.timeout, affordable(MOST_CONCURRENCY))

    def _key(self) -> str:
        return key_of(self.api_key, self._api_key_env_var)

    def _structured(self, wanted: Mapping[str, Any], settings: Settings) -> Structured:
        wanted = structure_of(wanted)
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
            "allow_http": self.allow_http,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AnthropicLLM:
        """An instance from what `dump` returned."""
        return cls(**data)


def _without(error: RowError, *, text: bool) -> _Told:
    """The output of an input that has no generation, and why; a text that was cut off is kept."""
    usage = sum((attempt.usage for attempt in error.attempts), Usage())
    generation: str | None = None
    if text and error.code is Code.TRUNCATED:
        blocks = error.attempts[-1].response.get("content", [])
        generation = "".join(block.get("text", "") for block in blocks if block.get("type") == "text") or None
    hint = f" ({error.hint})" if error.hint else ""
    return _output(generation, usage), f"{error.message}{hint}"


def _warn(text: str | None) -> None:
    """Warn at the line of the caller's that led here; below a task of asyncio's, at the one that runs the loop."""
    if text is None:
        return
    here = frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("yamlgen", "asyncio"):
        frame = frame.f_back
    at = frame or here
    assert at is not None  # noqa: S101 - this interpreter has frames
    names = at.f_globals
    registry = names.setdefault("__warningregistry__", {})
    warnings.warn_explicit(text, UserWarning, at.f_code.co_filename, at.f_lineno, names.get("__name__"), registry)


def _output(generation: str | None, usage: Usage) -> GenerateOutput:
    read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    return {
        "generations": [generation],
        "statistics": {"input_tokens": [read], "output_tokens": [usage.output_tokens]},
    }
