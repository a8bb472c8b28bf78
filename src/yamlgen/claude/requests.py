"""The requests of one model: the body of each, and what goes with it through the layers that answer it.

Owns how settings and a prompt become a body, which is the same on the wire, in the store and under a key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from yamlgen import model_capabilities
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.response_checks import RawAnswer
from yamlgen.interfaces import AttemptLog, RequestContext
from yamlgen.pacing.limiter import Slot
from yamlgen.steps.config_fields import Settings, Thinking
from yamlgen.value_objects import JSON, Attempt, Prompt

if TYPE_CHECKING:
    from yamlgen.claude.structured import StructuredOutput

STREAM_ABOVE: Final = 21_333
"""The most `max_tokens` that the SDK deems safe without streaming: more may idle past a proxy's patience."""

_HOUR: Final = 3600.0
_AN_HOUR: Final = 128_000
"""The tokens of an answer that take an hour, by the SDK's own reckoning: one that may take longer than a request has
is streamed."""

_UNKEPT: Final = (b"",)
_NO_PROMPT: Final = Prompt(None, ())


class RequestModeRefused(Exception):  # noqa: N818 - an answer: this schema needs another way
    """The API has refused the schema in this way."""


@dataclass(eq=False)
class RequestMode:
    """A way of asking: natively, by a tool, for a text.

    Attributes:
        setup: that of its requests, once one was made.
    """

    structured: StructuredOutput | None
    setup: bytes = b""

    @property
    def is_closed(self) -> bool:
        """Whether the API has refused it: what it was answered before still counts."""
        return self.structured is not None and self.structured.is_refused

    def check(self) -> None:
        """Send a request only in a way that the API takes.

        Raises:
            RequestModeRefused: it does not take this one any more.
        """
        if self.is_closed:
            raise RequestModeRefused


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as the layers of a model hand it down.

    Attributes:
        body: what is sent.
        mode: how it asks for the output.
        context: who asks.
        keys: of its answer, today's first; one empty key where no answer is kept.
        log: the attempts of its row; `None` where no answer is kept.
        slot: its place among those in flight, where it is sent by itself.
    """

    body: dict[str, JSON]
    mode: RequestMode
    context: RequestContext
    keys: tuple[bytes, ...] = _UNKEPT
    log: AttemptLog | None = None
    slot: Slot | None = None

    @property
    def key(self) -> bytes:
        """The key of its answer."""
        return self.keys[0]


class Layer(Protocol):
    """Answers a request, by itself or by the layer below it."""

    async def answer(self, request: Request) -> Attempt:
        """The answer, paid for now or before.

        Raises:
            RequestModeRefused: the API does not take the schema in this way.
            RowError: there is none; for other requests there may be.
            RunStopped: there will be none for any request.
        """
        ...


class RequestSender(Protocol):
    """Brings a request to the API, and back what the API says."""

    async def send(self, request: Request) -> RawAnswer:
        """The answer, without a key in it.

        Raises:
            RequestModeRefused: as of a `Layer`, like the others.
            RowError: it was refused, or it failed too often.
            RunStopped: no request will succeed.
        """
        ...


class RequestBuilder:
    """Makes the requests of one model.

    Args:
        settings: the model's settings; `id` is set.
        timeout: seconds that one request may take: an answer that may take longer is streamed.
        keys: makes the keys of answers; `None` where none is kept.

    Attributes:
        model: its id.
    """

    def __init__(self, settings: Settings, timeout: float = math.inf, keys: AnswerKeys | None = None) -> None:
        self.model = str(settings.id)
        self._keys = keys
        self._constant = _constant(settings, timeout)
        self._sampling = {
            name: getattr(settings, name) for name in model_capabilities.SAMPLING if getattr(settings, name) is not None
        }

    def body(self, prompt: Prompt, mode: RequestMode) -> dict[str, JSON]:
        """The body of the first request for a prompt."""
        body = dict(self._constant)
        if prompt.system and prompt.system.strip():
            body["system"] = prompt.system
        body["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        if mode.structured is not None:
            body = mode.structured.prepare(body)
        return body | self._sampling

    def first(self, prompt: Prompt, mode: RequestMode, context: RequestContext) -> Request:
        """The first request for a prompt."""
        body = self.body(prompt, mode)
        if self._keys is None:
            return Request(body, mode, context)
        mode.setup = mode.setup or self._keys.setup(body)
        return Request(body, mode, context, self._keys.keys(body, context))

    def following(self, request: Request, body: dict[str, JSON]) -> Request:
        """The request that follows from the answer to another one."""
        keys = _UNKEPT if self._keys is None else self._keys.keys(body, request.context)
        return replace(request, body=body, keys=keys)

    def schema_key(self, mode: RequestMode) -> bytes:
        """The key of the native schema in the requests of a way; empty where no answer is kept."""
        return b"" if self._keys is None else self._keys.schema(self.body(_NO_PROMPT, mode))


def _constant(settings: Settings, timeout: float) -> dict[str, Any]:
    """What is the same in the body of every row."""
    most = settings.answer_limit
    body: dict[str, Any] = {"model": settings.id, "max_tokens": most}
    if settings.stop_sequences:
        body["stop_sequences"] = list(settings.stop_sequences)
    if settings.thinking is not None:
        more = settings.thinking.model_dump(exclude_none=True) if isinstance(settings.thinking, Thinking) else {}
        body["thinking"] = {"type": settings.thinking_type, **more}
    if settings.effort is not None:
        body["output_config"] = {"effort": settings.effort}
    if most > STREAM_ABOVE or most * _HOUR / _AN_HOUR > timeout:
        body["stream"] = True
    return body
