"""What libyaml says about text that is no YAML, in an author's words and at the author's place.

Owns the step from its problem and context to a fact, a place and a fix. It reports where it stopped, which for
what is left open is the end of the file; an author looks for where it began.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from yamlgen.errors import Code, Diagnostic
from yamlgen.language.document import Text

_SPACES: Final = "indent with spaces"
_QUOTES: Final = "put the whole value in quotes"
TEMPLATE: Final = 'put the template in quotes: "{{ ... }}"'
_TEMPLATE = re.compile(r"(?:^|[:\-,\[{])[ \t]*\{[{%]")

# A part of libyaml's problem -> the fact, and the fix.
_SENTENCES: Final = (
    ("tab character", "a tab cannot indent YAML", _SPACES),
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
    ("incompatible YAML document", "this version of YAML is not known", "remove the line: YAML 1.2 is meant"),
    ("unknown directive", "this directive is not known", "remove the line"),
)
_BEGUN: Final = "it begins in line {line}"


def explain(source: Text, error: yaml.MarkedYAMLError) -> Diagnostic:
    """The one diagnostic of a text that libyaml cannot read."""
    problem, context = error.problem or str(error), error.context or ""
    at, began = _offset(source, error.problem_mark or error.context_mark), _offset(source, error.context_mark)
    message, hint = next(((fact, fix) for part, fact, fix in _SENTENCES if part in problem), (None, None))
    line = source.text[source.line_start(at) : at]
    if "unexpected end of stream" in problem or "document indicator" in problem:
        at, message, hint = began, "this quote is never closed", f"end the text with {source.text[began : began + 1]}"
    elif "could not find expected ':'" in problem:
        at, message, hint = began, "a key without its `:`", "write `key: value`, or indent the text below its key"
    elif "cannot start any token" in problem or "alphabetic or numeric" in problem:
        at = began
        character = source.text[at : at + 1]
        message, hint = f"`{character}` cannot begin a value", _QUOTES
        if character == "\t":
            message, hint = "a tab cannot indent YAML", _SPACES
    elif "expected key" in problem or "'-' indicator" in problem:
        if line.strip():
            message, hint = (
                "the value ends before this",
                "a text that holds quotes or brackets needs other quotes around it",
            )
        else:
            what = "list" if "'-'" in problem else "mapping"
            message = f"the indentation is off: this line does not belong to the {what} above"
            hint = f"the {what} began in line {source.position(began)[0]}"
    elif hint is None and source.position(began)[0] != source.position(at)[0]:
        hint = f"it began in line {source.position(began)[0]}"
    if _TEMPLATE.search(source.text[source.line_start(at) : at + 2]) and not line.lstrip().startswith("#"):
        message, hint = message or "a template begins here without quotes", TEMPLATE
    return Diagnostic(
        Code.NOT_YAML, message or f"not YAML: {problem} {context}".rstrip(), source.mark(at, at + 1), hint
    )


def _offset(source: Text, mark: Any) -> int:
    return min(mark.index, len(source.text)) if mark else 0
