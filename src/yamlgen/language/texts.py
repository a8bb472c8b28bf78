"""The templates of a step: gathered from the pipeline and from `{file: ...}`, each with the way to its places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.language.composer import absence, read
from yamlgen.language.document import DataPath, Document, Text
from yamlgen.language.draft import Draft
from yamlgen.language.secret import find_secrets
from yamlgen.language.spec import FileText, Step


@dataclass(frozen=True)
class TemplateText:
    """A template's source, who says it, and where it stands: in the pipeline, or in a file of its own."""

    role: Literal["system", "user", "assistant"]
    source: str
    document: Document
    path: DataPath
    file: Text | None = None

    def mark(self, start: int, end: int) -> Mark:
        """The place of `source[start:end]`."""
        return self.file.mark(start, end) if self.file else self.document.within(self.path, start, end)


@dataclass
class TextLoader:
    """Reads the texts of one pipeline; a file that several steps name is read once."""

    draft: Draft
    diagnostics: list[Diagnostic] = field(default_factory=list)
    files: dict[str, Text | None] = field(default_factory=dict)

    def of(self, name: str, step: Step) -> list[TemplateText]:
        """The templates of a step, in the order in which they are sent."""
        return [text for text in self._each(("steps", name), step) if text is not None]

    def _each(self, at: DataPath, step: Step) -> Iterator[TemplateText | None]:
        if step.system is not None:
            yield self._text("system", step.system, (*at, "system"))
        if step.prompt is not None:
            yield self._text("user", step.prompt, (*at, "prompt"))
        for index, turn in enumerate(step.messages or ()):
            yield self._text(turn.role, turn.content, (*at, "messages", index, "content"))

    def _text(
        self, role: Literal["system", "user", "assistant"], content: str | FileText, path: DataPath
    ) -> TemplateText | None:
        document = self.draft.document
        if isinstance(content, str):
            return TemplateText(role, content, document, path) if content else None
        if not content.file:
            return None
        if content.file not in self.files:
            self.files[content.file] = self._read(content.file, document.mark((*path, "file")))
        text = self.files[content.file]
        return None if text is None else TemplateText(role, text.text, document, path, text)

    def _read(self, reference: str, mark: Mark) -> Text | None:
        path, shown = self.draft.beside(reference)
        absent = absence(path, shown, "the pipeline's file")
        if absent is not None:
            self.diagnostics.append(Diagnostic(Code.MISSING_FILE, absent[0], mark, absent[1]))
            return None
        text, problems = read(path, shown)
        self.diagnostics.extend(problems)
        if text is None:
            return None
        text = Text(shown, text.text.replace("\r\n", "\n"))
        self.diagnostics.extend(find_secrets(text))
        if not text.text.strip():
            self.diagnostics.append(Diagnostic(Code.WRONG_VALUE, f"{shown} is empty", mark, "write the text into it"))
            return None
        return text
