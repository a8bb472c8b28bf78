"""A connection to DuckDB on which the tables of a query exist, and nothing else.

yamlgen reads the text files itself, so that a table has exactly the rows that the file has under `input.path`; DuckDB
guesses neither types nor delimiters. They become Parquet files in a temporary folder. Then access to everything else is
switched off, and the settings are locked.

This module imports DuckDB and pyarrow, which are optional: other modules import it inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import parquet

from yamlgen.canonical_json import encoded
from yamlgen.data.input_file import InputFile
from yamlgen.data.mixed_files import refuse_mixed
from yamlgen.data.sql_query import SqlQuery, SqlTable
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.formats.format import AnomalyLog, Lines, WriteOptions
from yamlgen.formats.format_table import FORMATS
from yamlgen.option_names import override
from yamlgen.parsing.project_folder import is_file, status

_CHUNK: Final = 10_000
"""How many rows of a text file are in memory at once."""

_PARQUET: Final = "parquet"


def name_in_sql(name: str) -> str:
    """Return a name as SQL writes it, whatever characters it contains."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


def _text_in_sql(text: str) -> str:
    return f"'{text.replace(chr(39), chr(39) * 2)}'"


@contextmanager
def open_tables(query: SqlQuery, folder: Path, rows: int | None = None) -> Iterator[OpenTables]:
    """Yield the tables of a query on a locked connection.

    Args:
        query: the query; every table has files.
        folder: a temporary folder, for the tables and for what DuckDB cannot keep in memory.
        rows: how many rows of a text file are read, to prepare the query; `None`: all, to run it.

    Raises:
        EnvironmentProblem: a file is missing or cannot be read.
        UsageError: a file is broken.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "autoload_known_extensions": False,
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
        "temp_directory": str(folder),
        "errors_as_json": True,
    }
    if query.memory is not None:
        settings["memory_limit"] = query.memory
    with closing(duckdb.connect(":memory:", config=settings)) as connection:
        tables = OpenTables(connection, folder, rows)
        connection.execute("set TimeZone='UTC'")
        for number, table in enumerate(query.tables):
            tables.add(number, table)
        allowed = ", ".join(_text_in_sql(str(path)) for path in tables.paths)
        connection.execute(f"set allowed_paths=[{allowed}]")
        connection.execute("set enable_external_access=false")
        connection.execute("set lock_configuration=true")
        yield tables


class OpenTables:
    """The tables of a query, as views.

    Attributes:
        connection: the connection.
        files: the files of the tables, each with its snapshot, if all of their rows were read.
        paths: the Parquet files that the views read.
        columns: the columns of all tables, in lower case.
        told: warnings about the files.
        is_whole: whether the types of all columns are certain.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, rows: int | None) -> None:
        self.connection = connection
        self.files: list[InputFile] = []
        self.paths: list[Path] = []
        self.columns: frozenset[str] = frozenset()
        self.told: list[str] = []
        self.is_whole = True
        self._names: set[str] = set()
        self._folder = folder
        self._rows = rows

    def add(self, number: int, table: SqlTable) -> None:
        """Make the view of a table."""
        if not table.files and table.schema is None:
            message = f"no file matches {table.shown}, the table `{table.name}`"
            raise EnvironmentProblem(message, code=Code.MISSING_INPUT, hint="correct the pattern, or create a file")
        if table.name.lower() in self._names:
            message = f"two tables have the name `{table.name}`"
            hint = "rename one of them: SQL does not distinguish upper case and lower case"
            raise UsageError(message, code=Code.NAME_TAKEN, hint=hint)
        self._names.add(table.name.lower())
        try:
            if len(table.files) > 1:
                refuse_mixed(table.files, f"the table `{table.name}`")
            made = [self._parquet(f"{number}-{index}", file, table.schema) for index, file in enumerate(table.files)]
        except EnvironmentProblem as error:
            if error.code != Code.MISSING_INPUT:
                raise
            other = override(f"input.tables.{table.name}", "PATH")
            raise error.replace(hint=f"create it, or choose another file with `{other}`") from None
        if not made and table.schema is not None:
            made = [self._folder / f"{number}.parquet"]
            self._write_lines(made[0], list, table.schema)
            self._note_columns(made[0], table.shown)
        self.paths += made
        listed = ", ".join(_text_in_sql(str(path)) for path in made)
        reads = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
        try:
            self.connection.execute(f"create view {name_in_sql(table.name)} as select * from {reads}")  # noqa: S608
        except duckdb.Error as error:
            message = f"DuckDB cannot read {table.shown}, the table `{table.name}`: {told_by(error)[0]}"
            raise UsageError(message, code=Code.BAD_INPUT, hint="write the file again with another tool") from error

    def _parquet(self, name: str, file: InputFile, schema: Mapping[str, Any] | None) -> Path:
        """Return a Parquet file with the rows of a file."""
        path = self._folder / f"{name}.parquet"
        kind = file.kind()
        if file.path and status(file.path) is not None and not is_file(file.path):
            message = f"{file.name()} is not a regular file, which a table must be"
            raise UsageError(message, code=Code.BAD_INPUT, hint="save its content to a file")
        if self._rows is None:
            file = file.recorded()
            self.files.append(file)
        if kind.name == _PARQUET:
            _header(file)  # reports a broken file
            path.symlink_to(file.path.absolute() if file.path else "")
        elif kind.keeps_types or file.settings.json_columns:
            self._write_typed(path, file, schema)
        else:
            self._write_cells(path, file, schema)
        self._note_columns(path, file.name())
        return path

    def _note_columns(self, path: Path, shown: str) -> None:
        """Note the columns of a table, whose names SQL must be able to distinguish."""
        seen: dict[str, str] = {}
        for column in parquet.read_schema(path).names:
            other = seen.setdefault(column.lower(), column)
            if other is not column:
                message = f"{shown}: the names of the columns `{other}` and `{column}` are equal in SQL"
                hint = "rename one of them: SQL does not distinguish upper case and lower case"
                raise UsageError(message, code=Code.BAD_INPUT, hint=hint)
        self.columns |= seen.keys()

    def _write_cells(self, path: Path, file: InputFile, schema: Mapping[str, Any] | None) -> None:
        """Write the cells of a file: each column is text. An empty file has the columns that `schema` declares."""
        names = _header(file) or [*(schema or {}).get("properties", ())]
        if not names:
            message = f"{file.name()} is empty, so its columns are unknown"
            raise UsageError(message, code=Code.NO_ROWS, hint="add a header")
        made, odd = pa.schema([(name, pa.string()) for name in names]), AnomalyLog()
        with (
            parquet.ParquetWriter(path, made, compression="zstd") as writer,
            closing(file.rows(None, odd=odd)) as rows,
        ):
            wanted = islice(rows, self._rows)
            while chunk := [row for _, row in islice(wanted, _CHUNK)]:
                columns = [pa.array([row.get(name) for row in chunk], pa.string()) for name in names]
                writer.write_batch(pa.record_batch(columns, schema=made))
        self.told += odd.told(file.name())

    def _write_typed(self, path: Path, file: InputFile, schema: Mapping[str, Any] | None) -> None:
        """Write the rows of a file whose values have types, which `schema` or all of the rows determine.

        The anomalies are those of the last reading.
        """
        is_over, odd = True, AnomalyLog()

        def lines() -> Iterator[bytes]:
            nonlocal is_over, odd
            odd = AnomalyLog()
            with closing(file.rows(None, odd=odd)) as rows:
                for _, row in islice(rows, self._rows):
                    yield encoded(json.dumps(row, ensure_ascii=False)) + b"\n"
                is_over = self._rows is None or next(rows, None) is None

        if schema is None and not any(True for _ in lines()):
            message = f"{file.name()} has no rows, so its columns are unknown"
            raise UsageError(message, code=Code.NO_ROWS, hint="add at least one row")
        self._write_lines(path, lines, schema)
        self.told += odd.told(file.name())
        self.is_whole = self.is_whole and is_over

    def _write_lines(self, path: Path, lines: Lines, schema: Mapping[str, Any] | None) -> None:
        with path.open("wb") as made:
            made.writelines(FORMATS[_PARQUET].write(lines, path, self.told.append, WriteOptions(type=schema)))


def _header(file: InputFile) -> list[str]:
    """Return the columns that the header of a file names."""
    with file.opened() as opened:
        return list(file.kind().columns(file.content(opened), file.reading(None)) or ())


def told_by(error: Exception) -> tuple[str, dict[str, str]]:
    """Return the first line of the message of an error of DuckDB, and what else the error contains."""
    text = str(error)
    try:
        told = json.loads(text[text.index("{") :])
    except ValueError:
        told = {"exception_message": text.partition(": ")[2] or text}
    return str(told["exception_message"]).partition("\n")[0], told
