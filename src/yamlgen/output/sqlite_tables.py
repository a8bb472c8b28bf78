"""The rows of a run as tables of an SQLite database: rows, steps, attempts, and the output rows if they are others.

The database is for people who like SQL, and for tools such as Datasette. Values keep their types: text, numbers, null;
true and false are 1 and 0; lists and objects are JSON. Integers of more than 64 bits, and NaN, are text.
"""

from __future__ import annotations

import errno
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

from yamlgen.canonical_json import storable
from yamlgen.errors import Code, UsageError, near
from yamlgen.option_names import option
from yamlgen.output.atomic_write import Staging, target_of
from yamlgen.output.row_composer import REJECTED, RowComposer
from yamlgen.parsing.project_folder import unusable
from yamlgen.redaction import redact
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.store.database import application_of, is_store
from yamlgen.store.location import ENDING
from yamlgen.store.row_scan import RowScan, ScannedRow, ScannedStep
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.store.stored_results import TOKENS, StoredAttempt
from yamlgen.value_objects import JSON
from yamlgen.visible_text import visible

_Cell: TypeAlias = str | int | float | None

_LARGEST: Final = 2**63
_MOST_COLUMNS: Final = 1900
"""SQLite accepts 2,000 columns; the values of further ones are in one column."""

_APPLICATION: Final = 0x59474E45
"""Marks a database that an export has written: only such a one is replaced."""

_MORE: Final = "more_columns"
_SIDE_FILES: Final = ("-wal", "-journal")
"""What SQLite reads with a database: from another one, it would damage ours."""

_ABOUT: Final = ("number", "id", "status")
_TABLES: Final = f"""
    CREATE TABLE rows (number INTEGER PRIMARY KEY, id, status TEXT NOT NULL);
    CREATE TABLE steps (
        id INTEGER PRIMARY KEY, row INTEGER NOT NULL REFERENCES rows (number), step TEXT NOT NULL, status TEXT NOT NULL,
        value TEXT, thinking TEXT, code TEXT, message TEXT, hint TEXT, failed_items TEXT
    );
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, step_id INTEGER NOT NULL REFERENCES steps (id),
        row INTEGER NOT NULL REFERENCES rows (number), step TEXT NOT NULL, case_name TEXT, run TEXT, received TEXT,
        model TEXT, stop_reason TEXT, request_text TEXT, response_text TEXT, errors TEXT, notes TEXT,
        {", ".join(f"{name} INTEGER" for name in TOKENS)}, cost_usd REAL, seconds REAL, request_id TEXT, batch TEXT,
        request TEXT, response TEXT
    );
"""
_INDEXES: Final = """
    CREATE INDEX rows_by_id ON rows (id);
    CREATE INDEX rows_by_status ON rows (status);
    CREATE INDEX steps_by_row ON steps (row);
    CREATE INDEX steps_by_code ON steps (step, status, code);
    CREATE INDEX attempts_by_step ON attempts (step_id);
    CREATE INDEX attempts_by_row ON attempts (row);
"""


def write_tables(
    path: Path,
    run_reader: RunReader,
    run: RunEntry,
    outputs: Sequence[OutputPlan],
    store: Path,
    *,
    failed: bool = False,
) -> int:
    """Write a run as a database, which replaces an earlier one as a whole; return the number of its rows.

    Args:
        path: the file; its folder is created.
        run_reader: the store.
        run: the run; it may be in progress.
        outputs: the outputs; one that is more than the columns of the input and the values of the steps is a table.
        store: the folder of the store, in which every database is a store.
        failed: whether to write only the rows that failed or lack an answer; then no output is a table.

    Raises:
        UsageError: the path is that of something else than a database that an export has written, or another program
            has that database open.
        EnvironmentProblem: the file cannot be written, or another process is writing it.
    """
    _check(path, store)
    counted: list[int] = []

    def fill(database: Path) -> None:
        try:
            with closing(sqlite3.connect(database, isolation_level=None)) as connection:
                counted.append(_Tables(connection, run_reader, run).fill([] if failed else outputs, failed=failed))
        except sqlite3.Error as error:
            is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
            raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error)) from error

    with Staging("an export") as staging:
        staging.fill(path, fill)
        staging.replace()
    return counted[0]


def _check(path: Path, store: Path) -> None:
    if no_path := unusable(path, str(path)):
        raise UsageError(f"cannot write the output: {no_path}", code=Code.OUTPUT_PATH, hint="write the path of a file")
    target = target_of(path)
    why = ""
    if target.exists() and not target.is_file():
        why = "it is a folder" if target.is_dir() else "it is not a regular file"
    elif is_store(target):
        why = "it is a store of yamlgen"
    elif target.suffix == ENDING and target.parent == store.resolve():
        why = "a store of yamlgen may have this name"
    elif target.exists() and target.stat().st_size and application_of(target) != _APPLICATION:
        why = "it exists, and it is not a database that an export has written"
    elif any(target.with_name(f"{target.name}{ending}").exists() for ending in _SIDE_FILES):
        why = "another program has this database open, or has left its journal"
    if why:
        hint = f"choose another file with {option('output', 'PATH')}"
        raise UsageError(f"cannot write {near(path)}: {why}", code=Code.OUTPUT_PATH, hint=hint)


class _Tables:
    """Fills a database from a run."""

    def __init__(self, connection: sqlite3.Connection, run_reader: RunReader, run: RunEntry) -> None:
        self._connection = connection
        self._run_reader = run_reader
        self._run = run
        self._id = run_reader.id_column(run)
        self._named: set[str] = set()

    def fill(self, outputs: Sequence[OutputPlan], *, failed: bool) -> int:
        connection = self._connection
        connection.executescript(
            f"PRAGMA application_id = {_APPLICATION}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLES}"
        )
        connection.execute("BEGIN")
        columns, number = _TableColumns(connection, "rows", _ABOUT), 0
        for row in RowScan(self._run_reader, self._run).rows():
            if not (failed and row.status == "finished"):
                self._add(row, columns)
                number += 1
        for output in outputs:
            if not (output.is_plain and output.config.split is None):
                self._add_output(output)
        connection.execute("COMMIT")
        connection.executescript(_INDEXES)
        return number

    def _add(self, row: ScannedRow, columns: _TableColumns) -> None:
        values = {("row", name): value for name, value in row.columns.items() if name != self._id}
        values |= {("steps", name): step.value for name, step in row.steps.items()}
        columns.insert([row.number + 1, _cell(row.id), row.status], values)
        for name, step in row.steps.items():
            number = self._add_step(row, name, step)
            for attempt in step.attempts:
                self._add_attempt(row, name, number, attempt)

    def _add_step(self, row: ScannedRow, name: str, step: ScannedStep) -> int:
        result, error = step.result, step.error or {}
        thinking = None if result.thinking is None else json.loads(result.thinking)
        why = [_cell(error.get(key)) for key in ("code", "message", "hint")]
        value = None if result.value is None else _text(result.value)
        cells = [row.number + 1, name, step.status, value, _cell(thinking), *why, _cell(step.failed_items or None)]
        return self._insert("steps (row, step, status, value, thinking, code, message, hint, failed_items)", cells)

    def _add_attempt(self, row: ScannedRow, name: str, step: int, attempt: StoredAttempt) -> None:
        request, response = self._run_reader.exchange(attempt)
        cells = {
            "step_id": step,
            "row": row.number + 1,
            "step": name,
            "case_name": attempt.case or None,
            "run": attempt.run,
            "received": attempt.received,
            "model": attempt.model,
            "stop_reason": attempt.stop_reason,
            "request_text": "\n\n".join(_request_texts(request)),
            "response_text": "\n\n".join(_texts((response or {}).get("content"))),
            "errors": attempt.errors or None,
            "notes": attempt.notes or None,
            **{name: getattr(attempt.usage, name) for name in TOKENS},
            "cost_usd": attempt.cost,
            "seconds": attempt.seconds,
            "request_id": attempt.request_id,
            "batch": attempt.batch,
            "request": request,
            "response": response,
        }
        self._insert(f"attempts ({', '.join(cells)})", list(map(_cell, cells.values())))

    def _add_output(self, output: OutputPlan) -> None:
        name = self._free(f"output_{output.name}" if output.name else "output")
        table = _quoted(name)
        split = output.config.split is not None
        part = ", part TEXT" if split else ""
        self._connection.execute(
            f"CREATE TABLE {table} (row_id INTEGER PRIMARY KEY, row INTEGER NOT NULL REFERENCES rows (number){part})"
        )
        columns = _TableColumns(self._connection, table, ("row", "part") if split else ("row",), hidden=("row_id",))
        for each in output.columns:
            columns.place("row", each)
        with RowComposer(self._run_reader, self._run, output) as composer:
            for row in self._run_reader.rows(self._run, failed=output.config.failed == "keep"):
                for where, line in composer.compose(row):
                    if where is not REJECTED:
                        about: list[_Cell] = [row.number + 1, *([where] if split else [])]
                        columns.insert(about, {("row", key): each for key, each in json.loads(line).items()})
        # rows that have finished since the others were read
        self._connection.execute(f"DELETE FROM {table} WHERE row NOT IN (SELECT number FROM rows)")  # noqa: S608
        self._connection.execute(f"CREATE INDEX {_quoted(f'row_of_{name}')} ON {table} (row)")

    def _free(self, table: str) -> str:
        """Return the name of a table: SQLite does not tell upper case from lower case."""
        number, name = 1, table
        while name.lower() in self._named:
            number += 1
            name = f"{table}_{number}"
        self._named.add(name.lower())
        return name

    def _insert(self, into: str, cells: Sequence[_Cell]) -> int:
        marks = ", ".join("?" * len(cells))
        number = self._connection.execute(f"INSERT INTO {into} VALUES ({marks})", cells).lastrowid  # noqa: S608 - our names
        assert number is not None  # noqa: S101 - an INSERT always sets it
        return number


class _TableColumns:
    """The columns of a table, which is extended by those that its rows turn out to have.

    SQLite does not tell upper case from lower case: a name that is taken is preceded by the name of its origin, and
    followed by a number if that is taken, too.
    """

    def __init__(
        self, connection: sqlite3.Connection, table: str, own: Sequence[str], hidden: Sequence[str] = ()
    ) -> None:
        self._connection = connection
        self._table = table
        self._own = [_quoted(name) for name in own]
        self._taken = {*own, *hidden, _MORE}
        self._names: dict[tuple[str, str], str | None] = {}

    def place(self, origin: str, name: str) -> str | None:
        """Return the quoted name of a column, which is added if it is new; `None` if the table is full."""
        key = origin, name
        if key not in self._names:
            is_full = len(self._names) >= _MOST_COLUMNS
            if is_full and None not in self._names.values():
                self._connection.execute(f"ALTER TABLE {self._table} ADD COLUMN {_MORE} TEXT")
            self._names[key] = None if is_full else _quoted(self._free(origin, visible(_text(name))))
            if not is_full:
                self._connection.execute(f"ALTER TABLE {self._table} ADD COLUMN {self._names[key]}")
        return self._names[key]

    def _free(self, origin: str, name: str) -> str:
        number, wanted = 1, name
        while not wanted or wanted.lower() in self._taken:
            wanted = f"{origin}.{name}" if number == 1 else f"{origin}.{name} {number}"
            number += 1
        self._taken.add(wanted.lower())
        return wanted

    def insert(self, about: Sequence[_Cell], values: Mapping[tuple[str, str], JSON]) -> None:
        """Add a row: the values of our own columns, and of those that it has."""
        names, cells, more = list(self._own), list(about), {}
        for (origin, name), value in values.items():
            place = self.place(origin, name)
            if place is None:
                more[name] = value
            elif value is not None:
                names.append(place)
                cells.append(_cell(value))
        if more:
            names.append(_MORE)
            cells.append(_cell(more))
        marks = ", ".join("?" * len(cells))
        self._connection.execute(f"INSERT INTO {self._table} ({', '.join(names)}) VALUES ({marks})", cells)  # noqa: S608 - quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return redact(storable(text))


def _cell(value: JSON) -> _Cell:
    """Return a value as SQLite keeps it."""
    match value:
        case None:
            return None
        case bool():
            return int(value)
        case int():
            return value if -_LARGEST <= value < _LARGEST else str(value)
        case float():
            return "NaN" if math.isnan(value) else value
        case str():
            return _text(value)
        case _:
            return _text(json.dumps(value, ensure_ascii=False, default=str))


def _request_texts(request: JSON) -> Iterator[str]:
    """Yield the texts of a request: of the system prompt, and of its messages."""
    known: Mapping[str, Any] = request or {}
    yield from _texts(known.get("system"))
    for message in known.get("messages") or ():
        yield from _texts(message.get("content"))


def _texts(content: JSON) -> Iterator[str]:
    """Yield the texts of the content of a message; what a tool is called with, as JSON."""
    if isinstance(content, str):
        yield content
        return
    blocks: Iterable[Mapping[str, Any]] = content or ()
    for block in blocks:
        if block.get("type") == "text":
            yield block["text"]
        elif block.get("type") == "tool_use":
            yield json.dumps(block.get("input"), ensure_ascii=False)
        elif block.get("type") == "tool_result":
            yield from _texts(block.get("content"))
