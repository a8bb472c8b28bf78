"""The rules about a request's turns: the order of roles, and the pairing of tool calls and results."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final

from yamlgen.model_capabilities import Capabilities
from yamlgen.simulator.allowed_arguments import Betas, has_beta
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.body_fields import check_object, present
from yamlgen.simulator.content_blocks import check_block, check_words

_MOST_TURNS: Final = 100_000
_SYSTEM_KEYS: Final = {
    "clear_at": "mid-conversation-system-clear-at-",
    "output_config": "mid-conversation-output-config-",
}


def check_turns(messages: Any, known: Capabilities, version: str, betas: Betas, *, prefilled: bool = False) -> None:
    """Refuse messages that the API does not accept.

    Args:
        messages: the messages.
        known: the model's capabilities.
        version: the version of the API.
        betas: the betas of the request.
        prefilled: whether a prefill is accepted even if the model does not support it.

    Raises:
        SimulatedAPIError: 400, with the first problem.
    """
    if not isinstance(messages, list):
        raise SimulatedAPIError("messages: Input should be a valid array")
    if not messages:
        raise SimulatedAPIError("messages: at least one message is required")
    if len(messages) > _MOST_TURNS:
        raise SimulatedAPIError(f"messages: List should have at most {_MOST_TURNS} items, not {len(messages)}")
    last = len(messages) - 1
    for index, message in enumerate(messages):
        _check_turn(message, index, version, betas, final=index == last)
    _check_system_turns(messages, known)
    spoken = [message for message in messages if message["role"] != "system"]
    if not spoken or (spoken[0]["role"] != "user" and not _is_compacted(spoken[0])):
        raise SimulatedAPIError('messages: first message must use the "user" role')
    _check_prefill(messages[last], known, prefilled=prefilled)
    _check_pairs(_merged(messages))


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """Return the blocks of a turn; a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def text_of(content: Any) -> str:
    """Return the text of a turn, without its other blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content or () if block.get("type") == "text")


def last_turn(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last turn that is not a system turn."""
    return next(message for message in reversed(messages) if message["role"] != "system")


def paused_call(messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the server tool call at which the assistant's last turn paused; `None` if it did not."""
    turn = messages[-1]
    blocks = blocks_of(turn.get("content"))
    if turn["role"] != "assistant" or not blocks or blocks[-1]["type"] != "server_tool_use":
        return None
    return blocks[-1]


def _check_turn(message: Any, index: int, version: str, betas: Betas, *, final: bool) -> None:
    where = f"messages.{index}"
    if not isinstance(message, dict):
        raise SimulatedAPIError(f"{where}: Input should be an object")
    if "role" not in message:
        raise SimulatedAPIError(f"{where}.role: Field required")
    role = message["role"]
    if role not in ("user", "assistant", "system"):
        raise SimulatedAPIError(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
    more = [name for name, beta in _SYSTEM_KEYS.items() if role == "system" and has_beta(betas, beta)]
    check_object(message, where, " ".join(("role", "content", *more)))
    if _is_directive(message):
        return
    if "content" not in message:
        raise SimulatedAPIError(f"{where}.content: Field required")
    content = message["content"]
    if not isinstance(content, str | list):
        raise SimulatedAPIError(f"{where}.content: Input should be a valid string or array")
    if not content and not (final and role == "assistant"):
        raise SimulatedAPIError(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    if isinstance(content, str):
        if content:
            check_words(content)
        return
    for place, block in enumerate(content):
        check_block(block, role, f"{where}.content.{place}", version, betas)


def _is_directive(message: dict[str, Any]) -> bool:
    """Check whether a system turn has no content and only sets the effort of later turns."""
    return message["role"] == "system" and present(message, "output_config") and not message.get("content")


def _is_compacted(message: dict[str, Any]) -> bool:
    blocks = blocks_of(message["content"])
    return bool(blocks) and blocks[0]["type"] == "compaction"


def _check_system_turns(messages: list[dict[str, Any]], known: Capabilities) -> None:
    for index, message in enumerate(messages):
        if message["role"] != "system" or _is_directive(message):
            continue
        if known.system_turns is False:
            raise SimulatedAPIError("role 'system' is not supported on this model")
        if index == 0:
            raise SimulatedAPIError("messages.0: use the top-level 'system' parameter for the initial system prompt")
        before = messages[index - 1]
        served = before["role"] == "assistant" and str(blocks_of(before["content"])[-1:]).find("tool_result") > 0
        if before["role"] != "user" and not served:
            raise SimulatedAPIError(f"messages.{index}: a 'system' message must follow a 'user' message")
        if index + 1 < len(messages) and messages[index + 1]["role"] != "assistant":
            raise SimulatedAPIError(
                f"messages.{index}: a 'system' message must be the last or be followed by an 'assistant' message"
            )


def _check_prefill(final: dict[str, Any], known: Capabilities, *, prefilled: bool) -> None:
    if final["role"] != "assistant":
        return
    blocks = blocks_of(final["content"])
    # An answer that paused at a server tool is sent back to be continued.
    resumed = any(block["type"] == "server_tool_use" for block in blocks)
    ends_in_text = not blocks or blocks[-1]["type"] == "text"
    if known.prefill is False and ends_in_text and not resumed and not prefilled:
        raise SimulatedAPIError(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    if text_of(final["content"]) != text_of(final["content"]).rstrip():
        raise SimulatedAPIError("messages: final assistant content cannot end with trailing whitespace")


def _merged(messages: list[dict[str, Any]]) -> list[tuple[int, str, list[dict[str, Any]]]]:
    """Merge consecutive turns of one role, as the API does; each has the index of its first message."""
    turns: list[tuple[int, str, list[dict[str, Any]]]] = []
    for index, message in enumerate(messages):
        if message["role"] == "system":
            continue
        blocks = blocks_of(message["content"])
        if turns and turns[-1][1] == message["role"]:
            turns[-1][2].extend(blocks)
        else:
            turns.append((index, message["role"], list(blocks)))
    return turns


def _check_pairs(turns: list[tuple[int, str, list[dict[str, Any]]]]) -> None:
    calls: list[str] = []
    seen: set[str] = set()
    for index, role, blocks in turns:
        if role == "assistant":
            calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if len(calls) > len(set(calls)) or seen & set(calls):
                raise SimulatedAPIError(f"messages.{index}: `tool_use` ids must be unique")
            seen.update(calls)
            if calls and index == turns[-1][0]:
                raise _unanswered(index, calls)
            continue
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for result in results:
            if result not in calls:
                raise SimulatedAPIError(
                    f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {result}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            if results.count(result) > 1:
                raise SimulatedAPIError(
                    f"messages.{index}.content: each tool_use must have a single result. "
                    f"Found multiple `tool_result` blocks with id: {result}"
                )
        # Other content of the user must follow the results.
        first = [block["tool_use_id"] for block in takewhile(lambda block: block["type"] == "tool_result", blocks)]
        missing = [call for call in calls if call not in first]
        if missing:
            raise _unanswered(index - 1, missing)
        calls = []


def _unanswered(index: int, ids: list[str]) -> SimulatedAPIError:
    return SimulatedAPIError(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )
