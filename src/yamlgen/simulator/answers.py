"""The answers of the simulated model, which depend only on the request and a seed.

The request determines the kind of answer: a tool call, native output, JSON described in the system prompt (as
instructor's JSON mode does), or text. Tokens are estimated as in `plan`, so limits and usage work.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from yamlgen.model_capabilities import of, tokenizer_of
from yamlgen.simulator.api_errors import SimulatedAPIError
from yamlgen.simulator.cache_usage import UNCACHED, CacheUse
from yamlgen.simulator.instances import Instances, instances_of
from yamlgen.simulator.plausible_values import PlausibleValues
from yamlgen.simulator.schema_limits import format_of
from yamlgen.simulator.server_tools import used
from yamlgen.simulator.thinking import thinks
from yamlgen.simulator.tools import is_custom, is_forced
from yamlgen.simulator.turns import blocks_of, last_turn, text_of
from yamlgen.steps.keyed_fields import UNKEYED
from yamlgen.token_estimate import tokens_of

_TOPIC_WORDS = 6
_MOST_FAILURES = 10
"""After this many turns of failed calls the model stops calling tools, so that every conversation ends."""

Blocks = list[dict[str, Any]]


def digest_of(body: Mapping[str, Any], seed: int, row: str = "") -> bytes:
    """Return a digest of what an answer depends on: the seed, the row, and the body, without its unkeyed fields."""
    asked = {key: value for key, value in body.items() if key not in UNKEYED}
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{seed} {text}{row}".encode()).digest()


def answer(
    body: Mapping[str, Any],
    digest: bytes,
    values: PlausibleValues,
    fault: str | None = None,
    cached: CacheUse = UNCACHED,
) -> dict[str, Any]:
    """Return the message that answers a valid request.

    Args:
        body: the request.
        digest: the result of `digest_of` for the request.
        values: the source of the answer's values; seeded here.
        fault: `refusal`, `truncate`, `blank` or `invalid_output`; other faults have no effect here.
        cached: what the prompt cache does for the request.

    Raises:
        SimulatedAPIError: 400, if the requested schema has an unsatisfiable keyword.
    """
    values.seed(int.from_bytes(digest[:8], "big"))
    usage = _usage(body, cached)
    message = {
        "id": f"msg_sim_{digest.hex()[:24]}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {**usage, "output_tokens": 1},
        **({"context_management": {"applied_edits": []}} if body.get("context_management") else {}),
    }
    if fault == "refusal":
        return {**message, "stop_details": {"type": "refusal", "category": None, "explanation": None}}
    if not body["max_tokens"]:
        return {**message, "stop_reason": "max_tokens", "usage": {**usage, "output_tokens": 0}}
    content, stop = _content(body, digest, values, broken=fault == "invalid_output")
    if fault == "blank":
        content, stop = [{"type": "text", "text": " \n"}], "end_turn"
    content, stop, sequence = _stopped(content, stop, body.get("stop_sequences") or [])
    characters = tokenizer_of(body["model"]).characters
    room = int(body["max_tokens"] * characters)
    length = sum(len(_text(block)) for block in content)
    if fault == "truncate":
        room = min(room, length // 2)
    if length > room:
        content, stop, sequence = _cut(content, room), "max_tokens", None
    tokens = max(1, math.ceil(sum(len(_text(block)) for block in content) / characters))
    return {
        **message,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": sequence,
        "usage": {**usage, "output_tokens": tokens, **_requests(content)},
    }


def _usage(body: Mapping[str, Any], cached: CacheUse) -> dict[str, Any]:
    """Return the usage of a request, without its output tokens."""
    return {
        **cached.usage(tokens_of(body)),
        "service_tier": "standard",
        **{name: body[name] for name in ("speed", "inference_geo") if body.get(name)},
        **({"fallback_credit": {"status": {"type": "redeemed"}}} if body.get("fallback_credit_token") else {}),
    }


def _requests(content: Blocks) -> dict[str, Any]:
    """Return how often the API's own tools were used, which is billed separately."""
    names = [block["name"] for block in content if block["type"] == "server_tool_use"]
    counts = {f"{name}_requests": names.count(name) for name in ("web_search", "web_fetch")}
    return {"server_tool_use": counts} if any(counts.values()) else {}


def _content(body: Mapping[str, Any], digest: bytes, values: PlausibleValues, *, broken: bool) -> tuple[Blocks, str]:
    if body.get("compaction"):
        return [{"type": "compaction", "content": values.paragraph(), "signature": digest.hex()}], "compaction"
    thoughts: Blocks = []
    if thinks(body):
        thought = values.sentence() if _shows_thinking(body) else ""
        thoughts = [{"type": "thinking", "thinking": thought, "signature": digest.hex()}]
    tools = _called(body, values)
    if tools:
        calls = [
            {
                "type": "tool_use",
                "id": f"toolu_sim_{digest.hex()[:20]}{index:02d}",
                "name": tool["name"],
                "input": _drawn(tool["input_schema"], values, broken=broken),
            }
            for index, tool in enumerate(tools)
        ]
        return [*thoughts, *calls], "tool_use"
    served, is_paused = used(body, digest, values)
    before = [*thoughts, *served]
    if is_paused:
        return before, "pause_turn"
    form = format_of(body)
    schema = form["schema"] if form else None if body.get("tools") else _described(body)
    if schema is None:
        return [*before, {"type": "text", "text": _said(body, values)}], "end_turn"
    text = json.dumps(_drawn(schema, values, broken=broken), ensure_ascii=False)
    return [*before, {"type": "text", "text": text}], "end_turn"


def _shows_thinking(body: Mapping[str, Any]) -> bool:
    """Check whether an answer shows its thinking: by `display`, or by the default of the model."""
    display = body["thinking"].get("display")
    return of(body["model"]).shows_thinking if display is None else display != "omitted"


def _called(body: Mapping[str, Any], values: PlausibleValues) -> list[dict[str, Any]]:
    """Return the tools that the answer calls."""
    tools = [tool for tool in body.get("tools") or [] if is_custom(tool)]
    choice = body.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none" or _is_served(body):
        return []
    if choice["type"] == "tool":
        return [tool for tool in tools if tool["name"] == choice["name"]]
    values.rng.shuffle(tools)
    return tools[:1] if choice.get("disable_parallel_tool_use") else tools[: values.rng.randint(1, len(tools))]


def _is_served(body: Mapping[str, Any]) -> bool:
    """Check whether the last turn contains results to answer with text; a failed call is repeated instead.

    If the last turn contains only results, even a forced tool is not called again, so that a client's tool loop ends.
    """
    blocks = blocks_of(last_turn(body["messages"])["content"])
    results = [block for block in blocks if block["type"] == "tool_result"]
    if not results or (is_forced(body) and len(results) < len(blocks)):
        return False
    return not _is_failed(blocks) or _failures(body["messages"]) >= _MOST_FAILURES


def _is_failed(blocks: Blocks) -> bool:
    return any(block["type"] == "tool_result" and block.get("is_error") for block in blocks)


def _failures(messages: list[dict[str, Any]]) -> int:
    """Count the turns with failed results at the end of the conversation."""
    failures = 0
    for message in reversed(messages):
        if message["role"] != "user":
            continue
        if not _is_failed(blocks_of(message["content"])):
            break
        failures += 1
    return failures


def _described(body: Mapping[str, Any]) -> Any:
    """Return the schema that follows `json_schema` in the system prompt, or `None`."""
    _, found, rest = text_of(body.get("system") or "").partition("json_schema")
    if not found or "{" not in rest:
        return None
    try:
        return json.JSONDecoder().raw_decode(rest, rest.index("{"))[0]
    except (ValueError, RecursionError):
        return None


def made_up(schema: Any, seed: str) -> Any:
    """Return a value that is valid for a schema, always the same for the same seed; without a schema, a string.

    It is `None` if the simulator cannot make one.
    """
    values = PlausibleValues()
    values.seed(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    try:
        return _drawn(schema, values, broken=False) if schema else values.paragraph()
    except SimulatedAPIError:
        return None


def _drawn(schema: Any, values: PlausibleValues, *, broken: bool) -> Any:
    try:
        instances = instances_of(json.dumps(schema), values)
    except ValueError as error:
        raise SimulatedAPIError(f"the simulator cannot read the schema: {getattr(error, 'message', error)}") from None
    value = instances.draw()
    return _broken(value, schema, instances) if broken else value


def _broken(value: Any, schema: Any, instances: Instances) -> Any:
    """Return `value` with a small change that makes it invalid; unchanged if the schema accepts everything."""
    wrong: list[Any] = []
    if isinstance(value, dict):
        required = schema.get("required", []) if isinstance(schema, dict) else []
        names = [*(name for name in required if name in value), *value]
        wrong += [{key: kept for key, kept in value.items() if key != name} for name in names]
        wrong += [{**value, name: {"unexpected": True}} for name in value]
        wrong += [{**value, name: []} for name in value]
        wrong += [{**value, "unexpected": True}]
    else:
        wrong += [{"unexpected": True}, "unexpected", None, []]
    return next((other for other in wrong if not instances.accepts(other)), value)


def _said(body: Mapping[str, Any], values: PlausibleValues) -> str:
    """Return two sentences, preceded by the first words of the prompt."""
    words = text_of(last_turn(body["messages"])["content"]).split()[:_TOPIC_WORDS]
    topic = " ".join(words).rstrip(".,:;!?")
    return f"On \u201c{topic}\u201d: {values.paragraph()}" if topic else values.paragraph()


def _text(block: Mapping[str, Any]) -> str:
    """Return the characters of a block that count as output."""
    match block["type"]:
        case "tool_use" | "server_tool_use":
            return json.dumps(block["input"], ensure_ascii=False)
        case "thinking" | "text":
            return str(block[block["type"]])
        case "compaction":
            return str(block["content"])
        case _:
            return ""


def _stopped(content: Blocks, stop: str, sequences: list[str]) -> tuple[Blocks, str, str | None]:
    """Cut the content at the first stop sequence in its text."""
    *before, last = content
    if last["type"] != "text":
        return content, stop, None
    found = [(last["text"].index(sequence), sequence) for sequence in sequences if sequence in last["text"]]
    if not found:
        return content, stop, None
    place, sequence = min(found)
    text = last["text"][:place]
    return [*before, {**last, "text": text}] if text else before, "stop_sequence", sequence


def _cut(content: Blocks, room: int) -> Blocks:
    """Cut the content at `room` characters; a tool's input keeps only complete members."""
    kept: Blocks = []
    for block in content:
        length = len(_text(block))
        if length <= room:
            kept.append(block)
            room -= length
            continue
        if block["type"] == "tool_use":
            kept.append({**block, "input": _part(block["input"], room)})
        elif room > 0 and block["type"] in {"thinking", "text"}:
            kept.append({**block, block["type"]: _text(block)[:room]})
        break
    return kept


def _part(value: Mapping[str, Any], room: int) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for key, member in value.items():
        if len(json.dumps({**part, key: member}, ensure_ascii=False)) > room:
            break
        part[key] = member
    return part
