"""How an input must be read: the format, encoding, delimiter and header of its files, detected from their content.

Only what differs from the defaults of `input` is detected. A file that no setting can read is refused with the error of
the most likely one.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from yamlgen.api.delimited_text import Layout, layouts
from yamlgen.data.input_file import InputFile
from yamlgen.data.input_head import InputHead, read_head
from yamlgen.data.input_sources import source_of
from yamlgen.data.source import Source
from yamlgen.errors import Code, UsageError
from yamlgen.formats.byte_layers import unpacked
from yamlgen.formats.format_table import ENDINGS, FORMATS, format_of
from yamlgen.formats.utf8 import other_type
from yamlgen.option_names import option
from yamlgen.parsing.project_folder import is_folder, is_pipe
from yamlgen.pipeline.input_config import Input
from yamlgen.value_objects import JSON

EXAMINED: Final = 1000
"""The rows that must be readable for a setting to be right."""

_BLOCK: Final = 1 << 20
_MOST_BLOCKS: Final = 64
_SAMPLE: Final = 1 << 18
_ENCODINGS: Final = ("cp1252", "shift_jis", "gb18030", "euc_kr", "latin-1")
"""What is tried if a file is not UTF-8, in this order. The last one can read every file."""

_CONTROLS: Final = bytes({*range(32), 127} - {9, 10, 12, 13, 26, 27})
_MOST_CONTROLS: Final = 0.01
"""The largest part of a text that is control characters."""

_ASCII: Final = re.compile("[\0-\x7f]+")
_PARQUET: Final = b"PAR1"

Choice = tuple[dict[str, JSON], dict[str, str]]
"""Keys of `input`, and why they are set, by key."""


@dataclass(frozen=True)
class DetectedInput:
    """An input whose first rows can be read.

    Attributes:
        source: the input.
        head: its first rows.
        options: the keys of `input` that it needs, besides `path`.
        notes: why it needs them, by key.
    """

    source: Source
    head: InputHead
    options: Mapping[str, JSON] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def detect(given: str) -> Iterator[DetectedInput]:
    """Yield the ways to read an input, the most likely one first.

    Args:
        given: the path of a file, or a pattern, relative to the current folder.

    Raises:
        EnvironmentProblem: the input does not exist, or cannot be opened.
        UsageError: it cannot be read as rows.
    """
    plain = _source(given, {})
    _refuse_unreadable(plain, given)
    encoding, is_guess = _encoding(plain)
    text: dict[str, JSON] = {} if encoding is None else {"encoding": encoding}
    guessed = {"encoding": "The file is not UTF-8. The encoding is a guess: check letters such as é."}
    fault, is_readable = None, False
    for options, notes in _choices(plain.files[0], encoding or "utf-8"):
        source = _source(given, {**options, **text})
        head = read_head(source, EXAMINED)
        refusal = head.fault()
        if options.get("format") == "jsonl" and len(head.rows) == 1 and fault is not None:
            continue  # one object around the rows
        if refusal is None:
            is_readable = True
            yield DetectedInput(source, head, {**options, **text}, notes | (guessed if is_guess else {}))
        fault = fault or refusal
    if not is_readable:
        raise fault or _unknown(plain.files[0])


def _source(given: str, options: Mapping[str, JSON]) -> Source:
    spec = Input.model_validate({"path": given, **options})
    return source_of(spec, Path.cwd() / "pipeline.yaml", "pipeline.yaml", is_given=True)


def _refuse_unreadable(source: Source, given: str) -> None:
    """Refuse what is not a file that can be opened repeatedly."""
    if given == "-" or any(map(is_pipe, source.paths)):
        message = (
            f"{'standard input' if given == '-' else given} can be read only once, but a pipeline is run repeatedly"
        )
        hint = f"save the rows to a file, and choose it with {option('input', 'PATH')}"
        raise UsageError(message, code=Code.BAD_PARAM, hint=hint)
    if is_folder(Path(given)):
        ending = ".jsonl"
        with suppress(OSError):
            endings = Counter(each.suffix for each in Path(given).iterdir() if format_of(each) is not None)
            ending = next((ending for ending, _ in endings.most_common(1)), ending)
        hint = f"choose a file in it, or a pattern in quotes, such as '{given.rstrip('/')}/*{ending}'"
        raise UsageError(f"{given} is a folder", code=Code.MISSING_INPUT, hint=hint)
    if not source.files and source.listing is not None:
        raise source.listing.nothing()
    for file in source.files:
        with file.opened() as opened:
            try:
                opened.read(1)
            except OSError as error:
                raise file.unreadable(error) from error


def _unknown(file: InputFile) -> UsageError:
    hint = f"save it as CSV or JSON Lines; known extensions are {ENDINGS}"
    return UsageError(f"cannot tell the format of {file.name()}", code=Code.UNKNOWN_FORMAT, hint=hint)


def _encoding(source: Source) -> tuple[str | None, bool]:
    """Return the encoding of the files, or `None` for UTF-8 and what is not text, and whether it is a guess."""
    for file in source.files:
        kind = format_of(Path(str(file.path)))
        if kind is not None and kind.is_random_access:
            continue
        begun = _begun(file)
        other = other_type(begun)
        if other is not None and other[2]:
            return other[2], False
        if other is not None or _is_decoded(file, "utf-8"):
            continue
        if len(begun.translate(None, _CONTROLS)) < len(begun) * (1 - _MOST_CONTROLS):
            message = f"{file.name()} is not a text file"
            raise UsageError(message, code=Code.BAD_INPUT, hint=f"choose a file of rows, such as {ENDINGS}")
        text = begun.decode("utf-8", "replace")
        if len(_ASCII.sub("", text)) > 2 * text.count("\ufffd"):  # UTF-8 with a few broken bytes
            continue
        return next(each for each in _ENCODINGS if _is_decoded(file, each)), True
    return None, False


def _begun(file: InputFile, encoding: str = "utf-8", size: int = _BLOCK) -> bytes:
    """Return the beginning of the content of a file, decompressed, and as UTF-8 if it has another encoding."""
    with file.opened() as opened:
        return unpacked(opened, file.path, file.name(), encoding).read(size)


def _is_decoded(file: InputFile, encoding: str) -> bool:
    """Check whether the content of a file, up to 64 MB, can have an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with file.opened() as opened:
        content = unpacked(opened, file.path, file.name())
        for _ in range(_MOST_BLOCKS):
            block = content.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                return False
            if not block:
                break
    return True


def _choices(file: InputFile, encoding: str) -> Iterator[Choice]:
    """Yield settings that may fit a file, the most likely ones first."""
    kind = format_of(Path(str(file.path)))
    begun = _begun(file, encoding if kind is None or not kind.is_random_access else "utf-8", _SAMPLE)
    if kind is None and begun.startswith(_PARQUET):
        yield {"format": "parquet"}, {"format": "from the content of the file"}
    if kind is not None and kind.separator is None:
        yield {}, {}
    text = begun.decode("utf-8", "replace").removeprefix("\ufeff")
    name = {"{": "jsonl", "[": "json"}.get(text.lstrip()[:1])
    if name is not None and kind is not FORMATS[name] and not (kind is not None and kind.is_random_access):
        yield {"format": name}, {"format": "from the content of the file"}
    if kind is None or kind.separator is not None or (name is None and not kind.is_random_access):
        separator = None if kind is None else kind.separator
        for layout in layouts(text, separator, is_cut=len(begun) == _SAMPLE):
            yield _settings(layout, separator)


def _settings(layout: Layout, separator: str | None) -> Choice:
    """Return the settings of a CSV file, without those that are the default."""
    options: dict[str, JSON] = {} if separator else {"format": "csv"}
    notes = {} if separator else {"format": "from the content of the file"}
    if layout.delimiter != (separator or ","):
        options["delimiter"] = layout.delimiter
    if not layout.is_quoted:
        options["quoting"] = "none"
    if layout.columns:
        options |= {"header": False, "columns": list(layout.columns)}
        notes["header"] = "CHANGE if the first row names the columns: remove this line and the next"
        notes["columns"] = "CHANGE: your names of the columns, in order"
    return options, notes
