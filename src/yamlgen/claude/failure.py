"""Foreign errors, mapped once: what the SDK, instructor or the network raise becomes one of ours.

Owns the decision of how far an error reaches: a 400 sets its row aside, a rejected key ends the run. No exception
of anthropic, instructor or httpx2 leaves this room, and no message carries a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import anthropic
import httpx2

from yamlgen.errors import Code, RowError, RunStopped, YamlgenError, is_secret, redact
from yamlgen.ports import JSON

SPEND_LIMIT: Final = "enforced_spend_limit_reached"
_MOST_SHOWN: Final = 500


class InvalidOutput(Exception):  # noqa: N818 - what instructor's re-ask quotes to the model
    """An answer that the author's schema does not accept; `errors` says what is wrong, each with its path."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


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


def is_spend_limit(error_code: str | None, message: str | None) -> bool:
    """Whether an answer says that the account's own limit of spending is reached."""
    return error_code == SPEND_LIMIT or "usage limits" in (message or "")


def mapped(error: Exception, sender: Sender) -> YamlgenError:
    """The error of ours for anything that a request may raise."""
    if isinstance(error, YamlgenError):
        return error
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(error, sender)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError):
        cause = error.__cause__ or error
        return RowError(
            f"the connection failed: {sender.clean(str(cause) or type(cause).__name__)}", code=Code.TRANSPORT
        )
    if isinstance(error, anthropic.APIResponseValidationError):
        return not_a_message(sender.clean(error.message), sender)
    if isinstance(error, UnicodeEncodeError):
        message = "the prompt holds half of a surrogate pair, which no request can carry"
        return RowError(message, code=Code.BAD_REQUEST, hint="mend the text in the input")
    if isinstance(error, ValueError | RecursionError):  # broken JSON, no UTF-8, integers of thousands of digits
        return not_a_message(f"it is not JSON: {sender.clean(str(error))}", sender)
    return RowError(f"{type(error).__name__}: {sender.clean(str(error))}", code=Code.INTERNAL)


def not_a_message(what: str, sender: Sender) -> RowError:
    """The error for a 200 that is no answer of the Messages API."""
    hint = f"is {sender.base_url} the address of a Messages API?"
    return RowError(f"the answer is not a message: {what}", code=Code.NOT_A_MESSAGE, hint=hint)


def _of_status(error: anthropic.APIStatusError, sender: Sender) -> YamlgenError:  # noqa: PLR0911 - a table by status
    status, said = error.status_code, sender.clean(_said(error))
    if is_spend_limit(error.error_code, error.api_message):
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
        case 404 if error.type == "not_found_error":
            message = f"the API knows no model `{sender.model}`"
            return RunStopped(message, code=Code.UNKNOWN_MODEL, hint="check the `id`; models retire")
        case 404:
            message = f"there is no Messages API at {sender.base_url}"
            return RunStopped(message, code=Code.UNREACHABLE, hint="check `runtime.base_url`: it ends before `/v1`")
        case _ if 300 <= status < 400:  # noqa: PLR2004 - the redirects
            message = f"{sender.base_url} redirects elsewhere, and a key does not follow"
            return RunStopped(message, code=Code.UNREACHABLE, hint="set `runtime.base_url` to the final address")
        case 408 | 409 | 429:
            return RowError(f"the API answered {status} to the end: {said}", code=Code.TRANSPORT)
        case _ if status >= 500 or status == 200:  # noqa: PLR2004 - 200: an error inside a stream
            return RowError(f"the API answered {status} to the end: {said}", code=Code.TRANSPORT)
        case _:
            return RowError(f"the API refused the request ({status}): {said}", code=Code.BAD_REQUEST)


def _said(error: anthropic.APIStatusError) -> str:
    body: Any = error.body
    if error.api_message:
        return error.api_message
    return str(body)[:_MOST_SHOWN] if body else error.message


@dataclass
class Streak:
    """Counts failures of the same kind in a row, over all rows: the twentieth says that the rest will fail too."""

    most: int = 20
    last: str = ""
    count: int = 0

    def broken(self) -> None:
        """A request came through."""
        self.last, self.count = "", 0

    def failed(self, error: RowError) -> None:
        """A row failed.

        Raises:
            RunStopped: as the last twenty did, in the same way.
        """
        if error.code not in (Code.BAD_REQUEST, Code.TRANSPORT):
            return
        said = error.message if error.code is Code.BAD_REQUEST else str(error.code)
        self.count = self.count + 1 if said == self.last else 1
        self.last = said
        if self.count >= self.most:
            code = Code.SAME_ERROR if error.code is Code.BAD_REQUEST else Code.UNREACHABLE
            raise RunStopped(
                f"{self.count} requests in a row failed alike: {error.message}", code=code, hint=error.hint
            )
