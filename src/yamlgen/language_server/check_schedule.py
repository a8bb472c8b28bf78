"""When open files are checked, and what of it is shown: after a pause in typing, and only for the newest text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.serial_worker import SerialWorker
from yamlgen.parsing.project_folder import real

if TYPE_CHECKING:
    from yamlgen.language_server.document_checks import CheckedDocument, PlacedDiagnostic

PAUSE: Final = 0.3
"""How many seconds after its last change a buffer is checked."""

DEADLINE: Final = 20.0
"""How many seconds a check may take."""

_ENDINGS: Final = (".yaml", ".yml")

_log = logging.getLogger(__name__)


class CheckSchedule:
    """The open documents of an editor, and what the last check of each found.

    All methods are called on the event loop.

    Args:
        worker: does the checks.
        publish: called with each file whose findings may have changed.
    """

    def __init__(self, worker: SerialWorker, publish: Callable[[Path], None]) -> None:
        self.documents: dict[Path, TextDocument] = {}
        self._worker = worker
        self._publish = publish
        self._results: dict[Path, tuple[TextDocument, CheckedDocument]] = {}
        self._timers: dict[Path, asyncio.TimerHandle] = {}
        self._running: dict[Path, asyncio.Task[None]] = {}
        self._waiting: set[Path] = set()

    def show(self, document: TextDocument) -> None:
        """Note the newest text of a document, and check it and those that read it."""
        path = document.path
        is_new, self.documents[path] = path not in self.documents, document
        if is_new:
            self.check_all()
            return
        self._check_later(path)
        key = real(path)
        for other, (_, checked) in self._results.items():
            if key in checked.read:
                self._check_later(other)

    def close(self, path: Path) -> None:
        """Forget a document; what it showed disappears."""
        self.documents.pop(path, None)
        if path in self._timers:
            self._timers.pop(path).cancel()
        result = self._results.pop(path, None)
        if result is not None:
            self._publish_all({path, *result[1].paths})
        self.check_all()

    def check_all(self) -> None:
        """Check each open document, because files have changed."""
        for path in self.documents:
            self._check_later(path)

    def is_known(self, path: Path) -> bool:
        """Check whether an open document is a pipeline or a test file."""
        return path in self._results

    def findings(self, path: Path) -> list[PlacedDiagnostic]:
        """Return what is wrong in a file: as its own check says, or else those of the files that refer to it."""
        own = self._results.get(path)
        results = self._results.values() if own is None else [own]
        return list(dict.fromkeys(each for _, result in results for each in result.findings if each.path == path))

    @property
    def is_settled(self) -> bool:
        """Whether nothing has changed since the findings were made."""
        return not self._timers and not self._running

    def _check_later(self, path: Path) -> None:
        if not path.name.endswith(_ENDINGS):
            return
        if path in self._timers:
            self._timers[path].cancel()
        self._timers[path] = asyncio.get_running_loop().call_later(PAUSE, self._begin, path)

    def _begin(self, path: Path) -> None:
        self._timers.pop(path, None)
        if path in self._running:
            self._waiting.add(path)
        else:
            self._running[path] = asyncio.create_task(self._check(path))

    async def _check(self, path: Path) -> None:
        try:
            while (document := self.documents.get(path)) is not None:
                self._waiting.discard(path)
                opened = tuple(self.documents.values())
                await self._check_once(document, opened)
                if path not in self._waiting:
                    return
        finally:
            del self._running[path]
            self._waiting.discard(path)

    async def _check_once(self, document: TextDocument, opened: Iterable[TextDocument]) -> None:
        path, before = document.path, self._results.get(document.path)
        result = None if before is None else replace(before[1], findings=())  # if it fails: they are of an older text
        try:
            work = partial(_checked, document, opened, is_known=self.is_known(path))
            result = await self._worker.run(work, DEADLINE)
        except TimeoutError:
            _log.warning("the check of %s took too long", path)
        except Exception:  # noqa: BLE001 - a mistake of ours must not end the server
            _log.exception("the check of %s failed", path)
        if result is None or self.documents.get(path) is not document:
            return
        if any(real(each.path) in result.read and self.documents.get(each.path) is not each for each in opened):
            self._waiting.add(path)  # another buffer that it reads has changed
            return
        self._results[path] = document, result
        self._publish_all({path, *result.paths, *(() if before is None else before[1].paths)})

    def _publish_all(self, paths: Iterable[Path]) -> None:
        for path in sorted(paths):
            self._publish(path)


def _checked(document: TextDocument, opened: Iterable[TextDocument], *, is_known: bool) -> CheckedDocument | None:
    """Return what a check finds; `None` if the document is neither a pipeline nor a test file.

    One that was a pipeline remains one while it is open: otherwise a mistake in `steps` would hide all others.
    """
    from yamlgen.language_server.document_checks import check, is_checked  # noqa: PLC0415 - the server starts without them

    return check(document, opened) if is_known or is_checked(document) else None
