"""Reads the content of files out of git's objects: one process of `git cat-file` for many files."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import tempfile
from types import TracebackType
from typing import BinaryIO, Final, Self

from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.revisions.git_process import (
    FETCH_OBJECTS,
    SECONDS,
    WITHOUT_LFS,
    GitFailed,
    command,
    refusal,
    surroundings,
    unusable,
)
from yamlgen.revisions.repository import Repository

_CHUNK: Final = 1 << 16
_FAREWELL: Final = 5.0


class ObjectReader:
    """Copies the content of objects, converted as a checkout would. The process starts with the first copy.

    `git cat-file` tells the size of an object before its conversion, so the end of a copy is found by another way: each
    request is followed by one for an object that does not exist, whose name is random.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._process: subprocess.Popen[bytes] | None = None
        self._end = f"end.{secrets.token_hex(16)}".encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if self._process is None:
            return
        if error is not None:
            self._process.kill()
        with self._process, self._told:
            self._process.stdin.close()  # type: ignore[union-attr]
            try:
                self._process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def copy(self, oid: str, inner: str, to: BinaryIO) -> None:
        """Write the content of an object to a file.

        Args:
            oid: the name of the object.
            inner: the path of its file in the repository, which says how it is converted.
            to: where to write it.

        Raises:
            EnvironmentProblem: the object is not in this clone, or git failed.
        """
        stdin, stdout = self._pipes()
        # git reads a request as a line; the path only selects attributes
        name = os.fsencode(inner).replace(b"\n", b"_")
        try:
            stdin.write(b"%s %s\n%s\n" % (oid.encode(), name, self._end))
        except OSError as error:
            raise self._failure() from error
        header, rest = b"", b""
        while not header:
            try:
                rest += self._received(stdout)
            except GitFailed as error:
                raise self._missing(oid, inner) if "promisor remote" in error.told else error from error
            header, _, rest = rest.partition(b"\n") if b"\n" in rest else (b"", b"", rest)
        is_missing = header.endswith(b" missing")
        last = b"%s%s missing\n" % (b"" if is_missing else b"\n", self._end)
        while not rest.endswith(last):
            to.write(rest[: -len(last)])
            rest = rest[-len(last) :] + self._received(stdout)
        if is_missing:
            raise self._missing(oid, inner)
        to.write(rest[: -len(last)])

    def _pipes(self) -> tuple[BinaryIO, BinaryIO]:
        if self._process is None:
            arguments = (*self._repository.options, *WITHOUT_LFS, "cat-file", "--batch", "--filters")
            self._told = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
                    command(self._repository.root, *arguments),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._told,
                    bufsize=0,
                    env=surroundings(),
                )
            except OSError as error:
                self._told.close()
                raise unusable(error, SECONDS) from error
        return self._process.stdin, self._process.stdout  # type: ignore[return-value]

    def _received(self, stdout: BinaryIO) -> bytes:
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        if not poll.poll(SECONDS * 1000):
            raise unusable(subprocess.TimeoutExpired("git", SECONDS), SECONDS)
        chunk = os.read(stdout.fileno(), _CHUNK)
        if not chunk:
            raise self._failure()
        return chunk

    def _failure(self) -> GitFailed:
        self._process.kill()  # type: ignore[union-attr]
        status = self._process.wait()  # type: ignore[union-attr]
        self._told.seek(0)
        return refusal(("cat-file",), status, self._told.read())

    def _missing(self, oid: str, inner: str) -> EnvironmentProblem:
        message = f"the content of {near(self._repository.root / inner)}, object {oid[:12]}, is not in this clone"
        return EnvironmentProblem(message, code=Code.NO_REVISION, hint=FETCH_OBJECTS)
