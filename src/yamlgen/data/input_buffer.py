"""Input that comes only once, made readable as often as a run reads it."""

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
    """`source`, readable twice: standard input and pipes are copied to a file that lasts as long as the context.

    Args:
        source: any source; one that is a file or inline comes back as it is.
        stream: standard input as bytes, read to its end if that is the source; `None` where a program has none.

    Raises:
        EnvironmentProblem: the pipe cannot be read, or there is no room for the copy.
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
            raise EnvironmentProblem(message, code=Code.DISK, hint="`TMPDIR` names another place for it") from error
        yield replace(settled, path=Path(copy.name))
