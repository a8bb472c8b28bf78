"""One request on its way: its deadline, and the one layer of retries.

Owns what happens between "send this" and a response, in the SDK's middleware, so that it works under instructor
and for every client made here. The SDK's own retries are switched off: it would spend them on rate limits, sleep
where nobody sees it, and know nothing of the other requests. When a request goes out is the limiter's business; a
deadline's clock stands still while it holds the request.
"""

from __future__ import annotations

import random
import time
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import anthropic
import httpx2
from anthropic.lib.streaming import AsyncMessageStream

from yamlgen import failpoint
from yamlgen.claude.failure import is_spend_limit
from yamlgen.claude.limiter import Limiter, Slot
from yamlgen.deadline import Deadline
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.halt import Halt
from yamlgen.ports import NOBODY

_FIRST_DELAY: Final = 0.5
_MOST_DELAY: Final = 30.0

_TRANSIENT: Final = frozenset({408, 409, 529})
_STREAM_ERRORS: Final = frozenset({"overloaded_error", "api_error", "timeout_error", "rate_limit_error"})


holding: ContextVar[Slot | None] = ContextVar("holding", default=None)
"""The place of the request of this context, for whoever gives it back."""


@dataclass
class Transport:
    """The middleware of one client.

    Args:
        timeout: seconds that one attempt may take, from its sending to the last byte of its answer.
        max_retries: how often a transient failure is tried again. No attempt begins once `timeout` seconds of
            trying are spent; an attempt that took them all by itself is made once more, and counts for itself.
        limiter: lets each attempt go.
        base_url: the address, for messages.
        halt: once requested, no attempt begins any more.
    """

    timeout: float
    max_retries: int
    limiter: Limiter
    base_url: str
    halt: Halt

    async def __call__(self, request: Any, call_next: Any) -> Any:
        """Send one request until it has an answer worth returning.

        Raises:
            RowError: the deadline passed twice, the connection failed once too often, or a rate limit refused this
                request, and no others, for as long as a run waits.
            RunStopped: nothing was ever heard from the address, or its failures hold everything too long.
        """
        retries, overdue, spent, held, limiter = 0, 0, 0.0, holding.get(), self.limiter
        slot = held or Slot()
        model = str(request.json.get("model")) if isinstance(request.json, dict) else ""
        while True:
            await limiter.admit(slot, model)
            started, wait = time.monotonic(), None
            try:
                slot.asker.watch.sent()
                failpoint.reach("before-send")
                outcome = await self._attempt(request, call_next, slot)
                if isinstance(outcome, _Answered):
                    limiter.succeeded(slot)
                elif outcome.limited:
                    wait = limiter.refused(slot, outcome.retry_after)
                elif limiter.failed(slot, outcome.reason):
                    retries += 1
                    overdue += outcome.overdue
                    spent += 0.0 if outcome.overdue else time.monotonic() - started
            except BaseException:
                slot.give_back()
                raise
            if isinstance(outcome, _Answered):
                if held is None:
                    slot.give_back()
                return outcome.value
            slot.give_back()
            if outcome.limited:
                if wait is None:
                    raise self._too_large(outcome)
                slot.asker.watch.retried(outcome.reason, wait)
                continue
            if retries > self.max_retries or overdue > 1 or spent >= self.timeout or slot.hopeless:
                return self._give_up(outcome, slot)
            delay = self._delay(max(retries - 1, 0), outcome.retry_after)
            slot.asker.watch.retried(outcome.reason, delay)
            await self.halt.sleep(delay)

    async def _attempt(self, request: Any, call_next: Any, slot: Slot) -> _Answered | _Failed:
        try:
            async with Deadline(self.timeout):
                response = await call_next(request)
                self.limiter.answered(slot, response.http_response.status_code, response.http_response.headers)
                if response.http_response.is_success:
                    return _Answered(await _whole(response) if request.stream else response)
                if not response.http_response.is_closed:
                    await response.http_response.aread()
        except TimeoutError:
            return self._overdue()
        except anthropic.APITimeoutError as error:
            if not isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
                return self._overdue()
            return _Failed("the connection took too long", error=error)
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            return _Failed(f"the connection failed ({type(error.__cause__ or error).__name__})", error=error)
        except anthropic.APIStatusError as error:
            if error.type in _STREAM_ERRORS:
                return _Failed(f"the stream ended with {error.type}", error=error)
            raise
        return _judged(response)

    def _overdue(self) -> _Failed:
        message = f"no whole answer came within {self.timeout:g} s"
        hint = "raise `runtime.timeout`, or lower `max_tokens`"
        return _Failed(message, error=RowError(message, code=Code.DEADLINE, hint=hint))

    def _too_large(self, outcome: _Failed) -> RowError:
        said = _error_of(outcome.response)[1]
        message = f"a rate limit (429) refused the request for {self.limiter.max_pause:g} s, while others came through"
        hint = "it may be larger than its quota: shorten the row, or lower `max_tokens`"
        return RowError(f"{message}{f': {said}' if said else ''}", code=Code.TRANSPORT, hint=hint)

    def _give_up(self, outcome: _Failed, slot: Slot) -> Any:
        if outcome.response is not None:
            return outcome.response
        lonely = outcome.overdue and slot.asker is NOBODY  # who asks without a run is told of the request
        if not self.limiter.heard and not lonely:
            raise self._unheard(outcome)
        assert outcome.error is not None  # noqa: S101 - a failure is a response or an error
        raise outcome.error

    def _unheard(self, outcome: _Failed) -> RunStopped:
        if outcome.overdue:
            message = f"{self.base_url} takes requests, and has answered none of them within {self.timeout:g} s"
            hint = "is it a Messages API? `runtime.timeout` says how long an answer may take"
        else:
            cause = getattr(outcome.error, "__cause__", None) or outcome.error
            message = f"cannot reach {self.base_url}: {cause}"
            hint = "is the network up, and `runtime.base_url` right? `--simulate` needs neither"
        return RunStopped(message, code=Code.UNREACHABLE, hint=hint)

    def _delay(self, retries: int, retry_after: float | None) -> float:
        backoff = random.uniform(0, min(_MOST_DELAY, _FIRST_DELAY * 2**retries))  # noqa: S311 - jitter is no secret
        return backoff if retry_after is None else min(max(retry_after, backoff), _MOST_DELAY)


@dataclass(frozen=True, slots=True)
class _Answered:
    """What goes back to the SDK: its response, or a whole message out of a stream."""

    value: Any


@dataclass(frozen=True, slots=True)
class _Failed:
    """An attempt that may be made again."""

    reason: str
    response: Any = None
    error: Exception | None = None
    limited: bool = False
    retry_after: float | None = None

    @property
    def overdue(self) -> bool:
        """Whether its deadline ended it."""
        return isinstance(self.error, RowError) and self.error.code is Code.DEADLINE


def _judged(response: Any) -> _Answered | _Failed:
    """Whether a response that is no success is final, transient, or a rate limit."""
    status, headers = response.http_response.status_code, response.http_response.headers
    retry_after = _seconds(headers.get("retry-after"))
    wanted = headers.get("x-should-retry")
    if wanted == "false":
        return _Answered(response)
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        if is_spend_limit(*_error_of(response)):
            return _Answered(response)
        return _Failed("rate limit (429)", response, limited=True, retry_after=retry_after)
    if status in _TRANSIENT or status >= 500 or wanted == "true":  # noqa: PLR2004 - the server's own errors
        what = "overloaded" if status == 529 else "server error" if status >= 500 else "try again"  # noqa: PLR2004
        return _Failed(f"{what} ({status})", response, retry_after=retry_after)
    return _Answered(response)


def _error_of(response: Any) -> tuple[str | None, str | None]:
    try:
        error = response.http_response.json()["error"]
        return (error.get("details") or {}).get("error_code"), error.get("message")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, None


def _seconds(header: str | None) -> float | None:
    """A `retry-after`, which HTTP allows to be seconds or a date."""
    try:
        value = float(header or "")
    except ValueError:
        pass
    else:
        return value if value >= 0 else None
    try:
        return max(0.0, parsedate_to_datetime(header or "").timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


async def _whole(response: Any) -> Any:
    """The message that a stream adds up to.

    Raises:
        httpx2.RemoteProtocolError: the stream ended before its last event, however politely.
        anthropic.APIResponseValidationError: it is no stream of a message.
    """
    http, ended = response.http_response, False
    if not http.headers.get("content-type", "").startswith("text/event-stream"):
        text = (await http.aread()).decode(errors="replace")
        raise anthropic.APIResponseValidationError(http, None, message=f"it is no stream: {text}")
    async with AsyncMessageStream(await response.parse(), output_format=anthropic.NOT_GIVEN) as stream:
        try:
            async for event in stream:
                ended = ended or event.type == "message_stop"
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # The SDK's accumulator trusts the order and the fields of the events that it is fed.
            raise anthropic.APIResponseValidationError(http, None, message=f"its stream is broken: {error}") from error
        if not ended:
            raise httpx2.RemoteProtocolError("the stream ended before its last event")
        message = stream.current_message_snapshot
        message._request_id = stream.request_id  # noqa: SLF001 - as the SDK sets it on messages that do not stream
        return message
