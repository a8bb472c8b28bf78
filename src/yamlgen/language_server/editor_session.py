"""The server: it speaks the Language Server Protocol on stdin and stdout.

It answers `initialize` before the checks are loaded, which takes a second.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from lsprotocol import types
from pygls.io_ import StdoutWriter, run_async
from pygls.lsp.server import LanguageServer

from yamlgen.language_server.check_schedule import DEADLINE, CheckSchedule
from yamlgen.language_server.documents import Encoding, Position, Span, TextDocument, shown
from yamlgen.language_server.serial_worker import SerialWorker
from yamlgen.parsing.project_folder import confined
from yamlgen.redaction import redact
from yamlgen.system_limits import in_thread

if TYPE_CHECKING:
    from yamlgen.language_server.completions import Completion, CompletionKind
    from yamlgen.language_server.document_checks import Edit, PlacedDiagnostic

T = TypeVar("T")

_AtPlace: TypeAlias = types.HoverParams | types.DefinitionParams | types.CompletionParams

_ANSWER_IN: Final = 3.0
"""How many seconds an answer may take; after that, the editor no longer waits for it."""

_WATCH_EVERY: Final = 1.0
"""How often to look whether the editor still runs, in seconds."""

_LONGEST_LOG: Final = 2000
_WATCHED: Final = "**/*.{yaml,yml,json,jsonl,csv,tsv,parquet,md,txt,j2,jinja,py}"
_FILES: Final = types.FileOperationRegistrationOptions(
    filters=[types.FileOperationFilter(pattern=types.FileOperationPattern(glob="**/*"), scheme="file")]
)

_KINDS: Final[Mapping[CompletionKind, types.CompletionItemKind]] = {
    "column": types.CompletionItemKind.Field,
    "field": types.CompletionItemKind.Field,
    "step": types.CompletionItemKind.Variable,
    "param": types.CompletionItemKind.Variable,
    "name": types.CompletionItemKind.Variable,
    "filter": types.CompletionItemKind.Function,
    "keyword": types.CompletionItemKind.Keyword,
    "key": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.Value,
    "file": types.CompletionItemKind.File,
}

_log = logging.getLogger(__name__)


def serve() -> int:
    """Serve one editor until it leaves.

    Returns:
        The exit code that the protocol demands: 1 if the editor ends the server without `shutdown`.
    """
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints does not disturb the protocol
    logging.basicConfig(level=logging.WARNING, handlers=[_Log()], force=True)
    server = PipelineServer()
    server.protocol.set_writer(StdoutWriter(stdout))
    try:
        asyncio.run(server.listen())
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    except SystemExit as done:  # how pygls ends after `exit`
        return int(done.code or 0)
    return 0


class PipelineServer(LanguageServer):
    """The connection to one editor: translates between the protocol and the checks."""

    def __init__(self) -> None:
        super().__init__("yamlgen", version("yamlgen"))
        self.worker = SerialWorker()
        self.schedule = CheckSchedule(self.worker, self.publish)
        self._opened: dict[str, TextDocument] = {}  # by URI, of which a file may have several
        self._loading: asyncio.Task[None] | None = None
        # The documents of pygls break lines at more characters than the protocol, so they are kept here.
        builtin, feature = self.protocol.fm.add_builtin_feature, self.feature
        builtin(types.TEXT_DOCUMENT_DID_OPEN, self.did_open)
        builtin(types.TEXT_DOCUMENT_DID_CHANGE, self.did_change)
        builtin(types.TEXT_DOCUMENT_DID_CLOSE, self.did_close)
        feature(types.INITIALIZE)(partial(self.initialize))
        feature(types.INITIALIZED)(partial(self.initialized))
        for event, options in (
            (types.TEXT_DOCUMENT_DID_SAVE, None),
            (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, None),
            (types.WORKSPACE_DID_CREATE_FILES, _FILES),
            (types.WORKSPACE_DID_RENAME_FILES, _FILES),
            (types.WORKSPACE_DID_DELETE_FILES, _FILES),
        ):
            feature(event, options)(partial(self.files_changed))
        feature(types.TEXT_DOCUMENT_HOVER)(partial(self.hover))
        feature(types.TEXT_DOCUMENT_DEFINITION)(partial(self.definition))
        triggers = types.CompletionOptions(trigger_characters=[".", "|", "{", " ", ":", '"', "'", "/", "*"])
        feature(types.TEXT_DOCUMENT_COMPLETION, triggers)(partial(self.completion))
        fixes = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
        feature(types.TEXT_DOCUMENT_CODE_ACTION, fixes)(partial(self.code_actions))

    async def listen(self) -> None:
        """Handle messages until the editor closes the connection."""
        await run_async(Event(), _Stdin(), self.protocol, _log, self.report_server_error)

    def report_server_error(self, error: Exception, source: Any) -> None:  # noqa: ARG002 - the signature of pygls
        """Log an error; the editor shows no window for it."""
        _log.error("%s", error)

    @property
    def encoding(self) -> Encoding:
        """What positions count, as agreed with the editor."""
        agreed: Encoding = self.workspace.position_encoding or "utf-16"  # type: ignore[assignment]
        return agreed

    def initialize(self, params: types.InitializeParams) -> None:
        """Watch the process that the editor names."""
        if params.process_id is not None and _is_running(params.process_id):  # not so from within a container
            _outlive(params.process_id)

    def initialized(self, _params: types.InitializedParams) -> None:
        """Load the checks, and ask to be told of changed files."""
        self._loading = asyncio.create_task(self.worker.run(_load, DEADLINE))
        workspace = self.client_capabilities.workspace
        files = None if workspace is None else workspace.did_change_watched_files
        if files is None or not files.dynamic_registration:
            return
        watched = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_WATCHED)])
        method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        self.client_register_capability(types.RegistrationParams([types.Registration("files", method, watched)]))

    def did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Note a document, and check it soon."""
        opened = params.text_document
        path = path_of(opened.uri)
        if path is not None:
            self._show(opened.uri, TextDocument(path, opened.text, opened.version, self.encoding))

    def did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Change a document, and check it soon."""
        document = self._opened.get(params.text_document.uri)
        if document is None:
            return
        for change in params.content_changes:
            part = change.range if isinstance(change, types.TextDocumentContentChangePartial) else None
            span = None if part is None else (_pair(part.start), _pair(part.end))
            document = document.changed(span, change.text, params.text_document.version)
        self._show(params.text_document.uri, document)

    def did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Forget a document; from now on its file is read."""
        uri = params.text_document.uri
        document = self._opened.pop(uri, None)
        if document is None:
            return
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))
        others = [each for each in self._opened.values() if each.path == document.path]
        if others:
            self.schedule.show(others[-1])
        else:
            self.schedule.close(document.path)

    def _show(self, uri: str, document: TextDocument) -> None:
        self._opened[uri] = document
        self.schedule.show(document)

    def files_changed(self, _params: Any) -> None:
        """Check everything: files have been saved, created, renamed, changed or deleted."""
        self.schedule.check_all()

    def publish(self, path: Path) -> None:
        """Show what is wrong in a file."""
        told = [_diagnostic(each) for each in self.schedule.findings(path)]
        for uri in self.uris_of(path):
            number = self._opened[uri].version if uri in self._opened else None
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, told, number))

    def uris_of(self, path: Path) -> list[str]:
        """Return the URIs of a file, as the editor writes them if it has opened it."""
        return [uri for uri, each in self._opened.items() if each.path == path] or [path.as_uri()]

    def code_actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """Return the mends that are certain, for the diagnostics at a place."""
        path, wanted = path_of(params.text_document.uri), params.context.only
        is_wanted = wanted is None or any(types.CodeActionKind.QuickFix.startswith(each) for each in wanted)
        if path is None or not is_wanted or not self.schedule.is_settled:
            return []
        first, last = _pair(params.range.start), _pair(params.range.end)
        found = [each for each in self.schedule.findings(path) if each.span[0] <= last and first <= each.span[1]]
        return [self._action(each, each.fix) for each in found if each.fix is not None]

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """Return what is known of a place."""
        from yamlgen.language_server.hover import hover  # noqa: PLC0415

        def answer(document: TextDocument, offset: int) -> types.Hover | None:
            found = hover(document, offset)
            if found is None:
                return None
            text = types.MarkupContent(types.MarkupKind.Markdown, found.markdown)
            return types.Hover(text, _range(document.position(found.start), document.position(found.end)))

        return await self._answered(params, answer)

    async def definition(self, params: types.DefinitionParams) -> list[types.Location]:
        """Return where what stands at a place is defined."""
        from yamlgen.language_server.definitions import definitions  # noqa: PLC0415
        from yamlgen.language_server.document_checks import SpanFinder  # noqa: PLC0415

        def answer(document: TextDocument, offset: int) -> list[tuple[Path, Span]]:
            placed = SpanFinder(document, opened)
            return [placed.of(mark) for mark in definitions(document, offset)]

        opened = tuple(self.schedule.documents.values())
        found = await self._answered(params, answer) or []
        return [types.Location(self.uris_of(path)[0], _range(*span)) for path, span in found]

    async def completion(self, params: types.CompletionParams) -> list[types.CompletionItem]:
        """Return what can be written at a place."""
        from yamlgen.language_server.completions import completions  # noqa: PLC0415

        def answer(document: TextDocument, offset: int) -> list[types.CompletionItem]:
            return [_item(each, number, document) for number, each in enumerate(completions(document, offset))]

        return await self._answered(params, answer) or []

    async def _answered(self, params: _AtPlace, answer: Callable[[TextDocument, int], T]) -> T | None:
        """Return an answer about a place of an open pipeline, or `None` if it fails or takes too long."""
        from yamlgen.language_server.document_checks import is_checked  # noqa: PLC0415

        document = self._opened.get(params.text_document.uri)
        if document is None:
            return None
        opened = tuple(self.schedule.documents.values())

        def work() -> T | None:
            if not is_checked(document):
                return None
            with shown(opened), confined(document.path.parent):
                return answer(document, document.offset(_pair(params.position)))

        try:
            async with asyncio.timeout(_ANSWER_IN):  # including the time until the worker is free
                return await self.worker.run(work, _ANSWER_IN)
        except TimeoutError:
            return None
        except Exception:  # noqa: BLE001 - editors open a window for an error
            _log.exception("no answer about %s", document.path)
            return None

    def _action(self, finding: PlacedDiagnostic, fix: Edit) -> types.CodeAction:
        edit = types.TextEdit(_range(*fix.span), fix.text)
        return types.CodeAction(
            title=f"yamlgen: {finding.diagnostic.hint or finding.diagnostic.message}",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[_diagnostic(finding)],
            edit=types.WorkspaceEdit(changes={self.uris_of(fix.path)[0]: [edit]}),
            is_preferred=True,
        )


class _Stdin:
    """Reads stdin in threads that do not keep the process alive."""

    def readline(self) -> Awaitable[bytes]:
        return in_thread(sys.stdin.buffer.readline)

    def readexactly(self, n: int) -> Awaitable[bytes]:
        return in_thread(partial(sys.stdin.buffer.read, n))


class _Log(logging.StreamHandler[Any]):
    """Writes to stderr, briefly and without keys: messages may contain the texts of documents."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))[:_LONGEST_LOG]


def path_of(uri: str) -> Path | None:
    """Return the path of a `file:` URI, or `None` for another."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = Path(os.fsdecode(unquote_to_bytes(parts.path)))
    return path if path.is_absolute() and "\0" not in str(path) else None


def _load() -> None:
    """Load what the first check and the first answer need."""
    for name in ("document_checks", "completions", "definitions", "hover"):
        import_module(f"yamlgen.language_server.{name}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _outlive(process: int) -> None:
    """End this process soon after another, even if a third one holds the connection open."""
    if not _is_running(process):
        os._exit(1)
    asyncio.get_running_loop().call_later(_WATCH_EVERY, _outlive, process)


def _pair(position: types.Position) -> Position:
    return position.line, position.character


def _range(start: Position, end: Position) -> types.Range:
    return types.Range(types.Position(*start), types.Position(*end))


def _item(completion: Completion, number: int, document: TextDocument) -> types.CompletionItem:
    """Return a completion; the editor keeps their order."""
    span = _range(document.position(completion.start), document.position(completion.end))
    about = types.MarkupContent(types.MarkupKind.Markdown, completion.documentation)
    before = document.text[completion.start : completion.start + 1]
    return types.CompletionItem(
        completion.label,
        kind=_KINDS[completion.kind],
        detail=completion.detail or None,
        documentation=about if completion.documentation else None,
        sort_text=f"{number:05}",
        filter_text=f".{completion.label}" if before == "." else completion.text,
        text_edit=types.TextEdit(span, completion.text),
    )


def _diagnostic(finding: PlacedDiagnostic) -> types.Diagnostic:
    told = finding.diagnostic
    is_error = told.severity == "error"
    return types.Diagnostic(
        _range(*finding.span),
        f"{told.message}\n{told.hint}" if told.hint else told.message,
        types.DiagnosticSeverity.Error if is_error else types.DiagnosticSeverity.Warning,
        str(told.code),
        source="yamlgen",
    )
