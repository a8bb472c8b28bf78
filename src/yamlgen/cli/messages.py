"""How errors, diagnostics and JSON are printed: fact, place with a snippet, fix; in colour only at a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Final

import click

from yamlgen.api.json_version import versioned
from yamlgen.canonical_json import encoded, one_line
from yamlgen.cli.terminal import style
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import Code, EnvironmentProblem, YamlgenError
from yamlgen.redaction import redact
from yamlgen.value_objects import JSON
from yamlgen.visible_text import visible

_COLOURS: Final = {"error": "red", "warning": "yellow"}
_WIDEST: Final = 160
_MOST_CODES: Final = 3
_BREAKS: Final = re.compile("[\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 that YAML 1.2 does not have."""

_SPACES: Final = re.compile(r"[\t\n\r]")


def echo(text: str = "") -> None:
    """Print a line to stderr."""
    with suppress(OSError):  # stderr is closed; the rows still matter
        click.echo(text, err=True, color=True)  # `style` alone decides on colours; click must not remove anything


def safe(text: str) -> str:
    """Return a string that fits in a line: without API keys, line breaks and terminal control characters."""
    return visible(_SPACES.sub(" ", redact(text)))


def put(text: str) -> None:
    """Write data to stdout, always as UTF-8, because it is JSON or YAML.

    Raises:
        EnvironmentProblem: stdout cannot be written; for a closed pipe, click ends the process silently.
    """
    try:
        sys.stdout.buffer.write(encoded(text))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"cannot write standard output: {error.strerror}"
        raise EnvironmentProblem(message, code=Code.DISK) from None


def show_page(text: str) -> None:
    """Show a page of the manual: in the user's pager at a terminal, otherwise on stdout."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        click.echo_via_pager(text)
    else:
        put(text)


def show(diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics as text."""
    for diagnostic in diagnostics:
        echo(rendered(diagnostic))
        echo()


def show_explanation(codes: Iterable[str]) -> None:
    """Print the command that explains error codes: the first three distinct ones."""
    first = list(dict.fromkeys(codes))[:_MOST_CODES]
    if first:
        echo(f"For an explanation: yamlgen explain {' '.join(first)}")


def codes_of(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """Return the codes of diagnostics, those of errors first."""
    return [str(each.code) for each in sorted(diagnostics, key=lambda each: each.severity != "error")]


def codes_in(error: YamlgenError) -> list[str]:
    """Return the codes that an error shows."""
    return codes_of(error.diagnostics) if isinstance(error, InvalidPipeline) else [str(error.code)]


def show_error(error: YamlgenError) -> None:
    """Print the error that ended a command, without the command that explains it."""
    if isinstance(error, InvalidPipeline):
        show(error.diagnostics)
        return
    head = style(f"error[{error.code}]", fg="red", bold=True)
    echo(f"{head}: {safe(error.message)}")
    if error.hint:
        echo(f"  = {safe(error.hint)}")


def as_json(diagnostics: Iterable[Diagnostic], more: Mapping[str, JSON] | None = None) -> str:
    """Return diagnostics as the line of JSON that `--output-format json` prints, with more keys after them."""
    return json_object({"diagnostics": [diagnostic.as_json() for diagnostic in diagnostics], **(more or {})})


def json_object(value: Mapping[str, JSON]) -> str:
    """Return the JSON object that a command prints, with its version."""
    return json_line(versioned(value))


def json_line(value: JSON, indent: int | None = None) -> str:
    """Return a value as JSON for stdout, without API keys."""
    return redact(one_line(json.dumps(value, ensure_ascii=False, indent=indent))) + "\n"


def as_yaml(data: dict[str, JSON]) -> str:
    """Return data as YAML for people: strings of several lines as blocks, keys in their order."""
    import yaml  # noqa: PLC0415 - only for this format

    class Dumper(yaml.SafeDumper):
        """Writes no anchors, so that each step is complete."""

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = '"' if _BREAKS.search(value) else "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return redact(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100))


def rendered(diagnostic: Diagnostic) -> str:
    """Return a diagnostic as text, with the line of its place."""
    mark = diagnostic.mark
    colour = _COLOURS[diagnostic.severity]
    head = style(f"{diagnostic.severity}[{diagnostic.code}]", fg=colour, bold=True)
    lines = [f"{head}: {safe(diagnostic.message)}"]
    source = _line(mark.file, mark.line)
    place = f"{mark.file}:{mark.line}:{mark.column}" if source is not None else mark.file
    gutter = " " * len(str(mark.line))
    lines.append(f"{gutter}{style('-->', fg='blue')} {safe(place)}")
    hint = safe(diagnostic.hint or "")
    if source is not None:
        bar = style("|", fg="blue")
        shown, start, width = _snippet(source, mark.column, mark.end_column, secret=diagnostic.code is Code.SECRET)
        carets = style("^" * width, fg=colour)
        pad = "".join("\t" if c == "\t" else " " for c in shown[:start])
        lines.append(f"{gutter} {bar}")
        lines.append(f"{style(str(mark.line), fg='blue')} {bar} {shown}")
        lines.append(f"{gutter} {bar} {pad}{carets} {hint}".rstrip())
    elif hint:
        lines.append(f"{gutter} = {hint}")
    return "\n".join(lines)


def _snippet(source: str, column: int, end_column: int, *, secret: bool) -> tuple[str, int, int]:
    """Return the line to show, the column of its carets and their number; a long line is cut around them."""
    start = min(column - 1, len(source))
    width = max(1, min(end_column - column, _WIDEST // 2))
    if secret:
        source, width = source[:start] + "…", 1
    cut = max(0, start - _WIDEST // 2)
    shown = ("…" if cut else "") + source[cut : cut + _WIDEST] + ("…" if len(source) > cut + _WIDEST else "")
    return shown, start - cut + (1 if cut else 0), width


@cache
def _lines(file: str) -> tuple[str, ...]:
    from yamlgen.api.source_lines import source_lines  # noqa: PLC0415 - loads a part of the language, only for errors

    return source_lines(file)


def _line(file: str, line: int) -> str | None:
    lines = _lines(file)
    if line > len(lines):
        return None
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in lines[line - 1])
