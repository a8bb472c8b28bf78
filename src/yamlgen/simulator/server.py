"""The HTTP server of the simulator: its routes, headers, start and stop.

It accepts any key, so it listens on loopback only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.simulator import catalogue
from yamlgen.simulator.allowed_arguments import betas_of
from yamlgen.simulator.answers import answer, digest_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.batch_outcomes import BatchModel
from yamlgen.simulator.batch_routes import BatchRoutes
from yamlgen.simulator.cache_usage import SimulatedCache
from yamlgen.simulator.conversation_store import Conversations
from yamlgen.simulator.fallbacks import handed_on
from yamlgen.simulator.faults import NO_FAULTS, OF_ANSWERS, ON_MESSAGES, Faults
from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.request_checks import check_count, check_headers, check_message
from yamlgen.simulator.responses import FAULT_ERRORS, REQUEST_ID, hang_up, no_constant, own_headers, unreadable
from yamlgen.simulator.row_headers import AGAIN_HEADER, ROW_HEADER
from yamlgen.simulator.stream_events import events_of
from yamlgen.token_estimate import tokens_of

_LOG = logging.getLogger("yamlgen.simulator")
_MOST_BYTES = 32 * 2**20
_SECONDS_TO_STOP = 0.1
_FOR_EVER = 86_400.0
_LIMITS = {"requests": 4_000, "input-tokens": 2_000_000, "output-tokens": 400_000, "tokens": 2_400_000}


class Simulator:
    """A simulated Messages API on loopback, an async context manager.

    Args:
        faults: the faults and their rates.
        latency: the time that each message takes, in seconds.
        seed: selects the answers.
        batch_delay: the time after which a batch ends, in seconds.
        batch_queue: the maximum number of requests in batches that have not ended.
        log: whether to write one line per request to the log `yamlgen.simulator`.

    Attributes:
        requests: the number of responses for each (path, status).
        url: the base URL, once the server is started.
    """

    def __init__(
        self,
        *,
        faults: Faults = NO_FAULTS,
        latency: float = 0.0,
        seed: int = 0,
        batch_delay: float = 0.0,
        batch_queue: int = 500_000,
        log: bool = False,
    ) -> None:
        for name, seconds in (("latency", latency), ("delay of batches", batch_delay)):
            if not 0 <= seconds < float("inf"):
                raise UsageError(f"the {name} must be 0 or more seconds, not {seconds:g}", code=Code.BAD_PARAM)
        self.requests: Counter[tuple[str, int]] = Counter()
        self.url = ""
        self._faults = faults
        self._latency = latency
        self._seed = seed
        self._log = log
        self._values = PlausibleValues()
        self._threads = Conversations()
        self._prompts = SimulatedCache()
        self._served = 0
        self._before: Counter[bytes] = Counter()
        model = BatchModel(faults, seed, self._values)
        self._batches = BatchRoutes(model, self._before, delay=batch_delay, most_queued=batch_queue)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Start listening, and return the base URL.

        Args:
            host: a loopback address, or `localhost`.
            port: the port; 0: any free port.

        Raises:
            UsageError: the host is not a loopback address.
            EnvironmentProblem: the server cannot listen, for example because the port is in use.
        """
        _check_loopback(host)
        app = web.Application(client_max_size=_MOST_BYTES, middlewares=[self._guard])
        app.router.add_post("/v1/messages", self._message)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        self._batches.add_to(app.router)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{id:.+}", self._model)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SECONDS_TO_STOP, handle_signals=False
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            known = isinstance(error, OSError) and error.errno
            raise EnvironmentProblem(
                f"the simulator cannot listen on {host}:{port}: {os.strerror(known) if known else error}",
                code=Code.UNREACHABLE,
                hint="choose another port, or 0 for a free one",
            ) from None
        self._runner = runner
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        """Stop listening, and cancel the requests in progress."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._batches.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Turn errors into the API's envelope, add headers to each response, and count each request."""
        self._served += 1
        REQUEST_ID.set(f"req_sim_{self._served:012d}")
        try:
            response: web.StreamResponse = await handler(request)
        except SimulatedAPIError as problem:
            response = _refused(problem, REQUEST_ID.get())
        except RecursionError:
            response = _refused(SimulatedAPIError("The request body is nested too deeply"), REQUEST_ID.get())
        except web.HTTPRequestEntityTooLarge:
            response = _refused(
                SimulatedAPIError("Request exceeds the maximum size", "request_too_large"), REQUEST_ID.get()
            )
        except web.HTTPException as error:
            kind = "not_found_error" if error.status == web.HTTPNotFound.status_code else "invalid_request_error"
            response = _refused(SimulatedAPIError(error.reason, kind, error.status), REQUEST_ID.get())
        if not response.prepared:
            response.headers.update(own_headers())
        self.requests[request.path, response.status] += 1
        if self._log:
            _LOG.info("%s %s %s %s", request.method, request.path, response.status, REQUEST_ID.get())
        return response

    async def _message(self, request: web.Request) -> web.StreamResponse:
        version = check_headers(request.headers)
        body = self._threads.resumed(await _body(request))
        check_message(body, version, betas_of(request.headers.get("anthropic-beta")), request.headers)
        digest = digest_of(body, self._seed, request.headers.get(ROW_HEADER, ""))
        fault = self._fault(digest, request.headers.get(AGAIN_HEADER, "0"))
        cached = self._prompts.look(body)
        if self._latency:
            await asyncio.sleep(self._latency)
        if fault == "hang":
            await asyncio.sleep(_FOR_EVER)
        if fault == "no_message":
            return web.Response(text="<html><body>Please sign in</body></html>", content_type="text/html")
        if fault in FAULT_ERRORS:
            raise FAULT_ERRORS[fault]
        message = answer(body, digest, self._values, fault, cached)
        self._prompts.keep(cached.kept)
        if message["stop_reason"] == "refusal" and body.get("fallbacks"):
            message = handed_on(body, message, lambda hop: self._hop(hop, request))
        self._threads.hold(body, message)
        if fault == "unreadable":
            return web.Response(text=unreadable(message), content_type="application/json", headers=_limits(message))
        if body.get("stream"):
            return await self._streamed(request, message, cut=fault == "disconnect")
        response = web.json_response(message, headers=_limits(message))
        return await _cut_off(request, response) if fault == "disconnect" else response

    def _hop(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        """Return the answer of a fallback model."""
        digest = digest_of(body, self._seed, request.headers.get(ROW_HEADER, ""))
        return answer(
            body, digest, self._values, self._fault(digest, request.headers.get(AGAIN_HEADER, "0"), OF_ANSWERS)
        )

    def _fault(self, digest: bytes, again: str, names: Sequence[str] = ON_MESSAGES) -> str | None:
        if not self._faults.rates:
            return None
        self._before[digest] += 1
        answered = int(again) if again.isdecimal() else 0
        return self._faults.pick(digest, max(answered, self._before[digest] - 1), names)

    async def _streamed(self, request: web.Request, message: dict[str, Any], *, cut: bool) -> web.StreamResponse:
        headers = {"Cache-Control": "no-cache", **own_headers(), **_limits(message)}
        response = web.StreamResponse(headers=headers)
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        await response.prepare(request)
        events = list(events_of(message))
        for event in events[: len(events) // 2] if cut else events:
            await response.write(event)
        if cut:
            hang_up(request)
        else:
            await response.write_eof()
        return response

    async def _count(self, request: web.Request) -> web.StreamResponse:
        version = check_headers(request.headers)
        body = await _body(request)
        check_count(body, version, betas_of(request.headers.get("anthropic-beta")))
        return web.json_response({"input_tokens": tokens_of(body)})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        return web.json_response(catalogue.page(list(request.query.items())))

    async def _model(self, request: web.Request) -> web.StreamResponse:
        check_headers(request.headers)
        return web.json_response(catalogue.info(request.match_info["id"]))


def _check_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"the simulator does not listen on `{host}`",
            code=Code.BAD_PARAM,
            hint="use 127.0.0.1: the simulator accepts any key, so it only listens on this machine",
        )


async def _body(request: web.Request) -> Any:
    if request.content_length is not None and request.content_length > _MOST_BYTES:
        raise SimulatedAPIError("Request exceeds the maximum size", "request_too_large")
    raw = await request.read()
    try:
        return json.loads(raw, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise SimulatedAPIError(f"The request body is not valid JSON: {error}") from None


def _refused(problem: SimulatedAPIError, request_id: str) -> web.Response:
    headers = {"retry-after": "1"} if problem.kind == "rate_limit_error" else {}
    return web.json_response(problem.envelope(request_id), status=problem.status, headers=headers)


def _limits(message: dict[str, Any]) -> dict[str, str]:
    """Return rate limit headers that show high remaining limits, because the simulator has none."""
    usage = message["usage"]
    used = {"requests": 1, "input-tokens": usage["input_tokens"], "output-tokens": usage["output_tokens"]}
    used["tokens"] = used["input-tokens"] + used["output-tokens"]
    reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers: dict[str, str] = {}
    for name, limit in _LIMITS.items():
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, limit - used[name]))
        headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers


async def _cut_off(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send half of a response, then close the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(headers={**whole.headers, "Content-Length": str(len(body))})
    response.headers.update(own_headers())
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    hang_up(request)
    return response
