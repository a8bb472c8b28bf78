"""The mapping of a failed call of the batch endpoints: its error, and whether the same call may succeed later."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import anthropic
import httpx2

from yamlgen.batches.batch_api import BatchCallFailed
from yamlgen.claude.connections import failure_of, has_hung_up, is_unreachable
from yamlgen.claude.credential_errors import renewal_in
from yamlgen.claude.error_mapping import ErrorContext, ServerError, mapped
from yamlgen.claude.response_checks import no_message
from yamlgen.claude.retry_policy import FailedAttempt, classify_response
from yamlgen.claude.server_errors import ErrorResponse, ErrorScope, error_in_body, error_response_of, request_id_of
from yamlgen.errors import Code, RunStopped, YamlgenError
from yamlgen.option_names import by_surface
from yamlgen.system_limits import scarcity_of
from yamlgen.value_objects import JSON

_NO_ROUTE: Final = frozenset({404, 405, 501})
"""The statuses of an address that does not have the endpoint."""

_MOST: Final = "the API accepts at most 100,000 requests and 256 MB per batch"
_KEPT: Final = "run again to continue: the API keeps the batch and its results for 29 days"


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """A call of the batch endpoints, for its error messages.

    Attributes:
        words: what it does, as a noun phrase.
        batch: the id of its batch; empty if it has none.
        creates: whether it creates a batch.
    """

    words: str
    batch: str = ""
    creates: bool = False


@dataclass(frozen=True, slots=True)
class UnreadResponse:
    """A response whose body is not read yet."""

    http_response: httpx2.Response


def refused_call(response: UnreadResponse, operation: BatchOperation, error_context: ErrorContext) -> BatchCallFailed:
    """Return the failure of a call that was answered with an error status. Its body was read."""
    outcome, said = classify_response(response), error_response_of(response.http_response)
    error, retry_after = _refusal(said, operation, error_context), None
    is_transient = isinstance(outcome, FailedAttempt) and said.status not in _NO_ROUTE
    if isinstance(outcome, FailedAttempt):
        retry_after = outcome.retry_after
    if said.status == HTTPStatus.CONFLICT and operation.batch:  # a batch that has ended cannot be canceled
        is_transient = False
    shown = mapped(error, error_context, said.request_id)
    return BatchCallFailed(shown, status=said.status, transient=is_transient, retry_after=retry_after)


def _refusal(said: ErrorResponse, operation: BatchOperation, error_context: ErrorContext) -> Exception:
    text = error_context.clean(said.text)
    if said.status in _NO_ROUTE and said.stop is None:
        return _missing(said, text, operation, error_context)
    if said.scope is ErrorScope.RUN:
        error = mapped(ServerError(said), error_context)
        if said.status == HTTPStatus.FORBIDDEN and said.stop is None:
            return error.replace(hint="check that it may use Message Batches")
        return error
    if said.scope is not ErrorScope.ROW and not (said.status == HTTPStatus.CONFLICT and operation.batch):
        message = f"the API returned {said.status} for {operation.words}: {text}"
        return RunStopped(message, code=Code.TRANSPORT, hint=_KEPT if operation.batch else "run again later")
    what = "the batch" if operation.creates else operation.words
    hint = _MOST if said.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else None
    return RunStopped(f"the API refused {what} ({said.status}): {text}", code=Code.BAD_REQUEST, hint=hint)


def _missing(said: ErrorResponse, text: str, operation: BatchOperation, error_context: ErrorContext) -> RunStopped:
    if not operation.batch:
        message = f"the API at {error_context.base_url} has no Message Batches ({said.status}): {text}"
        off = by_surface(command="`--no-batch`", python="`batch=False`")
        hint = f"remove `batch` from the pipeline, or turn it off with {off}"
    elif said.kind == "not_found_error":
        message = f"the API does not know batch {operation.batch} with this key: {text}"
        hint = "it may belong to another workspace, or was deleted"
    else:
        message = f"{operation.words} failed: there is no such page at {error_context.base_url} ({said.status}): {text}"
        hint = "check that `runtime.base_url` is the address to which the batch was sent"
    return RunStopped(message, code=Code.UNREACHABLE, hint=hint)


def wrong_answer(
    http: httpx2.Response, body: JSON, operation: BatchOperation, error_context: ErrorContext
) -> BatchCallFailed:
    """Return the failure of a call whose answer has status 200, and is an error or not what the API answers."""
    if isinstance(body, dict) and (body.get("type") == "error" or isinstance(body.get("error"), dict)):
        said = error_in_body(body)
        is_transient = said.scope in (ErrorScope.AGAIN, ErrorScope.LIMITED)
        error = _refusal(said, operation, error_context)
    else:
        what = error_context.clean(str(no_message(http.content, http.headers.get("content-type", ""))))
        message = f"the answer to {operation.words} is not that of a Messages API: {what}"
        hint = f"check that {error_context.base_url} is the address of an API with Message Batches"
        is_transient, error = True, RunStopped(message, code=Code.UNREACHABLE, hint=hint)
    shown = mapped(error, error_context, request_id_of(http))
    return BatchCallFailed(shown, status=http.status_code, transient=is_transient and not operation.creates)


def failed_call(
    error: Exception, operation: BatchOperation, error_context: ErrorContext, timeout: float
) -> BatchCallFailed:
    """Return the failure of a call that raised an error: of its connection, its deadline, or before it was sent."""
    if isinstance(error, YamlgenError):  # there is no key: nothing was sent, as after a rejected one
        return BatchCallFailed(mapped(error, error_context), status=HTTPStatus.UNAUTHORIZED)
    if (renewal := renewal_in(error)) is not None:
        status = 0 if renewal.transient else HTTPStatus.UNAUTHORIZED
        return BatchCallFailed(mapped(renewal.error, error_context), status=status, transient=renewal.transient)
    if (scarcity := scarcity_of(error)) is not None:
        return BatchCallFailed(scarcity)
    kept = _KEPT if operation.batch else None
    is_connect = isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout) or is_unreachable(error)
    is_timeout = isinstance(error, TimeoutError | anthropic.APITimeoutError | httpx2.TimeoutException)
    if is_timeout and not is_connect and not has_hung_up(error):
        message = f"{error_context.base_url} sent nothing for {timeout:g} s during {operation.words}"
        hint = kept or "`runtime.timeout` sets how long a call may take"
        return _transient(RunStopped(message, code=Code.UNREACHABLE, hint=hint), error_context)
    why, way = failure_of(error)
    if is_connect and not has_hung_up(error):
        message, code = f"cannot reach {error_context.base_url}: {why}", Code.UNREACHABLE
    else:
        message, code = f"the connection failed during {operation.words}: {why}", Code.TRANSPORT
    hint = way or kept or "check the network and `runtime.base_url`"
    return _transient(RunStopped(message, code=code, hint=hint), error_context)


def broken_results(what: str, operation: BatchOperation, error_context: ErrorContext) -> BatchCallFailed:
    """Return the failure of results that did not arrive as the API sends them."""
    message = f"{operation.words} failed: {error_context.clean(what)}"
    return _transient(RunStopped(message, code=Code.TRANSPORT, hint=_KEPT), error_context)


def _transient(error: RunStopped, error_context: ErrorContext) -> BatchCallFailed:
    return BatchCallFailed(mapped(error, error_context), transient=True)
