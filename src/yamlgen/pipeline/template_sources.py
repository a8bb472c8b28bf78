"""The templates and expressions of a step, from the pipeline and from `{file: ...}`, each with its places."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath

from yamlgen.collector import Collector
from yamlgen.diagnostics import Mark
from yamlgen.errors import Code
from yamlgen.expressions.verbatim_text import template_of
from yamlgen.parsing.project_folder import is_way_out, leak, status
from yamlgen.parsing.secret_scan import find_secrets
from yamlgen.parsing.source_map import DataPath, SourceText
from yamlgen.parsing.yaml_parser import absence, read
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.pipeline.user_ids import user_ids
from yamlgen.steps.config_fields import FileText
from yamlgen.steps.step_config import StepConfig, StepText
from yamlgen.steps.step_template import StepTemplate


@dataclass
class TextLoader(Collector):
    """Reads the texts of one pipeline. A file that several steps use is read once."""

    parsed: ParsedFile
    files: dict[str, SourceText | None] = field(default_factory=dict)

    def of(self, name: str, step: StepConfig) -> list[StepTemplate]:
        """Return the templates and expressions of a step, with its messages in the order in which they are sent."""
        made = (self._template(source, ("steps", name, *source.path)) for source in step.sources())
        document = self.parsed.document
        about = (StepTemplate("user_id", text, document, path) for path, text in user_ids(self.parsed, name, step))
        return [*(template for template in made if template is not None), *about]

    def _template(self, source: StepText, path: DataPath) -> StepTemplate | None:
        document, content = self.parsed.document, source.content
        if not isinstance(content, FileText):
            return StepTemplate(source.role, content, document, path, name=source.name) if content else None
        if not content.file:
            return None
        if content.file not in self.files:
            self.files[content.file] = self._read(content.file, document.mark((*path, "file")))
        text = self.files[content.file]
        if text is None:
            return None
        if not content.template:
            verbatim = template_of(text.text)
            return StepTemplate(source.role, verbatim, document, path, text, source.name, is_verbatim=True)
        text = SourceText(text.file, text.text.replace("\r\n", "\n"))
        return StepTemplate(source.role, text.text, document, path, text, source.name)

    def _read(self, reference: str, mark: Mark) -> SourceText | None:
        path, shown = self.parsed.beside(reference)
        if _is_sentence(reference) and status(path) is None:
            hint = "for a prompt, write it directly after the key, without `file:`"
            self.complain(Code.MISSING_FILE, "`file` must be the path of a file, not a prompt", mark, hint)
            return None
        absent = absence(path, shown, "the pipeline file")
        if absent is not None:
            self.complain(Code.MISSING_FILE, absent[0], mark, absent[1])
            return None
        folder = self.parsed.path.parent
        leaking = leak(folder, reference, shown)
        if leaking is not None:
            self.complain(Code.OUTSIDE_FOLDER, leaking[0], mark, leaking[1])
            return None
        text, problems = read(path, shown, None if is_way_out(reference) else folder)
        self.diagnostics.extend(problems)
        if text is None:
            return None
        self.diagnostics.extend(find_secrets(text))
        if not text.text.strip():
            self.complain(Code.WRONG_VALUE, f"{shown} is empty", mark, "write the prompt into it")
            return None
        return text


def _is_sentence(reference: str) -> bool:
    """Check whether the value of `file` is prose: it has several lines, or words without an extension."""
    text = reference.strip()
    ending = PurePath(text).suffix
    return "\n" in text or (" " in text and (not ending or " " in ending))
