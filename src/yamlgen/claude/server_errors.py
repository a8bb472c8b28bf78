"""The errors that a server returns, and their scope.

Owns the reading of an error in any form (the API's envelope, a gateway's, an HTML page), and the table of the API's
error codes: which end the run, fail their row, or are retried. A code that is not in the table has the scope of its
status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from html import unescape
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from yamlgen.errors import Code
from yamlgen.value_objects import JSON

MOST_READ: Final = 4000
"""The characters read of a third-party text: more than are shown, so that no key is cut before it is hidden."""

_LONGEST_TITLE: Final = 200


class ErrorScope(Enum):
    """The scope of an error."""

    RUN = "no request will succeed"
    ROW = "this request will not"
    AGAIN = "this request may, the next time"
    LIMITED = "it came too soon"


_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status for each type of error in a 200."""

_CODES: Final[Mapping[str, ErrorScope | Code]] = {
    "contract_spend_limit_reached": Code.SPEND_LIMIT,
    "enforced_spend_limit_reached": Code.SPEND_LIMIT,
    "linked_organization_spend_limit_reached": Code.SPEND_LIMIT,
    "linked_organization_billing_unavailable": Code.PAYMENT,
    "user_profile_billing_not_authorized": Code.PAYMENT,
    "user_profile_not_billable": Code.PAYMENT,
    "claude_code_key_creator_not_member": Code.FORBIDDEN_MODEL,
    "claude_code_version_too_old": Code.FORBIDDEN_MODEL,
    "cmek_feature_unsupported": Code.FORBIDDEN_MODEL,
    "cmek_key_disabled": Code.FORBIDDEN_MODEL,
    "cmek_key_network_blocked": Code.FORBIDDEN_MODEL,
    "cmek_not_approved": Code.FORBIDDEN_MODEL,
    "organization_not_eligible": Code.FORBIDDEN_MODEL,
    "organization_not_enrolled_in_beta": Code.FORBIDDEN_MODEL,
    "organization_on_hold": Code.FORBIDDEN_MODEL,
    "organization_type_not_supported": Code.FORBIDDEN_MODEL,
    "parent_organization_required": Code.FORBIDDEN_MODEL,
    "storage_not_approved": Code.FORBIDDEN_MODEL,
    "user_profile_not_found": Code.FORBIDDEN_MODEL,
    "user_profile_required": Code.FORBIDDEN_MODEL,
    "workspace_human_review_disabled": Code.FORBIDDEN_MODEL,
    "workspace_policy_violation": Code.FORBIDDEN_MODEL,
    "file_expired": ErrorScope.ROW,
    "skill_read_blocked_undecryptable": ErrorScope.ROW,
    "thread_not_found": ErrorScope.ROW,
    "ramp_limit_exceeded": ErrorScope.LIMITED,
    "request_body_timeout": ErrorScope.AGAIN,
    "thread_continue_in_flight": ErrorScope.AGAIN,
    "compaction_unavailable": ErrorScope.AGAIN,
}
"""The scope of error codes whose status does not determine it. A code that ends the run has our code instead.

They are strings, because the oldest supported SDK does not know all of them.
"""

_OLD: Final = (
    (re.compile("usage limits", re.IGNORECASE), Code.SPEND_LIMIT),
    (re.compile("credit balance is too low to access", re.IGNORECASE), Code.PAYMENT),
    (re.compile("organization has been disabled", re.IGNORECASE), Code.FORBIDDEN_MODEL),
)
"""The words of permanent refusals that the API sends, or has sent, as a 400 without a code."""

_OF_RUN: Final = frozenset({401, 402, 403, 404, 407})
"""The statuses below 500 that concern the key, account, model or address, and thus all requests."""

_AGAIN: Final = frozenset({200, 408, 409, 425, 499})
"""The statuses below 500 after which a retry may succeed; 200 is for an error in a stream."""

_BEGIN: Final = re.compile(r"\s*<[!?A-Za-z]")
_PAGE: Final = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error that a server returned.

    Attributes:
        status: the HTTP status; for an error in a 200, the status of its type.
        kind: the type of the error, if it is one of the API's; else empty.
        text: its message; for an HTML page only its title.
        code: its `details.error_code`.
        inside: whether it was in a 200.
        request_id: the API's id of the request.
        target: the target of a redirect, without parts that may be secret.
        sent: the bytes of the request's body; 0 if unknown.
    """

    status: int
    kind: str = ""
    text: str = ""
    code: str | None = None
    inside: bool = False
    request_id: str | None = None
    target: str | None = None
    sent: int = 0

    @property
    def stop(self) -> Code | None:
        """The code with which it ends the run, if its code or message shows that it is permanent."""
        known = _CODES.get(self.code or "")
        if known is not None:
            return known if isinstance(known, Code) else None
        if self.kind == "billing_error":
            return Code.PAYMENT
        return next((code for words, code in _OLD if words.search(self.text)), None)

    @property
    def scope(self) -> ErrorScope:
        """Its scope."""
        known = _CODES.get(self.code or "")
        if isinstance(known, ErrorScope):
            return known
        if self.stop is not None or self.status in _OF_RUN or 300 <= self.status < 400:  # noqa: PLR2004 - redirects
            return ErrorScope.RUN
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return ErrorScope.LIMITED
        is_servers = self.status in _AGAIN or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return ErrorScope.AGAIN if is_servers else ErrorScope.ROW


def error_in_body(body: Mapping[str, JSON]) -> ErrorResponse:
    """Return the error in a 200, in the API's envelope or a gateway's."""
    said = _read(HTTPStatus.INTERNAL_SERVER_ERROR, body)
    error = body.get("error")
    told = str(error.get("code") or "") if isinstance(error, dict) else ""
    status = int(told) if re.fullmatch("[45][0-9][0-9]", told) else said.status
    return replace(said, status=_STATUS.get(said.kind, status), inside=True)


def error_response_of(http: httpx2.Response) -> ErrorResponse:
    """Return the error in an error response."""
    try:
        content = http.content
    except RuntimeError:  # the body was not read
        content = b""
    try:
        body: JSON = json.loads(content)
    except (ValueError, RecursionError):
        body = content.decode(errors="replace")
    kind = http.headers.get("content-type", "") if isinstance(body, str) else ""
    said = _read(http.status_code, body, kind)
    name = request_id_of(http) or said.request_id
    return replace(said, request_id=name, target=_target(http), sent=size_of(http))


def request_id_of(http: httpx2.Response) -> str | None:
    """Return the API's id of the request of a response."""
    name: str | None = http.headers.get("request-id")
    return name


def size_of(http: httpx2.Response) -> int:
    """Return the bytes of the request's body; 0 if unknown."""
    try:
        return len(http.request.content)
    except RuntimeError:  # a stream, or a response without a request
        return 0


def _read(status: int, body: JSON, kind: str = "") -> ErrorResponse:
    """Return an error from its status and body, whose fields may have any type."""
    error = body.get("error") if isinstance(body, dict) else None
    fields = error if isinstance(error, dict) else {}
    details = fields.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    name = body.get("request_id") if isinstance(body, dict) else None
    is_known = isinstance(fields.get("type"), str) and fields["type"] in _STATUS
    return ErrorResponse(
        status,
        fields["type"] if is_known else "",
        quotable(_words(body, error, fields), kind) or _phrase(status),
        code if isinstance(code, str) else None,
        request_id=name if isinstance(name, str) else None,
    )


def _words(body: JSON, error: JSON, fields: Mapping[str, JSON]) -> str:
    gateway = (body.get("message"), body.get("detail")) if isinstance(body, dict) else ()
    for words in (fields.get("message"), error, *gateway, body):
        if isinstance(words, str) and words.strip():
            return words
    return json.dumps(error or body, ensure_ascii=False) if error or body else ""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no message"


def quotable(text: str, kind: str = "") -> str:
    """Return a third-party text as it may be quoted: for an HTML page only its title.

    Args:
        text: the text.
        kind: its content type.
    """
    is_page = "html" in kind.lower() or _BEGIN.match(text)
    page = _PAGE.search(text)
    if not is_page and page is None:
        return text[:MOST_READ]
    before = "" if is_page or page is None else text[: page.start()].strip(" \t\r\n'\"`:")
    found = _TITLE.search(text)
    title = " ".join(unescape(found[1]).split()) if found else ""
    named = f'titled "{title}"' if 0 < len(title) <= _LONGEST_TITLE else "without a title"
    return f"{before[:MOST_READ]}{': ' if before else ''}an HTML page {named}"


def _target(http: httpx2.Response) -> str | None:
    """Return the target of a redirect, without user, password and query."""
    location = http.headers.get("location")
    if not location or not 300 <= http.status_code < 400:  # noqa: PLR2004 - the redirects
        return None
    try:
        parts = urlsplit(urljoin(str(http.request.url), location))
        port = f":{parts.port}" if parts.port else ""
    except (ValueError, RuntimeError):
        return None
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
