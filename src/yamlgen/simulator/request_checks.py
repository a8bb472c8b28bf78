"""The API's checks of a request, with its own messages, so that mistakes show before they cost anything.

Each check reads the body as received and raises the `SimulatedAPIError` that the API would return, in the API's order.
What each model supports is defined in `model_capabilities`. Other modules contain the rules of one kind:
`allowed_arguments`, `turns`, `content_blocks`, `tools`, `thinking`, `schema_limits`, `native_output_rules`,
`cache_breakpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.simulator.allowed_arguments import Betas, check_arguments, check_budget, check_names, check_speed, has_beta
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_integer, check_object, present
from yamlgen.simulator.cache_breakpoints import check_breakpoints
from yamlgen.simulator.catalogue import check_model
from yamlgen.simulator.content_blocks import check_words
from yamlgen.simulator.fallbacks import check_fallbacks
from yamlgen.simulator.schema_limits import check_counts, check_format, format_of
from yamlgen.simulator.thinking import check_begun, check_effort, check_thinking, thinks
from yamlgen.simulator.tools import check_choice, check_tools, is_forced
from yamlgen.simulator.turns import check_turns
from yamlgen.token_estimate import tokens_of

VERSIONS: Final = (model_capabilities.OLD_VERSION, "2026-10-21")

_NO_BETAS: Final[Betas] = frozenset()
_NO_HEADERS: Final[Mapping[str, str]] = {}
_MARGIN: Final = 1.3
"""The factor by which the estimate of a prompt's tokens may be too high."""


def check_headers(headers: Mapping[str, str]) -> str:
    """Refuse a request without a key or with an unknown API version.

    Returns:
        The API version.

    Raises:
        SimulatedAPIError: 401 without a key, 400 without a known version.
    """
    bearer = headers.get("Authorization", "")
    key = headers.get("x-api-key", "") or (bearer[len("bearer ") :] if bearer.lower().startswith("bearer ") else "")
    if not key.strip():
        raise SimulatedAPIError("x-api-key header is required", "authentication_error")
    version = headers.get("anthropic-version")
    if version is None:
        raise SimulatedAPIError("anthropic-version: header is required")
    if version not in VERSIONS:
        raise SimulatedAPIError(f'anthropic-version: "{version}" is not a valid version')
    return version


def check_message(
    body: Any,
    version: str,
    betas: Betas = _NO_BETAS,
    headers: Mapping[str, str] = _NO_HEADERS,
    *,
    batched: bool = False,
) -> None:
    """Refuse a body that `POST /v1/messages` would refuse.

    Args:
        body: the body.
        version: the version of the API.
        betas: the betas of the request.
        headers: the headers of the request; some belong to an argument.
        batched: whether the body is a request of a batch, whose answer may be longer under a beta.

    Raises:
        SimulatedAPIError: the first problem.
    """
    _check_shape(body, betas, counting=False)
    known = model_capabilities.of(body["model"])
    is_long = batched and model_capabilities.LONG_BATCH_BETA in betas
    _check_max_tokens(body, (is_long and known.max_batch_tokens) or known.max_output_tokens)
    _check_sampling(body, version, known)
    _check_stop_sequences(body)
    if not isinstance(body.get("stream", False), bool):
        raise SimulatedAPIError("stream: Input should be a valid boolean")
    check_arguments(body, headers)
    _check_content(body, version, known, betas)
    _check_no_output(body)
    check_fallbacks(body, lambda hop: check_message(hop, version, betas, headers))


def check_count(body: Any, version: str = VERSIONS[-1], betas: Betas = _NO_BETAS) -> None:
    """Refuse a body that `POST /v1/messages/count_tokens` would refuse.

    Args:
        body: the body.
        version: the version of the API.
        betas: the betas of the request.

    Raises:
        SimulatedAPIError: the first problem.
    """
    _check_shape(body, betas, counting=True)
    _check_content(body, version, model_capabilities.of(body["model"]), betas)


def _check_content(body: dict[str, Any], version: str, known: model_capabilities.Capabilities, betas: Betas) -> None:
    """Check the arguments that both routes read."""
    check_turns(body["messages"], known, version, betas, prefilled=present(body, "fallback_credit_token"))
    _check_system(body)
    check_tools(body, betas)
    check_thinking(body, known, betas)
    check_begun(body, known)
    check_choice(body, known)
    _check_output_config(body, known, betas)
    check_format(body)
    check_counts(body)
    check_breakpoints(body)
    _check_length(body, known)


def _check_shape(body: Any, betas: Betas, *, counting: bool) -> None:
    if not isinstance(body, dict):
        raise SimulatedAPIError("Input should be an object")
    for name in ("model", "messages"):
        if name not in body:
            raise SimulatedAPIError(f"{name}: Field required")
    check_names(body, betas, counting=counting)
    if not isinstance(body["model"], str):
        raise SimulatedAPIError("model: Input should be a valid string")
    if not body["model"]:
        raise SimulatedAPIError("model: String should have at least 1 character")
    check_model(body["model"])
    check_speed(body, betas)


def _check_max_tokens(body: dict[str, Any], most: int | None) -> None:
    if "max_tokens" not in body:
        raise SimulatedAPIError("max_tokens: Field required")
    tokens = check_integer(body["max_tokens"], "max_tokens", least=0)
    if most is not None and tokens > most:
        raise SimulatedAPIError(
            f"max_tokens: {tokens} > {most}, which is the maximum allowed number of output tokens for {body['model']}"
        )


def _check_no_output(body: dict[str, Any]) -> None:
    """Refuse arguments about output if `max_tokens` is 0, which only fills the cache."""
    if body["max_tokens"] != 0:
        return
    asked = {
        "stream: true": body.get("stream"),
        "thinking.type: enabled": (body.get("thinking") or {}).get("type") == "enabled",
        "output_config.format": format_of(body),
        "a forced tool_choice": is_forced(body),
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise SimulatedAPIError(f"max_tokens: 0 is not supported with {name}")


def _check_sampling(body: dict[str, Any], version: str, known: model_capabilities.Capabilities) -> None:
    for name in model_capabilities.SAMPLING:
        if name not in body:
            continue
        if version != model_capabilities.OLD_VERSION:
            raise SimulatedAPIError(f"{name}: Extra inputs are not permitted")
        if known.sampling is False:
            raise SimulatedAPIError(f"`{name}` is not supported by this model")
        value = body[name]
        if name == "top_k":
            check_integer(value, name, least=0)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise SimulatedAPIError(f"{name}: Input should be a valid number")
        elif not 0 <= value <= 1:
            raise SimulatedAPIError(f"{name}: range: 0..1")
    if known.sampling:
        _check_sampling_together(body)


def _check_sampling_together(body: dict[str, Any]) -> None:
    if body.keys() >= {"temperature", "top_p"}:
        raise SimulatedAPIError(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    if not isinstance(body.get("thinking"), dict) or not thinks(body):
        return
    while_thinking = "when thinking is enabled or in adaptive mode."
    if body.get("temperature", 1) != 1:
        raise SimulatedAPIError(f"`temperature` may only be set to 1 {while_thinking}")
    if body.get("top_p", 1) < model_capabilities.LEAST_TOP_P:
        raise SimulatedAPIError(
            f"`top_p` must be greater than or equal to {model_capabilities.LEAST_TOP_P} or unset {while_thinking}"
        )
    if "top_k" in body:
        raise SimulatedAPIError(f"`top_k` must be unset {while_thinking}")


def _check_stop_sequences(body: dict[str, Any]) -> None:
    sequences = body.get("stop_sequences", [])
    if not isinstance(sequences, list):
        raise SimulatedAPIError("stop_sequences: Input should be a valid array")
    for index, text in enumerate(sequences):
        if not isinstance(text, str):
            raise SimulatedAPIError(f"stop_sequences.{index}: Input should be a valid string")
        if not text.strip():
            raise SimulatedAPIError("stop_sequences: each stop sequence must contain non-whitespace")


def _check_system(body: dict[str, Any]) -> None:
    system = body.get("system", "")
    if isinstance(system, str):
        return
    if not isinstance(system, list):
        raise SimulatedAPIError("system: Input should be a valid string or array")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise SimulatedAPIError(f"system.{index}: Input should be a text block")
        check_object(block, f"system.{index}", "type text cache_control citations")
        check_words(block["text"], "system")


def _check_output_config(body: dict[str, Any], known: model_capabilities.Capabilities, betas: Betas) -> None:
    for index, message in enumerate(body["messages"]):
        if message["role"] == "system" and present(message, "output_config"):
            check_object(message["output_config"], f"messages.{index}.output_config", "effort")
            check_effort(message["output_config"].get("effort"), body, known, f"messages.{index}.output_config")
    config = body.get("output_config")
    if config is None:
        return
    budgeted = " task_budget" if has_beta(betas, "task-budgets-") else ""
    check_object(config, "output_config", f"effort format{budgeted}")
    if present(config, "task_budget"):
        check_budget(config["task_budget"])
    check_effort(config.get("effort"), body, known)


def _check_length(body: dict[str, Any], known: model_capabilities.Capabilities) -> None:
    if known.context is None:
        return
    tokens = tokens_of(body)
    if tokens > known.context * _MARGIN:
        raise SimulatedAPIError(f"prompt is too long: {tokens} tokens > {known.context} maximum")
