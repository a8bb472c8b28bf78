"""The scan for API keys in a pipeline, which must not contain any: each is reported once and never repeated.

Scans every text of a pipeline (its file, prompts and schemas, including comments) for keys, and for names under which
keys are written by mistake (`auth_token`, `headers`). No diagnostic contains the values under these names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Final, Literal

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.excerpts import short
from yamlgen.parsing.source_map import SourceText
from yamlgen.redaction import HIDDEN, KEY_SHAPE, LONG_SECRET, is_secret, redact
from yamlgen.suggestions import Hint

# Longer than what `redact` hides: `sk-ant-` and three letters, as in a sentence about keys, is not a key.
_SECRET: Final = re.compile(r"sk-ant-[A-Za-z0-9_\-]{4,}")

_FARTHEST: Final = 500
"""The maximum number of characters before a name that are searched for an opening bracket."""

_SHORTEST: Final = 4
"""The minimum length of a part of a key that messages near it hide."""

Kind = Literal["key", "headers", "word", "scheme", "variable", "address"]
"""The possible value of a name: a key; headers, which may contain a key; a key or another meaning of the word; the kind
of the credentials, or by mistake a key; the name of a variable, or by mistake a key; an address, which may contain a
password."""

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
    "authtokenenv": "variable",
    "baseurl": "address",
    "maxtokens": None,
    "budgettokens": None,
}
_SCHEMES: Final = (
    *("key", "token", "profile", "federation", "api_key", "auth_token", "access_token", "bearer", "basic", "oauth"),
    *("oidc", "sso", "login", "iam", "jwt", "wif", "workload_identity", "service_account", "none", "default"),
)
"""What people write under `auth`."""
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
_SWITCH: Final = re.compile(
    r"""["']?(?:true|false|yes|no|on|off|none|null|[0-9]{1,2})["']?(?:\s+#.*)?""", re.IGNORECASE
)
"""The value of a `header` that is an option of a table."""
_FROM_VARIABLES: Final = re.compile(
    r"""\{?\s*(?:(?:["']?[\w.-]+["']?\s*:\s*)?"""
    r"""(?:\{?\s*env\s*:\s*["']?[A-Za-z_]\w*["']?\s*\}?"""
    r"""|["']?(?:\$\{?|\{\{ *env\.)[A-Z][A-Z0-9_]*[ }]*["']?),?\s*)+\}?"""
)
"""A value, or a mapping of values, that environment variables contain: `{env: NAME}`, or `$NAME` by mistake."""
_RANDOM: Final = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{20,}")
_PRIVATE: Final = re.compile(r"(?<=://)[^\s/@\"']+(?=@)")
_BEHIND: Final = re.compile(r"(?<=[?#])[^\s\"',}]+")


@dataclass(frozen=True, slots=True)
class _Found(Diagnostic):
    """The diagnostic of a key that was found by its form, not by the name before it."""


@dataclass(frozen=True)
class _Hidden:
    """A part of a text that may be a key and must not be repeated."""

    start: int
    end: int
    text: SourceText

    @cached_property
    def lines(self) -> tuple[int, int]:
        """The first and the last line."""
        return self.text.position(self.start)[0], self.text.position(self.end)[0]

    @cached_property
    def said(self) -> str:
        """The content, without templates."""
        return _TEMPLATE.sub("", self.text.text[self.start : self.end]).strip()

    @cached_property
    def words(self) -> list[str]:
        """The words that messages must not contain, longest first: the content as written and as parsed."""
        said = self.said
        words = {said, *re.split(r"[\s,{}\[\]\"']+|:\s", said)}
        if said[:1] in ("'", '"'):
            words |= {said[1:-1], said[1:-1].replace("''", "'"), _unquoted(said)}
        return sorted(filter(is_secret, words), key=len, reverse=True)

    def hushed(self, told: str, mark: Mark) -> str:
        """Return a message about a place without the words. Messages about other places may contain the short ones."""
        first, last = self.lines
        is_here = mark.file == self.text.file and first <= mark.end_line and mark.line <= last
        for word in self.words:
            if is_here or len(word) >= LONG_SECRET:
                told = told.replace(word, HIDDEN)
        return _QUOTE.sub(self._without, told) if is_here else told

    def _without(self, quote: re.Match[str]) -> str:
        """Return a quote of a message, hidden if it is a part of the content, such as `canary` or `row.canary`."""
        piece = quote[1].rpartition(".")[2]
        return f"`{HIDDEN}`" if len(piece) >= _SHORTEST and piece in self.said else quote[0]


def _unquoted(said: str) -> str:
    try:
        return str(json.loads(said))
    except ValueError:
        return ""


def looks_random(name: str) -> bool:
    """Check whether the name of a variable looks like a key: at least 20 letters and digits without a `_`."""
    return _RANDOM.search(name) is not None


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind | None:
    """Return the possible value of a name, in any spelling or misspelt; for a dotted name, of any of its parts."""
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
    if words == ["auth"]:
        return "scheme"
    return None if _WORDS.isdisjoint(words) else "word"


def _hidden_in(text: SourceText) -> list[_Hidden]:
    """Return the parts of a text that may be keys, by the names before them. The text need not be valid YAML."""
    found = [_Hidden(*match.span(), text) for match in _PRIVATE.finditer(text.text)]
    end = 0
    for match in _NAME.finditer(text.text):
        kind = kind_of(match[1]) if match.start() >= end else None
        ranges = [] if kind is None else list(_values(text.text, match, kind))
        found.extend(_Hidden(*each, text) for each in ranges)
        end = max((end, *(last for _, last in ranges)))
    return found


def _values(text: str, name: re.Match[str], kind: Kind) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the values under a name that may be keys."""
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
    """Check whether a value does not look like a key: it is an expression, the name of a variable, or a step."""
    if len(said) <= _FARTHEST and _FROM_VARIABLES.fullmatch(said):
        return not looks_random(said)
    if kind == "variable":
        name = said.strip("'\"")
        return re.fullmatch(r"\w+", name, re.ASCII) is not None and not looks_random(name)
    if kind == "scheme" and get_close_matches(said.strip("'\"").lower(), _SCHEMES, n=1, cutoff=0.8):
        return True
    if kind in ("word", "scheme") and (_ENTRY.match(said) or said[:1] == "{"):
        return True
    if kind == "headers":
        return _SWITCH.fullmatch(said) is not None
    return _READS.match(said.lstrip("'\"")) is not None


def _end(text: str, name: re.Match[str]) -> int:
    """Return the end of the value that follows a name."""
    start = name.end()
    line = text.rfind("\n", 0, name.start()) + 1
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else stop
    before = text[max(line, name.start() - _FARTHEST) : name.start()]
    if name[0].rstrip().endswith("="):
        return start + len(re.match(r"\S*", text[start:])[0])  # type: ignore[index]  # it matches the empty string
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
    """Return the end of the brackets that open here, or the end of the text if they are not closed."""
    depth, at = 0, start
    for piece in re.compile(r"""[\[{]|[\]}]|["'][^"'\n]*["']""").finditer(text, start):
        at = piece.end()
        depth += (piece[0] in "[{") - (piece[0] in "]}")
        if depth == 0:
            return at
    return len(text)


def covered(text: str) -> str:
    """Return a text with `*` for each character that may belong to a key, except templates."""
    shown = list(KEY_SHAPE.sub(lambda match: "*" * len(match[0]), text))
    for hidden in _hidden_in(SourceText("", text)):
        kept = {at for match in _TEMPLATE.finditer(text, hidden.start, hidden.end) for at in range(*match.span())}
        for at in range(hidden.start, hidden.end):
            if at not in kept and not text[at].isspace():
                shown[at] = "*"
    return "".join(shown)


def setting(shown: Callable[[str, str], str], name: str, value: str) -> SourceText:
    """Return an option such as `--set name=value` as a source text, whose file is the option as `shown`."""
    name_of_key = "secret" if kind_of(name) == "word" else name
    text = f"{name_of_key}: {value}"
    hides = any(hidden.start == len(name_of_key) + 2 for hidden in _hidden_in(SourceText("", text)))
    safe = HIDDEN if hides else covered(text)[len(name_of_key) + 2 :]
    return SourceText(shown(short(name), short(safe)), text)


def find_secrets(text: SourceText) -> Iterator[Diagnostic]:
    """Yield a diagnostic for every API key in a text, including comments, without repeating the key."""
    hint = "remove and revoke it; set `api_key_env` to the name of the environment variable with the new key"
    for match in _SECRET.finditer(text.text):
        yield _Found(Code.SECRET, "this is an API key", text.mark(*match.span()), hint)


def without_secrets(diagnostics: Iterable[Diagnostic], texts: Iterable[SourceText] = ()) -> list[Diagnostic]:
    """Return the diagnostics, redacted. For an API key in a wrong place, only the secret is reported.

    Args:
        diagnostics: the diagnostics.
        texts: the source texts, whose possible keys no diagnostic repeats.
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
            hint = short(redact(hint))
            same = diagnostic.hint if hint == diagnostic.hint else hint or None  # a `Rewrite` is more than its text
            public = [each for each in diagnostic.known if redact(each) == each and not _PRIVATE.search(each)]
            same = Hint(hint, public) if len(public) < len(diagnostic.known) else same
            kept.append(replace(diagnostic, message=short(redact(message)), mark=mark, hint=same))
    return kept


def _covers(mark: Mark, other: Mark) -> bool:
    """Check whether `mark` covers `other`, apart from quotes around it."""
    same = mark.file == other.file and mark.line == other.line
    return same and mark.column - 1 <= other.column and other.end_column <= mark.end_column + 1
