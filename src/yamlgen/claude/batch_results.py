"""The results of a batch: what a line says, the answer or the failure in it, and the error of a failure.

A result becomes what the response to a single request would have become: the same answer is stored, and the same error
is raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from yamlgen.batches.batch_api import BatchCallFailed
from yamlgen.batches.batch_store import BatchFailure, BatchOutcome
from yamlgen.claude.answer_recording import Accounting
from yamlgen.claude.error_mapping import ErrorContext, ServerError, mapped
from yamlgen.claude.prices import price_function_of
from yamlgen.claude.response_checks import body_in
from yamlgen.claude.server_errors import ErrorResponse, ErrorScope, error_in_body
from yamlgen.claude.usage import usage_of
from yamlgen.errors import Code, RowError, RunStopped, YamlgenError
from yamlgen.value_objects import JSON, Attempt

_KEY: Final = re.compile("[0-9a-f]{64}")
_ID: Final = re.compile(rb'(?<!\\)"custom_id"\s*:\s*"([^"\\]*)"')
_MESSAGE: Final = re.compile(rb'(?<!\\)"message"\s*:\s*(\{.*\})\s*\}\s*\}\s*', re.DOTALL)
"""The message in a line that is not JSON: a model's answer in it cannot be decoded."""

_SHOWN: Final = 100
_UNANSWERED: Final = {
    "expired": "the request expired with its batch: the API did not process it within 24 hours",
    "canceled": "the request was canceled with its batch before the model answered it",
    "missing": "the request has no result in its batch",
}
_AGAIN: Final = "run again: the request is sent again"


@dataclass(frozen=True, slots=True)
class PricedResults:
    """Reads results, with their cost by the prices of a plan's models.

    Args:
        error_context: the secrets, which no outcome contains.
        accountings: the prices, by the names of the plan's variants.
    """

    error_context: ErrorContext
    accountings: Mapping[str, Accounting]

    def parse(self, line: bytes) -> tuple[bytes, Mapping[str, JSON]] | None:
        """Return the key and the result of a line, as `read_result`."""
        return read_result(line)

    def outcome(self, variant: str, key: bytes, result: Mapping[str, JSON], seconds: float) -> BatchOutcome:
        """Return the outcome of a request. If the plan no longer has its variant, the list price applies."""
        accounting = self.accountings.get(variant)
        if accounting is None:
            message = result.get("message")
            model = str(message.get("model")) if isinstance(message, dict) else ""
            accounting = Accounting(model, price_function_of(model, None))
        return outcome_of(key, result, self.error_context, accounting, seconds)


def read_result(line: bytes) -> tuple[bytes, dict[str, JSON]] | None:
    """Return the key of a request and its result; `None` for a request that is not one of yamlgen's.

    Raises:
        BatchCallFailed: the line is not a result.
    """
    try:
        entry = json.loads(line)
        if line.count(b"[") + line.count(b"{") > _SHOWN:
            json.dumps(entry)  # which supports less depth than reading
    except (ValueError, RecursionError):
        return _salvaged(line)
    name = entry.get("custom_id") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise _not_a_result(line)
    result = entry.get("result")
    return (bytes.fromhex(name), result if isinstance(result, dict) else {}) if _KEY.fullmatch(name) else None


def _salvaged(line: bytes) -> tuple[bytes, dict[str, JSON]] | None:
    """Return the result in a line that cannot be decoded: the readable parts of a billed answer."""
    names, found = set(_ID.findall(line)), _MESSAGE.search(line)
    if len(names) != 1 or found is None:
        raise _not_a_result(line)
    name = names.pop().decode(errors="replace")
    if not _KEY.fullmatch(name):
        return None
    try:
        message = body_in(found[1], "")
    except Exception:  # noqa: BLE001 - it is an error, or no message
        raise _not_a_result(line) from None
    return bytes.fromhex(name), {"type": "succeeded", "message": message}


def _not_a_result(line: bytes) -> BatchCallFailed:
    # The line itself is not shown: it may be an answer, or contain a key.
    what = f"a line of {len(line):,} bytes is not a result"
    hint = "run again to read them again; if that fails too, check the proxy or gateway"
    error = RunStopped(f"the results of a batch cannot be read: {what}", code=Code.TRANSPORT, hint=hint)
    return BatchCallFailed(error, status=200, transient=True)


def outcome_of(
    key: bytes, result: Mapping[str, JSON], error_context: ErrorContext, accounting: Accounting, seconds: float
) -> BatchOutcome:
    """Return the outcome of a request: an answer at the price of a batch, or a failure. Neither contains a secret.

    Args:
        key: the key of the request.
        result: its result, as the API describes it.
        error_context: the secrets.
        accounting: the price of the model.
        seconds: how long the batch took.
    """
    kind, message = result.get("type"), result.get("message")
    if kind == "succeeded" and isinstance(message, dict) and message.get("type") == "message":
        usage, cost = usage_of(message), accounting.cost_of(message, batch=True)
        request_id = result.get("request_id")
        name = error_context.named(request_id if isinstance(request_id, str) else None)
        body = error_context.scrubbed(message)
        return BatchOutcome(key, Attempt(body, usage, (), name, seconds, cost, batched=True))
    if kind in ("expired", "canceled"):
        return BatchOutcome(key, BatchFailure(str(kind)))
    if kind == "errored":
        error = _envelope(result.get("error"))
    else:
        what = "has no message" if kind == "succeeded" else "is of an unknown type"
        error = _envelope({"type": "api_error", "message": f"the result {what}"})
    return BatchOutcome(key, BatchFailure("errored", error_context.scrubbed(error)))


def _envelope(error: JSON) -> dict[str, JSON]:
    """Return the body of an error response: gateways may send only the error in it, or its message."""
    if isinstance(error, dict) and "error" in error:
        return error
    if not isinstance(error, dict):
        text = error if isinstance(error, str) else "the result has no error"
        error = {"type": "api_error", "message": text}
    return {"type": "error", "error": error}


def error_of(failure: BatchFailure, error_context: ErrorContext, sent: int = 0) -> YamlgenError:
    """Return the error of a request without an answer: that of the response to a single request.

    Args:
        failure: why it has no answer.
        error_context: the sender.
        sent: the bytes of the body of the request; 0 if unknown.
    """
    if failure.kind == "errored":
        return mapped(ServerError(replace(_said(failure), sent=sent)), error_context)
    times = f" ({failure.times} times)" if failure.times > 1 else ""
    words = _UNANSWERED.get(failure.kind, _UNANSWERED["missing"])
    return RowError(f"{words}{times}", code=Code.TRANSPORT, hint=_AGAIN)


def is_transient(failure: BatchFailure) -> bool:
    """Return whether the request of a failure may succeed when it is sent again."""
    return failure.kind != "errored" or _said(failure).scope in (ErrorScope.AGAIN, ErrorScope.LIMITED)


def _said(failure: BatchFailure) -> ErrorResponse:
    return replace(error_in_body(failure.error or {}), inside=False)
