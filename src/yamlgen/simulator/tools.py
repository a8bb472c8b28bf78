"""The rules about tools: custom tools, tools that the API knows by their type, and `tool_choice`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.model_capabilities import Capabilities
from yamlgen.simulator.allowed_arguments import Betas, has_beta
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_integer, check_object, check_tag, present
from yamlgen.simulator.schema_limits import check_grammar, check_schema
from yamlgen.simulator.thinking import thinks

_NAME: Final = r"^[a-zA-Z0-9_-]{1,128}$"
_PROPERTY: Final = r"^[a-zA-Z0-9_.-]{1,64}$"
_FIELDS: Final = (
    "type name description input_schema cache_control strict allowed_callers defer_loading eager_input_streaming "
    "input_examples"
)

TOOLS: Final[Mapping[str, tuple[str, str]]] = {
    "bash_20250124": ("bash", ""),
    "code_execution_20250522": ("code_execution", ""),
    "code_execution_20250825": ("code_execution", ""),
    "code_execution_20260120": ("code_execution", ""),
    "code_execution_20260521": ("code_execution", ""),
    "memory_20250818": ("memory", ""),
    "text_editor_20250124": ("str_replace_editor", ""),
    "text_editor_20250429": ("str_replace_based_edit_tool", ""),
    "text_editor_20250728": ("str_replace_based_edit_tool", ""),
    "tool_search_tool_bm25_20251119": ("tool_search_tool_bm25", ""),
    "tool_search_tool_regex_20251119": ("tool_search_tool_regex", ""),
    "web_fetch_20250910": ("web_fetch", ""),
    "web_fetch_20260209": ("web_fetch", ""),
    "web_fetch_20260309": ("web_fetch", ""),
    "web_fetch_20260318": ("web_fetch", ""),
    "web_search_20250305": ("web_search", ""),
    "web_search_20260209": ("web_search", ""),
    "web_search_20260318": ("web_search", ""),
    "browser_toolset_20260801": ("", ""),
    "computer_toolset_20260801": ("", ""),
    "advisor_20260301": ("advisor", "advisor-tool-"),
    "bash_20241022": ("bash", "computer-use-"),
    "computer_20241022": ("computer", "computer-use-2024-10-22"),
    "computer_20250124": ("computer", "computer-use-2025-01-24"),
    "computer_20251124": ("computer", "computer-use-2025-11-24"),
    "mcp_toolset": ("", "mcp-client-"),
    "text_editor_20241022": ("str_replace_editor", "computer-use-"),
}
"""The tools that the API knows by their type: the required name (empty for a toolset), and the prefix of the required
beta's name (empty if none is required)."""

_CALLED_BY_CODE: Final = ("web_search_2026", "web_fetch_2026")


def check_tools(body: dict[str, Any], betas: Betas) -> None:
    """Refuse tool definitions that the API does not accept."""
    tools = body.get("tools", [])
    if not isinstance(tools, list):
        raise SimulatedAPIError("tools: Input should be a valid array")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise SimulatedAPIError(f"tools.{index}: Input should be an object")
        if is_custom(tool):
            _check_own(tool, f"tools.{index}.custom")
        else:
            _check_named(tool, f"tools.{index}", body["model"], betas)
        name = str(tool.get("name", f"the toolset {index}"))
        if name in names:
            raise SimulatedAPIError("tools: Tool names must be unique.")
        names.add(name)


def is_custom(tool: Mapping[str, Any]) -> bool:
    """Check whether a tool is defined by the caller, not by the API."""
    return tool.get("type") in (None, "custom")


def _check_own(tool: dict[str, Any], where: str) -> None:
    if "name" not in tool:
        raise SimulatedAPIError(f"{where}.name: Field required")
    check_object(tool, where, _FIELDS)
    if not isinstance(tool["name"], str) or not re.fullmatch(_NAME, tool["name"]):
        raise SimulatedAPIError(f"{where}.name: String should match pattern '{_NAME}'")
    if not isinstance(tool.get("description", ""), str):
        raise SimulatedAPIError(f"{where}.description: Input should be a valid string")
    if "input_schema" not in tool:
        raise SimulatedAPIError(f"{where}.input_schema: Field required")
    schema = tool["input_schema"]
    where = f"{where}.input_schema"
    if not isinstance(schema, dict):
        raise SimulatedAPIError(f"{where}: Input should be an object")
    if "type" not in schema:
        raise SimulatedAPIError(f"{where}.type: Field required")
    if schema["type"] != "object":
        raise SimulatedAPIError(f"{where}.type: Input should be 'object'")
    if any(keyword in schema for keyword in ("oneOf", "allOf", "anyOf")):
        raise SimulatedAPIError(f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level")
    check_schema(json.dumps(schema), where)
    if not all(re.fullmatch(_PROPERTY, name) for name in schema.get("properties") or {}):
        raise SimulatedAPIError(f"{where}.properties: Property keys should match pattern '{_PROPERTY}'")
    if tool.get("strict") is True:
        check_grammar(json.dumps(schema), where)


def _check_named(tool: dict[str, Any], where: str, model: str, betas: Betas) -> None:
    kind = str(tool["type"])
    name, beta = TOOLS.get(kind, (None, ""))
    if name is None or (beta and not has_beta(betas, beta)):
        plain = ("custom", *(each for each, (_, needed) in TOOLS.items() if not needed))
        raise SimulatedAPIError(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
            f"{', '.join(map(repr, plain))}"
        )
    if name and tool.get("name") != name:
        raise SimulatedAPIError(f"{where}.{kind}.name: Input should be '{name}'")
    if present(tool, "allowed_domains") and present(tool, "blocked_domains"):
        raise SimulatedAPIError(f"{where}.{kind}: Cannot specify both `allowed_domains` and `blocked_domains`")
    callers = tool.get("allowed_callers")
    if kind.startswith(_CALLED_BY_CODE) and callers != ["direct"] and model_capabilities.of(model).code_calls is False:
        raise SimulatedAPIError(
            f"{where}.{kind}: '{model}' does not support programmatic tool calling. "
            'Set `allowed_callers` to ["direct"].'
        )
    if present(tool, "max_uses"):
        check_integer(tool["max_uses"], f"{where}.{kind}.max_uses", least=1)


_CHOICES: Final[Mapping[str, str]] = {
    "auto": "type disable_parallel_tool_use",
    "any": "type disable_parallel_tool_use",
    "tool": "type name disable_parallel_tool_use",
    "none": "type",
}


def check_choice(body: dict[str, Any], known: Capabilities) -> None:
    """Refuse a `tool_choice` that the API or the model does not accept."""
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = check_tag(choice, "tool_choice", _CHOICES)
    check_object(choice, f"tool_choice.{kind}", _CHOICES[kind])
    if not body.get("tools"):
        raise SimulatedAPIError("tool_choice: tool_choice may only be specified while providing tools.")
    if not is_forced(body):
        return
    if known.forced_tools is False:
        raise SimulatedAPIError('tool_choice: type "tool" and "any" are not supported for this model.')
    if thinks(body):
        raise SimulatedAPIError("Thinking may not be enabled when tool_choice forces tool use.")
    if choice["type"] == "tool" and choice.get("name") not in [tool.get("name") for tool in body["tools"]]:
        raise SimulatedAPIError(f"tool_choice.tool.name: Tool '{choice.get('name')}' not found in provided tools")


def is_forced(body: Mapping[str, Any]) -> bool:
    """Check whether the answer must call a tool."""
    return (body.get("tool_choice") or {}).get("type") in {"any", "tool"}
