"""The output files of a run. Each is complete, or does not exist.

Finished rows are in the store until the run ends. Then the files are written from the store, and replaced together. So
an output never contains half a run, and an interrupted run leaves the previous output unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final, TypeAlias

from yamlgen.canonical_json import encoded, fingerprint
from yamlgen.errors import Code, UsageError, near
from yamlgen.failpoint import reach
from yamlgen.formats.byte_layers import packed
from yamlgen.formats.format import Format, Lines, WriteOptions
from yamlgen.formats.format_table import FORMATS, STREAMED, format_of, known_endings
from yamlgen.option_names import option
from yamlgen.output.atomic_write import Staging, target_of, writing
from yamlgen.output.row_composer import REJECTED, RowComposer
from yamlgen.parsing.project_folder import unusable
from yamlgen.shaping.file_names import failed_path, part_path, record_path, report_path, trial_path
from yamlgen.shaping.output_config import CsvSettings
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.value_objects import JSON

PRINTED: Final = "-"
"""The path of an output that is printed."""

_NUMBERS: Final = re.compile(r"\[(\n[\s\d.,e+-]+)\]")
"""A list of numbers of several lines: a text of JSON has no line break, so it is never inside one."""

Written: TypeAlias = Sequence[tuple[Path, Lines, WriteOptions]]
"""Files of rows: the path, the rows, and how they are written."""


@dataclass(frozen=True, slots=True)
class RowsFile:
    """A file of rows.

    Attributes:
        output: the name of the output; empty for `output`.
        part: the part of its split; empty without a split, `REJECTED` for the rows that `where` drops.
    """

    output: str
    part: str | None
    path: Path

    @property
    def told(self) -> str:
        """What it is, for messages."""
        output = f"the output `{self.output}`" if self.output else "the output"
        if self.part is REJECTED:
            return f"the rejected rows of {output}"
        return f"the part `{self.part}` of {output}" if self.part else output


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """The output files of a run.

    Attributes:
        rows: the files of rows, in the formats of their extensions.
        failed: the failed rows, as JSONL; does not exist if none failed.
        run: the record of the run, as JSON.
        report: its report, as an HTML page, if one is made.
        printed: the name of the output that is printed instead of written; `None` if none is.
        unchanged: the files of rows that the run left as they were, because no row finished.
    """

    rows: tuple[RowsFile, ...]
    failed: Path
    run: Path
    report: Path
    printed: str | None = None
    unchanged: frozenset[Path] = frozenset()

    @property
    def all(self) -> list[Path]:
        """All files that the run may write, but for its report."""
        return [*(each.path for each in self.rows), self.failed, self.run]

    def of(self, output: str) -> list[RowsFile]:
        """Return the files of rows of one output."""
        return [each for each in self.rows if each.output == output]

    def kept(self, output: str) -> list[RowsFile]:
        """Return the files of rows of one output, without that of rejected rows."""
        return [each for each in self.of(output) if each.part is not REJECTED]

    def names(self, folder: Path | None = None) -> JSON:
        """Return the path of the rows, or a list of those of the parts; with several outputs, by name.

        Args:
            folder: the folder that the paths are relative to. Default: they are absolute.
        """
        found: dict[str, list[str]] = {} if self.printed is None else {self.printed: [PRINTED]}
        for file in self.rows:
            if file.part is not REJECTED:
                path = str(file.path) if folder is None else os.path.relpath(file.path, folder)
                found.setdefault(file.output, []).append(path)
        made = {name: paths[0] if len(paths) == 1 else paths for name, paths in found.items()}
        return made.get("", made)

    def rejected(self) -> JSON:
        """Return the path of the rejected rows, or those of several outputs by name; `None` if there are none."""
        made = {file.output: str(file.path) for file in self.rows if file.part is REJECTED}
        return made.get("", made or None)

    def check(self, read: Iterable[Path]) -> None:
        """Check that no two outputs are the same file, and that none replaces a file that the run reads.

        Raises:
            UsageError: one of the outputs would do so.
        """
        files = [*((each.path, each.told) for each in self.rows), (self.failed, "the failed rows")]
        check_distinct([*files, (self.run, "the record of the run")], read)


def output_paths(
    outputs: Sequence[OutputPlan], folder: Path, given: Mapping[str, str], *, simulated: bool, limit: int | None
) -> OutputPaths:
    """Return the files of a run. Simulated, limited and printed runs have different file names.

    Args:
        outputs: the outputs of the plan.
        folder: the folder that their paths are relative to.
        given: the paths in place of those in the pipeline, by the names of the outputs; `-` prints the rows.
        simulated: whether the run is simulated.
        limit: the maximum number of rows.

    Raises:
        UsageError: a path is a folder, or its extension is unknown.
    """
    trial = (".simulated" if simulated else "") + ("" if limit is None else f".limit-{limit}")
    printed = next((name for name, path in given.items() if path == PRINTED), None)
    trial += "" if printed is None else ".stdout"
    rows: list[RowsFile] = []
    whole: list[Path] = []
    for output in outputs:
        written, config = given.get(output.name), output.config
        if written is None or written == PRINTED:
            path = trial_path(folder / config.path, trial)
            rejected = None if config.rejected is None else trial_path(folder / config.rejected, trial)
        else:
            path = Path(written).absolute()
            rejected = None if config.rejected is None else part_path(path, "rejected")
        whole.append(path)
        if written != PRINTED:
            rows += row_files(output, path)
        if rejected is not None:
            rows.append(RowsFile(output.name, REJECTED, rejected))
    for each in (*whole, *(file.path for file in rows)):
        _format(each)
    first = whole[0]
    return OutputPaths(tuple(rows), failed_path(first), record_path(first), report_path(first), printed)


def check_distinct(files: Iterable[tuple[Path, str]], read: Iterable[Path] = ()) -> None:
    """Check that no two files are the same, and that none replaces a file that the run reads.

    Args:
        files: the files to be written, each with what it is, for the error.
        read: the files that the run reads.

    Raises:
        UsageError: one of the files would do so.
    """
    kept, seen = {target_of(path) for path in read}, dict[Path, str]()
    for path, told in files:
        target = target_of(path)
        if target in kept or target in seen:
            both = f"it would contain both {seen.get(target)} and {told}"
            why = both if target in seen else "the run reads it, and the output would replace it"
            hint = f"choose another output with {option('output', 'PATH')}"
            raise UsageError(f"cannot write {near(path)}: {why}", code=Code.OUTPUT_PATH, hint=hint)
        seen[target] = told


def row_files(output: OutputPlan, path: Path) -> list[RowsFile]:
    """Return the files of an output at `path`, without that of rejected rows."""
    parts = [""] if output.config.split is None else output.config.split.parts
    return [RowsFile(output.name, part, part_path(path, part)) for part in parts]


@contextmanager
def prepared(paths: OutputPaths, *, what: str = "") -> Iterator[Staging]:
    """Reserve the files of a run before any request is sent, and create their folder.

    Args:
        paths: the files.
        what: a description of the writer, for the error of a second run.

    Yields:
        The argument for `publish`. Until the context ends, no other run can write these files.

    Raises:
        UsageError: an output path is not a regular file.
        EnvironmentProblem: the folder cannot be created or written to, or another run is writing there.
    """
    for path in paths.all:
        _check_place(path)
    with Staging(what) as staging:
        for path in paths.all:
            staging.reserve(path)
        yield staging


@contextmanager
def composed(composer: RowComposer, files: Sequence[RowsFile], check: Callable[[], object] = bool) -> Iterator[Written]:
    """Make the rows of an output for its files, for as long as the context lasts.

    The rows of several files, and rows that take time to make, are first written to temporary files next to them, so
    that they are made once.

    Args:
        composer: makes the rows.
        files: the files that they are for.
        check: called before each row; it may raise an error to stop.

    Raises:
        UsageError: a path is not a file, or its extension is unknown.
        EnvironmentProblem: a temporary file cannot be written.
    """
    csv = composer.output.config.csv or CsvSettings()
    options = WriteOptions(csv.formulas, csv.delimiter, composer.output.columns, composer.output.type.value)
    for file in files:
        _format(file.path)

    def checked() -> Iterator[tuple[str | None, bytes]]:
        for each in composer.parted():
            check()
            yield each

    if composer.output.is_plain and len(files) == 1:
        yield [(files[0].path, lambda: (line for _, line in checked()), options)]
        return
    with ExitStack() as stack:
        spools: dict[str | None, BinaryIO] = {}
        for file in files:
            with writing(file.path):
                file.path.parent.mkdir(parents=True, exist_ok=True)
                spools[file.part] = TemporaryFile(dir=file.path.parent)  # noqa: SIM115 - closed by the stack
            stack.callback(_discard, spools[file.part])
        paths = {file.part: file.path for file in files}
        for part, line in checked():
            if part in spools:
                with writing(paths[part]):
                    spools[part].write(line)
        yield [(file.path, partial(_reread, spools[file.part], file.path), options) for file in files]


def _discard(spool: BinaryIO) -> None:
    with suppress(OSError):  # closing writes what the disk had no room for: that was reported
        spool.close()


def _reread(spool: BinaryIO, path: Path) -> Iterator[bytes]:
    with writing(path):
        spool.seek(0)
    yield from spool


def publish(
    staging: Staging,
    paths: OutputPaths,
    *,
    rows: Written,
    failed: Lines | None,
    record: Callable[[], Mapping[str, JSON]],
    tell: Callable[[str], object] = bool,
    digests: dict[Path, str] | None = None,
) -> None:
    """Write the files of a run. If an error occurs while they are written, the previous files remain.

    Args:
        staging: the reservation of the files.
        paths: the files.
        rows: the rows for each file; a file without an entry is left unchanged.
        failed: the failed rows; `None` removes the previous file.
        record: returns the record of the run; called after the rows are written.
        tell: receives warnings about the written rows.
        digests: receives the sha256 of each file of rows, in hexadecimal.

    Raises:
        EnvironmentProblem: a file cannot be written, or another run is writing it.
    """
    for path, lines, options in rows:
        made = hashlib.sha256()
        staging.write(path, _digested(_exported(lines, path, options, _naming(path, rows, tell)), made))
        if digests is not None:
            digests[path] = made.hexdigest()
    if failed is None:
        staging.remove(paths.failed)
    else:
        staging.write(paths.failed, failed())
    staging.write(paths.run, [encoded(_laid_out(record()))])
    staging.replace()


def _laid_out(record: Mapping[str, JSON]) -> str:
    """Return a record as JSON for people, with a list of numbers on one line."""
    text = json.dumps(dict(record), ensure_ascii=False, indent=2)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def _digested(chunks: Iterable[bytes], into: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        into.update(chunk)
        yield chunk


def output_digest(files: Iterable[RowsFile], digests: Mapping[Path, str]) -> str | None:
    """Return the digest of an output: that of its only file, or one digest of those of its files and their parts.

    Args:
        files: the files of the output.
        digests: the sha256 of each file.

    Returns:
        The digest in hexadecimal; `None` if a file has none, or if there are no files.
    """
    known = [(str(file.part), digests.get(file.path)) for file in files]
    if not known or any(digest is None for _, digest in known):
        return None
    return known[0][1] if len(known) == 1 else fingerprint(sorted(map(list, known)))


def write_rows(rows: Written) -> Sequence[str]:
    """Write files of rows in the formats of their extensions, replacing each as a whole, and create their folders.

    Returns:
        Warnings about the written rows, as sentences.

    Raises:
        UsageError: a path is not a file, or its extension is unknown.
        EnvironmentProblem: a file cannot be written, or another run is writing it.
    """
    warnings: list[str] = []
    for path, _, _ in rows:
        _format(path)
    with Staging("an export") as staging:
        for path, lines, options in rows:
            _check_place(path)
            staging.write(path, _exported(lines, path, options, _naming(path, rows, warnings.append)))
        staging.replace()
    return warnings


def _naming(path: Path, rows: Written, tell: Callable[[str], object]) -> Callable[[str], object]:
    """Return a function that tells a warning about one of the files, with its name if there are several."""
    return tell if len(rows) == 1 else lambda warning: tell(f"{near(path)}: {warning}")


def printed(lines: Lines, *, as_array: bool) -> Iterable[bytes]:
    """Return rows for standard output, in chunks: JSON lines, or one JSON array."""
    return (FORMATS["json"] if as_array else STREAMED).write(lines, Path(), bool)


def _exported(lines: Lines, path: Path, options: WriteOptions, tell: Callable[[str], object]) -> Iterator[bytes]:
    for chunk in packed(_format(path).write(lines, path, tell, options), path):
        reach("during-export")
        yield chunk


def _format(path: Path) -> Format:
    if no_path := unusable(path, str(path)):
        raise UsageError(f"cannot write the output: {no_path}", code=Code.OUTPUT_PATH, hint="write the path of a file")
    if path.is_dir():
        hint = f"specify a file in it, such as {near(path / 'rows.jsonl')}"
        raise UsageError(f"cannot write {near(path)}: it is a folder", code=Code.OUTPUT_PATH, hint=hint)
    found = format_of(path)
    if found is None:
        message = f"cannot write {near(path)}: it has no known extension"
        raise UsageError(message, code=Code.UNKNOWN_FORMAT, hint=known_endings(path))
    if problem := found.problem(path):
        code, fact, way = problem
        raise UsageError(f"cannot write {near(path)}: {fact}", code=code, hint=way)
    return found


def _check_place(path: Path) -> None:
    with writing(path):
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            message = f"cannot write {near(path)}: it is {what}"
            hint = f"specify a file with `output.path` or {option('output', 'PATH')}"
            raise UsageError(message, code=Code.OUTPUT_PATH, hint=hint)
