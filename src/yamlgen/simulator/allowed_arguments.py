"""The arguments that a request may have, and the betas that some of them require.

Without the name of its beta in `anthropic-beta`, the API treats a beta field as an unknown one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_integer, check_object, check_one_of, check_tag, present

Betas = frozenset[str]
"""The names in a request's `anthropic-beta` header."""

COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
)
"""The arguments that `POST /v1/messages/count_tokens` accepts without a beta."""

MESSAGE: Final = (
    COUNTED
    | {*model_capabilities.SAMPLING, "max_tokens", "metadata", "service_tier", "stop_sequences", "stream", "container"}
    | {"diagnostics", "inference_geo", "user_profile_id", "workspace_id"}
)
"""The arguments that `POST /v1/messages` accepts without a beta; the last two are headers, except on some platforms."""

BETA: Final[Mapping[str, tuple[str, ...]]] = {
    "billing_policy": ("user-profiles-billing-",),
    "compaction": ("compact-2026-09-04",),
    "context_management": ("context-management-", "compact-2026-01-12"),
    "mcp_servers": ("mcp-client-",),
    "output_format": ("structured-outputs-",),
    "fallbacks": ("server-side-fallback-",),
    "fallback_credit_token": ("fallback-credit-",),
    "thread": ("message-threads-",),
}
"""The arguments that require a beta, with the prefixes of the names of those betas."""

_NOT_COUNTED: Final = frozenset({"fallbacks", "fallback_credit_token", "thread"})
_NAME: Final = re.compile(r"[a-z0-9-]+-(20\d\d-\d\d-\d\d|20\d{6})")
_MOST_FALLBACKS: Final = 3
_MOST_USER_ID: Final = 256


def betas_of(header: str | None) -> Betas:
    """Return the betas in a request's `anthropic-beta` header.

    Raises:
        SimulatedAPIError: 400, if a name does not have the form of a beta's name.
    """
    names = [name.strip() for name in (header or "").split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise SimulatedAPIError(
                f"Unexpected value(s) `{name}` for the `anthropic-beta` header. Please consult our documentation at "
                "platform.claude.com/docs or try again without the header."
            )
    return frozenset(names)


def has_beta(betas: Betas, *prefixes: str) -> bool:
    """Check whether the name of a beta starts with one of the prefixes."""
    return any(name.startswith(prefixes) for name in betas)


def check_names(body: dict[str, Any], betas: Betas, *, counting: bool) -> None:
    """Refuse unknown arguments, and arguments without their beta."""
    allowed = COUNTED if counting else MESSAGE
    for name in body:
        if name in allowed:
            continue
        if name not in BETA or (counting and name in _NOT_COUNTED) or not has_beta(betas, *BETA[name]):
            raise SimulatedAPIError(f"{name}: Extra inputs are not permitted")


def check_speed(body: dict[str, Any], betas: Betas) -> None:
    """Refuse a `speed` without the beta that some models require for it."""
    known, beta = model_capabilities.of(body["model"]), model_capabilities.FAST_BETA
    if present(body, "speed") and known.fast_beta and beta not in betas:
        raise SimulatedAPIError("speed: Extra inputs are not permitted")


def check_arguments(body: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Refuse invalid values of the arguments that change how a request is served, but not its answer."""
    known = model_capabilities.of(body["model"])
    if "metadata" in body:
        check_object(body["metadata"], "metadata", "user_id?")
        if len(body["metadata"].get("user_id") or "") > _MOST_USER_ID:
            raise SimulatedAPIError(f"metadata.user_id: String should have at most {_MOST_USER_ID} characters")
    if "service_tier" in body:
        check_one_of(body["service_tier"], "service_tier", ("auto", "standard_only"))
    if present(body, "speed"):
        check_one_of(body["speed"], "speed", ("standard", "fast"))
        if body["speed"] == "fast" and known.fast is False:
            raise SimulatedAPIError('"speed" value "fast" is not supported for this model')
    if present(body, "inference_geo"):
        check_one_of(body["inference_geo"], "inference_geo", model_capabilities.REGIONS)
        if known.regions is False:
            raise SimulatedAPIError("inference_geo is not supported for this model")
    for name, check in _CHECKS.items():
        if present(body, name):
            check(body[name], name)
    for edit in (body.get("context_management") or {}).get("edits", ()):
        if known.context_edits is not None and edit["type"] not in known.context_edits:
            raise SimulatedAPIError(f"context_management: '{edit['type']}' is not supported for this model")
    _check_together(body, headers)


def _check_together(body: dict[str, Any], headers: Mapping[str, str]) -> None:
    if present(body, "compaction") and present(body, "context_management"):
        raise SimulatedAPIError("compaction: cannot be combined with `context_management`")
    if present(body, "fallback_credit_token") and present(body, "fallbacks"):
        raise SimulatedAPIError("fallback_credit_token: cannot be combined with `fallbacks`")
    payer = (body.get("billing_policy") or {}).get("bill_to")
    if payer == "user_profile" and not (headers.get("anthropic-user-profile-id") or body.get("user_profile_id")):
        raise SimulatedAPIError("billing_policy: `bill_to: user_profile` needs the header anthropic-user-profile-id")


def _check_text_or_object(value: Any, where: str, fields: str) -> None:
    if not isinstance(value, str):
        check_object(value, where, fields)


def _check_context(management: Any, where: str) -> None:
    check_object(management, where, "edits")
    edits = management.get("edits", [])
    if not isinstance(edits, list):
        raise SimulatedAPIError(f"{where}.edits: Input should be a valid array")
    for index, edit in enumerate(edits):
        check_tag(edit, f"{where}.edits.{index}", model_capabilities.CONTEXT_EDITS)


def _check_servers(servers: Any, where: str) -> None:
    if not isinstance(servers, list):
        raise SimulatedAPIError(f"{where}: Input should be a valid array")
    for index, server in enumerate(servers):
        check_object(server, f"{where}.{index}", "type=url name! url! authorization_token tool_configuration")
        if not server["url"].startswith("https://"):
            raise SimulatedAPIError(f"{where}.{index}.url: URL scheme should be 'https'")


def _check_fallbacks(fallbacks: Any, where: str) -> None:
    if fallbacks == "default":
        return
    if not isinstance(fallbacks, list):
        raise SimulatedAPIError(f"{where}: Input should be a valid array or 'default'")
    if not 1 <= len(fallbacks) <= _MOST_FALLBACKS:
        raise SimulatedAPIError(f"{where}: List should have 1 to {_MOST_FALLBACKS} items, not {len(fallbacks)}")
    for index, fallback in enumerate(fallbacks):
        check_object(fallback, f"{where}.{index}", "model! max_tokens thinking output_config speed")
        if present(fallback, "output_config"):
            check_object(fallback["output_config"], f"{where}.{index}.output_config", "effort format task_budget")


def _check_thread(thread: Any, where: str) -> None:
    kind = check_tag(thread, where, ("create", "continue"))
    check_object(thread, where, "type" if kind == "create" else "type previous_message_id!")


def check_budget(budget: Any) -> None:
    """Refuse an invalid task budget."""
    where = "output_config.task_budget"
    check_object(budget, where, "type=tokens total remaining")
    check_integer(budget.get("total"), f"{where}.total", least=1)
    if present(budget, "remaining"):
        check_integer(budget["remaining"], f"{where}.remaining", least=0)


_CHECKS: Final[Mapping[str, Callable[[Any, str], None]]] = {
    "container": partial(_check_text_or_object, fields="id skills"),
    "diagnostics": partial(check_object, fields="previous_message_id"),
    "billing_policy": partial(check_object, fields="type=billing_policy bill_to=self|user_profile"),
    "compaction": partial(check_object, fields="type=summarize instructions?"),
    "context_management": _check_context,
    "mcp_servers": _check_servers,
    "fallbacks": _check_fallbacks,
    "fallback_credit_token": partial(_check_text_or_object, fields="token! mode=strict|best_effort"),
    "thread": _check_thread,
}
"""The checks of arguments that may be null, in the order in which the API checks them."""
