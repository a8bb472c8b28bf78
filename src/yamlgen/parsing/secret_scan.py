"""Keys never stand in a pipeline: where one does it is found, told once, and never repeated.

Owns the look for API keys in every text of a pipeline (its file, prompts, schemas, comments included), the names under
which keys stand by mistake (`auth_token`, `headers`), and the rule that no diagnostic holds what stands there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Final, Literal

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.excerpts import short
from yamlgen.parsing.source_map import SourceText
from yamlgen.redaction import HIDDEN, KEY_SHAPE, LONG_SECRET, is_secret, redact

# Longer than what `redact` hides: a sentence about `sk-ant-` and three letters is no key, and no mistake.
_SECRET: Final = re.compile(r"sk-ant-[A-Za-z0-9_\-]{4,}")

_FARTHEST: Final = 500
"""How many characters before a name are looked at, for the bracket that it stands in."""

_SHORTEST: Final = 4
"""From so many characters on a piece of a key is not repeated beside it."""

Kind = Literal["key", "headers", "word", "variable", "address"]
"""What may stand under a name: a key; headers, which may hold one; a key, or what else the word means; a variable's
name, or by mistake a key; an address, which may hold a password."""

_KINDS: Final[dict[str, Kind | None]] = {
    "apikey": "key",
    "authtoken": "key",
    "accesstoken": "key",
    "authorization": "key",
    "bearer": "key",
    "secret": "key",
    "password": "key",
    "credentials": "key",
    "cookie": "key",
    "header": "headers",
    "headers": "headers",
    "apikeyenv": "variable",
    "baseurl": "address",
    "maxtokens": None,
    "budgettokens": None,
}
_WORDS: Final = frozenset({"key", "token", "auth", "pass", "pwd", "signature"})
_PARTS: Final = ("apikey", "authtoken", "accesstoken", "secret", "password", "passwd", "credential", "authorization")

_NAME: Final = re.compile(
    r"""(?<![\w.-])["']?([A-Za-z][\w.-]{0,79})["']?(?:[ \t]*:(?=\s|["'])|\s+:(?=\s)|[ \t]*=(?!=)(?=[ \t]*\S))[ \t]*"""
)
_ENTRY: Final = re.compile(r"""\s*(?:-\s+)*["']?([\w.$-]+)["']?\s*:(?:\s|$)""")
_SCHEMA: Final = re.compile(r"""["']?(?:type|\$ref|enum|const|anyOf|oneOf|properties|items|description)["']?\s*:""")
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?""", re.DOTALL)
_QUOTE: Final = re.compile("`([^`]+)`")
_VALUE: Final = re.compile(r"""["']?(?:default|const|examples?)["']?\s*:[ \t]*([^,}\]\n]+)""")
_TEMPLATE: Final = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}%]*%\}")
_READS: Final = re.compile(r"(?:row|steps|params|item|matrix|output)\b[.\[]")
_RANDOM: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{20,}")
_PRIVATE: Final = re.compile(r"(?<=://)[^\s/@\"']+(?=@)")
_BEHIND: Final = re.compile(r"(?<=[?#])[^\s\"',}]+")


@dataclass(frozen=True, slots=True)
class _Found(Diagnostic):
    """A key that was found in a text, and not by the name of what holds it."""


@dataclass(frozen=True)
class _Hidden:
    """A part of a text that may be a key, and is not repeated."""

    start: int
    end: int
    text: SourceText

    @cached_property
    def lines(self) -> tuple[int, int]:
        """The lines where it begins and ends."""
        return self.text.position(self.start)[0], self.text.position(self.end)[0]

    @cached_property
    def said(self) -> str:
        """What stands there, but for templates."""
        return _TEMPLATE.sub("", self.text.text[self.start : self.end]).strip()

    @cached_property
    def words(self) -> list[str]:
        """The words that no message may hold, longest first: what stands there, as it is written and as it reads."""
        said = self.said
        words = {said, *re.split(r"[\s,{}\[\]\"']+|:\s", said)}
        if said[:1] in ("'", '"'):
            words |= {said[1:-1], said[1:-1].replace("''", "'"), _unquoted(said)}
        return sorted(filter(is_secret, words), key=len, reverse=True)

    def hushed(self, told: str, mark: Mark) -> str:
        """A sentence about a place without the words; away from them a short one is a word like others."""
        first, last = self.lines
        is_here = mark.file == self.text.file and first <= mark.end_line and mark.line <= last
        for word in self.words:
            if is_here or len(word) >= LONG_SECRET:
                told = told.replace(word, HIDDEN)
        return _QUOTE.sub(self._without, told) if is_here else told

    def _without(self, quote: re.Match[str]) -> str:
        """What a message quotes, unless it is a piece of this: `canary`, or `row.canary`."""
        piece = quote[1].rpartition(".")[2]
        return f"`{HIDDEN}`" if len(piece) >= _SHORTEST and piece in self.said else quote[0]


def _unquoted(said: str) -> str:
    try:
        return str(json.loads(said))
    except ValueError:
        return ""


def looks_random(name: str) -> bool:
    """Whether what should be a variable's name looks like a key: twenty letters and digits or more without a `_`."""
    return _RANDOM.search(name) is not None


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind | None:
    """What may stand under a name, in any spelling and with a letter wrong; of a dotted one, under any of its parts."""
    for part in reversed(name.split(".")):
        plain = part.lower().replace("-", "").replace("_", "")
        if plain in _KINDS:
            return _KINDS[plain]
        near = [word for word in get_close_matches(plain, _KINDS, n=1, cutoff=0.8) if word[0] == plain[:1]]
        if near:
            return _KINDS[near[0]]
        if any(word in plain for word in _PARTS):
            return "key"
    words = re.split("[_-]", re.sub("([a-z])([A-Z])", r"\1_\2", name.rpartition(".")[2]).lower())
    return None if _WORDS.isdisjoint(words) else "word"


def _hidden_in(text: SourceText) -> list[_Hidden]:
    """What may be a key in a text, by the names before it; the text need not be YAML that can be read."""
    found = [_Hidden(*match.span(), text) for match in _PRIVATE.finditer(text.text)]
    end = 0
    for match in _NAME.finditer(text.text):
        kind = kind_of(match[1]) if match.start() >= end else None
        ranges = [] if kind is None else list(_values(text.text, match, kind))
        found.extend(_Hidden(*each, text) for each in ranges)
        end = max((end, *(last for _, last in ranges)))
    return found


def _values(text: str, name: re.Match[str], kind: Kind) -> Iterator[tuple[int, int]]:
    """The ranges of what stands under a name, and may be a key."""
    start = name.end()
    end = _end(text, name)
    said = text[start:end].strip()
    if kind == "address":
        whole = not re.search("[.:/]", said) and said.strip("'\"") != "localhost"
        yield from [(start, end)] if whole else (match.span() for match in _BEHIND.finditer(text, start, end))
    elif kind != "headers" and _SCHEMA.match(said.lstrip("{ \n")):
        yield from (match.span(1) for match in _VALUE.finditer(text, start, end))
    elif not _is_harmless(said, kind):
        yield start, end


def _is_harmless(said: str, kind: Kind) -> bool:
    """Whether what stands under a name is no key by its look: an expression, a variable's name, a step."""
    if kind == "variable":
        name = said.strip("'\"")
        return re.fullmatch(r"\w+", name, re.ASCII) is not None and not looks_random(name)
    if kind == "word" and (_ENTRY.match(said) or said[:1] == "{"):
        return True
    return kind != "headers" and _READS.match(said.lstrip("'\"")) is not None


def _end(text: str, name: re.Match[str]) -> int:
    """Where the value ends that begins behind a name."""
    start = name.end()
    line = text.rfind("\n", 0, name.start()) + 1
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else stop
    before = text[max(line, name.start() - _FARTHEST) : name.start()]
    if name[0].rstrip().endswith("="):
        return start + len(re.match(r"\S*", text[start:])[0])  # type: ignore[index]  # it matches the empty text
    quoted = _QUOTED.match(text, start)
    if quoted is not None:
        return quoted.end()
    if text[start : start + 1] in ("{", "["):
        return _closing(text, start)
    if before.count("{") + before.count("[") > before.count("}") + before.count("]"):
        inside = re.compile(r"[^,}\]\n]*").match(text, start)
        return inside.end() if inside else stop
    indent = len(before) if not before.strip(" -?") else len(before) - len(before.lstrip())
    while stop < len(text):
        following = re.compile(r"\n([ \t]*)([^\n]*)").match(text, stop)
        if following is None or (following[2] and len(following[1]) <= indent):
            break
        stop = following.end()
    return stop


def _closing(text: str, start: int) -> int:
    """Where the bracket is closed that opens here; where none is, the end of the text."""
    depth, at = 0, start
    for piece in re.compile(r"""[\[{]|[\]}]|["'][^"'\n]*["']""").finditer(text, start):
        at = piece.end()
        depth += (piece[0] in "[{") - (piece[0] in "]}")
        if depth == 0:
            return at
    return len(text)


def covered(text: str) -> str:
    """A text as it may be shown: `*` in place of each character of what may be a key, but for templates in it."""
    shown = list(KEY_SHAPE.sub(lambda match: "*" * len(match[0]), text))
    for hidden in _hidden_in(SourceText("", text)):
        kept = {at for match in _TEMPLATE.finditer(text, hidden.start, hidden.end) for at in range(*match.span())}
        for at in range(hidden.start, hidden.end):
            if at not in kept and not text[at].isspace():
                shown[at] = "*"
    return "".join(shown)


def setting(shown: Callable[[str, str], str], name: str, value: str) -> SourceText:
    """What gives a name of the pipeline a value, such as `--set name=value`: a text, called as it is `shown`."""
    name_of_key = "secret" if kind_of(name) == "word" else name
    text = f"{name_of_key}: {value}"
    hides = any(hidden.start == len(name_of_key) + 2 for hidden in _hidden_in(SourceText("", text)))
    safe = HIDDEN if hides else covered(text)[len(name_of_key) + 2 :]
    return SourceText(shown(short(name), short(safe)), text)


def find_secrets(text: SourceText) -> Iterator[Diagnostic]:
    """Every API key in a text, comments included, without repeating it."""
    hint = "remove it, revoke it, and name the environment variable that holds the new one under `api_key_env`"
    for match in _SECRET.finditer(text.text):
        yield _Found(Code.SECRET, "an API key stands here", text.mark(*match.span()), hint)


def without_secrets(diagnostics: Iterable[Diagnostic], texts: Iterable[SourceText] = ()) -> list[Diagnostic]:
    """The diagnostics, redacted; a key that could not stand where it does is one mistake: the secret.

    Args:
        diagnostics: what is wrong.
        texts: what it is about: no diagnostic repeats what may be a key there.
    """
    told = list(dict.fromkeys(diagnostics))
    hidden = [each for text in texts for each in _hidden_in(text)] if told else []
    found = [d.mark for d in told if isinstance(d, _Found)]
    named = [d.mark for d in told if d.code is Code.SECRET and not isinstance(d, _Found)]
    kept = []
    for diagnostic in told:
        above = named if isinstance(diagnostic, _Found) else found if diagnostic.code is not Code.SECRET else []
        if not any(_covers(mark, diagnostic.mark) for mark in above):
            message, hint = (_PRIVATE.sub(HIDDEN, told) for told in (diagnostic.message, diagnostic.hint or ""))
            for each in hidden:
                message, hint = each.hushed(message, diagnostic.mark), each.hushed(hint, diagnostic.mark)
            mark = replace(diagnostic.mark, file=redact(diagnostic.mark.file))
            kept.append(
                replace(diagnostic, message=short(redact(message)), mark=mark, hint=short(redact(hint)) or None)
            )
    return kept


def _covers(mark: Mark, other: Mark) -> bool:
    """Whether `other` says nothing that `mark` does not, quotes around it aside."""
    same = mark.file == other.file and mark.line == other.line
    return same and mark.column - 1 <= other.column and other.end_column <= mark.end_column + 1
