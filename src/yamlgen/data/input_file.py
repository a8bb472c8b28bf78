"""One file of an input: how it is opened, decompressed, decoded and parsed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from yamlgen.data.snapshot import Snapshot, changed, record
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.formats.byte_layers import unpacked
from yamlgen.formats.format import PLAIN, AnomalyLog, FileSettings, Format, NumberedRow, ReadContext, Rows, is_delimiter
from yamlgen.formats.format_table import DOCUMENT, ENDINGS, FORMATS, NAMES, STREAMED, format_named
from yamlgen.formats.strict_json import brief
from yamlgen.option_names import option
from yamlgen.parsing.project_folder import FETCH, POINTS, is_pointer, unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.pipeline.input_config import FileOptions
from yamlgen.value_objects import JSON

Keep = Callable[[Snapshot], None]


def settings_of(spec: FileOptions) -> FileSettings:
    """Return the settings of a file, from the keys of the language."""
    return FileSettings(
        delimiter=spec.delimiter,
        quoting=spec.quoting,
        header=spec.header,
        columns=tuple(spec.columns or ()),
        json_columns=tuple(spec.json_columns or ()),
        encoding=spec.encoding,
    )


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of an input: a picklable value without an open file.

    Attributes:
        path: the file; `None`: standard input, which `input_buffer` makes readable.
        shown: its name in messages: its path as the user wrote it.
        format: the name of its format; `None`: by its extension, JSONL for standard input.
        settings: how its bytes become rows.
        added: columns that each of its rows begins with, such as the path.
        is_given: whether its path comes from the caller, not from the pipeline.
        snapshot: its content when it was scanned; every later reading is checked against it.
    """

    path: Path | None = None
    shown: str = ""
    format: str | None = None
    settings: FileSettings = PLAIN
    added: Mapping[str, JSON] = field(default_factory=dict)
    is_given: bool = False
    snapshot: Snapshot | None = None

    def name(self) -> str:
        """Return its name in messages."""
        return self.shown or str(self.path or "standard input")

    def kind(self) -> Format:
        """Return the format, from `format` or the path's extension.

        Raises:
            UsageError: the format is unknown.
        """
        if self.format == DOCUMENT.name:
            return DOCUMENT
        if self.path is None:
            kind = FORMATS.get(self.format) if self.format else STREAMED
        else:
            kind = format_named(self.format, self.path)
        if kind is None:
            what = f"unknown format `{self.format}`" if self.format else "it has no known extension"
            hint = f"known extensions are {ENDINGS}; or set {NAMES}"
            raise UsageError(f"cannot read {self.name()}: {what}", code=Code.BAD_INPUT, hint=hint)
        return kind

    def separator(self) -> str | None:
        """Return the separator of cells, from `delimiter` or the format; `None` if the format has no cells.

        Raises:
            UsageError: `delimiter` is invalid.
        """
        given = self.settings.delimiter
        if given is None:
            return self.kind().separator
        if not is_delimiter(given):
            message = f"the delimiter {brief(given)} is invalid"
            raise UsageError(message, code=Code.BAD_INPUT, hint='write one character, such as ",", ";" or "\\t"')
        return given

    def reading(self, id_column: str | None, odd: AnomalyLog | None = None) -> ReadContext:
        """Return the settings for reading the file; `odd` collects anomalies."""
        if self.settings.delimiter is not None:
            self.separator()
        in_file = None if id_column in self.added else id_column
        return ReadContext(self.name(), self.settings, in_file, anomalies=AnomalyLog() if odd is None else odd)

    def rows(
        self, id_column: str | None, keep: Keep | None = None, odd: AnomalyLog | None = None
    ) -> Generator[NumberedRow, None, None]:
        """Yield each row with its line. The file is open until the generator is closed.

        Args:
            id_column: the column that every row must have.
            keep: called at the end with a snapshot of the file.
            odd: collects anomalies.
        """
        kind = self.kind()
        with self._content(keep, is_whole=kind.is_random_access) as file:
            yield from self.parsed(self.content(file), id_column, odd)

    def recorded(self) -> InputFile:
        """Return the file with a snapshot of its content, which is read once, but not parsed."""
        with self.opened() as file:
            recorded, snapshot = record(file)
            while recorded.read(1 << 20):
                pass
        return replace(self, snapshot=snapshot())

    def columns(self) -> Mapping[str, JSON] | None:
        """Return the columns of its header, each with its type as a JSON Schema; `None` for a format without a header.

        Raises:
            UsageError: the header is broken.
            EnvironmentProblem: the file is missing or cannot be read.
        """
        with self.opened() as file:
            return self.kind().columns(self.content(file), self.reading(None))

    def parsed(self, content: BinaryIO, id_column: str | None, odd: AnomalyLog | None = None) -> Rows:
        """Return the rows of the content of a file, each with its line."""
        rows = self.kind().read(content, self.reading(id_column, odd))
        return self._with_added(rows) if self.added else rows

    def _with_added(self, rows: Rows) -> Rows:
        for number, (line, row) in enumerate(rows, start=1):
            twice = next((name for name in self.added if name in row), None)
            if twice is not None:
                message = f"{self.place(line, number)}: the column `{twice}` is in the file, and is added too"
                raise UsageError(message, code=Code.NAME_TAKEN, hint="rename the column, or remove `file_column`")
            yield line, {**self.added, **row}

    def content(self, file: BinaryIO) -> BinaryIO:
        """Return the content of an open file for its format: decompressed, and text as UTF-8."""
        return file if self.kind().is_random_access else unpacked(file, self.path, self.name(), self.settings.encoding)

    def place(self, line: int, number: int) -> str:
        """Return the place of a row for messages, from its line and its number in the file (from 1)."""
        return self.kind().place(self.reading(None), line, number)

    def grown(self) -> int:
        """Check once more that the file is what was scanned, and return how many bytes were appended.

        Raises:
            EnvironmentProblem: the file is missing, cannot be read, or has changed since the scan.
        """
        return 0 if self.snapshot is None else self.snapshot.verify(self.opened, self.name())

    @contextmanager
    def _content(self, keep: Keep | None, *, is_whole: bool) -> Iterator[BinaryIO]:
        if self.snapshot is not None:
            yield self.snapshot.held(self.opened, self.name())
            return
        with self.opened() as file:
            if keep is None:
                yield file
                return
            recorded, snapshot = record(file)
            if is_whole:
                while recorded.read(1 << 20):
                    pass
                yield snapshot().held(self.opened, self.name())
            else:
                yield recorded
            keep(snapshot())

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the file in its current state.

        Raises:
            EnvironmentProblem: the file is missing or cannot be read, also while it is read in the context.
        """
        if self.path is None:
            message = "standard input has not been read yet"
            raise EnvironmentProblem(message, code=Code.MISSING_INPUT, hint="`buffered` makes it readable")
        if no_path := unusable(self.path, self.name()):
            raise EnvironmentProblem(
                no_path, code=Code.MISSING_INPUT, hint=f"choose a file with {option('input', 'PATH')}"
            )
        try:
            if self.snapshot is not None and not self.path.is_file():  # opening a pipe would wait for its writer
                raise changed(self.name(), "there is no longer a file at this path")
            if self.snapshot is None and is_pointer(self.path):
                raise EnvironmentProblem(f"the input {self.name()} {POINTS}", code=Code.MISSING_INPUT, hint=FETCH)
            with self.path.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            other = f"choose another file with {option('input', 'PATH')}"
            hint = f"create it, or {other}; paths are relative to the pipeline file"
            if self.is_given:
                way = "check the path: it is relative to the current directory"
                hint = neighbour(self.path, self.name(), way)
            raise EnvironmentProblem(
                f"the input {self.name()} does not exist", code=Code.MISSING_INPUT, hint=hint
            ) from error
        except OSError as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: OSError) -> EnvironmentProblem:
        """Return the error for a file that cannot be opened."""
        message = f"cannot read {self.name()}: {error.strerror or error}"
        hint = f"check that it is a file that you may read, or choose another with {option('input', 'PATH')}"
        if isinstance(error, IsADirectoryError):
            hint = f"choose its files with a pattern such as `{self.name()}/*.jsonl`; for text files, set `folder`"
        return EnvironmentProblem(message, code=Code.MISSING_INPUT, hint=hint)
