"""The blocks of a turn: which the API knows, whose turns they may stand in, and what each holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from yamlgen.capabilities import OLD_VERSION
from yamlgen.simulator.allowed_arguments import Betas, has_beta
from yamlgen.simulator.body_fields import check_object, check_one_of, check_text, present
from yamlgen.simulator.problem import APIProblem

_SERVER_RESULTS: Final = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
)
_USER: Final = {"text", "image", "document", "search_result", "tool_result", "container_upload"}
_ASSISTANT: Final = {"text", "tool_use", "thinking", "redacted_thinking", "server_tool_use", *_SERVER_RESULTS}
_BLOCKS: Final[Mapping[str, set[str]]] = {"user": _USER, "assistant": _ASSISTANT, "system": {"text"}}

_BETA_BLOCKS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "user": {"compaction": ("compact-",)},
    "assistant": {
        "compaction": ("compact-",),
        "mcp_tool_use": ("mcp-client-",),
        "mcp_tool_result": ("mcp-client-",),
        "mcp_tool_listing": ("mcp-client-",),
        "advisor_tool_result": ("advisor-tool-",),
        "fallback": ("server-side-fallback-",),
    },
    "system": {
        "tool_addition": ("mid-conversation-tool-changes-", "inline-tools-"),
        "tool_removal": ("mid-conversation-tool-changes-", "inline-tools-"),
    },
}
_KNOWN: Final = {*_USER, *_ASSISTANT, *(kind for kinds in _BETA_BLOCKS.values() for kind in kinds)}

_KEYS: Final[Mapping[str, set[str]]] = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control", "transformations"},
    "document": {"type", "source", "cache_control", "citations", "context", "title"},
    "search_result": {"type", "source", "title", "content", "cache_control", "citations"},
    "container_upload": {"type", "file_id", "cache_control"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "server_tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
}
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "tool_use": ("id", "name"),
    "server_tool_use": ("id", "name"),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "container_upload": ("file_id",),
    "search_result": ("source", "title"),
}
_ID: Final = "^[a-zA-Z0-9_-]+$"
_MOST_BYTES: Final = 10 * 2**20
_RESULTS: Final = ("text", "image", "document", "search_result", "tool_reference", "browser_state")
_SOURCES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "image": {"base64": ("data", "media_type"), "url": ("url",), "file": ("file_id",)},
    "document": {
        "base64": ("data", "media_type"),
        "text": ("data", "media_type"),
        "content": (),
        "url": ("url",),
        "file": ("file_id",),
    },
}
_MEDIA: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("image", "base64"): ("image/jpeg", "image/png", "image/gif", "image/webp"),
    ("document", "base64"): ("application/pdf",),
    ("document", "text"): ("text/plain",),
}


def check_block(block: Any, role: str, where: str, version: str, betas: Betas) -> None:
    """Refuse a block that the API does not take in a turn of this role.

    Raises:
        Problem: 400.
    """
    if not isinstance(block, dict) or "type" not in block:
        raise APIProblem(f"{where}.type: Field required")
    kind = block["type"]
    if not isinstance(kind, str) or kind not in _KNOWN:
        raise APIProblem(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    beta = _BETA_BLOCKS[role].get(kind)
    # Few-shot examples of the older version of the API have documents in the answers.
    old = kind == "document" and role == "assistant" and version == OLD_VERSION
    if kind not in _BLOCKS[role] and not old and not (beta and has_beta(betas, *beta)):
        raise APIProblem(f"{where}: `{kind}` blocks are not allowed in `{role}` messages")
    _check_fields(block, kind, where)
    if kind == "text":
        _check_words(block, role, where, version)
    elif kind in _SOURCES:
        _check_source(block, kind, where)
    elif kind == "tool_result":
        _check_result(block, where)


def _check_fields(block: dict[str, Any], kind: str, where: str) -> None:
    if kind in _KEYS:
        check_object(block, f"{where}.{kind}", _KEYS[kind])
    for name in _TEXTS.get(kind, ()):
        check_text(block, f"{where}.{kind}", name)
    if kind in {"tool_use", "server_tool_use"}:
        if "input" not in block:
            raise APIProblem(f"{where}.{kind}.input: Field required")
        if not isinstance(block["input"], dict):
            raise APIProblem(f"{where}.{kind}.input: Input should be an object")
        if not re.fullmatch(_ID, block["id"]):
            raise APIProblem(f"{where}.{kind}.id: String should match pattern '{_ID}'")


def _check_words(block: dict[str, Any], role: str, where: str, version: str) -> None:
    check_words(block["text"])
    if role != "assistant" and present(block, "citations") and version != OLD_VERSION:
        raise APIProblem(f"{where}.text.citations: Extra inputs are not permitted")


def check_words(text: str, place: str = "messages") -> None:
    """Refuse a text without a word.

    Raises:
        Problem: 400.
    """
    if not text:
        raise APIProblem(f"{place}: text content blocks must be non-empty")
    if not text.strip():
        raise APIProblem(f"{place}: text content blocks must contain non-whitespace text")


def _check_source(block: dict[str, Any], kind: str, where: str) -> None:
    source = block.get("source")
    if not isinstance(source, dict):
        raise APIProblem(f"{where}.{kind}.source: Field required")
    form = source.get("type")
    if not isinstance(form, str) or form not in _SOURCES[kind]:
        raise APIProblem(f"{where}.{kind}.source: Input tag should be one of {', '.join(map(repr, _SOURCES[kind]))}")
    place = f"{where}.{kind}.source.{form}"
    for name in _SOURCES[kind][form]:
        check_text(source, place, name)
    if (kind, form) in _MEDIA:
        check_one_of(source["media_type"], f"{place}.media_type", _MEDIA[kind, form])
    if kind == "image" and len(source.get("data", "")) > _MOST_BYTES:
        raise APIProblem(f"{place}: image exceeds 10 MB maximum: {len(source['data'])} bytes > {_MOST_BYTES} bytes")


def _check_result(block: dict[str, Any], where: str) -> None:
    content = block.get("content", "")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise APIProblem(f"{where}.tool_result.content: Input should be a valid string or array")
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in _RESULTS:
            raise APIProblem(f"{where}.tool_result.content.{index}: Input tag should be one of {', '.join(_RESULTS)}")
        place = f"{where}.tool_result.content.{index}"
        _check_fields(part, kind, place)
        if kind in _SOURCES:
            _check_source(part, kind, place)
