"""Makes an input that can be read only once (standard input, a pipe) readable several times."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from yamlgen.data.source import Source
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.parsing.project_folder import is_pipe


@contextmanager
def buffered(source: Source, stream: BinaryIO | None) -> Iterator[Source]:
    """Yield a source that can be read repeatedly; a temporary copy of standard input or a pipe exists until exit.

    Args:
        source: the source; a file or inline rows are returned unchanged.
        stream: standard input as bytes, read to its end if it is the source; `None`: there is none.

    Raises:
        EnvironmentProblem: the pipe cannot be read, or the copy cannot be written.
    """
    if source.rows_inline is not None or (source.path and not is_pipe(source.path)):
        yield source
        return
    settled = replace(source, format=source.kind().name, delimiter=source.separator(), shown=source.name())
    with tempfile.NamedTemporaryFile(prefix="yamlgen-") as copy:
        try:
            if source.path:
                with source.path.open("rb") as pipe:
                    shutil.copyfileobj(pipe, copy)
            elif stream is not None:
                shutil.copyfileobj(stream, copy)
            copy.flush()
        except OSError as error:
            if source.path and error.filename == str(source.path):
                raise source.unreadable(error) from error
            message = f"cannot copy {source.name()} to {copy.name}: {error.strerror or error}"
            raise EnvironmentProblem(message, code=Code.DISK, hint="set `TMPDIR` to another folder") from error
        yield replace(settled, path=Path(copy.name))
