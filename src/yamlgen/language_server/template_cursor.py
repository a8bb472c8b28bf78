"""What is written before the cursor in a template or an expression, as far as completion needs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Wanted: TypeAlias = Literal["member", "filter", "test", "name", "tag"]
"""What can follow: a member of a reference, a filter after `|`, a test after `is`, a name, or a tag after `{%`."""

_CHAIN: Final = r"(?<![\w.])([A-Za-z_]\w*(?:\s*\.\s*\w+|\[\s*(?:\"[^\"]*\"|'[^']*'|-?\d+)\s*\])*)"
_MEMBER: Final = re.compile(_CHAIN + r"\s*\.\s*(\w*)\Z")
_SUBSCRIPT: Final = re.compile(_CHAIN + r"(\[\s*(?:[\"'][^\"']*)?)\Z")
_OTHERS: Final[tuple[tuple[Wanted, re.Pattern[str]], ...]] = (
    ("filter", re.compile(r"(?<!\|)\|\s*(\w*)\Z")),
    ("test", re.compile(r"\bis\s+(?:not\s+)?(\w*)\Z")),
    ("name", re.compile(r"(?<![\w.])(\w*)\Z")),
)
_TAG: Final = re.compile(r"\A[-+]?\s*(\w*)\Z")
_STRING: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_BLOCK: Final = re.compile(r"\{%[-+]?\s*(\w+)")
_OPENING: Final = frozenset({"if", "for", "macro", "call", "filter", "with", "raw"})


@dataclass(frozen=True, slots=True)
class TemplateCursor:
    """The cursor in a template or an expression.

    Attributes:
        wanted: what can follow.
        start: the offset of what is written of it.
        owner: the reference whose member is wanted.
        is_subscript: whether the member is written in brackets.
        cut: the source without what is unfinished: with only the owner there, and all blocks closed.
        owner_end: the offset of the end of the owner in `cut`.
    """

    wanted: Wanted
    start: int
    owner: str = ""
    is_subscript: bool = False
    cut: str = ""
    owner_end: int = 0


def cursor_in(source: str, at: int, *, is_expression: bool) -> TemplateCursor | None:
    """Return what can follow at an offset; `None` in text, in a string, or where nothing is known to follow."""
    begun = 0 if is_expression else _opened(source, at)
    if begun is None:
        return None
    before = source[begun:at]
    if not is_expression and source.startswith("{%", begun - 2) and (tag := _TAG.search(before)):
        return TemplateCursor("tag", begun + tag.start(1))
    found = _SUBSCRIPT.search(before)
    is_subscript = found is not None
    bare = _STRING.sub(lambda match: " " * len(match[0]), before)
    if not is_subscript and ('"' in bare or "'" in bare):
        return None
    found = found or _MEMBER.search(before)
    if found is not None:
        end = begun + found.end(1)
        cut = source[:end] + _finished(source[:end], is_expression=is_expression)
        return TemplateCursor("member", begun + found.start(2), found[1], is_subscript, cut, end)
    for wanted, pattern in _OTHERS:
        if (match := pattern.search(bare)) is not None:
            return TemplateCursor(wanted, begun + match.start(1))
    return None


def _opened(source: str, at: int) -> int | None:
    """Return the offset after the braces in which an offset is; `None` if it is in text."""
    begun = max(source.rfind("{{", 0, at), source.rfind("{%", 0, at))
    if begun < 0 or begun + 2 > at:
        return None
    closing = "}}" if source.startswith("{{", begun) else "%}"
    return None if closing in source[begun + 2 : at] else begun + 2


def _finished(source: str, *, is_expression: bool) -> str:
    """Return what a template needs after it breaks off within an expression."""
    if is_expression:
        inside = _STRING.sub("", source)
        return "".join(")" for _ in range(inside.count("(") - inside.count(")")))
    begun = max(source.rfind("{{"), source.rfind("{%"))
    inside = _STRING.sub("", source[begun + 2 :])
    brackets = ")" * (inside.count("(") - inside.count(")")) + "]" * (inside.count("[") - inside.count("]"))
    end = f"{brackets} }}}}" if source.startswith("{{", begun) else f"{brackets} %}}"
    waiting: list[str] = []
    for word in _BLOCK.findall(source):
        if word in _OPENING:
            waiting.append(word)
        elif word.startswith("end") and waiting:
            waiting.pop()
    return end + "".join(f"{{% end{word} %}}" for word in reversed(waiting))
