"""The sending of a single request: the SDK's call, and the error if there is no answer.

Deadlines and retries are in `transport`, which the SDK calls.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import anthropic

from yamlgen.cancellation import Cancelled
from yamlgen.canonical_json import encoding, fingerprint
from yamlgen.claude.client import beta_header
from yamlgen.claude.error_mapping import ErrorContext, mapped
from yamlgen.claude.instructor_import import INSTRUCTOR
from yamlgen.claude.requests import FALLBACKS, Request, RequestModeRefused
from yamlgen.claude.response_checks import RawAnswer
from yamlgen.claude.transport import CALL_HEADER, TransportContext
from yamlgen.claude.usage import usage_of
from yamlgen.model_capabilities import FALLBACK_BETA
from yamlgen.simulator.row_headers import AGAIN_HEADER, ROW_HEADER
from yamlgen.value_objects import JSON

_PATH: Final = "/v1/messages"
_BYTES: Final = anthropic.AsyncAPIResponse[bytes]
_TRANSFORMED: Final = frozenset({"model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream"})
"""The fields that the SDK takes as arguments, and may have to transform."""

_encode: Final = encoding(
    json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
)
_EVENTS: Final = anthropic.AsyncStream[Any]


@dataclass(frozen=True, slots=True)
class SingleRequestSender:
    """Sends each request by itself.

    Args:
        client: the SDK's client on a `Transport`, with its own retries at 0.
        error_context: the sender, for error messages.
        cut: receives the message of a stream that was cut off.
        simulated: whether the simulator answers. It receives the row, on which its answer depends.
        betas: the beta features that its requests need.
    """

    client: anthropic.AsyncAnthropic
    error_context: ErrorContext
    cut: Callable[[Request, Mapping[str, JSON]], Awaitable[None]]
    simulated: bool = False
    betas: tuple[str, ...] = ()

    async def send(self, request: Request) -> RawAnswer:
        """Send a request, and return the answer with secrets removed."""
        slot = request.slot
        assert slot is not None  # noqa: S101 - the layer above sets it
        if not INSTRUCTOR.is_done and request.mode.structured is not None:
            INSTRUCTOR.expect()
        body = request.sent
        call = TransportContext(slot, body, begin=request.mode.check, cut=partial(self.cut, request))
        try:
            received = await self._post(body, {CALL_HEADER: call, **self._told(request)})
        except (Cancelled, RequestModeRefused):
            raise
        except Exception as error:  # noqa: BLE001 - all third-party errors are mapped here
            raise mapped(error, self.error_context, call.request_id) from None
        slot.note(usage_of(received.body))
        return RawAnswer(self.error_context.scrubbed(received.body), self.error_context.named(received.request_id))

    async def _post(self, body: dict[str, JSON], headers: Mapping[str, Any]) -> RawAnswer:
        """Post a body, and return the answer that the transport has read.

        A request that contains only text is posted as it is, because the SDK's transformation takes as long as all
        its other work. Other requests may need that transformation. What the SDK would have to join, fill in and copy
        for each request is given to it: the whole URL, its own timeout, and the body in bytes.
        """
        sent: Any
        client = self.client
        if all(_is_text(turn["content"]) for turn in body["messages"]):
            streams = bool(body.get("stream"))
            options: Any = {"headers": headers, "timeout": client.timeout, "max_retries": 0}
            stream_cls = _EVENTS if streams else None
            content = _encode(body).encode()
            url = _url_of(str(client.base_url))
            sent = client.post(
                url, cast_to=_BYTES, content=content, options=options, stream=streams, stream_cls=stream_cls
            )
        else:
            # The others are not transformed, and may be fields that the SDK does not know.
            arguments = {name: value for name, value in body.items() if name in _TRANSFORMED}
            others = {name: value for name, value in body.items() if name not in _TRANSFORMED}
            sent = client.messages.create(**arguments, extra_body=others or None, extra_headers=headers)
        received: RawAnswer = await sent
        return received

    def _told(self, request: Request) -> dict[str, str]:
        """Return the header with the betas, and those for the simulator."""
        betas = (*self.betas, FALLBACK_BETA) if FALLBACKS in request.body else self.betas
        if not betas and not self.simulated:
            return {}
        return beta_header(self.client, betas) | (told_rows(request) if self.simulated else {})


@lru_cache(maxsize=64)
def _url_of(base_url: str) -> str:
    """Return the URL of requests to an address."""
    return base_url.rstrip("/") + _PATH


def _is_text(content: JSON) -> bool:
    return isinstance(content, str) or all(isinstance(block, dict) and block["type"] == "text" for block in content)


def told_rows(request: Request) -> dict[str, str]:
    """Return what the simulator is told: the row, and how often the request was answered before.

    Without it, the simulator would answer equal requests equally.
    """
    if request.log is None:
        return {}
    context = request.context
    row = fingerprint([context.identity, context.sample] if context.sample else context.identity)
    return {ROW_HEADER: row, AGAIN_HEADER: str(request.log.answered(request.key))}
