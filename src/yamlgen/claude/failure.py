"""Foreign errors, mapped once: what the SDK, instructor or the network raise becomes one of ours.

Owns the decision of how far an error reaches: a 400 sets its row aside, a rejected key ends the run. No exception
of anthropic, instructor or httpx2 leaves this room, and no message carries a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anthropic
import httpx2

from yamlgen.claude.connections import failure_of
from yamlgen.errors import Code, RowError, RunStopped, YamlgenError, is_secret, redact
from yamlgen.ports import JSON, Doubt
from yamlgen.scarcity import scarcity_of

SPEND_LIMIT: Final = "enforced_spend_limit_reached"
_MOST_SHOWN: Final = 500
_MOST_READ: Final = 4000
"""The characters of a foreign text that are shown, and that are read, so that no key is cut before it is hidden."""

_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that each type of error stands for, where it comes inside of a 200."""

_VARYING: Final = re.compile(r"[\w-]*\d[\w-]*|\"[^\"]*\"|'[^']*'|`[^`]*`")
"""What differs between two refusals for the same reason: numbers, ids, what is quoted of the request."""

ALIKE: Final = 20
UNLIKE: Final = 100
"""How many failures in a row make it doubtful that anything will ever be answered: alike, and whatever they say."""

REFUSALS: Final = frozenset({400, 413, 422})
"""The statuses by which a server refuses a request for what it holds: it would refuse the same request again."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a server says in place of an answer.

    Attributes:
        status: of HTTP; of an error inside of a 200, the one that its type stands for.
        kind: the type of the error; empty where the server tells none.
        text: its words.
        code: its `details.error_code`.
        inside: whether it came inside of a 200.
    """

    status: int
    kind: str = ""
    text: str = ""
    code: str | None = None
    inside: bool = False


def said_inside(body: Mapping[str, JSON]) -> Said:
    """The error that a 200 holds, in the API's envelope or in a gateway's."""
    error = body.get("error")
    if not isinstance(error, dict):
        return Said(500, text=str(error or body)[:_MOST_READ], inside=True)
    kind, code = error.get("type"), str(error.get("code") or "")
    told = int(code) if re.fullmatch("[45][0-9][0-9]", code) else 500
    details = error.get("details")
    status = _STATUS.get(kind, told) if isinstance(kind, str) else told
    return Said(
        status,
        kind if isinstance(kind, str) else "",
        str(error.get("message") or error)[:_MOST_READ],
        details.get("error_code") if isinstance(details, dict) else None,
        inside=True,
    )


class ServerError(Exception):
    """A 200 that holds an error."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.text)
        self.said = said


class NotAMessage(Exception):  # noqa: N818 - named as what came
    """A 200 that is no answer of a Messages API, of a kind of content; `str` says how it begins."""

    def __init__(self, kind: str, begin: str) -> None:
        super().__init__(f"{kind}, and it begins with {begin!r}" if begin else f"{kind}, and it is empty")
        self.kind = kind


class InvalidOutput(Exception):  # noqa: N818 - what instructor's re-ask quotes to the model
    """An answer that the author's schema does not accept, or a check of the author's.

    Attributes:
        errors: what is wrong, each with its path.
        by_check: whether a check of the author failed, and not the schema.
    """

    def __init__(self, errors: tuple[str, ...], *, by_check: bool = False) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
        self.by_check = by_check


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, for the sentence of an error: the model, the address, the key and its variable, and other secrets."""

    model: str
    base_url: str
    key_name: str
    key: str
    secrets: tuple[str, ...] = ()

    def clean(self, text: str) -> str:
        """A foreign text, safe to show: without the key, and not too long."""
        text = redact(text, self.key, *self.secrets)
        return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."

    def is_told(self, response: JSON) -> bool:
        """Whether an answer repeats the key, or what is secret besides."""
        hidden = [repr(secret)[1:-1] for secret in (self.key, *self.secrets) if is_secret(secret)]
        shown = repr(response) if hidden else ""
        return any(secret in shown for secret in hidden)

    def scrubbed(self, value: JSON) -> JSON:
        """An answer, or a part of it, without them."""
        if isinstance(value, str):
            for secret in filter(is_secret, (self.key, *self.secrets)):
                value = value.replace(secret, "[secret]")
            return value
        if isinstance(value, list):
            return [self.scrubbed(item) for item in value]
        if isinstance(value, dict):
            return {self.scrubbed(key): self.scrubbed(item) for key, item in value.items()}
        return value


def is_spend_limit(said: Said) -> bool:
    """Whether a server says that the account's own limit of spending is reached."""
    return said.code == SPEND_LIMIT or "usage limits" in said.text


def mapped(error: Exception, sender: Sender) -> YamlgenError:  # noqa: PLR0911 - a table by kind
    """The error of ours for anything that a request may raise."""
    if isinstance(error, YamlgenError):
        return error
    if (scarcity := scarcity_of(error)) is not None:
        return scarcity
    if isinstance(error, anthropic.APIStatusError):
        said = Said(error.status_code, str(error.type or ""), _words(error), error.error_code)
        return _of_status(said, sender)
    if isinstance(error, ServerError):
        return _of_status(error.said, sender)
    if isinstance(error, NotAMessage):
        return not_a_message(sender.clean(str(error)), sender)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError):
        why, hint = failure_of(error)
        return RowError(f"the connection failed: {why}", code=Code.TRANSPORT, hint=hint)
    if isinstance(error, anthropic.APIResponseValidationError):
        return not_a_message(sender.clean(error.message), sender)
    if isinstance(error, UnicodeEncodeError):
        message = "the prompt holds half of a surrogate pair, which no request can carry"
        return RowError(message, code=Code.BAD_REQUEST, hint="mend the text in the input")
    return RowError(f"{type(error).__name__}: {sender.clean(str(error))}", code=Code.INTERNAL)


def not_a_message(what: str, sender: Sender) -> RowError:
    """The error for a 200 that is no answer of the Messages API."""
    hint = f"is {sender.base_url} the address of a Messages API?"
    return RowError(f"the answer is not a message: {what}", code=Code.NOT_A_MESSAGE, hint=hint)


def _of_status(told: Said, sender: Sender) -> YamlgenError:  # noqa: PLR0911 - a table by status
    status, said = told.status, sender.clean(told.text)
    how = told.kind if told.inside and told.kind else str(status)
    if is_spend_limit(told):
        return RunStopped(f"the account's spending limit is reached: {said}", code=Code.SPEND_LIMIT)
    match status:
        case 401:
            hint = "check the key, and whether it belongs to this address"
            return RunStopped(f"the API rejected the key in {sender.key_name}", code=Code.KEY_REJECTED, hint=hint)
        case 402:
            return RunStopped(f"the API asks for payment: {said}", code=Code.PAYMENT, hint="see the account's billing")
        case 403:
            message = f"the key in {sender.key_name} may not do this: {said}"
            return RunStopped(message, code=Code.FORBIDDEN_MODEL, hint=f"may it use `{sender.model}`?")
        case 404 if told.kind == "not_found_error":
            message = f"the API knows no model `{sender.model}`"
            return RunStopped(message, code=Code.UNKNOWN_MODEL, hint="check the `id`; models retire")
        case 404:
            message = f"there is no Messages API at {sender.base_url}"
            return RunStopped(message, code=Code.UNREACHABLE, hint="check `runtime.base_url`: it ends before `/v1`")
        case _ if 300 <= status < 400:  # noqa: PLR2004 - the redirects
            message = f"{sender.base_url} redirects elsewhere, and a key does not follow"
            return RunStopped(message, code=Code.UNREACHABLE, hint="set `runtime.base_url` to the final address")
        case _ if status in (200, 408, 409, 429) or status >= 500:  # noqa: PLR2004 - 200: of a stream that the SDK read
            return RowError(f"the API answered {how} to the end: {said}", code=Code.TRANSPORT)
        case _:
            error = RowError(f"the API refused the request ({how}): {said}", code=Code.BAD_REQUEST)
            error.status = status
            return error


def _words(error: anthropic.APIStatusError) -> str:
    body: Any = error.body
    if isinstance(error.api_message, str) and error.api_message:  # the SDK hands on whatever stands there
        return error.api_message
    return str(body)[:_MOST_READ] if body else error.message


@dataclass
class Streak:
    """Counts the failures in a row of one setup (an address, a model, its settings) that nobody has seen answered.

    Attributes:
        doubt: shared with the engine, which decides whether the run goes on.
    """

    doubt: Doubt = field(default_factory=Doubt)
    _last: str = ""
    _alike: int = 0
    _all: int = 0

    def answered(self) -> None:
        """A request came through: from now on a failure is about what was asked."""
        self.doubt.cleared = True

    def failed(self, error: RowError) -> None:
        """Mark the failure of a row where it tells that the others may fail too."""
        tells = error.status if error.code is Code.BAD_REQUEST else error.code in (Code.TRANSPORT, Code.NOT_A_MESSAGE)
        if self.doubt.cleared or not tells:
            return
        told = _VARYING.sub("#", error.message) if error.code is Code.BAD_REQUEST else str(error.code)
        self._alike = self._alike + 1 if told == self._last else 1
        self._last = told
        self._all += 1
        patience = self.doubt.patience
        self.doubt.raised |= self._alike >= ALIKE * patience or self._all >= UNLIKE * patience
        if self.doubt.raised:
            error.doubt = self.doubt
