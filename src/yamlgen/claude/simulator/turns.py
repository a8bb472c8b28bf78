"""The rules about a request's turns: who speaks, what a turn holds, and that tool calls and results pair up."""

from __future__ import annotations

from typing import Any

from yamlgen.claude.simulator.problem import Problem

_BLOCKS = {
    "user": {"text", "image", "document", "search_result", "tool_result", "container_upload"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}
_TEXTS = {"text": ("text",), "tool_use": ("id", "name"), "tool_result": ("tool_use_id",)}


def check_turns(messages: Any) -> None:
    """Refuse messages that the API refuses.

    Raises:
        Problem: 400 with the first thing that is wrong.
    """
    if not isinstance(messages, list):
        raise Problem("messages: Input should be a valid array")
    if not messages:
        raise Problem("messages: at least one message is required")
    last = len(messages) - 1
    for index, message in enumerate(messages):
        _check_turn(message, index, final=index == last)
    if messages[0]["role"] != "user":
        raise Problem('messages: first message must use the "user" role')
    final = messages[last]
    if final["role"] == "assistant" and text_of(final["content"]) != text_of(final["content"]).rstrip():
        raise Problem("messages: final assistant content cannot end with trailing whitespace")
    _check_pairs(_merged(messages))


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """The blocks of a turn; a string is one block of text."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def text_of(content: Any) -> str:
    """The text of a turn, without its other blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


def _check_turn(message: Any, index: int, *, final: bool) -> None:
    where = f"messages.{index}"
    if not isinstance(message, dict):
        raise Problem(f"{where}: Input should be an object")
    _check_keys(message, where)
    role, content = message["role"], message["content"]
    if role == "system":
        raise Problem(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
    if role not in ("user", "assistant"):
        raise Problem(f"{where}.role: Input should be 'user' or 'assistant'")
    if not isinstance(content, str | list):
        raise Problem(f"{where}.content: Input should be a valid string or array")
    if not content and not (final and role == "assistant"):
        raise Problem(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    for place, block in enumerate(content if isinstance(content, list) else ()):
        _check_block(block, role, f"{where}.content.{place}")


def _check_keys(message: dict[str, Any], where: str) -> None:
    for name in ("role", "content"):
        if name not in message:
            raise Problem(f"{where}.{name}: Field required")
    for name in message:
        if name not in {"role", "content"}:
            raise Problem(f"{where}.{name}: Extra inputs are not permitted")


def _check_block(block: Any, role: str, where: str) -> None:
    if not isinstance(block, dict) or "type" not in block:
        raise Problem(f"{where}.type: Field required")
    kind = block["type"]
    both = _BLOCKS["user"] | _BLOCKS["assistant"]
    # The API has many blocks of its own tools (`server_tool_use`, `web_search_tool_result`, ...): passed through.
    if not isinstance(kind, str) or (kind not in both and not kind.endswith(("_tool_use", "_tool_result"))):
        raise Problem(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if kind in both and kind not in _BLOCKS[role]:
        raise Problem(f"{where}: `{kind}` blocks are not allowed in `{role}` messages")
    for name in (*_TEXTS.get(kind, ()), *(("input",) if kind == "tool_use" else ())):
        if name not in block:
            raise Problem(f"{where}.{kind}.{name}: Field required")
    for name in _TEXTS.get(kind, ()):
        if not isinstance(block[name], str):
            raise Problem(f"{where}.{kind}.{name}: Input should be a valid string")
    if kind == "text" and not block["text"]:
        raise Problem("messages: text content blocks must be non-empty")
    if kind == "tool_use" and not isinstance(block["input"], dict):
        raise Problem(f"{where}.tool_use.input: Input should be an object")


def _merged(messages: list[dict[str, Any]]) -> list[tuple[int, str, list[dict[str, Any]]]]:
    """The turns as the API sees them: neighbours of one role are one turn. Each with its first index."""
    turns: list[tuple[int, str, list[dict[str, Any]]]] = []
    for index, message in enumerate(messages):
        blocks = blocks_of(message["content"])
        if turns and turns[-1][1] == message["role"]:
            turns[-1][2].extend(blocks)
        else:
            turns.append((index, message["role"], list(blocks)))
    return turns


def _check_pairs(turns: list[tuple[int, str, list[dict[str, Any]]]]) -> None:
    calls: list[str] = []
    for index, role, blocks in turns:
        if role == "assistant":
            calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if calls and index == turns[-1][0]:
                raise _unanswered(index, calls)
            continue
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for result in results:
            if result not in calls:
                raise Problem(
                    f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {result}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        missing = [call for call in calls if call not in results]
        if missing:
            raise _unanswered(index - 1, missing)
        calls = []


def _unanswered(index: int, ids: list[str]) -> Problem:
    return Problem(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )
