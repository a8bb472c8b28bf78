"""Which arguments a request may have, and which of them belong to a beta.

A field of a beta is unknown to the API, as a misspelt one is, until the beta's name stands in `anthropic-beta`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from yamlgen import capabilities
from yamlgen.simulator.body_fields import check_integer, check_object, check_one_of, check_tag, check_text, present
from yamlgen.simulator.problem import APIProblem

Betas = frozenset[str]
"""The names in a request's `anthropic-beta`."""

COUNTED: Final = frozenset(
    {
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "cache_control",
        "speed",
    }
)
"""What `POST /v1/messages/count_tokens` takes without a beta."""

MESSAGE: Final = COUNTED | {
    *capabilities.SAMPLING,
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "container",
    "diagnostics",
    "inference_geo",
    "user_profile_id",
    "workspace_id",
}
"""What `POST /v1/messages` takes without a beta; the last two come as headers, and in the body of some platforms."""

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
"""What either takes with a beta whose name begins so."""

_NOT_COUNTED: Final = frozenset({"fallbacks", "fallback_credit_token", "thread"})
_NAME: Final = re.compile(r"[a-z0-9-]+-(20\d\d-\d\d-\d\d|20\d{6})")
_MOST_FALLBACKS: Final = 3
_MOST_USER_ID: Final = 256
_FALLBACK: Final = ("model", "max_tokens", "thinking", "output_config", "speed")
_EDITS: Final = ("clear_tool_uses_20250919", "clear_thinking_20251015", "compact_20260112")


def betas_of(header: str | None) -> Betas:
    """The betas that a request's `anthropic-beta` names.

    Raises:
        Problem: 400, a name that no beta has.
    """
    names = [name.strip() for name in (header or "").split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise APIProblem(
                f"Unexpected value(s) `{name}` for the `anthropic-beta` header. Please consult our documentation at "
                "platform.claude.com/docs or try again without the header."
            )
    return frozenset(names)


def has_beta(betas: Betas, *prefixes: str) -> bool:
    """Whether one of the betas begins like this."""
    return any(name.startswith(prefixes) for name in betas)


def check_names(body: dict[str, Any], betas: Betas, *, counting: bool) -> None:
    """Refuse arguments that the API does not know, or not without their beta.

    Raises:
        Problem: 400.
    """
    allowed = COUNTED if counting else MESSAGE
    for name in body:
        if name in allowed:
            continue
        if name not in BETA or (counting and name in _NOT_COUNTED) or not has_beta(betas, *BETA[name]):
            raise APIProblem(f"{name}: Extra inputs are not permitted")


def check_arguments(body: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Refuse what is wrong inside the arguments that change how a request is served, and not what is answered.

    Raises:
        Problem: 400.
    """
    if "metadata" in body:
        _check_metadata(body["metadata"])
    if "service_tier" in body:
        check_one_of(body["service_tier"], "service_tier", ("auto", "standard_only"))
    if present(body, "speed"):
        _check_speed(body["speed"], body["model"])
    if present(body, "inference_geo"):
        _check_region(body["inference_geo"], body["model"])
    if present(body, "container") and not isinstance(body["container"], str):
        check_object(body["container"], "container", ("id", "skills"))
    if present(body, "diagnostics"):
        check_object(body["diagnostics"], "diagnostics", ("previous_message_id",))
    for name, check in _CHECKS.items():
        if present(body, name):
            check(body[name])
    _check_together(body, headers)


def _check_together(body: dict[str, Any], headers: Mapping[str, str]) -> None:
    if present(body, "compaction") and present(body, "context_management"):
        raise APIProblem("compaction: cannot be combined with `context_management`")
    if present(body, "fallback_credit_token") and present(body, "fallbacks"):
        raise APIProblem("fallback_credit_token: cannot be combined with `fallbacks`")
    payer = (body.get("billing_policy") or {}).get("bill_to")
    if payer == "user_profile" and not (headers.get("anthropic-user-profile-id") or body.get("user_profile_id")):
        raise APIProblem("billing_policy: `bill_to: user_profile` needs the header anthropic-user-profile-id")


def _check_speed(speed: Any, model: str) -> None:
    check_one_of(speed, "speed", ("standard", "fast"))
    if speed == "fast" and capabilities.of(model).fast is False:
        raise APIProblem('"speed" value "fast" is not supported for this model')


def _check_region(region: Any, model: str) -> None:
    check_one_of(region, "inference_geo", ("us", "global"))
    if capabilities.of(model).regions is False:
        raise APIProblem("inference_geo is not supported for this model")


def _check_metadata(metadata: Any) -> None:
    check_object(metadata, "metadata", ("user_id",))
    user = metadata.get("user_id")
    if user is not None and not isinstance(user, str):
        raise APIProblem("metadata.user_id: Input should be a valid string")
    if user is not None and len(user) > _MOST_USER_ID:
        raise APIProblem(f"metadata.user_id: String should have at most {_MOST_USER_ID} characters")


def _check_billing(policy: Any) -> None:
    check_object(policy, "billing_policy", ("type", "bill_to"))
    check_tag(policy, "billing_policy", ("billing_policy",))
    check_one_of(policy.get("bill_to", "self"), "billing_policy.bill_to", ("self", "user_profile"))


def _check_compaction(compaction: Any) -> None:
    check_object(compaction, "compaction", ("type", "instructions"))
    check_tag(compaction, "compaction", ("summarize",))
    if present(compaction, "instructions"):
        check_text(compaction, "compaction", "instructions")


def _check_context(management: Any) -> None:
    check_object(management, "context_management", ("edits",))
    edits = management.get("edits", [])
    if not isinstance(edits, list):
        raise APIProblem("context_management.edits: Input should be a valid array")
    for index, edit in enumerate(edits):
        check_tag(edit, f"context_management.edits.{index}", _EDITS)


def _check_servers(servers: Any) -> None:
    if not isinstance(servers, list):
        raise APIProblem("mcp_servers: Input should be a valid array")
    for index, server in enumerate(servers):
        where = f"mcp_servers.{index}"
        check_object(server, where, ("name", "type", "url", "authorization_token", "tool_configuration"))
        check_tag(server, where, ("url",))
        check_text(server, where, "name")
        if not check_text(server, where, "url").startswith("https://"):
            raise APIProblem(f"{where}.url: URL scheme should be 'https'")


def _check_fallbacks(fallbacks: Any) -> None:
    if fallbacks == "default":
        return
    if not isinstance(fallbacks, list):
        raise APIProblem("fallbacks: Input should be a valid array or 'default'")
    if not 1 <= len(fallbacks) <= _MOST_FALLBACKS:
        raise APIProblem(f"fallbacks: List should have 1 to {_MOST_FALLBACKS} items, not {len(fallbacks)}")
    for index, fallback in enumerate(fallbacks):
        check_object(fallback, f"fallbacks.{index}", _FALLBACK)
        check_text(fallback, f"fallbacks.{index}", "model")


def _check_credit(token: Any) -> None:
    if isinstance(token, str):
        return
    check_object(token, "fallback_credit_token", ("token", "mode"))
    check_text(token, "fallback_credit_token", "token")
    check_one_of(token.get("mode", "strict"), "fallback_credit_token.mode", ("strict", "best_effort"))


def _check_thread(thread: Any) -> None:
    if check_tag(thread, "thread", ("create", "continue")) == "create":
        check_object(thread, "thread", ("type",))
        return
    check_object(thread, "thread", ("type", "previous_message_id"))
    check_text(thread, "thread", "previous_message_id")


def check_budget(budget: Any) -> None:
    """Refuse a task budget that is none.

    Raises:
        Problem: 400.
    """
    where = "output_config.task_budget"
    check_object(budget, where, ("type", "total", "remaining"))
    check_tag(budget, where, ("tokens",))
    check_integer(budget.get("total"), f"{where}.total", least=1)
    if present(budget, "remaining"):
        check_integer(budget["remaining"], f"{where}.remaining", least=0)


_CHECKS: Final = {
    "billing_policy": _check_billing,
    "compaction": _check_compaction,
    "context_management": _check_context,
    "mcp_servers": _check_servers,
    "fallbacks": _check_fallbacks,
    "fallback_credit_token": _check_credit,
    "thread": _check_thread,
}
