"""The requests of one model: their bodies, and the data that goes with them through the layers.

Owns how settings and a prompt become a body, which is the same on the wire, in the store and in the key.
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
"""The maximum `max_tokens` without streaming by the SDK's rule: proxies may close longer idle connections."""

_HOUR: Final = 3600.0
_AN_HOUR: Final = 128_000
"""The tokens of an answer that take an hour by the SDK's estimate; longer answers than the timeout are streamed."""

_UNKEPT: Final = (b"",)
_NO_PROMPT: Final = Prompt(None, ())


class RequestModeRefused(Exception):  # noqa: N818 - control flow: the other mode is tried
    """The API has refused the schema in this mode."""


@dataclass(eq=False)
class RequestMode:
    """A way to request an output: natively, with a tool, or as text.

    Attributes:
        setup: the setup digest of its requests, once one was built.
    """

    structured: StructuredOutput | None
    setup: bytes = b""

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
        body: the body that is sent.
        mode: the request mode.
        context: the row and step of the request.
        keys: the keys of its answer, the current one first; one empty key without a store.
        log: the attempts of its row; `None` without a store.
        slot: its place in flight, if it is sent by itself.
        reask: whether it follows an invalid answer.
    """

    body: dict[str, JSON]
    mode: RequestMode
    context: RequestContext
    keys: tuple[bytes, ...] = _UNKEPT
    log: AttemptLog | None = None
    slot: Slot | None = None
    reask: bool = False

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

    Attributes:
        model: the model's id.
    """

    def __init__(self, settings: Settings, timeout: float = math.inf, keys: AnswerKeys | None = None) -> None:
        self.model = str(settings.id)
        self._keys = keys
        self._constant = _constant(settings, timeout)
        self._sampling = {
            name: getattr(settings, name) for name in model_capabilities.SAMPLING if getattr(settings, name) is not None
        }

    def body(self, prompt: Prompt, mode: RequestMode) -> dict[str, JSON]:
        """Return the body of the first request for a prompt."""
        body = dict(self._constant)
        if prompt.system and prompt.system.strip():
            body["system"] = prompt.system
        body["messages"] = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
        if mode.structured is not None:
            body = mode.structured.prepare(body)
        return body | self._sampling

    def first(self, prompt: Prompt, mode: RequestMode, context: RequestContext) -> Request:
        """Return the first request for a prompt."""
        body = self.body(prompt, mode)
        if self._keys is None:
            return Request(body, mode, context)
        mode.setup = mode.setup or self._keys.setup(body)
        return Request(body, mode, context, self._keys.keys(body, context))

    def following(self, request: Request, body: dict[str, JSON]) -> Request:
        """Return the request that follows the answer to `request`, such as a re-ask."""
        keys = _UNKEPT if self._keys is None else self._keys.keys(body, request.context)
        return replace(request, body=body, keys=keys, reask=True)

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
    if most > STREAM_ABOVE or most * _HOUR / _AN_HOUR > timeout:
        body["stream"] = True
    return body
