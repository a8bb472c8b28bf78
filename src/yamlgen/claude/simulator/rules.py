"""What the API refuses in a request, with its own sentences, so that a mistake shows before it costs anything.

Each check reads the body as it came and raises the `Problem` that the API would answer with, in the order in
which the API looks. The rules about turns are in `turns`, those about native schemas in `native`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from yamlgen.claude.simulator.catalogue import check_model
from yamlgen.claude.simulator.native import check_native
from yamlgen.claude.simulator.problem import Problem
from yamlgen.claude.simulator.turns import check_turns
from yamlgen.language import capabilities

OLD_VERSION = "2023-06-01"
VERSIONS = (OLD_VERSION, "2026-10-21")

_COUNTED = {
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "context_management",
    "mcp_servers",
    "speed",
}
_ALLOWED = _COUNTED | {
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
_TOOL_NAME = r"^[a-zA-Z0-9_-]{1,128}$"
_PROPERTY = r"^[a-zA-Z0-9_.-]{1,64}$"
_LEAST_BUDGET = 1024
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def check_headers(headers: Mapping[str, str]) -> str:
    """Refuse a request without a key or with an unknown API version.

    Returns:
        The API version.

    Raises:
        Problem: 401 without a key, 400 without a known version.
    """
    bearer = headers.get("Authorization", "")
    key = headers.get("x-api-key", "") or (bearer[len("bearer ") :] if bearer.lower().startswith("bearer ") else "")
    if not key.strip():
        raise Problem("x-api-key header is required", "authentication_error")
    version = headers.get("anthropic-version")
    if version is None:
        raise Problem("anthropic-version: header is required")
    if version not in VERSIONS:
        raise Problem(f'anthropic-version: "{version}" is not a valid version')
    return version


def check_message(body: Any, version: str) -> None:
    """Refuse a body that `POST /v1/messages` would refuse.

    Raises:
        Problem: the first thing that is wrong.
    """
    _check_shape(body, _ALLOWED)
    known = capabilities.of(body["model"])
    _check_max_tokens(body, known)
    _check_sampling(body, version, known)
    _check_stop_sequences(body)
    if not isinstance(body.get("stream", False), bool):
        raise Problem("stream: Input should be a valid boolean")
    check_turns(body["messages"])
    _check_system(body)
    _check_tools(body)
    _check_thinking(body)
    _check_tool_choice(body, known)
    _check_output_config(body, known)


def check_count(body: Any) -> None:
    """Refuse a body that `POST /v1/messages/count_tokens` would refuse.

    Raises:
        Problem: the first thing that is wrong.
    """
    _check_shape(body, _COUNTED)
    check_turns(body["messages"])
    _check_system(body)
    _check_tools(body)


def _check_shape(body: Any, allowed: set[str]) -> None:
    if not isinstance(body, dict):
        raise Problem("Input should be an object")
    for name in ("model", "messages"):
        if name not in body:
            raise Problem(f"{name}: Field required")
    for name in body:
        if name not in allowed:
            raise Problem(f"{name}: Extra inputs are not permitted")
    if not isinstance(body["model"], str):
        raise Problem("model: Input should be a valid string")
    if not body["model"]:
        raise Problem("model: String should have at least 1 character")
    check_model(body["model"])


def _check_max_tokens(body: dict[str, Any], known: capabilities.Capabilities) -> None:
    if "max_tokens" not in body:
        raise Problem("max_tokens: Field required")
    tokens = _integer(body["max_tokens"], "max_tokens")
    if tokens < 1:
        raise Problem("max_tokens: Input should be greater than or equal to 1")
    most = known.max_output_tokens
    if most is not None and tokens > most:
        raise Problem(
            f"max_tokens: {tokens} > {most}, which is the maximum allowed number of output tokens for {body['model']}"
        )


def _check_sampling(body: dict[str, Any], version: str, known: capabilities.Capabilities) -> None:
    for name in capabilities.SAMPLING:
        if name not in body:
            continue
        if version != OLD_VERSION:
            raise Problem(f"{name}: Extra inputs are not permitted")
        if known.sampling is False:
            raise Problem(f"`{name}` is not supported by this model")
        value = body[name]
        if name == "top_k":
            if _integer(value, name) < 0:
                raise Problem("top_k: Input should be greater than or equal to 0")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise Problem(f"{name}: Input should be a valid number")
        elif not 0 <= value <= 1:
            raise Problem(f"{name}: range: 0..1")


def _check_stop_sequences(body: dict[str, Any]) -> None:
    sequences = body.get("stop_sequences", [])
    if not isinstance(sequences, list):
        raise Problem("stop_sequences: Input should be a valid array")
    for index, text in enumerate(sequences):
        if not isinstance(text, str):
            raise Problem(f"stop_sequences.{index}: Input should be a valid string")
        if not text.strip():
            raise Problem("stop_sequences: each stop sequence must contain non-whitespace")


def _check_system(body: dict[str, Any]) -> None:
    system = body.get("system", "")
    if isinstance(system, str):
        return
    if not isinstance(system, list):
        raise Problem("system: Input should be a valid string or array")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise Problem(f"system.{index}: Input should be a text block")
        if not block["text"]:
            raise Problem("system: text content blocks must be non-empty")


def _check_tools(body: dict[str, Any]) -> None:
    tools = body.get("tools", [])
    if not isinstance(tools, list):
        raise Problem("tools: Input should be a valid array")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise Problem(f"tools.{index}: Input should be an object")
        if is_custom(tool):
            _check_tool(tool, f"tools.{index}.custom")
        name = str(tool.get("name"))
        if name in names:
            raise Problem("tools: Tool names must be unique.")
        names.add(name)


def is_custom(tool: dict[str, Any]) -> bool:
    """Whether the tool is the caller's own, not one that the API runs itself."""
    return bool(tool.get("type", "custom") == "custom")


def _check_tool(tool: dict[str, Any], where: str) -> None:
    if "name" not in tool:
        raise Problem(f"{where}.name: Field required")
    if not isinstance(tool["name"], str) or not re.fullmatch(_TOOL_NAME, tool["name"]):
        raise Problem(f"{where}.name: String should match pattern '{_TOOL_NAME}'")
    if "input_schema" not in tool:
        raise Problem(f"{where}.input_schema: Field required")
    schema = tool["input_schema"]
    where = f"{where}.input_schema"
    if not isinstance(schema, dict):
        raise Problem(f"{where}: Input should be an object")
    if "type" not in schema:
        raise Problem(f"{where}.type: Field required")
    if schema["type"] != "object":
        raise Problem(f"{where}.type: Input should be 'object'")
    if any(keyword in schema for keyword in ("oneOf", "allOf", "anyOf")):
        raise Problem(f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level")
    _check_schema(_text(schema), where)
    if not all(re.fullmatch(_PROPERTY, name) for name in schema.get("properties", {})):
        raise Problem(f"{where}.properties: Property keys should match pattern '{_PROPERTY}'")
    if tool.get("strict") is True:
        _check_native(_text(schema), where)


def _check_thinking(body: dict[str, Any]) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kinds = ("enabled", "disabled", "adaptive", "between_tools")
    if not isinstance(thinking, dict) or thinking.get("type") not in kinds:
        raise Problem(f"thinking: Input tag should be one of {', '.join(repr(kind) for kind in kinds)}")
    if thinking["type"] != "enabled":
        return
    if "budget_tokens" not in thinking:
        raise Problem("thinking.enabled.budget_tokens: Field required")
    budget = _integer(thinking["budget_tokens"], "thinking.enabled.budget_tokens")
    if budget < _LEAST_BUDGET:
        raise Problem(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}")
    if budget >= body["max_tokens"]:
        raise Problem("`max_tokens` must be greater than `thinking.budget_tokens`")


def thinks(body: Mapping[str, Any]) -> bool:
    """Whether the request turns thinking on, in so many words."""
    thinking = body.get("thinking") or {}
    return thinking.get("type") in {"enabled", "adaptive"}


def _check_tool_choice(body: dict[str, Any], known: capabilities.Capabilities) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    kinds = ("auto", "any", "tool", "none")
    if not isinstance(choice, dict) or choice.get("type") not in kinds:
        raise Problem(f"tool_choice: Input tag should be one of {', '.join(repr(kind) for kind in kinds)}")
    if not body.get("tools"):
        raise Problem("tool_choice: tool_choice may only be specified while providing tools.")
    if choice["type"] in {"auto", "none"}:
        return
    if known.forced_tools is False:
        raise Problem(f"tool_choice: type '{choice['type']}' is not supported by {body['model']}")
    if thinks(body):
        raise Problem("Thinking may not be enabled when tool_choice forces tool use.")
    if choice["type"] == "tool" and choice.get("name") not in [tool.get("name") for tool in body["tools"]]:
        raise Problem(f"tool_choice.tool.name: Tool '{choice.get('name')}' not found in provided tools")


def _check_output_config(body: dict[str, Any], known: capabilities.Capabilities) -> None:
    config = body.get("output_config")
    if config is None:
        return
    if not isinstance(config, dict):
        raise Problem("output_config: Input should be an object")
    for name in config:
        if name not in {"effort", "format", "task_budget"}:
            raise Problem(f"output_config.{name}: Extra inputs are not permitted")
    if config.get("effort") not in (None, *_EFFORTS):
        raise Problem(f"output_config.effort: Input should be one of {', '.join(map(repr, _EFFORTS))}")
    if config.get("format") is not None:
        _check_format(config["format"], body, known)


def _check_format(form: Any, body: dict[str, Any], known: capabilities.Capabilities) -> None:
    if known.native_output is False:
        raise Problem(f"output_config.format: '{body['model']}' does not support output formats.")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise Problem("output_config.format.type: Input should be 'json_schema'")
    if "schema" not in form:
        raise Problem("output_config.format.schema: Field required")
    if body["messages"][-1]["role"] == "assistant":
        raise Problem("Prefilling the assistant message is not supported with output_config.format.")
    _check_schema(_text(form["schema"]), "output_config.format.schema")
    _check_native(_text(form["schema"]), "output_config.format.schema")


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Problem(f"{where}: Input should be a valid integer")
    return value


def _text(schema: Any) -> str:
    return json.dumps(schema)


# Thousands of rows ask with the same schema: it is looked at once.
@lru_cache(maxsize=128)
def _check_schema(text: str, where: str) -> None:
    try:
        jsonschema_rs.Draft202012Validator(json.loads(text), offline=True)
    except jsonschema_rs.ValidationError as error:
        place = "/".join(map(str, error.instance_path))
        raise Problem(
            f"{where}: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
            f"(https://json-schema.org/draft/2020-12): {error.message} at #/{place}"
        ) from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise Problem(f"{where}: JSON schema is invalid: {error}") from None


@lru_cache(maxsize=128)
def _check_native(text: str, where: str) -> None:
    check_native(json.loads(text), where)
