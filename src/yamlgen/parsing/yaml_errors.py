"""What libyaml says about text that is no YAML, in an author's words and at the author's place.

Owns the step from its problem and context to a fact, a place and a fix. It reports where it stopped, which for
what is left open is the end of the file; an author looks for where it began.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, TypeAlias

import yaml

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.parsing.source_map import LINE_END, SourceText
from yamlgen.parsing.unrendered_templates import quoting

_SPACES: Final = "indent with spaces"
WITHOUT_QUOTES: Final = "is a template without quotes"
"""How the message ends that tells of one."""

_NEAR: Final = 5
"""How many lines of a text that is not indented may stand above the place at which libyaml stops."""

_QUOTES: Final = "put the whole value in quotes"
_TEMPLATE = re.compile(r"(?:^|[:\-,\[{])[ \t]*\{[{%]")

# A part of libyaml's problem -> the fact, and the fix.
_SENTENCES: Final = (
    ("expected ',' or ']'", "a `,` or the closing `]` is missing here", None),
    ("expected ',' or '}'", "a `,` or the closing `}` is missing here", None),
    ("mapping values are not allowed", "a `:` is not expected here", "a value that holds `: ` needs quotes"),
    ("block sequence entries", "a list cannot begin here", "begin it on a line of its own"),
    (
        "unknown escape",
        "this is no escape of a double-quoted text",
        r"write `\\` for a backslash, or use single quotes",
    ),
    ("invalid Unicode character", "this escape is no character", "write the character itself"),
    ("hexdecimal", "this escape needs more hexadecimal digits", r"write `\\` for a backslash, or use single quotes"),
    ("expected comment or line break", "a block text begins on the next line", "move the text below, indented"),
    ("expected <document start>", "nothing can stand behind the end of the document", "keep one document a file"),
    ("expected node content", "a value is missing here", _QUOTES),
    ("tag handle", "a tag cannot stand here", "remove it: a pipeline holds plain YAML values only"),
    ("the expected '>'", "a tag cannot stand here", "remove it: a pipeline holds plain YAML values only"),
    ("unexpected ':'", "inside brackets a `:` needs a space behind it", "write `key: value`, or quote what is text"),
)
_NO_YAML: Final = ("this cannot be read as YAML", "a text with characters that YAML uses needs quotes around it")
_BEGUN: Final = "it began in line {line}"
_INDENT: Final = re.compile(r" *(?:- +(?![ |>]))*")
_BLOCK: Final = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?[\r\n]+\Z")


_ENTRY: Final = re.compile(r"[ \t]*(?:-[ \t]|[\w-]+:(?:[ \t]|$))", re.MULTILINE)
_KEY_ALONE: Final = re.compile(r"[ \t]*(?:- +)?([\w-]+)(?::(\S)|(?=\s|$))")
_QUOTE: Final = re.compile(r"""(?<![\w\\])['"]|(?<!\\)['"](?!\w)""")


def explain(source: SourceText, error: yaml.MarkedYAMLError) -> Diagnostic:
    """The one diagnostic of a text that libyaml cannot read."""
    told = _explain(source, error)
    at = _offset(source, error.problem_mark or error.context_mark)
    return _before(source, told, at, _offset(source, error.context_mark)) or told


def _before(  # noqa: PLR0911 - one for each way to be wrong
    source: SourceText, told: Diagnostic, at: int, began: int
) -> Diagnostic | None:
    """What is wrong in a line before the one where libyaml stopped, as far as the lines show it."""
    lines = LINE_END.split(source.text)
    here, first = source.position(at)[0] - 1, source.position(began)[0] - 1
    above = next(
        (n for n in range(here - 1, -1, -1) if lines[n].strip() and not lines[n].lstrip().startswith("#")), None
    )
    if above is None or _unquoted(source, at) is not None:
        return None
    depth, other = _depth(lines[here]), _depth(lines[above])
    alone = _KEY_ALONE.match(lines[above])

    def tell(line: int, start: int, end: int, message: str, hint: str | None = None) -> Diagnostic:
        return replace(
            told, mark=Mark(told.mark.file, line + 1, start + 1, line + 1, end + 1), message=message, hint=hint
        )

    if "`:` is not expected" in told.message and not lines[here][: told.mark.column - 1].count('"') % 2:
        if alone and not re.search(r":(\s|$)", lines[above]) and other <= depth:
            start, end = alone.span(1)
            if alone[2]:
                return tell(above, end, end + 1, "a `:` needs a space behind it", f"write `{alone[1]}: ...`")
            return tell(above, start, end, f"`{alone[1]}` is a key without its `:`", "write `key: value`")
        if other < depth and _ENTRY.match(lines[here]):
            message = "the indentation is off: this line is deeper than the value above it"
            return replace(told, message=message, hint=f"indent it as line {above + 1} is, or that one as this")
    elif "indentation is off" in told.message:
        if other % 2 and not depth % 2:
            message = "the indentation is off: this line does not fit those around it"
            return tell(above, 0, other, message, f"see line {here + 1}")
        if other < depth:
            return replace(told, hint=f"{told.hint}; should line {above + 1} be indented as this one?")
    elif (
        "is missing here" in told.message
        and _ENTRY.match(lines[here])
        and first < here
        and depth <= _depth(lines[first])
    ):
        start = source.position(began)[1] - 1
        return tell(first, start, start + 1, f"this `{source.text[began]}` is never closed")
    if "is missing here" in told.message or "ends before this" in told.message:
        odd = next((n for n in range(first, here) if len(_QUOTE.findall(lines[n])) % 2), None)
        return None if odd is None else replace(told, hint=f"is a quote in line {odd + 1} left open?")
    return None


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _explain(source: SourceText, error: yaml.MarkedYAMLError) -> Diagnostic:
    problem, context = error.problem or str(error), error.context or ""
    at, began = _offset(source, error.problem_mark or error.context_mark), _offset(source, error.context_mark)
    found = _characters(source, at, began, problem, context) or _structure(source, at, began, problem)
    if found is None:
        message, hint = next(((fact, fix) for part, fact, fix in _SENTENCES if part in problem), _NO_YAML)
        if hint is None and source.position(began)[0] != source.position(at)[0]:
            hint = _BEGUN.format(line=source.position(began)[0])
        found = at, message, hint
    at, message, hint = found
    template = _unquoted(source, at)
    if template is not None:
        hint = quoting(source.text, template)
        message = "a template begins here without quotes" if message == _NO_YAML[0] else message
    elif source.text.startswith("{{", at):
        message, hint = "a template begins here without quotes", "put the whole text around it in quotes"
    return Diagnostic(Code.NOT_YAML, message, source.mark(at, at + 1), hint)


_Found: TypeAlias = tuple[int, str, str | None]
"""Where something is wrong, the fact, and the fix."""


def _characters(source: SourceText, at: int, began: int, problem: str, context: str) -> _Found | None:
    """What is wrong with a character where it stands."""
    text, line = source.text, source.text[source.line_start(at) : at]
    if "directive" in context + problem or "incompatible" in problem:
        fact = "this version of YAML is not known" if "incompatible" in problem else "this is no directive of YAML"
        return at, fact, "remove the line: YAML 1.2 is meant, and a text that begins with `%` needs quotes"
    if "anchor" in context or "alias" in context:
        name = text[began : began + 1]
        fact = f"`{name}` begins the name of an anchor, which ends with a letter, a digit, `-` or `_`"
        return began, fact, _QUOTES
    if "tab character" in problem or text[began : began + 1] == "\t":
        return _tab(source, at if "tab character" in problem else began, began, context)
    if "cannot start any token" in problem:
        return began, f"`{text[began : began + 1]}` cannot begin a value", _QUOTES
    if text[at : at + 1] == ":" and "mapping values" not in problem and "unexpected ':'" not in problem:
        return _colon(source, at, line, problem)
    return None


def _tab(source: SourceText, at: int, began: int, context: str) -> _Found:
    """What is wrong with a tab; `began` is where the block text or the value around it did."""
    start = source.line_start(at)
    before, after = source.text[start:at], LINE_END.split(source.text[at:], maxsplit=1)[0]
    if "block scalar" in context:
        outer = _INDENT.match(source.text, source.line_start(began))
        depth = len(before) - (len(outer[0]) if outer else 0)
        hint = f"say how far the text is indented, as in `|{depth}`, or indent with spaces" if depth > 0 else _SPACES
        return at, "a block text that begins with a tab does not show how far it is indented", hint
    if not before.strip() and not after.strip():
        return at, "an empty line cannot hold a tab here", "remove what the line holds"
    if before.strip():
        return at, "a tab cannot stand here", "write a space"
    return at, "a tab cannot indent YAML", _SPACES


def _colon(source: SourceText, at: int, line: str, problem: str) -> _Found | None:
    """What is wrong with a `:` where a `,`, a key or a value is wanted."""
    if "expected ','" in problem:
        entry = re.split(r"[\[{,]", source.text[:at])[-1]
        if not line.strip():
            return at, "the `:` of a key stands on another line than the key", "write both on one line"
        if LINE_END.search(entry.strip()) and not re.search(r":\s", entry):
            return at, "a key goes over several lines", "write it on one line"
        return None
    if source.text[at + 1 : at + 2].strip(" \t\r\n,]}"):
        return at, "inside brackets a value cannot begin with `:`", _QUOTES
    return at, "a key is missing before this `:`", 'write `key: value`; an empty key is written `""`'


def _structure(source: SourceText, at: int, began: int, problem: str) -> _Found | None:
    """What is wrong with how values stand in one another."""
    text, line = source.text, source.text[source.line_start(at) : at]
    if "unexpected end of stream" in problem or "document indicator" in problem:
        return began, "this quote is never closed", f"end the text with {text[began : began + 1]}"
    if "could not find expected ':'" in problem:
        return began, "a key without its `:`", "write `key: value`, or indent the text below its key"
    if text.startswith("...", at):
        return at, "the document ends before it has a value", "remove the `...`"
    if "<document start>" in problem and _BLOCK.search(text, 0, at):
        return at, "a block text is indented", _SPACES
    if "expected key" not in problem and "'-' indicator" not in problem:
        return None
    if line.strip():
        return at, "the value ends before this", "a text that holds quotes or brackets needs other quotes around it"
    what = "list" if "'-'" in problem else "mapping"
    message = f"the indentation is off: this line does not belong to the {what} above"
    return at, message, f"the {what} began in line {source.position(began)[0]}"


def _unquoted(source: SourceText, at: int) -> int | None:
    """Where the template without quotes begins that libyaml stopped at; `None` where it is no template."""
    start = source.line_start(at)
    template = _TEMPLATE.search(source.text[start : at + 2])
    is_comment = source.text[start:at].lstrip().startswith("#")
    return None if template is None or is_comment else start + template.end() - 2


def _offset(source: SourceText, mark: Any) -> int:
    return min(mark.index, len(source.text)) if mark else 0


def settled(source: SourceText, before: list[Diagnostic], stop: Diagnostic) -> list[Diagnostic]:
    """What is told of a text in which libyaml stops.

    Args:
        source: the text.
        before: what was found up to there.
        stop: why it stops.
    """
    found = [each for each in before if each.mark.line != stop.mark.line]
    if "indentation is off" in stop.message:  # one line of a text may have lost its own
        found = [each for each in found if each.mark.line != stop.mark.line - 1]
    if found and _is_text(source, found[0].mark.line, stop.mark.line):
        way = "a text of several lines begins with `|` behind its key, as in `prompt: |`"
        return [replace(found[0], hint=way)]
    braces = [each for each in found if each.message.startswith("the key `{")]
    if len(braces) > 1:  # all that follows is taken for keys of a mapping that is not closed
        first = replace(braces[0], hint="is a `}` missing in the line above, or before it?")
        return [*(each for each in found if each.mark < first.mark), first]
    return [*(each for each in found if not _is_echo(each, stop)), stop]


def _is_text(source: SourceText, first: int, last: int) -> bool:
    """Whether a template without quotes stands in lines that go on, as deep as it, to where no YAML is left."""
    lines = LINE_END.split(source.text)[first - 1 : last]
    depth = len(lines[0]) - len(lines[0].lstrip(" "))
    is_deep = all(len(line) - len(line.lstrip(" ")) >= depth for line in lines if line.strip())
    return is_deep and bool(re.match(r"\s*[^\s:]+( [^\s:]+)*:? .*\{\{", lines[0])) and depth > 0


def _is_echo(before: Diagnostic, stop: Diagnostic) -> bool:
    """Whether a finding is of what libyaml stopped at: of a line of a text that is not indented."""
    return before.message.endswith(WITHOUT_QUOTES) and stop.mark.line - before.mark.line <= _NEAR
