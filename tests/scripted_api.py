"""A Messages API on loopback that answers what a test scripts: statuses, delays, cut bodies, streams."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from yamlgen.cancellation import Cancellation
from yamlgen.claude.client import build_client
from yamlgen.claude.credentials import ApiKey
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.structured import StructuredOutput
from yamlgen.claude.transport import Transport
from yamlgen.interfaces import RequestContext
from yamlgen.pacing.limiter import Limiter
from yamlgen.pacing.pool import UNHEARD
from yamlgen.schemas.author_schema import json_schema
from yamlgen.steps.config_fields import Settings
from yamlgen.value_objects import Message, Prompt

KEY = "canary-key-9d1c7f"
"""The key that every test sends, and that must never come back in an error."""


def message(*content, stop="end_turn", **more):
    """A message of the API; a string is a text block."""
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **more,
    }


def call(value, name="answer", id="toolu_1"):  # noqa: A002 - the API's word
    """A tool call."""
    return {"type": "tool_use", "id": id, "name": name, "input": value}


def error(kind, text, **more):
    """The envelope of an error."""
    return {"type": "error", "error": {"type": kind, "message": text, **more}, "request_id": "req_1"}


KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass
class Reply:
    """One scripted answer.

    Attributes:
        body: a JSON value, or bytes to send as they are.
        wait: seconds before the answer begins.
        drip: seconds between the parts of the body.
        part: the bytes of such a part.
        cut: hang up after half of the body; with no body, before any answer.
        stays: hang up so many seconds after the body, without the end that HTTP asks for.
    """

    body: object = field(default_factory=lambda: message("Hello!"))
    status: int = 200
    headers: dict = field(default_factory=dict)
    wait: float = 0.0
    drip: float = 0.0
    part: int = 1
    cut: bool = False
    stays: float | None = None
    kind: str = "application/json"


def refusal(status, text="no", headers=None, **more):
    """A reply with a status and the API's envelope."""
    return Reply(error(KINDS.get(status, "api_error"), text, **more), status, headers or {})


def said(*content, **more):
    """A reply with a message."""
    return Reply(message(*content, **more))


def events(*parts):
    """A reply that streams the given events."""
    lines = [f"event: {part['type']}\ndata: {json.dumps(part)}\n\n" for part in parts]
    return Reply("".join(lines).encode(), kind="text/event-stream")


def spoken(text, stop="end_turn"):
    """The events of a message with one text."""
    empty = {**message(), "stop_reason": None, "usage": {"input_tokens": 10, "output_tokens": 1}}
    return [
        {"type": "message_start", "message": empty},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


class ScriptedServer:
    """Answers the requests in order, the last reply again and again; a function makes a reply of a body.

    Attributes:
        bodies: what was asked.
        headers: with which headers.
        times: when, by the monotonic clock.
        most: how many requests were in flight at once.

    Unless it `lists` models, it has no route for them, as most gateways, and such requests do not count.
    """

    def __init__(self, *replies, lists=False):
        self.replies = list(replies) or [Reply()]
        self._lists = lists
        self.bodies, self.headers, self.times, self.paths = [], [], [], []
        self.most = self._now = 0
        self.url = ""

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        if not self._lists and "/v1/models" in request.path:
            return web.Response(status=404)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return await self._reply(request)
        finally:
            self._now -= 1

    async def _reply(self, request):
        raw = await request.read()
        body = json.loads(raw) if raw else None
        number = len(self.bodies)
        self.bodies.append(body)
        self.headers.append(request.headers)
        self.paths.append(str(request.url))
        self.times.append(time.monotonic())
        reply = self.replies[min(number, len(self.replies) - 1)]
        if callable(reply):
            reply = reply(body)
        await asyncio.sleep(reply.wait)
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        if reply.cut and not content:
            request.transport.close()
            return web.Response()
        headers = {"Content-Type": reply.kind, "request-id": f"req_{number}", **reply.headers}
        response = web.StreamResponse(status=reply.status, headers=headers)
        if not reply.kind.startswith("text/event-stream"):
            response.content_length = len(content)
        await response.prepare(request)
        if reply.cut:
            await response.write(content[: len(content) // 2])
            request.transport.close()
            return response
        if reply.drip:
            for start in range(0, len(content), reply.part):
                await response.write(content[start : start + reply.part])
                await asyncio.sleep(reply.drip)
        else:
            await response.write(content)
        if reply.stays is not None:
            await asyncio.sleep(reply.stays)
            request.transport.close()
            return response
        await response.write_eof()
        return response


def prompt(text="Hello?", system=None):
    """A prompt of one turn."""
    return Prompt(system, (Message("user", text),))


@dataclass
class ModelCalls:
    """A model at a server, and what it told on the way: how often it sent, its retries, its attempts."""

    model: ClaudeModel
    cancellation: Cancellation
    sends: int = 0
    notices: list = field(default_factory=list)
    attempts: list = field(default_factory=list)
    reasked: list = field(default_factory=list)
    lost: list = field(default_factory=list)

    async def __call__(self, text="Hello?", system=None):
        """Ask."""
        return await self.model.answer(prompt(text, system), RequestContext("answer", "row", self))

    def sent(self):
        """Count a request."""
        self.sends += 1

    def retried(self, reason, wait):
        """Note a retry."""
        self.notices.append((reason, wait))

    def cut(self, usage, cost):
        """Note what a stream took that broke off."""
        self.lost.append((usage, cost))

    def received(self, attempt, *, cause):
        """Note an attempt, and whether it answers a re-ask."""
        self.attempts.append(attempt)
        self.reasked.append(cause == "reask")


@asynccontextmanager
async def asking(  # noqa: PLR0913 - each is one knob of a test
    url,
    *,
    timeout=5.0,  # noqa: ASYNC109 - the transport's own
    max_retries=0,
    concurrency=20,
    max_pause=600.0,
    unheard=UNHEARD,
    schema=None,
    mode="auto",
    reasks=0,
    within=600.0,
    key=KEY,
    **settings,
):
    """A model that asks the server at `url`."""
    cancellation = Cancellation()
    settings = Settings(**{"id": "claude-haiku-5-5", "max_tokens": 100, **settings})
    transport = Transport(
        timeout, max_retries, Limiter(concurrency, cancellation, max_pause, unheard=unheard), url, cancellation
    )
    structured = None if schema is None else StructuredOutput("answer", json_schema(schema), settings, mode)
    error_context = ErrorContext(settings.id, url, "ANTHROPIC_API_KEY", key)
    async with build_client(credentials=ApiKey(key), base_url=url, transport=transport) as client:
        yield ModelCalls(
            ClaudeModel(client, settings, error_context, structured=structured, reasks=reasks, timeout=within),
            cancellation,
        )


async def outcomes(*coroutines):
    """What each returned or raised."""
    return await asyncio.gather(*coroutines, return_exceptions=True)


def ask(*replies, texts=("Hello?",), **options):
    """Script a server, ask it each text at once; the outcomes, the server, and the asking."""

    async def main():
        async with ScriptedServer(*replies) as server, asking(server.url, **options) as model:
            return await outcomes(*map(model, texts)), server, model

    return asyncio.run(main())


def ask_one(*replies, **options):
    """Script a server and ask it once; the outcome and the server."""
    (outcome,), server, _ = ask(*replies, **options)
    return outcome, server
