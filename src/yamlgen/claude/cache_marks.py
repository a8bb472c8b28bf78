"""The breakpoints of the prompt cache in a request: what the author asks for, as the API takes it.

Owns what the `cache` of a step means. The API's own breakpoint is at the end of the request. Where every request ends
differently nobody reads it, but each request pays for writing it. A step then caches the part that its requests share.
"""

from __future__ import annotations

from collections.abc import Mapping

from yamlgen.prompt_prefixes import MARK, least_cached, tokens_before
from yamlgen.token_estimate import MARGIN
from yamlgen.value_objects import JSON, CacheMarks


def with_breakpoints(body: dict[str, JSON], marks: CacheMarks | None) -> dict[str, JSON]:
    """Return the body that is sent for a body without breakpoints; it is not changed."""
    if marks is None:
        return body
    sent = dict(body)
    if marks.system is not None and sent.get("system"):
        sent["system"] = _marked(sent["system"], marks.system)
    for index, lifetime in marks.messages:
        _mark_message(sent, index, lifetime)
    if marks.step is None:
        return sent
    ends = [] if marks.system or marks.messages else _worth_caching(body, marks.shared)
    for end in ends:
        _mark_end(sent, end, marks.step)
    if not ends or marks.repeats:
        sent[MARK] = _control(marks.step)
    return sent


def _worth_caching(body: Mapping[str, JSON], shared: tuple[int, ...]) -> list[int]:
    """Return the ends of the shared parts that the model may cache."""
    least = least_cached(str(body["model"]))
    return [end for end in shared if tokens_before(body, end) * (1 + MARGIN) >= least]


def _mark_end(sent: dict[str, JSON], end: int, lifetime: str) -> None:
    if end > 0:
        _mark_message(sent, end - 1, lifetime)
    elif end == 0 and sent.get("system"):
        sent["system"] = _marked(sent["system"], lifetime)
    else:
        sent["tools"] = _marked(sent["tools"], lifetime)


def _mark_message(sent: dict[str, JSON], index: int, lifetime: str) -> None:
    messages = list(sent["messages"])
    messages[index] = {**messages[index], "content": _marked(messages[index]["content"], lifetime)}
    sent["messages"] = messages


def _marked(content: JSON, lifetime: str) -> list[JSON]:
    """Return the blocks of a text, or of a list, with a breakpoint after the last."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return [*blocks[:-1], {**blocks[-1], MARK: _control(lifetime)}]


def _control(lifetime: str) -> dict[str, str]:
    return {"type": "ephemeral", "ttl": lifetime}
