"""The mapping of third-party errors: what the SDK, instructor or the network raise becomes one of ours.

Owns the decision what an error ends: a 400 fails its row, a rejected key ends the run. No exception of anthropic,
instructor or httpx2 leaves this package, and no message contains a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import anthropic
import httpx2

from yamlgen.claude.connections import failure_of
from yamlgen.claude.secret_mask import mask_of, scrub
from yamlgen.claude.server_errors import MOST_READ, ErrorResponse, ErrorScope, error_response_of
from yamlgen.errors import Code, RowError, RunStopped, YamlgenError
from yamlgen.redaction import LONG_SECRET, redact
from yamlgen.system_limits import scarcity_of
from yamlgen.value_objects import JSON, Refusal

_MOST_SHOWN: Final = 500
_LONGEST_NAME: Final = 128
"""The maximum characters shown of a third-party message, and of a request id."""

_ANSWER: Final = frozenset({"content", "unread"})
"""The parts of a response that are the answer itself; the others are about it."""

NAMED: Final = re.compile(r" \(request (\S+)\)")
"""The request id in the message of an error."""

REFUSALS: Final = frozenset({400, 413, 422})
"""The statuses with which a server refuses the content of a request, and would refuse it again."""


class ServerError(Exception):
    """A 200 that contains an error."""

    def __init__(self, said: ErrorResponse) -> None:
        super().__init__(said.text)
        self.said = said


class InvalidMessage(Exception):  # noqa: N818 - named as what came
    """A 200 that is not an answer of a Messages API. `kind` is its content type; `str` describes it."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What error messages need to know of the sender.

    Attributes:
        model: the id of the model.
        base_url: the address.
        key_name: the environment variable of the key.
        key: the key.
        secrets: other secrets.
        found: returns the secrets that change during a run, such as access tokens.
        credentials: what is sent to prove who sends. Default: the key in its variable.
    """

    model: str
    base_url: str
    key_name: str
    key: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    found: Callable[[], tuple[str, ...]] = field(default=tuple, repr=False)
    credentials: str = ""

    @property
    def sent(self) -> str:
        """What is sent to prove who sends."""
        return self.credentials or f"the key in {self.key_name}"

    def _hidden(self) -> tuple[str, ...]:
        return (self.key, *self.secrets, *self.found())

    def masked(self, text: str) -> str:
        """Return a text without a key in any spelling."""
        return redact(mask_of(self._hidden()).hide(text))

    def clean(self, text: str) -> str:
        """Return a third-party text that is safe to show: without the key, and shortened."""
        shown = self.masked(text)
        if len(text) >= MOST_READ:  # its end may be a part of a key
            shown = shown[: -mask_of(self._hidden()).reach or None]
        return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."

    def named(self, request_id: str | None) -> str | None:
        """Return a request id that is safe to show and store: a server may send anything."""
        shown = self.masked(request_id or "")
        if " " in shown or not shown.isprintable():
            shown = "".join(c if c.isprintable() and c != " " else "_" for c in shown)
        return shown[:_LONGEST_NAME] or None

    def scrubbed(self, response: dict[str, JSON]) -> dict[str, JSON]:
        """Return an answer without secrets. In its content a short secret may be a normal word, which is left."""
        secrets = self._hidden()
        if not any(secrets):
            return response
        answer = {key: part for key, part in response.items() if key in _ANSWER}
        about = {key: part for key, part in response.items() if key not in _ANSWER}
        kept, told = scrub(answer, mask_of(secrets, LONG_SECRET)), scrub(about, mask_of(secrets))
        return response if kept is answer and told is about else {**told, **kept}


def mapped(error: Exception, error_context: ErrorContext, request_id: str | None = None) -> YamlgenError:
    """Return our error for anything that a request may raise.

    Args:
        error: what was raised.
        error_context: the sender of the request.
        request_id: the API's id of the request, if a response has arrived.
    """
    said = error.said if isinstance(error, ServerError) else None
    if isinstance(error, anthropic.APIStatusError):
        said = error_response_of(error.response)
    found = _ours(error, error_context) if said is None else _of_said(said, error_context)
    name = error_context.named(request_id or (said.request_id if said is not None else None))
    message, hint = error_context.masked(found.message), found.hint and error_context.masked(found.hint)
    if name is not None and found.request_id is None:
        return found.replace(message=f"{message} (request {name})", hint=hint, request_id=name)
    return found if (message, hint) == (found.message, found.hint) else found.replace(message=message, hint=hint)


def refused_before(refusal: Refusal, hint: str) -> RowError:
    """Return the error of a request refused in an earlier run: its stored message, with its request id."""
    named = re.search(f"{NAMED.pattern}$", refusal.message)
    error = RowError(refusal.message, code=Code.BAD_REQUEST, hint=hint)
    return error.replace(request_id=named[1]) if named else error


def _ours(error: Exception, error_context: ErrorContext) -> YamlgenError:
    if isinstance(error, YamlgenError):
        return error
    if (scarcity := scarcity_of(error)) is not None:
        return scarcity
    if isinstance(error, InvalidMessage):
        return not_a_message(error_context.clean(str(error)), error_context)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError):
        why, hint = failure_of(error)
        return RowError(f"the connection failed: {why}", code=Code.TRANSPORT, hint=hint)
    if isinstance(error, anthropic.APIResponseValidationError):
        return not_a_message(error_context.clean(error.message), error_context)
    if isinstance(error, UnicodeEncodeError):
        message = "the prompt contains half of a surrogate pair, which cannot be sent"
        return RowError(message, code=Code.BAD_REQUEST, hint="correct the string in the input")
    return RowError(f"{type(error).__name__}: {error_context.clean(str(error))}", code=Code.INTERNAL)


def not_a_message(what: str, error_context: ErrorContext) -> RowError:
    """Return the error for a 200 that is not an answer of the Messages API."""
    hint = f"check that {error_context.base_url} is the address of a Messages API"
    return RowError(f"the answer is not a message: {what}", code=Code.NOT_A_MESSAGE, hint=hint)


def _of_said(told: ErrorResponse, error_context: ErrorContext) -> YamlgenError:
    said = error_context.clean(told.text)
    how = told.kind if told.inside and told.kind else str(told.status)
    match told.scope:
        case ErrorScope.RUN:
            return _stopped(told, said, error_context)
        case ErrorScope.AGAIN | ErrorScope.LIMITED:
            return RowError(f"the API returned {how} at the last attempt: {said}", code=Code.TRANSPORT)
        case ErrorScope.ROW:
            size, hint = "", None
            if told.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                size = f"; the request was {_size(told.sent)}" if told.sent else ""
                hint = "shorten the row: the API accepts at most 32 MB"
            message = f"the API refused the request ({how}): {said}{size}"
            return RowError(message, code=Code.BAD_REQUEST, hint=hint, status=told.status)


def _size(count: int) -> str:
    """Format a number of bytes."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count:,} bytes"  # noqa: PLR2004 - a tenth of a megabyte


def _stopped(told: ErrorResponse, said: str, error_context: ErrorContext) -> RunStopped:  # noqa: PLR0911 - a table
    """Return the error that ends the run."""
    match told.stop or (Code.PAYMENT if told.status == HTTPStatus.PAYMENT_REQUIRED else None):
        case Code.SPEND_LIMIT:
            return RunStopped(f"the account's spending limit is reached: {said}", code=Code.SPEND_LIMIT)
        case Code.PAYMENT:
            message = f"the API requires payment: {said}"
            return RunStopped(message, code=Code.PAYMENT, hint="check the account's billing")
        case Code.FORBIDDEN_MODEL:
            message = f"the API accepts no requests from this account: {said}"
            return RunStopped(message, code=Code.FORBIDDEN_MODEL, hint="check the account in the Console")
    match told.status:
        case 401:
            hint = (
                f"check {error_context.sent.partition(' in ')[0]}, and whether it belongs to {error_context.base_url}"
            )
            message = f"the API rejected {error_context.sent}: {said}"
            return RunStopped(message, code=Code.KEY_REJECTED, hint=hint)
        case 403:
            message = f"{error_context.sent} lacks a permission: {said}"
            return RunStopped(message, code=Code.FORBIDDEN_MODEL, hint=f"check that it may use `{error_context.model}`")
        case 404 if told.kind == "not_found_error":
            message = f"the API has no model `{error_context.model}`: {said}"
            return RunStopped(message, code=Code.UNKNOWN_MODEL, hint="check the `id`; models are retired over time")
        case 404:
            message = f"there is no Messages API at {error_context.base_url}: {said}"
            return RunStopped(message, code=Code.UNREACHABLE, hint="check `runtime.base_url`: it ends before `/v1`")
        case 407:
            hint = "put them into the proxy's address, in the variable that sets it"
            return RunStopped("the proxy requires a name and a password", code=Code.UNREACHABLE, hint=hint)
    where = f"to {error_context.clean(told.target)}" if told.target else "elsewhere"
    message = f"{error_context.base_url} redirects {where} ({told.status}), and a key is not sent there"
    hint = "set `runtime.base_url` to the final address, without `/v1/messages`"
    return RunStopped(message, code=Code.UNREACHABLE, hint=hint)
