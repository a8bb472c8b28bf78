"""Messages for the errors of libyaml, each with its place and fix.

Turns libyaml's problem and context into a fact, a place and a fix. libyaml reports where it stopped, which for an open
quote or bracket is the end of the file; the messages show where it began.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final, TypeAlias

import yaml

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.parsing.source_map import LINE_END, Node, SourceText
from yamlgen.parsing.syntax_fixes import quoted, quoted_text, separated, untabbed
from yamlgen.parsing.unrendered_templates import quoting

_SPACES: Final = "indent with spaces"
_WITHOUT_QUOTES: Final = "is a template without quotes"
"""The end of the message about a template without quotes."""

_NEAR: Final = 5
"""The maximum number of lines of a block that is not indented, above the line at which libyaml stops."""

_QUOTES: Final = "put the whole value in quotes"
_WHOLE: Final = "put a string that contains brackets or quotes, such as a condition, in single quotes"
_COLON: Final = "put a value that contains `: ` in quotes"
_TEMPLATE = re.compile(r"(?:^|[:\-,\[{])[ \t]*\{[{%]")

# Part of libyaml's problem -> the fact and the fix.
_SENTENCES: Final = (
    ("expected ',' or ']'", "a `,` or the closing `]` is missing here", None),
    ("expected ',' or '}'", "a `,` or the closing `}` is missing here", None),
    ("mapping values are not allowed", "a `:` is not expected here", _COLON),
    ("block sequence entries", "a list cannot begin here", "begin it on its own line"),
    (
        "unknown escape",
        "this escape is not valid in a double-quoted string",
        r"write `\\` for a backslash, or use single quotes",
    ),
    ("invalid Unicode character", "this escape is not a character", "write the character itself"),
    ("hexdecimal", "this escape needs more hexadecimal digits", r"write `\\` for a backslash, or use single quotes"),
    (
        "expected comment or line break",
        "a block string must begin on the next line",
        "move it to the next line, indented",
    ),
    ("expected <document start>", "there is text after the end of the document", "write only one document in a file"),
    ("expected node content", "a value is missing here", _QUOTES),
    ("tag handle", "a tag is not allowed here", "remove it: a pipeline has only plain YAML values"),
    ("the expected '>'", "a tag is not allowed here", "remove it: a pipeline has only plain YAML values"),
    ("unexpected ':'", "a `:` in brackets needs a space after it", "write `key: value`, or put a string in quotes"),
)
_NO_YAML: Final = ("this is not valid YAML", "put a string with special characters of YAML in quotes")
_BEGUN: Final = "it began in line {line}"
_INDENT: Final = re.compile(r" *(?:- +(?![ |>]))*")
_BLOCK: Final = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?[\r\n]+\Z")


_ENTRY: Final = re.compile(r"[ \t]*(?:-[ \t]|[\w-]+:(?:[ \t]|$))", re.MULTILINE)
_KEY_ALONE: Final = re.compile(r"[ \t]*(?:- +)?([\w-]+)(?::(\S)|(?=\s|$))")
_VALUE: Final = re.compile(r"""[ ]*([\w-]+):[ ]+([^\s|>&*!#'"{\[][^#'"`]{0,40}?)\s*(?: #.*)?\Z""")
_NAMES: Final = re.compile(r"[ ]*(?:steps|models|params|draws|properties):\s*(?:#.*)?\Z")
"""The line above a list of names, each with a mapping below it."""
_OPENED: Final = re.compile(r":\s*(?:#.*)?\Z")
"""Finds the end of a line below which a mapping may begin."""

_PARTS: Final = ("input:", "output:", "model:")
_TOP: Final = (*_PARTS, "version:", "models:", "params:", "steps:", "limits:", "runtime:", "name:", "description:")
_OTHER_QUOTES: Final = {'"': "single", "'": "double"}
_ESCAPED: Final = {'"': r"\"", "'": "''"}
_QUOTED: Final = re.compile(r"""(?:[\w-]+:\s+)?("[^"]*"|'[^']*')""")
_QUOTE: Final = re.compile(r"""(?<![\w\\])['"]|(?<!\\)['"](?!\w)""")


def explain(source: SourceText, error: yaml.MarkedYAMLError) -> Diagnostic:
    """Return the diagnostic for a text that libyaml cannot parse."""
    told = _explain(source, error)
    at = _offset(source, error.problem_mark or error.context_mark)
    return _before(source, replace(told, fix=None), at, _offset(source, error.context_mark)) or told


def _before(  # noqa: PLR0911 - one for each way to be wrong
    source: SourceText, told: Diagnostic, at: int, began: int
) -> Diagnostic | None:
    """Return the diagnostic for a mistake in a line before the one where libyaml stopped, or `None`."""
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
                told = tell(above, end, end + 1, "the space after this `:` is missing", f"write `{alone[1]}: ...`")
            else:
                told = tell(above, start, end, f"the `:` after the key `{alone[1]}` is missing", "write `key: value`")
            return replace(told, fix=separated(source, lines, above, end))
        if other < depth and _ENTRY.match(lines[here]) and not _OPENED.search(lines[above]):
            message = "the indentation is off: this line is deeper than the value above it"
            way = _filled(lines, above, here) or f"indent this line and line {above + 1} equally"
            return replace(told, message=message, hint=way)
    elif "indentation is off" in told.message:
        if other % 2 and not depth % 2:
            message = "the indentation is off: this line differs from the lines around it"
            return tell(above, 0, other, message, f"indent it like line {here + 1}")
        is_top = depth == 1 and lines[here].lstrip().startswith(_TOP)
        if other < depth and not is_top:
            return replace(told, hint=f"{told.hint}; should line {above + 1} have the same indentation as this line?")
        levels = (0,) if is_top else (depth - 1, depth + 1)
        like = next((n for n in range(above, -1, -1) if lines[n].strip() and _depth(lines[n]) in levels), None)
        if depth % 2 and like is not None:
            level = f"{_depth(lines[like])} spaces" if _depth(lines[like]) else "no spaces"
            return replace(told, hint=f"indent it like line {like + 1} ({level})")
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


def _filled(lines: list[str], above: int, here: int) -> str | None:
    """Return the hint for keys below a key that already has a value, or `None` if they may belong next to it."""
    key, outer = _VALUE.match(lines[above]), _depth(lines[above])
    around = next((lines[n] for n in range(above - 1, -1, -1) if lines[n].strip() and _depth(lines[n]) < outer), "")
    is_whole = not outer and lines[above].startswith(_PARTS) and not lines[here].lstrip().startswith(_TOP)
    if key is None or not (is_whole or _NAMES.match(around)):
        return None
    return f"`{key[1]}` already has the value `{key[2]}`: remove it, to write keys below `{key[1]}`"


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
        quote, after = source.text[at - 1 : at], source.text[at : at + 1]
        if "is missing here" in message and quote in _ESCAPED and after.isalnum():
            hint = f"write a quote inside the string as `{_ESCAPED[quote]}`"
        elif "is missing here" in message and _is_inside(source.text[:at], after):
            hint = _WHOLE
        elif "is missing here" in message and after == ":" and re.search(r":\s[^\n,{}\[\]]*\Z", source.text[:at]):
            hint = _COLON
        found = at, message, hint
    at, message, hint = found
    template = _unquoted(source, at)
    if template is not None:
        hint = quoting(source.text, template)
        message = "this template has no quotes" if message == _NO_YAML[0] else message
    elif source.text.startswith("{{", at):
        message, hint = "this template has no quotes", "put the whole value in quotes"
    if template is not None or hint == _QUOTES:
        fix = quoted(source, at if template is None else template, hint) or quoted_text(source, at)
    elif message.startswith("a `:` is not expected"):
        fix = quoted_text(source, at)
    else:
        fix = untabbed(source, at, hint) if source.text.startswith("\t", at) else None
    return Diagnostic(Code.NOT_YAML, message, source.mark(at, at + 1), hint, fix=fix)


def _is_inside(before: str, after: str) -> bool:
    """Return whether an entry in brackets, which begins with text or a string in quotes, continues with a character."""
    entry = re.split(r"[\[{,]", before)[-1].strip()
    is_text, is_quoted = entry[-1:] not in ("", "}", "]", '"', "'"), bool(_QUOTED.fullmatch(entry))
    return (is_text and after in ("[", "{")) or (is_quoted and (after.isalnum() or after in tuple("=!<>~|+-*/%.()")))


_Found: TypeAlias = tuple[int, str, str | None]
"""The offset, the fact and the fix."""


def _characters(source: SourceText, at: int, began: int, problem: str, context: str) -> _Found | None:
    """Return the mistake in a character that is not allowed, or `None`."""
    text, line = source.text, source.text[source.line_start(at) : at]
    if "directive" in context + problem or "incompatible" in problem:
        fact = "this version of YAML is unknown" if "incompatible" in problem else "this is not a directive of YAML"
        return at, fact, "remove the line (YAML 1.2 is the default), or put a string that begins with `%` in quotes"
    if "anchor" in context or "alias" in context:
        name = text[began : began + 1]
        fact = f"`{name}` begins the name of an anchor, which may only contain letters, digits, `-` and `_`"
        return began, fact, _QUOTES
    if "tab character" in problem or text[began : began + 1] == "\t":
        return _tab(source, at if "tab character" in problem else began, began, context)
    if "cannot start any token" in problem:
        return began, f"`{text[began : began + 1]}` cannot begin a value", _QUOTES
    if text[at : at + 1] == ":" and "mapping values" not in problem and "unexpected ':'" not in problem:
        return _colon(source, at, line, problem)
    return None


def _tab(source: SourceText, at: int, began: int, context: str) -> _Found:
    """Return the mistake in a tab; `began` is the beginning of the block string or value around it."""
    start = source.line_start(at)
    before, after = source.text[start:at], LINE_END.split(source.text[at:], maxsplit=1)[0]
    if "block scalar" in context:
        outer = _INDENT.match(source.text, source.line_start(began))
        depth = len(before) - (len(outer[0]) if outer else 0)
        hint = f"write the indentation as a number, `|{depth}`, or indent with spaces" if depth > 0 else _SPACES
        return at, "the indentation of a block string that begins with a tab is unclear", hint
    if not before.strip() and not after.strip():
        return at, "an empty line cannot contain a tab here", "remove the tab"
    if before.strip():
        return at, "a tab is not allowed here", "write a space"
    return at, "tabs are not allowed as indentation", _SPACES


def _colon(source: SourceText, at: int, line: str, problem: str) -> _Found | None:
    """Return the mistake in a `:` where a `,`, a key or a value is expected, or `None`."""
    if "expected ','" in problem:
        entry = re.split(r"[\[{,]", source.text[:at])[-1]
        if not line.strip():
            return at, "the `:` of a key is on a different line from the key", "write both on one line"
        if LINE_END.search(entry.strip()) and not re.search(r":\s", entry):
            return at, "a key extends over several lines", "write it on one line"
        return None
    if source.text[at + 1 : at + 2].strip(" \t\r\n,]}"):
        return at, "a value in brackets cannot begin with `:`", _QUOTES
    return at, "a key is missing before this `:`", 'write `key: value`; for an empty key, write `""`'


def _structure(source: SourceText, at: int, began: int, problem: str) -> _Found | None:
    """Return the mistake in the nesting of values, or `None`."""
    text, line = source.text, source.text[source.line_start(at) : at]
    if "unexpected end of stream" in problem or "document indicator" in problem:
        return began, "this quote is never closed", f"end the string with {text[began : began + 1]}"
    if "could not find expected ':'" in problem:
        return began, "the `:` after this key is missing", "write `key: value`, or indent a string below its key"
    if text.startswith("...", at):
        return at, "`...` ends the document before its first key", "remove it"
    if "<document start>" in problem and _BLOCK.search(text, 0, at):
        return at, "a block string must be indented", _SPACES
    if "expected key" not in problem and "'-' indicator" not in problem:
        return None
    if text[at - 1] in "\"'" and line.strip():
        return at, "the string in quotes ends before this", _requoted(text[at - 1], source, at)
    if line.strip():
        return at, "the value ends before this", "put a string that contains quotes or brackets in other quotes"
    what = "list" if "'-'" in problem else "mapping"
    message = f"the indentation is off: this line does not belong to the {what} above"
    return at, message, f"the {what} began in line {source.position(began)[0]}"


def _requoted(quote: str, source: SourceText, at: int) -> str:
    """Return the hint for a string in quotes that contains the same quotes; libyaml stopped at `at`."""
    line = LINE_END.split(source.text[source.line_start(at) :], maxsplit=1)[0]
    key, other = re.match(r"[ ]*(?:- +)?([\w-]+): ", line), "'" if quote == '"' else '"'
    block = f"as a block: `{key[1]}: |`" if key else "as a block, which begins with `|`"
    if other in line:
        return f"write the whole value {block}"
    return f"write the whole value in {_OTHER_QUOTES[quote]} quotes, or {block}"


def _unquoted(source: SourceText, at: int) -> int | None:
    """Return the offset of the template without quotes at which libyaml stopped, or `None`."""
    start = source.line_start(at)
    template = _TEMPLATE.search(source.text[start : at + 2])
    is_comment = source.text[start:at].lstrip().startswith("#")
    return None if template is None or is_comment else start + template.end() - 2


def _offset(source: SourceText, mark: Any) -> int:
    return min(mark.index, len(source.text)) if mark else 0


def settled(source: SourceText, before: list[Diagnostic], stop: Diagnostic) -> list[Diagnostic]:
    """Return the diagnostics for a text in which libyaml stops.

    Args:
        source: the text.
        before: the diagnostics up to the stop.
        stop: the diagnostic of the stop.
    """
    found = [each for each in before if each.mark.line != stop.mark.line]
    if "indentation is off" in stop.message:  # the line before may be a part of the same mistake
        found = [each for each in found if each.mark.line != stop.mark.line - 1]
    if found and _is_text(source, found[0].mark.line, stop.mark.line):
        way = "begin a string of several lines with `|` after its key, as in `prompt: |`"
        return [replace(found[0], hint=way, fix=None)]
    braces = [each for each in found if each.message.startswith("the key `{")]
    if len(braces) > 1:  # everything that follows is parsed as keys of a mapping that is not closed
        first = replace(braces[0], hint="is a `}` missing in the line above, or in an earlier line?", fix=None)
        return [*(each for each in found if each.mark < first.mark), first]
    return [*(each for each in found if not _is_echo(each, stop)), stop]


def without_quotes(source: SourceText, key: Node, shown: str) -> Diagnostic:
    """Return the diagnostic of a template without quotes.

    Args:
        source: the text.
        key: the inner braces with their content, which were parsed as a key.
        shown: their first line.
    """
    key = replace(key, start=key.start - 1, end=key.end + 1)
    hint = quoting(source.text, key.start)
    message, fix = f"`{{{shown}}}` {_WITHOUT_QUOTES}", quoted(source, key.start, hint)
    return Diagnostic(Code.NOT_A_STRING_KEY, message, key.mark, hint, fix=fix)


def _is_text(source: SourceText, first: int, last: int) -> bool:
    """Check whether a template without quotes is in a string of several lines that continues to the stop."""
    lines = LINE_END.split(source.text)[first - 1 : last]
    depth = len(lines[0]) - len(lines[0].lstrip(" "))
    is_deep = all(len(line) - len(line.lstrip(" ")) >= depth for line in lines if line.strip())
    return is_deep and bool(re.match(r"\s*[^\s:]+( [^\s:]+)*:? .*\{\{", lines[0])) and depth > 0


def _is_echo(before: Diagnostic, stop: Diagnostic) -> bool:
    """Check whether a finding comes from the same mistake as the stop: a string that is not indented."""
    return before.message.endswith(_WITHOUT_QUOTES) and stop.mark.line - before.mark.line <= _NEAR
