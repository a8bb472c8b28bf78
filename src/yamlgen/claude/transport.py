"""The transport of a request: its deadline, and the only layer of retries.

Owns what happens between the call and the response, in the SDK's middleware, so that it works under instructor and for
every client. The SDK's own retries are switched off: they would be used up by rate limits, sleep unseen, and ignore
the other requests. The limiter decides when a request is sent; the deadline does not run while it waits.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import anthropic
import httpx2

from yamlgen import failpoint
from yamlgen.cancellation import Cancellation
from yamlgen.claude.connections import failure_of, has_hung_up
from yamlgen.claude.credential_errors import RenewalFailed, renewal_in
from yamlgen.claude.credentials import Credentials
from yamlgen.claude.error_mapping import InvalidMessage, ServerError
from yamlgen.claude.response_checks import RawAnswer, read_answer
from yamlgen.claude.retry_policy import FailedAttempt, FinalOutcome, classify_error, classify_response, delay_before
from yamlgen.claude.server_errors import error_response_of, request_id_of
from yamlgen.claude.streams import StreamedMessage
from yamlgen.deadline import Deadline
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.interfaces import UNOBSERVED
from yamlgen.pacing.limiter import Limiter, Slot
from yamlgen.simulator.row_headers import SIMULATOR_HEADER
from yamlgen.system_limits import scarcity_of
from yamlgen.value_objects import JSON

_SLOWEST: Final = 10.0
"""The minimum tokens per second of a stream; a slower one is ended."""

_CLOSING: Final = 1.0
"""Seconds that a server has to end a stream after its last event; then the connection is closed."""


CALL_HEADER: Final = "x-yamlgen-call"
"""The header with a request's `TransportContext`; it is never sent."""


class TransportContext(anthropic.Omit):
    """The data that a sender passes to the transport. The transport then reads the answer; the sender frees the slot.

    The SDK passes each header to its middleware, and does not send a header whose value is an `Omit`.

    Args:
        slot: the place in flight.
        body: the body of the request.
        begin: called before each attempt; an exception prevents it.
        cut: receives the message of a stream that was cut off.

    Attributes:
        request_id: the API's id of the request, once a response has begun.
    """

    def __init__(
        self,
        slot: Slot,
        body: Mapping[str, JSON],
        begin: Callable[[], None],
        cut: Callable[[Mapping[str, JSON]], Awaitable[None]],
    ) -> None:
        self.slot = slot
        self.body = body
        self.begin = begin
        self.cut = cut
        self.request_id: str | None = None


@dataclass
class Transport:
    """The middleware of one client.

    Args:
        timeout: seconds that one attempt may take, until the last byte of its answer.
        max_retries: the maximum number of retries after a transient failure. No attempt begins after `timeout` seconds
            of attempts. An attempt that exceeds its deadline is repeated once; its time does not count.
        limiter: admits each attempt.
        base_url: the address, for messages.
        cancellation: once requested, no attempt begins.
        simulated: called once, if a simulator answers instead of the API.
        credentials: the credentials, to renew a token that the API refuses; `None` if there is nothing to renew.
    """

    timeout: float
    max_retries: int
    limiter: Limiter
    base_url: str
    cancellation: Cancellation
    simulated: Callable[[], object] | None = None
    credentials: Credentials | None = None

    async def __call__(self, request: Any, call_next: Any) -> Any:
        """Send a request, with retries, and return its final response.

        Raises:
            RowError: the deadline passed twice, the connection failed too often, or a rate limit refused only this
                request for as long as a run waits.
            RunStopped: nothing was ever received from the address, or there were only failures for too long.
        """
        retries, overdue, spent, limiter, renewed = 0, 0, 0.0, self.limiter, False
        brought = request.headers.get(CALL_HEADER)
        call = brought if isinstance(brought, TransportContext) else None
        slot = Slot() if call is None else call.slot
        body = _body_of(request) if call is None else call.body
        model, fast = str(body.get("model", "")), body.get("speed") == "fast"
        while True:
            await limiter.admit(slot, model, fast=fast)
            started, wait = time.monotonic(), None
            try:
                if call is not None:
                    call.begin()
                slot.context.observer.sent()
                failpoint.reach("before-send")
                outcome = await self._attempt(request, call_next, slot, call)
                if isinstance(outcome, FinalOutcome):
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
            if isinstance(outcome, FinalOutcome) and not renewed and self._may_renew(outcome):
                renewed = True
                slot.give_back()
                slot.context.observer.retried("the token is renewed", 0.0)
                continue
            if isinstance(outcome, FinalOutcome):
                if call is None or outcome.error is not None:
                    slot.give_back()
                if outcome.error is not None:
                    raise outcome.error
                return outcome.value
            slot.give_back()
            if outcome.limited:
                if wait is None:
                    raise self._too_large(outcome)
                slot.context.observer.retried(outcome.reason, wait)
                continue
            if retries > self.max_retries or overdue > 1 or spent >= self.timeout or slot.hopeless:
                return self._give_up(outcome, slot, hopeless=slot.hopeless or overdue > 1)
            delay = delay_before(retries, outcome.retry_after)
            slot.context.observer.retried(outcome.reason, delay)
            await self.cancellation.sleep(delay)

    def _may_renew(self, outcome: FinalOutcome) -> bool:
        """Return whether the API has refused the token of a request, and the next attempt has another."""
        http = getattr(outcome.value, "http_response", None)
        if self.credentials is None or http is None or http.status_code != HTTPStatus.UNAUTHORIZED:
            return False
        return self.credentials.refuse(http.request)

    async def _attempt(
        self, request: Any, call_next: Any, slot: Slot, call: TransportContext | None
    ) -> FinalOutcome | FailedAttempt:
        stream = StreamedMessage()
        if call is not None:
            call.request_id = None
        try:
            return await self._exchange(request, call_next, slot, call, stream)
        except TimeoutError:
            return self._overdue(stream)
        except anthropic.APITimeoutError as error:
            if has_hung_up(error):
                return FailedAttempt(f"the connection failed: {failure_of(error)[0]}", error=error)
            if not isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
                return self._overdue(stream)
            return FailedAttempt("the connection took too long", error=error)
        except (anthropic.APIConnectionError, httpx2.HTTPError, RenewalFailed) as error:
            return _failed_connection(error)
        except InvalidMessage as error:
            return FailedAttempt("the answer is not a message", error=error)
        except ServerError as error:
            self.limiter.heard = True
            return classify_error(error)
        finally:
            if stream.message and not stream.ended and call is not None:
                await call.cut(stream.message)

    async def _exchange(
        self, request: Any, call_next: Any, slot: Slot, call: TransportContext | None, stream: StreamedMessage
    ) -> FinalOutcome | FailedAttempt:
        http: httpx2.Response | None = None
        try:
            async with Deadline(self.timeout) as deadline:
                response = await call_next(request)
                http = response.http_response
                if call is not None:
                    call.request_id = request_id_of(http)
                self.limiter.answered(slot, http.status_code, http.headers)
                if self.simulated is not None and SIMULATOR_HEADER in http.headers:
                    told, self.simulated = self.simulated, None
                    told()
                if not http.is_success:
                    await http.aread()
                    _make_readable(http)
                    return classify_response(response)
                if call is None:  # the caller reads the body
                    return FinalOutcome(response)
                end = time.monotonic() + max(self.timeout, _most_tokens(call.body) / _SLOWEST)

                def heard() -> None:
                    self.limiter.hear(slot)
                    left = end - time.monotonic()
                    deadline.renew(_CLOSING if stream.ended else min(self.timeout, max(0.0, left)))

                answer = await read_answer(http, stream, heard)
                self.limiter.hear(slot)
                return FinalOutcome(answer)
        except (TimeoutError, httpx2.HTTPError):
            if http is None or not stream.ended:
                raise
            # The last event has arrived: the answer is complete, however the connection ends.
            return FinalOutcome(RawAnswer(stream.whole(), request_id_of(http)))
        finally:
            if http is not None and call is not None and not http.is_closed:  # it was cut off
                await http.aclose()

    def _overdue(self, stream: StreamedMessage) -> FailedAttempt:
        message = f"no complete answer arrived within {self.timeout:g} s"
        if stream.message:
            message = f"the stream was cut off: it sent nothing for {self.timeout:g} s, or was too slow"
        hint = "raise `runtime.timeout`, or lower `max_tokens`"
        return FailedAttempt(message, error=RowError(message, code=Code.DEADLINE, hint=hint))

    def _too_large(self, outcome: FailedAttempt) -> RowError:
        said = (
            error_response_of(outcome.response.http_response).text
            if outcome.response is not None
            else str(outcome.error)
        )
        message = (
            f"a rate limit (429) refused the request for {self.limiter.max_pause:g} s, while other requests succeeded"
        )
        hint = "it may be larger than its quota: shorten the row, or lower `max_tokens`"
        return RowError(f"{message}{f': {said}' if said else ''}", code=Code.TRANSPORT, hint=hint)

    def _give_up(self, outcome: FailedAttempt, slot: Slot, *, hopeless: bool) -> Any:
        if outcome.response is not None:
            return outcome.response
        if (scarcity := scarcity_of(outcome.error)) is not None:
            raise scarcity
        if isinstance(outcome.error, RunStopped):  # there is no token
            hint = outcome.error.hint
            raise outcome.error if hopeless else RowError(outcome.error.message, code=outcome.error.code, hint=hint)
        connected = outcome.overdue or isinstance(outcome.error, InvalidMessage)
        lonely = connected and slot.context is UNOBSERVED  # outside of a run the error is that of the request
        if not self.limiter.heard and (hopeless or not connected) and not lonely:
            raise self._unheard(outcome)
        assert outcome.error is not None  # noqa: S101 - a failure has a response or an error
        raise outcome.error

    def _unheard(self, outcome: FailedAttempt) -> RunStopped:
        if outcome.overdue:
            message = f"{self.base_url} accepts requests, but answered none of them within {self.timeout:g} s"
            hint = "check that it is a Messages API; `runtime.timeout` sets how long an answer may take"
        elif isinstance(outcome.error, InvalidMessage):
            message = f"{self.base_url} answers, but not with messages ({outcome.error.kind})"
            hint = "check that it is the address of a Messages API; `runtime.base_url` ends before `/v1`"
        else:
            assert outcome.error is not None  # noqa: S101 - without a response there is an error
            why, way = failure_of(outcome.error)
            message = f"cannot reach {self.base_url}: {why}"
            hint = way or "check the network and `runtime.base_url`"
        return RunStopped(message, code=Code.UNREACHABLE, hint=hint)


def _failed_connection(error: Exception) -> FailedAttempt:
    """Return the failure of a connection, or of the renewal of a token before it.

    Raises:
        YamlgenError: there is no token, and there will be none.
    """
    renewal = renewal_in(error)
    if renewal is None:
        return FailedAttempt(f"the connection failed: {failure_of(error)[0]}", error=error)
    if not renewal.transient:
        raise renewal.error from None
    return FailedAttempt(renewal.error.message, error=renewal.error)


def _make_readable(http: httpx2.Response) -> None:
    """Make a body readable as text for the SDK, even if its header states a wrong encoding."""
    try:
        _ = http.text
    except (LookupError, TypeError, ValueError):  # some encodings do not decode to text
        http.encoding = "utf-8"


def _body_of(request: Any) -> Mapping[str, JSON]:
    return request.json if isinstance(request.json, dict) else {}


def _most_tokens(body: Mapping[str, JSON]) -> float:
    most = body.get("max_tokens")
    return most if isinstance(most, int) else 0
