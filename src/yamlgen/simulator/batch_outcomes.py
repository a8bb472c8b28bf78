"""What becomes of each request of a batch: its line in the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen.simulator.allowed_arguments import Betas
from yamlgen.simulator.answers import answer, digest_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import present
from yamlgen.simulator.cache_usage import SimulatedCache
from yamlgen.simulator.faults import Faults
from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.request_checks import check_message
from yamlgen.simulator.responses import FAULT_ERRORS, unreadable
from yamlgen.simulator.row_headers import AGAIN_HEADER, ROW_HEADER

_UNPROCESSED: Final = {"batch_expired": "expired", "batch_canceled": "canceled"}
_PROCESSED: Final = (
    "batch_errored",
    "bad_request",
    "refusal",
    "truncate",
    "blank",
    "unreadable",
    "invalid_output",
)
"""The faults of a processed request. Those of a connection or of a rate limit do not occur in a batch."""

_REFUSED: Final = ("speed", "fallbacks", "thread")
"""The arguments that a message may have, and a request of a batch may not."""


@dataclass(frozen=True, slots=True)
class BatchConditions:
    """What applies to all requests of a batch.

    Attributes:
        version: the version of the API.
        betas: the betas of the creation.
        headers: the headers of the creation.
        cached: the parts that its requests write to the prompt cache, with their lifetimes. No other request of the
            batch reads them.
    """

    version: str
    betas: Betas
    headers: Mapping[str, str]
    cached: dict[bytes, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchModel:
    """The simulated model, as it answers the requests of batches.

    Attributes:
        faults: the faults and their rates.
        seed: selects the answers.
        values: the source of the answers' values.
        prompts: the prompt cache of batches.
    """

    faults: Faults
    seed: int
    values: PlausibleValues
    prompts: SimulatedCache = field(default_factory=SimulatedCache)

    def digest(self, request: Mapping[str, Any]) -> bytes:
        """Return what the answer depends on, which is the same as for a single message."""
        return digest_of(request["params"], self.seed, str(request.get(ROW_HEADER, "")))

    def result(self, request: Mapping[str, Any], conditions: BatchConditions, before: int) -> tuple[str, str, bool]:
        """Return the type of a request's result, its line, and whether the line comes twice.

        Args:
            request: the request: `custom_id` and `params`.
            conditions: what applies to its batch.
            before: how often a request with these params was sent before.
        """
        name = json.dumps(request["custom_id"])
        again = str(request.get(AGAIN_HEADER, "0"))
        before = max(before, int(again) if again.isdecimal() else 0)
        try:
            digest = self.digest(request)
            is_twice = self.faults.pick(digest, before, ("batch_twice",)) is not None
            fault = self.faults.pick(digest, before, _UNPROCESSED)
            if fault is not None:
                return _UNPROCESSED[fault], line_of(name, _UNPROCESSED[fault]), is_twice
            kind, more = self._processed(request["params"], conditions, digest, before)
        except RecursionError:
            kind, more = _errored(SimulatedAPIError("The request body is nested too deeply"), bytes(32))
            is_twice = False
        return kind, line_of(name, kind, more), is_twice

    def _processed(
        self, params: dict[str, Any], conditions: BatchConditions, digest: bytes, before: int
    ) -> tuple[str, str]:
        try:
            _check_batched(params, conditions.headers)
            check_message(params, conditions.version, conditions.betas, conditions.headers, batched=True)
            fault = self.faults.pick(digest, before, _PROCESSED)
            if fault in ("batch_errored", "bad_request"):
                raise FAULT_ERRORS["server_error" if fault == "batch_errored" else fault]
            cached = self.prompts.look(params)
            message = answer(params, digest, self.values, fault, cached)
            conditions.cached.update(cached.kept)
        except SimulatedAPIError as problem:
            return _errored(problem, digest)
        message["usage"]["service_tier"] = "batch"
        text = unreadable(message) if fault == "unreadable" else json.dumps(message)
        return "succeeded", f', "message": {text}'


def line_of(name: str, kind: str, more: str = "") -> str:
    """Return a line of the results.

    Args:
        name: the `custom_id`, as JSON.
        kind: the type of the result.
        more: the further members of the result, as JSON with a comma before it.
    """
    return f'{{"custom_id": {name}, "result": {{"type": "{kind}"{more}}}}}'


def _errored(problem: SimulatedAPIError, digest: bytes) -> tuple[str, str]:
    return "errored", f', "error": {json.dumps(problem.envelope(f"req_sim_{digest.hex()[:12]}"))}'


def _check_batched(params: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Refuse what a message may be and a request of a batch may not."""
    if params.get("stream"):
        raise SimulatedAPIError("stream: streaming is not supported in a batch")
    for name in _REFUSED:
        if present(params, name):
            raise SimulatedAPIError(f"{name}: not supported in a batch")
    if params.get("max_tokens") == 0 and not isinstance(params["max_tokens"], bool):
        raise SimulatedAPIError("max_tokens: 0 is not supported in a batch")
    profile = headers.get("anthropic-user-profile-id")
    if profile and present(params, "user_profile_id") and params["user_profile_id"] != profile:
        raise SimulatedAPIError("user_profile_id: differs from the header anthropic-user-profile-id of the batch")
