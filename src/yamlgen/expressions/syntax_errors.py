"""Explain the syntax errors of Jinja in an author's words, at their place in the source.

Owns the translation of Jinja's messages, which name tokens, into a fact and a fix.
"""

from __future__ import annotations

import re
from typing import Final

from yamlgen.suggestions import Rewrite, nearest, proposal

RAW: Final = "to write literal braces, put them between {% raw %} and {% endraw %}"
_COLUMN: Final = 'put a name that contains spaces or symbols in brackets: `row["First name"]`'
_TAGS: Final = ("if", "elif", "else", "endif", "for", "endfor", "set", "endset", "macro", "endmacro", "raw", "endraw")
_SIGNS: Final = {"!==": "!=", "&&": "and", "||": "or", "->": "."}
"""Operators of other languages, and their equivalents."""

_TOKENS: Final = {
    "end of print statement": "`}}`",
    "end of statement block": "`%}`",
    "begin of print statement": "`{{`",
    "begin of statement block": "`{%`",
    "end of template": "the end",
    "name": "a name",
    "integer": "a number",
    "float": "a number",
    "string": "a string",
}
_EXPECTED = re.compile(r"expected token '(.+?)', got '(.*)'", re.DOTALL)
_UNCLOSED = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_TAG = re.compile(r"unknown tag '(\w+)'")
_CHARACTER = re.compile(r"unexpected char (?:'(.)'|\"(.)\")", re.DOTALL)
_ANY_TAG = re.compile(r"\{%[-+]?\s*(end)?(\w+)")
_BRACKETS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[()\[\]{}]""", re.DOTALL)
_COMMA = re.compile(r"(?<![\w.])(\d+),(\d+(?:,\d+)*)\Z")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")
_TEXT = re.compile(r"\w+://\S+|[^\W\d_][\w.,;:!?@/&%' -]*")
_IN_SCOPE = re.compile(r"\b(?:row|params|steps|item|item_index|matrix|output)\b")
_LONGEST = 60
_OPENING = re.compile(r"\{\{|\{%")
_CLOSING = re.compile(r"\}\}|%\}")
_OPERATOR = re.compile(r"[=<>|+*/~%'\"()]|\b(?:and|or|not|in|is|if)\b")


def as_string(source: str) -> str | None:
    """Return the fix for a text that was probably meant as a string: the text in two pairs of quotes, or `None`."""
    text = source.strip()
    if not _TEXT.fullmatch(text) or _IN_SCOPE.search(text):
        return None
    shown = "..." if len(text) > _LONGEST else text.replace("'", "''")
    return "a string is written `" + (f"'\"{shown}\"'" if "'" in text else f"\"'{shown}'\"") + "`"


def explain_expression(source: str, message: str, at: int) -> tuple[str, int, int, str | None]:
    """Return the fact, its range in `source`, and the fix, for an expression (which has no braces)."""
    braces = _OPENING.search(source)
    if braces:
        inner = source[braces.end() :].partition("}}")[0].strip() if braces[0] == "{{" else ""
        hint = f"write it without braces: `{inner}`" if inner else "write a condition as `a if b else c`"
        rest = source[: braces.start()] + source.partition("}}")[2]
        if inner and rest.strip() and not _OPERATOR.search(rest):
            hint = f"write it without braces, and join it to strings with `~`: `'...' ~ {inner}`"
        elif inner and not rest.strip():
            hint = Rewrite(hint, source.strip(), inner)
        return f"an expression cannot contain `{braces[0]}`", braces.start(), braces.end(), hint
    if not source.strip():
        return "the expression is empty", 0, 1, None
    opened = _open_bracket(source)
    if opened is not None:
        return f"`{source[opened]}` is never closed", opened, opened + 1, None
    text = as_string(source)
    if "end of template" in message:
        end = len(source.rstrip())
        return "the expression is incomplete", max(end - 1, 0), end, text
    if message == "an expression ends here":
        rest = source[at:].split(None, 1)[0]
        return f"the expression ends before `{rest}`", at, at + len(rest), _continued(source, rest, at)
    fact, fix = _sentence(message, "the end")
    fix = _of_python(source, at) or text or fix
    if source.startswith("==", at - 2) and source[at : at + 1] == "=":
        fix = "to compare, write `==`"
    return fact.replace("in a template", "in an expression").replace("the template", "the expression"), at, at + 1, fix


def _continued(source: str, rest: str, at: int) -> str:
    """Return the fix for text after the end of an expression."""
    if rest.startswith("="):
        hint = "to compare, write `==`"
        return hint if rest[1:2] in ("=", ">", "~") else Rewrite(hint, "=", "==")
    if other := _of_python(source, at):
        return other
    if re.search(r"row\.\w+\s+$", source[:at]) and re.fullmatch(r"[^\W\d]\w*", rest):
        return _COLUMN
    if text := as_string(source):
        return text
    if number := _COMMA.search(source[: at + len(rest)]):
        whole, decimals = number.groups()
        point = f"`{whole}.{decimals.replace(',', '')}`"
        if _THOUSANDS.fullmatch(number[0]):
            decimal = f", or {point} with a decimal point" if number[0].count(",") == 1 else ""
            return f"write a number without commas: `{number[0].replace(',', '')}`{decimal}"
        return f"write a decimal number with a point: {point}"
    return "join it with an operator such as `and`, or put a string in quotes"


def _of_python(source: str, at: int) -> str | None:
    """Return the fix for syntax of Python or of another template language."""
    word = re.compile(r"\w+").match(source, at)
    if word and word[0] in ("AND", "OR", "NOT", "IS", "IN"):
        return Rewrite(f"write `{word[0].lower()}`", word[0], word[0].lower())
    begun = max((match.end() for match in _OPENING.finditer(source, 0, at)), default=0)
    if word and word[0] in ("for", "async") and _open_bracket(source[begun:at]) is not None:
        return "an expression has no `[... for ...]`: use `map(...)`, or `| sum(start=[])` to join lists"
    for sign, meant in _SIGNS.items():
        if source.startswith(sign, at) or source.startswith(sign, max(at - len(sign) + 1, 0)):
            hint = f"write `{meant}`"
            return Rewrite(hint, sign, meant) if meant != "." else hint
    before = re.search(r"\|\s*(\w+)\s+$", source[:at])
    if before and (word or source[at : at + 1] in ("'", '"')):
        return f"put the arguments of a filter in parentheses: `{before[1]}(...)`"
    if source[at : at + 1] in ("'", '"') and re.search(r"\b[fF]$", source[:at]):
        return 'join strings and values with `~`, as in `"No. " ~ row.number`'
    if source[at : at + 1] == "?" and source[at + 1 :].strip():
        return "write a condition as `a if b else c`, and a replacement for null as `a or b`"
    return None


def _open_bracket(source: str) -> int | None:
    """Return the offset of the last bracket that is never closed; quoted strings are skipped."""
    opened: list[int] = []
    for match in _BRACKETS.finditer(source):
        if match[0] in "([{":
            opened.append(match.start())
        elif match[0] in ")]}" and opened:
            opened.pop()
    return opened[-1] if opened else None


def explain(source: str, message: str, at: int) -> tuple[str, int, int, str | None]:
    """Return the fact, its range in `source`, and the fix, for a template."""
    begins = [match.start() for match in _OPENING.finditer(source, 0, at + 1)]
    begun = begins[-1] if begins else 0
    mark = "`}}`" if source.startswith("{{", begun) else "`%}`"
    low = message.lower()
    if "end of comment tag" in low or "end of raw" in low:
        what = "{#" if "comment" in low else "{% raw %}"
        start = max(source.rfind(what[:2], 0, at), 0)
        return f"`{what}` is never closed", start, start + 2, RAW if what == "{#" else None
    if "unexpected end of template, expected" in low or _is_open(source, begun, at):
        what = source[begun : begun + 2]
        return f"`{what}` is never closed by {mark}", begun, begun + 2, None
    fact, fix = _sentence(message, mark)
    fix = _of_python(source, at) or fix
    inner = source[begun + 2 :].lstrip()
    if low.startswith("unexpected end of template. "):
        at = _opening(source, message, at)
    opened = _open_bracket(source[begun + 2 : at])
    if fix is None and opened is not None and source[at : at + 1] in ("}", "%"):
        fix = f"the `{source[begun + 2 + opened]}` before it is never closed"
    if fix is None and (source[begun + 2 : begun + 3] in ('"', "'", "{", "}", "[") or inner.startswith(".")):
        fix = RAW
    word = re.compile(r"\w+|\{%|\S?").match(source, at)
    return fact, at, max(word.end() if word else at, at + 1), fix


def _opening(source: str, message: str, at: int) -> int:
    """Return the offset of the block that is still open at the end of the template."""
    block = _UNCLOSED.search(message)
    opened: list[int] = []
    for tag in _ANY_TAG.finditer(source):
        if block and tag[2] == block[1]:
            opened = opened[:-1] if tag[1] else [*opened, tag.start()]
    return opened[-1] if opened else at


def _is_open(source: str, begun: int, at: int) -> bool:
    """Whether another expression begins, or the template ends, before the one at `begun` is closed."""
    closing, opening = _CLOSING.search(source, begun), _OPENING.search(source, begun + 2)
    if opening and source[begun + 2 : opening.start()].strip("-+ \n") == "":
        return False
    return at > begun and (closing is None or (opening is not None and opening.start() < closing.start()))


def _sentence(message: str, mark: str) -> tuple[str, str | None]:
    if tag := _TAG.search(message):
        return _wrong_tag(tag[1], message)
    if block := _UNCLOSED.search(message):
        return f"`{{% {block[1]} %}}` is never closed", f"end it with `{{% end{block[1]} %}}`"
    if pair := _EXPECTED.search(message):
        wanted = _TOKENS.get(pair[1], f"`{pair[1]}`")
        got = _TOKENS[pair[2]] if pair[2] in _TOKENS and " of " in pair[2] else f"`{pair[2]}`"
        fix = _COLUMN if wanted == mark and re.fullmatch(r"`\w+`", got) else None
        if got == "`=`":
            fix = "to compare, write `==`"
        return f"{wanted} is expected here, not {got}", fix
    if character := _CHARACTER.search(message):
        found = character[1] or character[2]
        if found in "'\"":
            return "this quote is never closed", None
        return f"`{found}` is not valid in a template", "use operators such as `and`, `or`, `not` and `==`"
    low = message.lower()
    if "expected an expression" in low or "tag name expected" in low or "unexpected 'end of" in low:
        return f"something is missing before {mark}", None
    if low == "unexpected '}'":
        return "a brace is missing: an expression ends with `}}`", None
    return f"the template cannot be parsed: {message[:1].lower()}{message[1:]}", None


def _wrong_tag(tag: str, message: str) -> tuple[str, str | None]:
    if block := _UNCLOSED.search(message):
        return f"`{tag}` is not allowed here", f"close `{{% {block[1]} %}}` first, with `{{% end{block[1]} %}}`"
    if tag in _TAGS:
        return f"`{tag}` has no opening tag", None
    near = nearest(tag, _TAGS)
    tags = "tags: `if`, `for`, `set`, `macro`, `raw`"
    return f"there is no tag `{tag}`", proposal(tag, near, _TAGS, is_language=True) if near else tags
