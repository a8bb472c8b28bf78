"""The blocks that server tools, which the API runs itself, add to an answer: a call and its result.

Sometimes the API pauses an answer between the two. The client then sends it back unchanged, and the answer continues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.tools import is_custom
from yamlgen.simulator.turns import blocks_of, paused_call

_PAUSES: Final = 64
"""An answer pauses if the first byte of its digest (0 to 255) is below this."""

Blocks = list[dict[str, Any]]


def used(body: Mapping[str, Any], digest: bytes, values: PlausibleValues) -> tuple[Blocks, bool]:
    """Return the server tool blocks of an answer, and whether it pauses after them.

    Args:
        body: the request.
        digest: the digest that the answer depends on.
        values: the source of values.
    """
    paused = paused_call(body["messages"])
    if paused is not None:
        return [_result(paused, values)], False
    tool = next((tool for tool in body.get("tools") or () if _name(tool)), None)
    if tool is None or (body.get("tool_choice") or {}).get("type") == "none" or _was_used(body["messages"]):
        return [], False
    name = _name(tool)
    call = {
        "type": "server_tool_use",
        "id": f"srvtoolu_sim_{digest.hex()[:22]}",
        "name": name,
        "input": _INPUTS[name](values),
    }
    if digest[0] < _PAUSES:
        return [call], True
    return [call, _result(call, values)], False


def _name(tool: Mapping[str, Any]) -> str:
    """Return the name in the calls of a server tool; empty for other tools."""
    kind = "" if is_custom(tool) else str(tool["type"]).rpartition("_")[0]
    if kind == "code_execution" and not str(tool["type"]).endswith("20250522"):
        return "bash_code_execution"
    return kind if kind in _INPUTS else ""


def _was_used(messages: list[dict[str, Any]]) -> bool:
    return any(
        block["type"] == "server_tool_use"
        for message in messages
        if message["role"] == "assistant"
        for block in blocks_of(message["content"])
    )


def _result(call: Mapping[str, Any], values: PlausibleValues) -> dict[str, Any]:
    name = call["name"] if call["name"] in _RESULTS else "bash_code_execution"
    content = _RESULTS[name](call, values)
    return {"type": f"{name}_tool_result", "tool_use_id": call["id"], "content": content}


def _found(_: Mapping[str, Any], values: PlausibleValues) -> Any:
    title = values.sentence()
    page = {"url": values.link(), "title": title, "encrypted_content": values.word(), "page_age": None}
    return [{"type": "web_search_result", **page}]


def _fetched(call: Mapping[str, Any], values: PlausibleValues) -> Any:
    source = {"type": "text", "media_type": "text/plain", "data": values.paragraph()}
    document = {"type": "document", "source": source, "title": values.sentence(), "citations": None}
    url = str(call["input"].get("url", values.link()))
    return {"type": "web_fetch_result", "url": url, "content": document, "retrieved_at": None}


def _ran(call: Mapping[str, Any], values: PlausibleValues) -> Any:
    kind = f"{call['name']}_result"
    return {"type": kind, "stdout": values.sentence(), "stderr": "", "return_code": 0, "content": []}


_INPUTS: Final[Mapping[str, Callable[[PlausibleValues], dict[str, str]]]] = {
    "web_search": lambda values: {"query": values.sentence()},
    "web_fetch": lambda values: {"url": values.link()},
    "code_execution": lambda values: {"code": f"print({values.word()!r})"},
    "bash_code_execution": lambda values: {"command": f"echo {values.word()}"},
}
_RESULTS: Final[Mapping[str, Callable[[Mapping[str, Any], PlausibleValues], Any]]] = {
    "web_search": _found,
    "web_fetch": _fetched,
    "code_execution": _ran,
    "bash_code_execution": _ran,
}
