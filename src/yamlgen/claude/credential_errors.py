"""What goes wrong with profiles and access tokens, in our words.

Owns which parts of the SDK's messages are shown: the names of files and keys, never a value from a file, and of a token
server's answer only its status and its error code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import anthropic
import httpx2
from anthropic.lib.credentials import WorkloadIdentityError

from yamlgen.errors import Code, MissingKey, RunStopped, YamlgenError
from yamlgen.redaction import redact

_VALUE: Final = re.compile(r" has invalid 'expires_at' .*", re.DOTALL)
_CODE: Final = re.compile(r"[a-z_]{3,40}")
_TRANSIENT: Final = frozenset({408, 425, 429})
_SERVER: Final = 500


class RenewalFailed(WorkloadIdentityError):  # noqa: N818 - the SDK's own name for it says less
    """There is no access token.

    Args:
        error: our error.
        status: the status of the token server; `None` if it has not answered.
        transient: whether a later attempt may succeed.
    """

    def __init__(self, error: YamlgenError, status: int | None = None, *, transient: bool = False) -> None:
        super().__init__(error.message, status_code=status)
        self.error = error
        self.transient = transient


def failed_renewal(error: Exception, what: str) -> RenewalFailed:
    """Return the failure of an exchange that raised an error.

    Args:
        error: the error of the SDK, of HTTP or of a file.
        what: the credentials, such as "profile `work`".
    """
    if not isinstance(error, WorkloadIdentityError | httpx2.HTTPError):
        return RenewalFailed(unusable(error, what))
    status = error.status_code if isinstance(error, WorkloadIdentityError) else None
    if isinstance(error, httpx2.HTTPError) or isinstance(error.__cause__, httpx2.HTTPError):
        message = f"the access token of {what} could not be renewed: its token server cannot be reached"
        hint = "check the network, the proxy and the address of the profile"
        return RenewalFailed(RunStopped(message, code=Code.UNREACHABLE, hint=hint), transient=True)
    if status is None:  # the SDK's own checks of a configuration
        return RenewalFailed(unusable(error, what))
    code = (
        error.body.get("error") if isinstance(error, WorkloadIdentityError) and isinstance(error.body, dict) else None
    )
    said = f"{status} {code}" if isinstance(code, str) and _CODE.fullmatch(code) else str(status)
    if status >= _SERVER or status in _TRANSIENT:
        message = f"the access token of {what} could not be renewed: its token server returned {said}"
        return RenewalFailed(RunStopped(message, code=Code.TRANSPORT, hint="run again later"), status, transient=True)
    if status < 300:  # noqa: PLR2004 - a success
        message = f"the access token of {what} could not be renewed: its token server did not answer with a token"
        hint = "check that the address is that of a Messages API"
    else:
        message = f"the access token of {what} could not be renewed: its token server refused it ({said})"
        hint = "log in again, or check the federation rule and its identity token"
    return RenewalFailed(RunStopped(message, code=Code.KEY_REJECTED, hint=hint), status)


def unusable(error: Exception, what: str) -> MissingKey:
    """Return the error of credentials that cannot be read. The SDK's message names the file."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    if not isinstance(error, anthropic.AnthropicError | OSError):
        text = type(error).__name__
    fact, _, advice = _VALUE.sub(" has an `expires_at` that is not a number of seconds.", text).partition(". ")
    hint = advice.strip().removesuffix(".") or "correct the file, or choose other credentials with `runtime.auth`"
    return MissingKey(f"{what} cannot be used: {redact(fact.removesuffix('.'))}", code=Code.NO_KEY, hint=redact(hint))


def renewal_in(error: BaseException) -> RenewalFailed | None:
    """Return the failed renewal that an error of the SDK's client is caused by."""
    return next((each for each in _chain(error) if isinstance(each, RenewalFailed)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
