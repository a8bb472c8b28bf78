"""Makes an input that can be read only once (standard input, a pipe, a query) readable several times."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from yamlgen.data.source import Source
from yamlgen.data.sql_query import extra_missing
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.formats.byte_layers import compression_of
from yamlgen.parsing.project_folder import is_pipe


@contextmanager
def buffered(source: Source, stream: BinaryIO | None, folder: Path | None = None) -> Iterator[Source]:
    """Yield a source that can be read repeatedly; a temporary copy of standard input or a pipe exists until exit.

    A query is executed, and its result is in a temporary file until exit.

    Args:
        source: the source; a file or inline rows are returned unchanged.
        stream: standard input as bytes, read to its end if it is the source; `None`: there is none.
        folder: the folder for the files of a query, if it exists; otherwise they are in that of the system.

    Raises:
        EnvironmentProblem: the pipe cannot be read, the copy cannot be written, or a query lacks a file or memory.
        QueryFailed: a query fails.
        UsageError: a file of its tables is broken.
    """
    if source.query is not None:
        try:
            from yamlgen.data.sql_execution import executed  # noqa: PLC0415 - its packages are optional
        except ImportError as error:
            raise extra_missing(error) from error
        with executed(source, source.query, folder if folder and folder.is_dir() else None) as made:
            yield made
        return
    file = source.file
    if file is None or (file.path and not is_pipe(file.path)):
        yield source
        return
    settled = replace(file, format=file.kind().name, shown=file.name())
    with tempfile.NamedTemporaryFile(prefix="yamlgen-", suffix=compression_of(file.path)) as copy:
        try:
            if file.path:
                with file.path.open("rb") as pipe:
                    shutil.copyfileobj(pipe, copy)
            elif stream is not None:
                shutil.copyfileobj(stream, copy)
            copy.flush()
        except OSError as error:
            if file.path and error.filename == str(file.path):
                raise file.unreadable(error) from error
            message = f"cannot copy {file.name()} to {copy.name}: {error.strerror or error}"
            raise EnvironmentProblem(message, code=Code.DISK, hint="set `TMPDIR` to another folder") from error
        yield replace(source, shown=source.name(), files=(replace(settled, path=Path(copy.name)),))
