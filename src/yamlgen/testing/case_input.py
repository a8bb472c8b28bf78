"""The rows of a case, and the files that it names: read and checked before the case runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from yamlgen.data.input_file import InputFile
from yamlgen.data.source import LocatedRow, Source, no_rows
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code, YamlgenError
from yamlgen.option_names import option
from yamlgen.parsing.yaml_parser import absence
from yamlgen.planning.plan import Plan
from yamlgen.value_objects import InputRow, Row

BESIDE: Final = "the test file"
_LINES: Final = "write one JSON object on each line"
_ONLY_RUNS: Final = re.compile(r", or choose another(?: input| file)? with `[^`]*`")
"""The part of a hint that only a run can follow."""


@dataclass(frozen=True, slots=True)
class CaseInput:
    """The checked rows of a case.

    Attributes:
        rows: reads the rows.
        count: the number of rows.
        names: the columns that any row has.
    """

    rows: Callable[[], Iterable[InputRow]]
    count: int
    names: frozenset[str]


def one_row(source: Source, row: Row, shown: str) -> Source:
    """Return the source of one row that a test file contains, in place of the files or the query of the pipeline."""
    return replace(source, rows_inline=(row,), files=(), listing=None, query=None, shown=shown)


def checked_rows(source: Source, plan: Plan, limit: int | None = None) -> CaseInput:
    """Read the rows of a case once, and check what a run would refuse.

    Raises:
        YamlgenError: a row is broken, lacks an id, or has a column with the name of a step; or there are no rows.
    """
    names: set[str] = set()
    with closing(source.numbered()) as rows:
        count = source.admit(_noted(islice(rows, limit), names), plan.taken)
    if not count:
        raise no_rows(source)
    return CaseInput(partial(source.rows, limit, plan.columns), count, frozenset(names))


def _noted(rows: Iterable[LocatedRow], names: set[str]) -> Iterator[LocatedRow]:
    for numbered in rows:
        names.update(numbered[1])
        yield numbered


def missing_file(path: Path, shown: str, mark: Mark) -> Diagnostic | None:
    """Return the diagnostic of a file that a test file names and that cannot be read, or `None`."""
    found = absence(path, shown, BESIDE)
    return None if found is None else Diagnostic(Code.MISSING_FILE, found[0], mark, found[1])


def golden_fault(path: Path, shown: str, mark: Mark, *, is_replaced: bool = False) -> Diagnostic | None:
    """Return the diagnostic of a golden that is not JSON lines, or `None`; a warning if it does not exist yet.

    Args:
        path: the file.
        shown: the file, as messages name it.
        mark: its place in the test file.
        is_replaced: whether it will be written anew, so that what it contains does not matter.
    """
    found = missing_file(path, shown, mark)
    if found is not None:
        is_new = not path.exists() and not path.is_symlink()
        return replace(found, hint=f"{option('update')} writes it", severity="warning") if is_new else found
    if is_replaced:
        return None
    try:
        with closing(InputFile(path, shown, "jsonl").rows(None)) as rows:
            for _ in rows:
                pass
    except YamlgenError as error:
        fix = error.hint if error.hint and "format" not in error.hint else _LINES
        return Diagnostic(error.code, error.message, mark, f"{fix}; or write the file anew with {option('update')}")
    return None


def fault(error: YamlgenError, source: Source, mark: Mark) -> Diagnostic:
    """Return the diagnostic of rows that a run would refuse, at a place in the test file."""
    hint = _ONLY_RUNS.sub("", error.hint or "")
    if "input.format" in hint:
        hint = f"{_LINES}, or set `format` under `rows`"
    message = error.message
    if source.rows_inline is not None:
        message = message.removeprefix(f"{source.name()}, row 1: ")
    return Diagnostic(error.code, message, mark, hint or None)
