"""Rows out: the files of a run, each whole or not there at all.

Finished rows go to a `partial` file as they come (see `spool`); at the end they are written in input order to
temporary files beside the outputs, and only when all of these are safely on disk does each take its output's place.
So an output is never half a run, an interrupted run leaves the previous one whole, and what it had finished is in
its `partial` file.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from yamlgen.data.spool import Spool
from yamlgen.errors import Code, EnvironmentProblem, UsageError, near
from yamlgen.language.formats import ENDINGS, delimiter_of, format_of
from yamlgen.ports import JSON

Chunks: TypeAlias = Iterable[bytes]


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """The files of a run.

    Attributes:
        rows: the finished rows, in the format of its ending.
        failed: the rows that failed, JSONL; not there when none did.
        run: how the output came to be, JSON.
        partial: the finished rows while the run goes on, and after it was aborted, JSONL in order of completion.
        partial_failed: the same for rows that failed.
    """

    rows: Path
    failed: Path
    run: Path
    partial: Path
    partial_failed: Path

    def spare(self, read: Iterable[Path]) -> None:
        """Leave every file that the run reads as it is.

        Raises:
            UsageError: one of the outputs would replace or remove it.
        """
        kept = {_target(path) for path in read}
        for path in (self.rows, self.failed, self.run):
            if _target(path) in kept:
                message = f"cannot write {near(path)}: the run reads it, and the output would replace it"
                raise UsageError(message, code=Code.OUTPUT_PATH, hint="name another output, as with `-o PATH`")


def output_paths(
    path: Path, *, simulated: bool = False, limit: int | None = None, to_stdout: bool = False
) -> OutputPaths:
    """The files of a run that writes to `path`; a simulated, limited or printed run has names of its own.

    Raises:
        UsageError: `path` is a folder, or its ending tells no format.
    """
    if path.is_dir():
        hint = f"name a file in it, such as {path / 'rows.jsonl'}"
        raise UsageError(f"cannot write {path}: it is a folder", code=Code.OUTPUT_PATH, hint=hint)
    if format_of(path) is None:
        hint = f"known endings are {ENDINGS}"
        raise UsageError(f"cannot write {path}: its ending tells no format", code=Code.UNKNOWN_FORMAT, hint=hint)
    stem = path.stem + (".simulated" if simulated else "") + ("" if limit is None else f".limit-{limit}")
    stem += ".stdout" if to_stdout else ""
    return OutputPaths(
        rows=path.with_name(stem + path.suffix),
        failed=path.with_name(f"{stem}.failed.jsonl"),
        run=path.with_name(f"{stem}.run.json"),
        partial=path.with_name(f"{stem}.partial.jsonl"),
        partial_failed=path.with_name(f"{stem}.partial.failed.jsonl"),
    )


class Sink:
    """Takes rows in any order and leaves the files of a run: `open`, then `add`s, then `finish` or `abort`.

    Every method raises `EnvironmentProblem` when the disk refuses; `abort` may be called after that, too.

    Args:
        paths: where the files go. If an aborted run has left its partial files there, this run's are numbered.
    """

    def __init__(self, paths: OutputPaths) -> None:
        self.paths = paths
        self._rows = Spool(paths.partial)
        self._failed = Spool(paths.partial_failed)

    def open(self) -> None:
        """Create the folder and the partial file.

        Raises:
            UsageError: an output path is taken by something that is not a file.
        """
        for path in self._outputs():
            with _writing(path):
                if path.exists() and not path.is_file():
                    what = "a folder" if path.is_dir() else "not a regular file"
                    message = f"cannot write {path}: it is {what}"
                    raise UsageError(message, code=Code.OUTPUT_PATH, hint="name a file, with `output.path` or `-o`")
                _target(path).parent.mkdir(parents=True, exist_ok=True)
        with _writing(self.paths.partial):
            self._open_spool()

    def add(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep the finished record of input row `index`; when this returns, a `kill -9` does not lose it."""
        with _writing(self._rows.path):
            self._rows.add(index, record)

    def add_failed(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep what is known of input row `index`, which failed."""
        with _writing(self._failed.path):
            self._failed.add(index, record)

    def finish(self, run: Mapping[str, JSON]) -> None:
        """Put the outputs in place, in input order, with `run` beside them; the previous ones are whole until then."""
        staged: list[tuple[Path, Path]] = []
        try:
            for path, chunks in self._contents(run):
                with _writing(path):
                    target = _target(path)
                    temporary = target.with_name(f".yamlgen-{secrets.token_hex(8)}.tmp")
                    staged.append((temporary, target))
                    _write(temporary, target, chunks)
            self._publish(staged)
        finally:
            for temporary, _ in staged:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
        with _writing(self._rows.path):
            self._rows.remove()
            self._failed.remove()

    def abort(self) -> Path | None:
        """Close, keep the partial files that hold something, and remove those that do not.

        Returns:
            The partial file with the finished rows, or `None` when no row was finished.
        """
        for spool in (self._rows, self._failed):
            with _writing(spool.path):
                if spool.empty:
                    spool.remove()
                else:
                    spool.close()
        return None if self._rows.empty else self._rows.path

    @property
    def kept(self) -> int:
        """How many finished rows have been added."""
        return self._rows.count

    @property
    def unfinished(self) -> Path | None:
        """After `abort`: the file of the rows that failed or were cut off with something paid for, if there are any."""
        return None if self._failed.empty else self._failed.path

    def _open_spool(self) -> None:
        """Create the partial file under the first number that no aborted run has taken, for it and its sibling."""
        partial, failed, number = self.paths.partial, self.paths.partial_failed, 1
        while True:
            self._rows, self._failed = Spool(partial), Spool(failed)
            if not failed.exists():
                with suppress(FileExistsError):
                    self._rows.open()
                    return
            number += 1
            partial = _numbered(self.paths.partial, number)
            failed = _numbered(self.paths.partial_failed, number)

    def _outputs(self) -> tuple[Path, ...]:
        return (self.paths.rows, self.paths.failed, self.paths.run)

    def _contents(self, run: Mapping[str, JSON]) -> Iterator[tuple[Path, Chunks]]:
        if not (self._rows.empty and self.paths.rows.exists()):  # no row is no reason to lose those of before
            yield self.paths.rows, _formatted(self._rows, self.paths.rows)
        yield from self._notes(run)

    def _notes(self, run: Mapping[str, JSON]) -> Iterator[tuple[Path, Chunks]]:
        if not self._failed.empty:
            yield self.paths.failed, self._failed.lines()
        yield self.paths.run, [_text(json.dumps(dict(run), ensure_ascii=False, indent=2) + "\n")]

    def _publish(self, staged: list[tuple[Path, Path]]) -> None:
        if self._failed.empty:
            with _writing(self.paths.failed):
                self.paths.failed.unlink(missing_ok=True)
        for temporary, target in staged:
            with _writing(target):
                temporary.replace(target)
        for folder in {target.parent for _, target in staged}:
            _sync_folder(folder)


class StdoutSink(Sink):
    """A sink whose rows go to a stream, as JSON lines in input order, as soon as all before them are done.

    Rows that wait are in the partial file meanwhile, so memory stays small. `paths.rows` is not used.

    Args:
        paths: where the failed rows, the run file and the partial files go.
        stream: standard output, as bytes (JSON is UTF-8, whatever the terminal's encoding).
    """

    def __init__(self, paths: OutputPaths, stream: BinaryIO) -> None:
        super().__init__(paths)
        self._stream = stream
        self._gone = False
        self._next = 0

    def add(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep the finished record of input row `index`, and send on what it held up."""
        super().add(index, record)
        self._send()

    def add_failed(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep what is known of input row `index`, and send on what it held up."""
        super().add_failed(index, record)
        self._send()

    def _send(self) -> None:
        if self._gone:  # said once; what is still in flight is kept in the partial file
            return
        try:
            while (done := self._next in self._rows) or self._next in self._failed:
                if done:
                    self._stream.write(self._rows.line(self._next))
                self._next += 1
            self._stream.flush()
        except BrokenPipeError as error:
            self._gone = True
            message = "the reader of standard output has gone"
            hint = "rows that it did not take are in the partial file; `-o PATH` writes to a file"
            raise EnvironmentProblem(message, code=Code.STOPPED, hint=hint) from error
        except OSError as error:
            raise _problem(Path("standard output"), error) from error

    def _outputs(self) -> tuple[Path, ...]:
        return (self.paths.failed, self.paths.run)

    def _contents(self, run: Mapping[str, JSON]) -> Iterator[tuple[Path, Chunks]]:
        return self._notes(run)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _problem(path, error) from error


def _problem(path: Path, error: OSError) -> EnvironmentProblem:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    hint = "make room, or name a file on another disk with `-o`" if full else "name a file that you may write with `-o`"
    return EnvironmentProblem(f"cannot write {path}: {error.strerror or error}", code=Code.DISK, hint=hint)


def _numbered(path: Path, number: int) -> Path:
    """`runners.partial.failed.jsonl` with 2 is `runners.partial-2.failed.jsonl`."""
    stem, _, rest = path.name.rpartition(".partial.")
    return path.with_name(f"{stem}.partial-{number}.{rest}")


def _target(path: Path) -> Path:
    """Where `path` leads to: a link stays, the file behind it is replaced."""
    return Path(os.path.realpath(path))


def _write(temporary: Path, target: Path, chunks: Chunks) -> None:
    """Write `temporary` and wait for the disk; its mode is the one of `target`, or that of any new file."""
    with temporary.open("xb") as file:
        file.writelines(chunks)
        file.flush()
        if target.exists():
            os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot; the files themselves are safe by now
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _formatted(spool: Spool, path: Path) -> Chunks:
    kind = format_of(path)
    if kind == "csv":
        return _csv(spool, delimiter_of(path))
    return _array(spool.lines()) if kind == "json" else spool.lines()


def _array(lines: Iterable[bytes]) -> Iterator[bytes]:
    before = b"[\n"
    for line in lines:
        yield before + line.rstrip(b"\n")
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _csv(spool: Spool, delimiter: str) -> Iterator[bytes]:
    """RFC 4180 but for its line end, which is LF: every reader takes it, and a diff shows no `^M`."""
    columns: dict[str, None] = {}
    for line in spool.lines():
        columns.update(dict.fromkeys(json.loads(line)))
    special = re.compile(f'[{re.escape(delimiter)}"\r\n\ufeff]')

    def record(values: Iterable[JSON]) -> bytes:
        cells = [_cell(value, special) for value in values]
        return _text((delimiter.join(cells) if cells != [""] else '""') + "\n")

    if columns:
        yield record(columns)
    for line in spool.lines():
        row = json.loads(line)
        yield record(row.get(column) for column in columns)


def _cell(value: JSON, special: re.Pattern[str]) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if special.search(text) else text


def _text(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
