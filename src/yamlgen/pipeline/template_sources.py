"""The templates and expressions of a step: gathered from the pipeline and from `{file: ...}`, each with its places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, Literal, TypeAlias

from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.parsing.project_folder import is_way_out, leak, status
from yamlgen.parsing.secret_scan import find_secrets
from yamlgen.parsing.source_map import DataPath, Document, Text
from yamlgen.parsing.yaml_parser import absence, read
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.steps.fields import FileText
from yamlgen.steps.kinds import Check, Compute, Generate, Python, Step

Role: TypeAlias = Literal["system", "user", "assistant", "message", "when", "for_each", "check", "value", "arg"]
EXPRESSIONS: Final = frozenset({"when", "for_each", "check", "value", "arg"})


@dataclass(frozen=True)
class Passage:
    """A template or an expression: its source, what it is for, and where it stands: in the pipeline, or in a file.

    Attributes:
        name: of a value or an argument; of a check and its message, which one it is.
    """

    role: Role
    source: str
    document: Document
    path: DataPath
    file: Text | None = None
    name: str = ""

    @property
    def is_expression(self) -> bool:
        """Whether it stands without braces, and gives a value."""
        return self.role in EXPRESSIONS

    def mark(self, start: int, end: int) -> Mark:
        """The place of `source[start:end]`."""
        return self.file.mark(start, end) if self.file else self.document.within(self.path, start, end)


@dataclass
class TextLoader:
    """Reads the texts of one pipeline; a file that several steps name is read once."""

    draft: ParsedFile
    diagnostics: list[Diagnostic] = field(default_factory=list)
    files: dict[str, Text | None] = field(default_factory=dict)

    def of(self, name: str, step: Step) -> list[Passage]:
        """The templates and expressions of a step; of its messages in the order in which they are sent."""
        return [text for text in self._each(("steps", name), step) if text is not None]

    def _each(self, at: DataPath, step: Step) -> Iterator[Passage | None]:
        for role, source in (("when", step.when), ("for_each", step.for_each)):
            yield self._inline(role, source, (*at, role))  # type: ignore[arg-type]  # both are roles
        if isinstance(step, Generate):
            yield from self._sent(at, step)
            for index, check in enumerate(step.check or ()):
                yield from self._check(check, (*at, "check", index), str(index))
        elif isinstance(step, Compute):
            for name, source in step.values.items():
                yield self._inline("value", source, (*at, "values", name), name)
        elif isinstance(step, Python):
            for name, source in step.args.items():
                yield self._inline("arg", source, (*at, "args", name), name)

    def _inline(self, role: Role, source: str | None, path: DataPath, name: str = "") -> Passage | None:
        return Passage(role, source, self.draft.document, path, name=name) if source else None

    def _check(self, check: str | Check, path: DataPath, name: str) -> Iterator[Passage | None]:
        if isinstance(check, str):
            yield self._inline("check", check, path, name)
            return
        yield self._inline("check", check.expression, (*path, "expression"), name)
        yield self._inline("message", check.message, (*path, "message"), name)

    def _sent(self, at: DataPath, step: Generate) -> Iterator[Passage | None]:
        if step.system is not None:
            yield self._text("system", step.system, (*at, "system"))
        if step.prompt is not None:
            yield self._text("user", step.prompt, (*at, "prompt"))
        for index, turn in enumerate(step.messages or ()):
            yield self._text(turn.role, turn.content, (*at, "messages", index, "content"))

    def _text(
        self, role: Literal["system", "user", "assistant"], content: str | FileText, path: DataPath
    ) -> Passage | None:
        document = self.draft.document
        if isinstance(content, str):
            return Passage(role, content, document, path) if content else None
        if not content.file:
            return None
        if content.file not in self.files:
            self.files[content.file] = self._read(content.file, document.mark((*path, "file")))
        text = self.files[content.file]
        return None if text is None else Passage(role, text.text, document, path, text)

    def _read(self, reference: str, mark: Mark) -> Text | None:
        path, shown = self.draft.beside(reference)
        if _is_sentence(reference) and status(path) is None:
            hint = "write it without `file:`, behind the key itself"
            self.diagnostics.append(Diagnostic(Code.MISSING_FILE, "this is the text, and no file's name", mark, hint))
            return None
        absent = absence(path, shown, "the pipeline's file")
        if absent is not None:
            self.diagnostics.append(Diagnostic(Code.MISSING_FILE, absent[0], mark, absent[1]))
            return None
        folder = self.draft.path.parent
        leaking = leak(folder, reference, shown)
        if leaking is not None:
            self.diagnostics.append(Diagnostic(Code.OUTSIDE_FOLDER, leaking[0], mark, leaking[1]))
            return None
        text, problems = read(path, shown, None if is_way_out(reference) else folder)
        self.diagnostics.extend(problems)
        if text is None:
            return None
        text = Text(shown, text.text.replace("\r\n", "\n"))
        self.diagnostics.extend(find_secrets(text))
        if not text.text.strip():
            self.diagnostics.append(Diagnostic(Code.WRONG_VALUE, f"{shown} is empty", mark, "write the text into it"))
            return None
        return text


def _is_sentence(reference: str) -> bool:
    """Whether what stands where a file is named is a text itself: of several lines, or of words without an ending."""
    text = reference.strip()
    ending = PurePath(text).suffix
    return "\n" in text or (" " in text and (not ending or " " in ending))
