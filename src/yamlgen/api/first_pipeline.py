"""The first pipeline for an input: its prompt has the columns, and its comments say what to change."""

from __future__ import annotations

import json
import keyword
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import has_magic
from pathlib import Path, PurePath
from typing import Final

from yamlgen.api.column_survey import ColumnProfile, ColumnSurvey, is_named_id, is_writable, survey
from yamlgen.api.detected_input import DetectedInput, detect
from yamlgen.api.examples import ENDING
from yamlgen.errors import Code, UsageError
from yamlgen.formats.byte_layers import compression_of
from yamlgen.parsing.file_patterns import fits, is_pattern, split
from yamlgen.parsing.project_folder import real
from yamlgen.pipeline.json_schema import FILE_NAME
from yamlgen.redaction import redact
from yamlgen.shaping.file_names import failed_path, record_path
from yamlgen.value_objects import JSON

_MOST_COLUMNS: Final = 12
_MOST_TEXTS: Final = 4
_MOST_LISTED: Final = 120
"""The most columns in a prompt, those of text among them, and names in a comment."""

_LINE: Final = 110
_LONGEST_LABEL: Final = 60
_LONGEST_NAME: Final = 60
_STEP: Final = "assessment"
_PLAIN: Final = re.compile(r"(\.{0,2}/)*[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Strings that YAML, or a reader of an older version of it, takes for other values."""


def first_pipeline(given: str, folder: Path) -> tuple[str, str]:
    """Return the name of a pipeline file for an input, and its content.

    Args:
        given: the input as the caller wrote it: a file or a pattern, relative to the current folder.
        folder: the folder for the pipeline.

    Raises:
        EnvironmentProblem: the input does not exist, or cannot be opened.
        UsageError: it cannot be read, or has no rows or columns.
    """
    if "://" in given or not given:
        message = f"{given} is a URL, but the input must be a file on this machine" if given else "the path is empty"
        raise UsageError(message, code=Code.BAD_PARAM, hint="download it" if given else "write the path of a file")
    if redact(given) != given or not given.isprintable():
        message = "the path of the input contains characters that do not belong in a pipeline"
        raise UsageError(message, code=Code.BAD_PARAM, hint="rename the file")
    detected, found = _surveyed(given)
    name = _name(given)
    path = _relative(given, folder)
    lines = [*_head(name, given, found), *_input(path, detected, found), *_steps(found), *_output(name, path, folder)]
    return f"{name}{ENDING}", "".join(f"{line}\n" for line in lines)


def _surveyed(given: str) -> tuple[DetectedInput, ColumnSurvey]:
    """Return the first way to read an input that reads all its rows."""
    fault: UsageError | None = None
    for detected in detect(given):
        try:
            found = survey(detected.source, detected.head.columns)
        except UsageError as error:
            fault = fault or error
            continue
        if not found.columns:
            message = f"{detected.source.name()} has no columns: its rows are empty objects"
            raise UsageError(message, code=Code.NO_ROWS, hint="choose a file whose rows have values")
        return detected, found
    assert fault is not None  # noqa: S101 - `detect` raises an error if there is no way
    raise fault


def _name(given: str) -> str:
    """Return a name for a pipeline, from the name of its input."""
    path = PurePath(unicodedata.normalize("NFC", given))
    path = path.with_suffix("") if compression_of(path) else path
    fixed = path.parents if is_pattern(Path.cwd(), given) else ()
    for part in [each.name for each in fixed if not has_magic(each.name)] if fixed else [path.stem]:
        name = re.sub(r"[^\w-]+", "-", part).strip("-_")[:_LONGEST_NAME]
        if name:
            return name
    return "rows"


def _relative(given: str, folder: Path) -> str:
    """Return the path or the pattern of an input relative to the folder of its pipeline."""
    start, rest = os.path.split(given)
    if is_pattern(Path.cwd(), given):
        start, parts = split(Path.cwd(), given)
        rest = "/".join(parts)
    relative = os.path.relpath(real(Path(start)), real(folder))
    if Path(given).is_absolute() and relative.startswith(os.pardir):
        return os.path.normpath(Path(start) / rest)
    path = os.path.normpath(Path(relative) / rest)
    return "./-" if path == "-" else path


def _head(name: str, given: str, found: ColumnSurvey) -> Iterator[str]:
    count = f"{found.rows:,} row{'s' * (found.rows != 1)}"
    columns = f"{len(found.columns)} column{'s' * (len(found.columns) != 1)}"
    yield f"# yaml-language-server: $schema=./{FILE_NAME}"
    yield "#"
    yield f"# A pipeline for {PurePath(given).name}: {'' if found.is_whole else 'more than '}{count}, {columns}."
    yield "# It runs as it is. Change the lines marked CHANGE, validate it, simulate it, and then run a few rows."
    yield "version: 1"
    yield f"name: {_scalar(name)}"
    yield ""
    yield "model: {id: claude-haiku-5-5, max_tokens: 1024}  # CHANGE for difficult tasks: a larger model"
    yield ""


def _input(path: str, detected: DetectedInput, found: ColumnSurvey) -> Iterator[str]:
    yield "input:"
    yield f"  path: {_scalar(path)}"
    for key, value in detected.options.items():
        if key in detected.notes:
            yield f"  # {detected.notes[key]}"
        yield from _entry(key, value)
    rows = f"{'all' if found.is_whole else 'the first'} {found.rows:,} rows" if found.rows > 1 else "the only row"
    if found.id is None:
        yield f"  # No column is unique in {rows}. If you add one, name it here: `id: COLUMN`."
    else:
        yield f"  id: {_scalar(found.id)}  # unique in {rows}"
    yield "  # limit: 100  # CHANGE to run a part of the rows"
    yield ""


def _entry(key: str, value: JSON) -> Iterator[str]:
    """Yield a key of `input` with its value, a list on several lines if it is long."""
    if isinstance(value, list):
        first, *others = _wrapped([_scalar(each) for each in value], _LINE)
        yield f"  {key}: [{first}" + ("," if others else "]")
        yield from (f"    {line}{',' if at < len(others) else ']'}" for at, line in enumerate(others, start=1))
    else:
        yield f"  {key}: {json.dumps(value) if isinstance(value, bool) else _scalar(value)}"


def _steps(found: ColumnSurvey) -> Iterator[str]:
    shown = _chosen(found)
    names = {column.name for column in found.columns}
    step = next(name for name in (_STEP, *(f"{_STEP}_{n}" for n in range(2, len(names) + 3))) if name not in names)
    yield "steps:"
    yield f"  {step}:  # the name of the column in the output"
    yield from (f"    # {line}" for line in _left_out(found, shown))
    yield "    # CHANGE: your task, in the first lines of the prompt."
    yield "    prompt: |"
    yield "      Read this row of a table. Choose the label that fits it best, and give the reason in one sentence."
    yield ""
    if not shown:
        yield "      {{ row | tojson }}"
    short = [column for column in shown if not column.is_long]
    for column in short:
        yield f"      {_label(column, found)}: {_printed(column, found)}"
    for column in shown:
        if column.is_long:
            tag = re.sub(r"\W+", "_", _label(column, found)).strip("_").lower() or "text"
            yield from ("",) if short or column is not shown[0] else ()
            yield from (f"      <{tag}>", f"      {_printed(column, found)}", f"      </{tag}>")
    yield "    output:"
    yield "      schema:"
    yield "        type: object"
    yield "        additionalProperties: false"
    yield "        required: [label, reason]"
    yield "        properties:"
    yield "          # CHANGE: your labels. The value of an `enum` is always one of them."
    yield "          label: {type: string, enum: [positive, negative, unclear]}"
    yield "          # CHANGE: the text that you need, or add fields of type string, integer, number, boolean or array."
    yield "          reason: {type: string, description: One sentence on what decided the label.}"
    yield ""


def _output(name: str, path: str, folder: Path) -> Iterator[str]:
    for written in (Path(f"out/{name}.jsonl"), Path(f"out/{name}-labels.jsonl")):
        files = [each.as_posix() for each in (written, failed_path(written), record_path(written))]
        if path not in files and not any(_is_matched(each, path, folder) for each in files):
            yield "output:"
            yield f"  path: {_scalar(written.as_posix())}  # or a .csv, .json or .parquet file"
            return
    message = f"the pattern {path} matches the outputs of the pipeline too, in the folder out"
    raise UsageError(message, code=Code.OUTPUT_PATH, hint="choose a pattern for fewer files, or another folder")


def _is_matched(file: str, path: str, folder: Path) -> bool:
    if not is_pattern(folder, path):
        return False
    start, parts = split(folder, path)
    return file.startswith(start) and fits(file.removeprefix(start), parts)


def _chosen(found: ColumnSurvey) -> list[ColumnProfile]:
    """Return the columns of the prompt, in order; of many, those that tell most about a row."""
    known = [column for column in found.columns if is_writable(column.name)]
    usable = [column for column in known if column.filled] or known
    others = [column for column in usable if column.name != found.id or not is_named_id(column.name)] or usable
    if len(others) <= _MOST_COLUMNS:
        return others
    texts = sorted((each for each in others if each.is_long), key=lambda each: -each.characters)[:_MOST_TEXTS]
    often = [each for each in others if each not in texts and each.varies and 2 * each.filled >= found.rows]
    seldom = [each for each in others if each not in texts and each not in often]
    short = sorted((*often, *seldom), key=lambda each: (each not in often, each.is_long))
    chosen = [*texts, *short[: _MOST_COLUMNS - len(texts)]]
    return [column for column in others if column in chosen]


def _left_out(found: ColumnSurvey, shown: Sequence[ColumnProfile]) -> Iterator[str]:
    """Yield what a comment says of the columns that are not in the prompt."""
    left = [each for each in found.columns if each not in shown and is_writable(each.name)]
    empty = [each for each in left if not each.filled]
    id_column = [each for each in left if each.name == found.id and each.filled]
    more = [each for each in left if each not in empty and each not in id_column]
    for columns, why in ((id_column, "is left out of the prompt: it is the id"), (empty, "empty in every row")):
        if columns and why.startswith("is"):
            yield f"{_reference(columns[0].name)} {why}."
        elif columns:
            yield f"Left out of the prompt, because {why}:"
            yield from (f"  {line}" for line in _names(columns))
    if more:
        yield f"{len(more)} of {len(found.columns)} columns are left out of the prompt. CHANGE: add those that your"
        yield f"task needs, as in `{{{{ {_reference(more[0].name)} }}}}`:"
        yield from (f"  {line}" for line in _names(more))


def _names(columns: Sequence[ColumnProfile]) -> Iterator[str]:
    names = [_reference(column.name) for column in columns[:_MOST_LISTED]]
    if len(columns) > _MOST_LISTED:
        names.append(f"and {len(columns) - _MOST_LISTED} more")
    yield from _wrapped(names, _LINE - 10)


def _wrapped(words: Iterable[str], width: int) -> list[str]:
    """Return words, separated by commas, as lines."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines


def _label(column: ColumnProfile, found: ColumnSurvey) -> str:
    """Return the name of a column as text of a prompt: on one line, without what a template would read."""
    text = "".join(c if c.isprintable() else " " for c in column.name)
    text = " ".join(re.sub(r"[{}<>$%#]", " ", text).split()).rstrip(":")[:_LONGEST_LABEL].strip()
    return text or f"Column {found.columns.index(column) + 1}"


def _printed(column: ColumnProfile, found: ColumnSurvey) -> str:
    """Return the template that prints a column: null as `null`, a value that a row lacks as null or nothing."""
    name, is_text = _reference(column.name), column.kinds <= {"string"}
    lacks = column.present < found.rows
    if is_text and (lacks or column.is_nullable):
        return f'{{{{ {name} | default("", true) }}}}'
    if lacks:
        return f"{{{{ {name} | default(none) | tojson }}}}"
    is_plain = not column.is_nullable and column.kinds <= {"string", "integer", "number"}
    return f"{{{{ {name} }}}}" if is_plain else f"{{{{ {name} | tojson }}}}"


def _reference(name: str) -> str:
    """Return the expression for a column."""
    is_plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    return f"row.{name}" if is_plain else f"row[{_quoted(name)}]"


def _scalar(text: str) -> str:
    """Return a string as YAML."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    """Return a string in double quotes, with escapes that YAML and Jinja both read."""
    escapes: Mapping[str, str] = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else _escape(ord(c))) for c in text) + '"'


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
