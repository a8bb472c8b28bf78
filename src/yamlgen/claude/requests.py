"""The requests of one model: their bodies, and the data that goes with them through the layers.

Owns how settings and a prompt become a body, which is the same on the wire, in the store and in the key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from yamlgen import model_capabilities
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.cache_marks import with_breakpoints
from yamlgen.claude.response_checks import RawAnswer
from yamlgen.interfaces import AttemptLog, RequestContext
from yamlgen.pacing.limiter import Slot
from yamlgen.steps.config_fields import Settings, Thinking
from yamlgen.value_objects import JSON, Attempt, CacheMarks, Cause, Prompt

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput

STREAM_ABOVE: Final = 21_333
"""The maximum `max_tokens` without streaming by the SDK's rule: proxies may close longer idle connections."""

_HOUR: Final = 3600.0
_AN_HOUR: Final = 128_000
"""The tokens of an answer that take an hour by the SDK's estimate; longer answers than the timeout are streamed."""

_SERVED: Final = ("service_tier", "inference_geo", "speed")
"""The settings about how a request is served, which are fields of the body under the same names."""

FALLBACKS: Final = "fallbacks"
"""The field with the models that the API asks after a refusal."""

_DOUBLINGS: Final = 3
"""How often `max_tokens` is doubled for a model whose maximum is unknown."""

_UNKEPT: Final = (b"",)
_NO_PROMPT: Final = Prompt(None, ())


class RequestModeRefused(Exception):  # noqa: N818 - control flow: the other mode is tried
    """The API has refused the schema in this mode."""


@dataclass(eq=False)
class RequestMode:
    """A way to request an output: natively, with a tool, or as text.

    Attributes:
        setup: the setup digest of its requests, once one was built.
        fallbacks: the models that the API asks after a refusal, in its own form; `None` if it asks none.
    """

    structured: StructuredOutput | None
    setup: bytes = b""
    fallbacks: JSON = None

    @property
    def is_closed(self) -> bool:
        """Whether the API has refused this mode. Earlier answers still count."""
        return self.structured is not None and self.structured.is_refused

    def check(self) -> None:
        """Check that the mode can still be used.

        Raises:
            RequestModeRefused: the API has refused it.
        """
        if self.is_closed:
            raise RequestModeRefused


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it passes through the layers of a model.

    Attributes:
        body: the body, without what is cached of it.
        mode: the request mode.
        context: the row and step of the request.
        keys: the keys of its answer, the current one first; one empty key without a store.
        log: the attempts of its row; `None` without a store.
        slot: its place in flight, if it is sent by itself.
        cause: why it is sent.
        cache: what is cached of it.
    """

    body: dict[str, JSON]
    mode: RequestMode
    context: RequestContext
    keys: tuple[bytes, ...] = _UNKEPT
    log: AttemptLog | None = None
    slot: Slot | None = None
    cause: Cause = "first"
    cache: CacheMarks | None = None

    @property
    def sent(self) -> dict[str, JSON]:
        """The body that is sent."""
        return with_breakpoints(self.body, self.cache)

    @property
    def key(self) -> bytes:
        """The current key of its answer."""
        return self.keys[0]


class Layer(Protocol):
    """Answers a request, itself or with the layer below."""

    async def answer(self, request: Request) -> Attempt:
        """Return the answer, new or stored.

        Raises:
            RequestModeRefused: the API does not accept the schema in this mode.
            RowError: there is no answer; other requests may have one.
            RowWaits: the answer will come with a batch.
            RunStopped: no request will succeed.
        """
        ...


class RequestSender(Protocol):
    """Sends a request to the API."""

    async def send(self, request: Request) -> RawAnswer:
        """Return the answer, with secrets removed.

        Raises:
            RequestModeRefused: the API does not accept the schema in this mode.
            RowError: the request was refused, or failed too often.
            RunStopped: no request will succeed.
        """
        ...


class RequestBuilder:
    """Builds the requests of one model.

    Args:
        settings: the model's settings; `id` is set.
        timeout: seconds that one request may take. An answer that may take longer is streamed.
        keys: computes the keys of answers; `None` without a store.
        batched: whether its requests are sent in batches, in which some models write longer answers.

    Attributes:
        model: the model's id.
    """

    def __init__(
        self,
        settings: Settings,
        timeout: float = math.inf,
        keys: AnswerKeys | None = None,
        *,
        batched: bool = False,
    ) -> None:
        self.model = str(settings.id)
        self._keys = keys
        self._timeout = timeout
        self._batched = batched
        self._least = settings.answer_limit
        self._constant = _constant(settings, timeout)
        self._extra: Mapping[str, JSON] = settings.extra_body or {}
        self._sampling = {
            name: getattr(settings, name) for name in model_capabilities.SAMPLING if getattr(settings, name) is not None
        }

    def body(self, prompt: Prompt, mode: RequestMode) -> dict[str, JSON]:
        """Return the body of the first request for a prompt, without what is cached of it."""
        body = dict(self._constant)
        if prompt.system and prompt.system.strip():
            body["system"] = prompt.system
        body["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        if mode.structured is not None:
            body = mode.structured.prepare(body)
        if prompt.user_id is not None:
            body["metadata"] = {"user_id": prompt.user_id}
        if mode.fallbacks is not None:
            body[FALLBACKS] = mode.fallbacks
        return merged(body | self._sampling, self._extra)

    def first(self, prompt: Prompt, mode: RequestMode, context: RequestContext, cause: Cause = "first") -> Request:
        """Return the first request for a prompt."""
        body = self.body(prompt, mode)
        if self._keys is None:
            return Request(body, mode, context, cause=cause, cache=prompt.cache)
        mode.setup = mode.setup or self._keys.setup(body)
        return Request(body, mode, context, self._keys.keys(body, context), cause=cause, cache=prompt.cache)

    def again(self, request: Request) -> Request:
        """Return a request whose stored answer is a refusal from before the API had fallback models for it.

        It has a key of its own, so that the refusal stays known and is not paid for again.
        """
        assert self._keys is not None  # noqa: S101 - only a stored answer is asked again
        keys = self._keys.keys({**request.body, "after_refusal": request.body[FALLBACKS]}, request.context)
        return replace(request, keys=keys, cause="refusal")

    def following(self, request: Request, body: dict[str, JSON], cause: Cause = "reask") -> Request:
        """Return the request that follows the answer to `request`, such as a re-ask."""
        keys = _UNKEPT if self._keys is None else self._keys.keys(body, request.context)
        return replace(request, body=body, keys=keys, cause=cause)

    def larger(self, request: Request) -> Request | None:
        """Return the request with twice the tokens after a truncated answer; `None` if its model writes no more."""
        now, body = request.body["max_tokens"], dict(request.body)
        body["max_tokens"] = most = min(2 * now, self.most_tokens(self.model))
        if most <= now:
            return None
        if isinstance(body.get(FALLBACKS), list):
            body[FALLBACKS] = [self._larger_entry(entry, now, most) for entry in body[FALLBACKS]]
        if _is_streamed(most, self._timeout):
            body["stream"] = True
        return self.following(request, body, "larger")

    def _larger_entry(self, entry: Mapping[str, JSON], now: int, most: int) -> dict[str, JSON]:
        """Return a fallback model with twice the tokens, as far as it can write them."""
        given = min(2 * (entry.get("max_tokens") or now), self.most_tokens(entry["model"]))
        bare = {name: value for name, value in entry.items() if name != "max_tokens"}
        return bare if given == most else {**bare, "max_tokens": given}

    def most_tokens(self, model: str) -> int:
        """Return the maximum of `max_tokens` of a request to a model."""
        able = model_capabilities.of(model)
        most = (able.max_batch_tokens if self._batched else None) or able.max_output_tokens
        return most or self._least * 2**_DOUBLINGS

    def schema_key(self, mode: RequestMode) -> bytes:
        """Return the key of the native schema in the requests of a mode; empty without a store."""
        return b"" if self._keys is None else self._keys.schema(self.body(_NO_PROMPT, mode))


def _constant(settings: Settings, timeout: float) -> dict[str, Any]:
    """Return the part of the body that is the same for every row."""
    most = settings.answer_limit
    body: dict[str, Any] = {"model": settings.id, "max_tokens": most}
    if settings.stop_sequences:
        body["stop_sequences"] = list(settings.stop_sequences)
    if settings.thinking is not None:
        more = settings.thinking.model_dump(exclude_none=True) if isinstance(settings.thinking, Thinking) else {}
        body["thinking"] = {"type": settings.thinking_type, **more}
    if settings.effort is not None:
        body["output_config"] = {"effort": settings.effort}
    body |= {name: value for name in _SERVED if (value := getattr(settings, name)) is not None}
    if _is_streamed(most, timeout):
        body["stream"] = True
    return body


def merged(body: Mapping[str, JSON], extra: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a body with further fields: an object is merged into an object of the body, key by key."""
    made = dict(body)
    for name, value in extra.items():
        own = made.get(name)
        made[name] = merged(own, value) if isinstance(own, dict) and isinstance(value, dict) else value
    return made


def betas_of(settings: Settings) -> tuple[str, ...]:
    """Return the betas that every request of a model names: those of the author, and that of its speed."""
    return (*(settings.betas or ()), *((model_capabilities.FAST_BETA,) if settings.speed else ()))


def _is_streamed(most: int, timeout: float) -> bool:
    """Return whether an answer of `most` tokens is streamed."""
    return most > STREAM_ABOVE or most * _HOUR / _AN_HOUR > timeout
