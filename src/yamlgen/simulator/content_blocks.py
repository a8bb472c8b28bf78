"""The rules about content blocks: the types that the API knows, the roles that may use them, and their fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from yamlgen.model_capabilities import OLD_VERSION
from yamlgen.simulator.allowed_arguments import Betas, has_beta
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_object, check_one_of, check_tag, check_text, present

BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("user assistant system", "type text! cache_control citations"),
    "image": ("user", "type source cache_control transformations"),
    "document": ("user", "type source cache_control citations context title"),
    "search_result": ("user", "type source! title! content cache_control citations"),
    "container_upload": ("user", "type file_id! cache_control"),
    "tool_result": ("user", "type tool_use_id! content is_error cache_control toolset_name"),
    "tool_use": ("assistant", "type id! name! input cache_control caller toolset_name"),
    "server_tool_use": ("assistant", "type id! name! input cache_control caller"),
    "thinking": ("assistant", "type thinking! signature!"),
    "redacted_thinking": ("assistant", "type data!"),
    "web_search_tool_result": ("assistant", ""),
    "web_fetch_tool_result": ("assistant", ""),
    "code_execution_tool_result": ("assistant", ""),
    "bash_code_execution_tool_result": ("assistant", ""),
    "text_editor_code_execution_tool_result": ("assistant", ""),
    "tool_search_tool_result": ("assistant", ""),
    "compaction": ("user assistant", "", "compact-"),
    "mcp_tool_use": ("assistant", "", "mcp-client-"),
    "mcp_tool_result": ("assistant", "", "mcp-client-"),
    "mcp_tool_listing": ("assistant", "", "mcp-client-"),
    "advisor_tool_result": ("assistant", "", "advisor-tool-"),
    "fallback": ("assistant", "", "server-side-fallback-"),
    "tool_addition": ("system", "", "mid-conversation-tool-changes-", "inline-tools-"),
    "tool_removal": ("system", "", "mid-conversation-tool-changes-", "inline-tools-"),
}
"""Each type of block: the roles of the turns that may contain it; its fields, if they are checked; the prefixes of the
names of the betas, one of which it requires."""

_ID: Final = "^[a-zA-Z0-9_-]+$"
_MOST_BYTES: Final = 10 * 2**20
_RESULTS: Final = ("text", "image", "document", "search_result", "tool_reference", "browser_state")
_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "base64": ("data", "media_type"),
    "text": ("data", "media_type"),
    "content": (),
    "url": ("url",),
    "file": ("file_id",),
}
"""The required strings of each type of source."""

_MEDIA: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "image": {"base64": ("image/jpeg", "image/png", "image/gif", "image/webp"), "url": (), "file": ()},
    "document": {"base64": ("application/pdf",), "text": ("text/plain",), "content": (), "url": (), "file": ()},
}
"""The types of source that each block may have, and the media types of each."""


def check_block(block: Any, role: str, where: str, version: str, betas: Betas) -> None:
    """Refuse a block that the API does not accept in a turn of this role."""
    if not isinstance(block, dict) or "type" not in block:
        raise SimulatedAPIError(f"{where}.type: Field required")
    kind = block["type"]
    if not isinstance(kind, str) or kind not in BLOCKS:
        raise SimulatedAPIError(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    roles, _, *prefixes = BLOCKS[kind]
    allowed = role in roles.split() and (not prefixes or has_beta(betas, *prefixes))
    # In the old API version, few-shot examples have documents in assistant turns.
    if not allowed and (kind, role, version) != ("document", "assistant", OLD_VERSION):
        raise SimulatedAPIError(f"{where}: `{kind}` blocks are not allowed in `{role}` messages")
    _check_fields(block, kind, where)
    if kind == "text":
        check_words(block["text"])
        if role != "assistant" and present(block, "citations") and version != OLD_VERSION:
            raise SimulatedAPIError(f"{where}.text.citations: Extra inputs are not permitted")
    elif kind in _MEDIA:
        _check_source(block, kind, where)
    elif kind == "tool_result":
        _check_result(block, where)


def _check_fields(block: dict[str, Any], kind: str, where: str) -> None:
    if kind in BLOCKS and BLOCKS[kind][1]:
        check_object(block, f"{where}.{kind}", BLOCKS[kind][1])
    if kind in {"tool_use", "server_tool_use"}:
        if "input" not in block:
            raise SimulatedAPIError(f"{where}.{kind}.input: Field required")
        if not isinstance(block["input"], dict):
            raise SimulatedAPIError(f"{where}.{kind}.input: Input should be an object")
        if not re.fullmatch(_ID, block["id"]):
            raise SimulatedAPIError(f"{where}.{kind}.id: String should match pattern '{_ID}'")


def check_words(text: str, place: str = "messages") -> None:
    """Refuse an empty or blank text."""
    if not text:
        raise SimulatedAPIError(f"{place}: text content blocks must be non-empty")
    if not text.strip():
        raise SimulatedAPIError(f"{place}: text content blocks must contain non-whitespace text")


def _check_source(block: dict[str, Any], kind: str, where: str) -> None:
    source = block.get("source")
    if not isinstance(source, dict):
        raise SimulatedAPIError(f"{where}.{kind}.source: Field required")
    form = check_tag(source, f"{where}.{kind}.source", _MEDIA[kind])
    place = f"{where}.{kind}.source.{form}"
    for name in _SOURCES[form]:
        check_text(source, place, name)
    if _MEDIA[kind][form]:
        check_one_of(source["media_type"], f"{place}.media_type", _MEDIA[kind][form])
    if kind == "image" and len(source.get("data", "")) > _MOST_BYTES:
        raise SimulatedAPIError(
            f"{place}: image exceeds 10 MB maximum: {len(source['data'])} bytes > {_MOST_BYTES} bytes"
        )


def _check_result(block: dict[str, Any], where: str) -> None:
    content = block.get("content", "")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise SimulatedAPIError(f"{where}.tool_result.content: Input should be a valid string or array")
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in _RESULTS:
            raise SimulatedAPIError(
                f"{where}.tool_result.content.{index}: Input tag should be one of {', '.join(_RESULTS)}"
            )
        place = f"{where}.tool_result.content.{index}"
        _check_fields(part, kind, place)
        if kind in _MEDIA:
            _check_source(part, kind, place)
