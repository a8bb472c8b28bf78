"""The output files of a run. Each is complete, or does not exist.

Finished rows are in the store until the run ends. Then the files are written from the store, and replaced together. So
an output never contains half a run, and an interrupted run leaves the previous output unchanged.
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
    """The output files of a run.

    Attributes:
        rows: the finished rows, in the format of its extension.
        failed: the failed rows, as JSONL; does not exist if none failed.
        run: the record of the run, as JSON.
    """

    rows: Path
    failed: Path
    run: Path

    def spare(self, read: Iterable[Path]) -> None:
        """Check that the outputs do not replace or remove a file that the run reads.

        Raises:
            UsageError: one of the outputs would do so.
        """
        kept = {target_of(path) for path in read}
        for path in (self.rows, self.failed, self.run):
            if target_of(path) in kept:
                message = f"cannot write {near(path)}: the run reads it, and the output would replace it"
                hint = f"choose another output with {option('output', 'PATH')}"
                raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)


def output_paths(
    path: Path, *, simulated: bool = False, limit: int | None = None, to_stdout: bool = False
) -> OutputPaths:
    """Return the files of a run that writes to `path`. Simulated, limited and printed runs have different file names.

    Raises:
        UsageError: `path` is a folder, or its extension is unknown.
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
    """Reserve the files of a run before any request is sent, and create their folder.

    Args:
        paths: the files.
        to_stdout: whether the rows are printed, so that `paths.rows` is not used.
        what: a description of the writer, for the error of a second run.

    Yields:
        The argument for `publish`. Until the context ends, no other run can write these files.

    Raises:
        UsageError: an output path is not a regular file.
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
    """Write the files of a run. If an error occurs while they are written, the previous files remain.

    Args:
        paths: the files.
        staging: the reservation of the files.
        rows: the finished rows; `None` leaves the previous file unchanged.
        failed: the failed rows; `None` removes the previous file.
        run: the record of the run; read after the rows are written.
        tell: receives warnings about the written rows.

    Raises:
        EnvironmentProblem: a file cannot be written, or another run is writing it.
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
    """Write one file of rows in the format of its extension, replacing it as a whole, and create its folder.

    Returns:
        Warnings about the written rows, as sentences.

    Raises:
        UsageError: `path` is not a file, or its extension is unknown.
        EnvironmentProblem: the file cannot be written, or another run is writing it.
    """
    _format(path)
    _check_place(path)
    warnings: list[str] = []
    with Staging("an export") as staging:
        staging.write(path, _exported(lines, path, warnings.append))
        staging.replace()
    return warnings


def printed(lines: Lines, *, as_array: bool) -> Iterable[bytes]:
    """Return rows for standard output, in chunks: JSON lines, or one JSON array."""
    return (FORMATS["json"] if as_array else STREAMED).write(lines, Path(), bool)


def _exported(lines: Lines, path: Path, tell: Callable[[str], object]) -> Iterator[bytes]:
    for chunk in _format(path).write(lines, path, tell):
        reach("during-export")
        yield chunk


def _format(path: Path) -> Format:
    if path.is_dir():
        hint = f"specify a file in it, such as {near(path / 'rows.jsonl')}"
        raise UsageError(f"cannot write {near(path)}: it is a folder", code=Code.OUTPUT_PATH, hint=hint)
    found = format_of(path)
    if found is None:
        hint = f"use one of the extensions {ENDINGS}"
        message = f"cannot write {near(path)}: it has no known extension"
        raise UsageError(message, code=Code.UNKNOWN_FORMAT, hint=hint)
    return found


def _check_place(path: Path) -> None:
    with writing(path):
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            message = f"cannot write {near(path)}: it is {what}"
            hint = f"specify a file with `output.path` or {option('output', 'PATH')}"
            raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
