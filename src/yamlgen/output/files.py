"""Rows out: the files of a run, each whole or not there at all.

What a run finishes is in the store until its end; then its files are made of it and take their places together. So
an output is never half a run, and an interrupted run leaves the previous one as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yamlgen.canonical_json import encoded
from yamlgen.errors import Code, UsageError, near
from yamlgen.failpoint import reach
from yamlgen.formats.format import Format, Lines
from yamlgen.formats.format_table import ENDINGS, FORMATS, STREAMED, format_of
from yamlgen.option_names import option
from yamlgen.output.atomic_write import Staging, target_of, writing
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """The files of a run.

    Attributes:
        rows: the finished rows, in the format of its ending.
        failed: the rows that failed, JSONL; not there when none did.
        run: how the output came to be, JSON.
    """

    rows: Path
    failed: Path
    run: Path

    def spare(self, read: Iterable[Path]) -> None:
        """Leave every file that the run reads as it is.

        Raises:
            UsageError: one of the outputs would replace or remove it.
        """
        kept = {target_of(path) for path in read}
        for path in (self.rows, self.failed, self.run):
            if target_of(path) in kept:
                message = f"cannot write {near(path)}: the run reads it, and the output would replace it"
                hint = f"name another output: {option('output', 'PATH')}"
                raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)


def output_paths(
    path: Path, *, simulated: bool = False, limit: int | None = None, to_stdout: bool = False
) -> OutputPaths:
    """The files of a run that writes to `path`; a simulated, limited or printed run has names of its own.

    Raises:
        UsageError: `path` is a folder, or its ending tells no format.
    """
    _format(path)
    stem = path.stem + (".simulated" if simulated else "") + ("" if limit is None else f".limit-{limit}")
    stem += ".stdout" if to_stdout else ""
    return OutputPaths(
        rows=path.with_name(stem + path.suffix),
        failed=path.with_name(f"{stem}.failed.jsonl"),
        run=path.with_name(f"{stem}.run.json"),
    )


@contextmanager
def prepared(paths: OutputPaths, *, to_stdout: bool, what: str = "") -> Iterator[Staging]:
    """Keep the files of a run for it alone, before anything is paid for; create their folder.

    Args:
        paths: the files.
        to_stdout: whether the rows are printed, so that `paths.rows` is not used.
        what: who writes, for the run that comes second.

    Yields:
        What `publish` takes; for as long as the context lasts, no other run writes these files.

    Raises:
        UsageError: an output path is taken by something that is not a file.
        EnvironmentProblem: the folder cannot be created or written to, or another run is writing there.
    """
    files = (paths.failed, paths.run) if to_stdout else (paths.rows, paths.failed, paths.run)
    for path in files:
        _check_place(path)
    with Staging(what) as staging:
        for path in files:
            staging.reserve(path)
        yield staging


def publish(
    paths: OutputPaths,
    staging: Staging,
    *,
    rows: Lines | None,
    failed: Lines | None,
    run: Mapping[str, JSON],
    tell: Callable[[str], object] = bool,
) -> None:
    """Put the files of a run in place; whatever goes wrong before that leaves the previous ones whole.

    Args:
        paths: the files.
        staging: what keeps them for this run.
        rows: the finished rows; `None` leaves the file of before alone.
        failed: the rows that failed; `None` removes the file of before.
        run: how the output came to be; looked at when the rows are written.
        tell: is told what the user should know of the rows as they were written.

    Raises:
        EnvironmentProblem: the disk refuses, or another run is writing there.
    """
    if rows is not None:
        staging.write(paths.rows, _exported(rows, paths.rows, tell))
    if failed is None:
        staging.remove(paths.failed)
    else:
        staging.write(paths.failed, failed())
    staging.write(paths.run, [encoded(json.dumps(dict(run), ensure_ascii=False, indent=2) + "\n")])
    staging.replace()


def write_rows(path: Path, lines: Lines) -> Sequence[str]:
    """Write one file of rows, in the format of its ending, with the same care; create its folder.

    Returns:
        What the user should know of the rows as they were written, as sentences.

    Raises:
        UsageError: `path` is not a file, or its ending tells no format.
        EnvironmentProblem: the disk refuses, or another run is writing there.
    """
    _format(path)
    _check_place(path)
    told: list[str] = []
    with Staging("an export") as staging:
        staging.write(path, _exported(lines, path, told.append))
        staging.replace()
    return told


def printed(lines: Lines, *, as_array: bool) -> Iterable[bytes]:
    """Rows for standard output, piece by piece: JSON lines, or one JSON array."""
    return (FORMATS["json"] if as_array else STREAMED).write(lines, Path(), bool)


def _exported(lines: Lines, path: Path, tell: Callable[[str], object]) -> Iterator[bytes]:
    for chunk in _format(path).write(lines, path, tell):
        reach("during-export")
        yield chunk


def _format(path: Path) -> Format:
    if path.is_dir():
        hint = f"name a file in it, such as {near(path / 'rows.jsonl')}"
        raise UsageError(f"cannot write {near(path)}: it is a folder", code=Code.OUTPUT_PATH, hint=hint)
    found = format_of(path)
    if found is None:
        hint = f"known endings are {ENDINGS}"
        raise UsageError(f"cannot write {near(path)}: its ending tells no format", code=Code.UNKNOWN_FORMAT, hint=hint)
    return found


def _check_place(path: Path) -> None:
    with writing(path):
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            message = f"cannot write {near(path)}: it is {what}"
            hint = f"name a file, with `output.path` or {option('output', 'PATH')}"
            raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
