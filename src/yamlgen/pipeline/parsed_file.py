"""A pipeline file after parsing: its models can be constructed, even if it contains mistakes.

Covers the first half of validation: text, overrides of the command line, secrets, shape. Later checks take a
`ParsedFile` and add their diagnostics. Only a file without errors becomes a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from pydantic import ValidationError

from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.option_names import override
from yamlgen.parsing.file_patterns import matching
from yamlgen.parsing.secret_scan import find_secrets, setting, without_secrets
from yamlgen.parsing.source_map import DataPath, Document, SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.parsing.yaml_parser import read as read_text
from yamlgen.pipeline.overrides import set_input, set_rows, set_value
from yamlgen.pipeline.pipeline_model import PipelineModel
from yamlgen.pipeline.validation import check
from yamlgen.pipeline.validation_result import ValidationResult


@dataclass(frozen=True)
class ParsedFile:
    """The valid parts of a pipeline file.

    Attributes:
        path: the file.
        shown: the file's path as the user wrote it.
        document: its data and places, without the broken parts.
        pipeline: the models of the language.
        diagnostics: the diagnostics so far.
        broken: the paths that were removed; nothing more is reported about them.
        mended: the places of keys that were read as others, and of their values; nothing more is reported there.
        texts: the source texts: the file and the overrides.
        rows_given: whether a Python caller gives the rows, in place of the file's input.
    """

    path: Path
    shown: str
    document: Document
    pipeline: PipelineModel
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[DataPath]
    mended: frozenset[Mark] = frozenset()
    texts: tuple[SourceText, ...] = ()
    rows_given: bool = False

    def is_broken(self, *path: str | int) -> bool:
        """Check whether the value at `path` was removed because it, or a value that contains it, is wrong."""
        left_out = any(path[:length] in self.broken for length in range(1, len(path) + 1))
        return left_out or self.document.is_unread(path)

    def is_broken_within(self, *path: str | int) -> bool:
        """Check whether the value at `path`, or a value within it, was removed because it is wrong."""
        return self.is_broken(*path) or any(left[: len(path)] == path for left in self.broken)

    def is_stray(self, name: str | int) -> bool:
        """Check whether a name is a misplaced key somewhere in the file, or the beginning of a malformed one."""
        keys = [str(left[-1]) for left in self.broken]
        return name in keys or any(key.startswith(str(name)) and not key.isidentifier() for key in keys)

    def names(self, part: str) -> list[str]:
        """Return the names that a part such as `steps` declares, in order, followed by the broken ones."""
        declared = self.document.data.get(part, {})
        broken = sorted(str(path[1]) for path in self.broken if len(path) == 2 and path[0] == part)  # noqa: PLR2004
        return list(dict.fromkeys([*declared, *broken]))

    @property
    def folder(self) -> str:
        """The file's folder as messages show it; empty for the current directory."""
        folder = str(Path(self.shown).parent)
        return "" if folder == "." else folder

    def beside(self, reference: str) -> tuple[Path, str]:
        """Return a path of the pipeline, resolved, and as messages show it."""
        return self.path.parent / reference, str(Path(self.shown).parent / reference)

    def fitting(self, reference: str) -> list[str]:
        """Return the paths of an entry of `reads`: the path itself, or the files that match the pattern."""
        return matching(self.path.parent, reference)

    def input_files(self) -> list[str]:
        """Return the files of the input that exist now, relative to the pipeline's folder."""
        given = self.pipeline.input
        if given.folder is not None:
            root = self.path.parent / given.folder
            return [str(PurePath(given.folder) / path) for path in matching(root, given.pattern)]
        tables = (
            each if isinstance(each, str) else each.path or each.pipeline for each in (given.tables or {}).values()
        )
        named = [given.path, *tables]
        return [path for each in named if each not in (None, "-") for path in self.fitting(str(each))]

    def files(self) -> set[Path]:
        """Return the pipeline file and every file that it reads."""
        named: list[object] = [*self.input_files()]
        for step in self.pipeline.steps.values():
            named.extend(step.files(self.fitting))
        return {self.path, *(self.path.parent / name for name in named if isinstance(name, str) and name != "-")}


def read(
    path: Path,
    shown: str,
    overrides: Mapping[str, str] | None = None,
    rows: str | None = None,
    *,
    rows_given: bool = False,
) -> tuple[ParsedFile | None, list[Diagnostic]]:
    """Parse a pipeline file.

    Args:
        path: the file.
        shown: the file's path as the user wrote it.
        overrides: values to set, by dotted path, as with `--set`.
        rows: the path of the rows to use instead, as with `--input`.
        rows_given: whether a Python caller gives the rows.

    Returns:
        The parsed file, or `None` if nothing of it can be read, and the diagnostics.
    """
    text, diagnostics = read_text(path, shown)
    if text is None:
        return None, without_secrets(diagnostics)
    document, diagnostics = compose(text)
    diagnostics.extend(find_secrets(text))
    if document is None:
        return None, without_secrets(diagnostics, [text])
    texts = (text, *(setting(override, name, value) for name, value in (overrides or {}).items()))
    for name, value in (overrides or {}).items():
        document = set_value(document, name, value, diagnostics)
    if rows is not None:
        document = set_input(document, rows, keeps_format="input.format" in (overrides or {}))
    if rows_given:
        document = set_rows(document)
    shape = check(document, is_whole=not diagnostics)
    diagnostics = without_secrets([*diagnostics, *shape.diagnostics], texts)
    pipeline = _constructed(shape, diagnostics)
    broken = frozenset(shape.broken)
    mended = frozenset(shape.mended)
    parsed = ParsedFile(path, shown, shape.document, pipeline, tuple(diagnostics), broken, mended, texts, rows_given)
    return parsed, diagnostics


def _constructed(shape: ValidationResult, diagnostics: list[Diagnostic]) -> PipelineModel:
    """Construct the models of a document that validates against the language's JSON Schema.

    Reports values that the schema accepts but a model rejects: the two read patterns and numbers slightly differently.
    """
    while True:
        data = {key: value for key, value in shape.document.data.items() if not key.startswith("x-")}
        try:
            return PipelineModel.model_validate(data)
        except ValidationError as error:
            from yamlgen.pipeline.document_repair import refuse  # noqa: PLC0415 - a valid file needs none of it

            told = refuse(shape, error.errors(include_url=False)[0]["loc"])
            if told is None:
                raise
            diagnostics.append(told)
