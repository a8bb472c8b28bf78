"""What `validate` reports about an open pipeline or test file, from the buffers of the editor.

Nothing outside the folder of the file is read. What is behind a reference that leaves the folder is unknown, and no
mistake.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from yamlgen.api.found_files import is_pipeline_text
from yamlgen.api.loading import check_file
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code, YamlgenError
from yamlgen.language_server.analyses import keep_up
from yamlgen.language_server.documents import Span, TextDocument, shown
from yamlgen.parsing.project_folder import BEYOND, confined, is_beyond, real
from yamlgen.parsing.yaml_parser import read
from yamlgen.testing.suite_files import is_test_file


@dataclass(frozen=True)
class Edit:
    """The replacement of a range of a file."""

    path: Path
    span: Span
    text: str


@dataclass(frozen=True)
class PlacedDiagnostic:
    """A diagnostic at its place, as the protocol counts it.

    Attributes:
        path: the file.
        span: the range in it.
        diagnostic: the diagnostic; paths in its texts are relative to the folder.
        fix: the mend, where it is certain.
    """

    path: Path
    span: Span
    diagnostic: Diagnostic
    fix: Edit | None = None


@dataclass(frozen=True)
class CheckedDocument:
    """What a check found.

    Attributes:
        findings: all diagnostics, in this file and in those that it refers to.
        read: the files that were read as text, by their resolved paths.
    """

    findings: tuple[PlacedDiagnostic, ...]
    read: frozenset[Path]

    @property
    def paths(self) -> set[Path]:
        """The files with findings."""
        return {each.path for each in self.findings}


def is_checked(document: TextDocument) -> bool:
    """Check whether a buffer is a pipeline or a test file: by its name, or by its content."""
    name = document.path.name
    is_named = is_test_file(document.path) or name.endswith((".yamlgen.yaml", ".yamlgen.yml"))
    return is_named or is_pipeline_text(document.text)


def check(document: TextDocument, opened: Iterable[TextDocument]) -> CheckedDocument:
    """Check a pipeline or a test file, with the open buffers in place of their files."""
    finder = SpanFinder(document, opened)
    with shown((*opened, document)) as asked, confined(document.path.parent):
        try:
            told: Iterable[Diagnostic] = check_file(document.path, params={}, overrides={})[1]
        except YamlgenError as error:  # it concerns the file as a whole
            nowhere = Mark(str(document.path), 1, 1, 1, 1)
            told = [Diagnostic(error.code or Code.UNREADABLE, error.message, nowhere, error.hint)]
        known = [each for each in told if BEYOND not in f"{each.message} {each.hint}"]
        findings = tuple(_found(each, finder) for each in known)
        keep_up(document.path, document.text)
    return CheckedDocument(findings, frozenset(asked))


class SpanFinder:
    """Finds the ranges of marks in the texts of their files.

    Args:
        document: the document that the marks are about.
        opened: the documents whose texts are not read from files.
    """

    def __init__(self, document: TextDocument, opened: Iterable[TextDocument]) -> None:
        self.document = document
        self._texts = {real(each.path): each for each in (*opened, document)}

    def of(self, mark: Mark) -> tuple[Path, Span]:
        """Return the file of a mark, and its range; the beginning of the document for a place that is no file."""
        path = Path(mark.file)
        if not path.is_absolute() or is_beyond(path):
            return self.document.path, ((0, 0), (0, 0))
        key = real(path)
        if key not in self._texts:
            source, _ = read(path, mark.file)
            self._texts[key] = replace(self.document, path=path, text="" if source is None else source.text)
        return self._texts[key].path, self._texts[key].span(mark)


def _found(told: Diagnostic, finder: SpanFinder) -> PlacedDiagnostic:
    prefix = f"{finder.document.path.parent}/"
    hint = None if told.hint is None else told.hint.replace(prefix, "")
    fix = None if told.fix is None else Edit(*finder.of(told.fix.mark), told.fix.text)
    return PlacedDiagnostic(
        *finder.of(told.mark), replace(told, message=told.message.replace(prefix, ""), hint=hint), fix
    )
