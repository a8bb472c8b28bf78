"""Read and check a test file with everything that it names: its pipeline, its rows, its goldens, its conditions.

The pipeline is loaded by a function that the caller passes. Errors of the pipeline itself keep their place in its file;
an error that only the parameters or rows of a case cause is reported in the test file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.hint_fixes import with_fixes
from yamlgen.parsing.secret_scan import find_secrets, without_secrets
from yamlgen.parsing.source_map import DataPath, SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.parsing.yaml_parser import read as read_text
from yamlgen.pipeline.diagnostic_deduplication import each_once
from yamlgen.pipeline.schema_messages import shown_value
from yamlgen.planning.compiled_pipeline import in_order
from yamlgen.testing.case_checks import PipelineLoader, SuiteChecker
from yamlgen.testing.suite import CheckedSuite
from yamlgen.testing.suite_config import TestSuiteModel
from yamlgen.testing.suite_shape import SuiteShape, checked_shape
from yamlgen.value_objects import JSON

_HINTS: Final[Mapping[Code, str]] = {
    Code.EMPTY: "begin with `version: 1`",
    Code.TOO_LARGE: "move rows to a file, and write its path under `rows`",
}
"""The fixes of mistakes in any file, where those of a pipeline do not apply to a test file."""


def read_suite(
    path: Path, shown: str, load: PipelineLoader, *, update: bool = False
) -> tuple[CheckedSuite | None, list[Diagnostic]]:
    """Read and check a test file.

    Args:
        path: the file, absolute.
        shown: the file, as the caller wrote it.
        load: checks a pipeline, and returns it with its diagnostics.
        update: whether golden files will be written anew, so that they need not be JSON now.

    Returns:
        The checked file, or `None` if there is an error, and all diagnostics in order.
    """
    text, found = read_text(path, shown)
    if text is None:
        return None, _redacted(found, shown)
    document, found = compose(text)
    found.extend(find_secrets(text))
    if document is None:
        return None, with_fixes(_redacted(found, shown, text), shown)
    shape = checked_shape(document)
    found.extend(shape.diagnostics)
    checker = SuiteChecker(path, shown, load, shape, is_whole=not _has_errors(found), update=update)
    cases, pipeline = checker.check()
    found.extend(checker.diagnostics)
    config = None if _has_errors(found) else _constructed(shape, found)
    told = with_fixes(each_once(in_order(_redacted(found, shown, text), shown)), shown)
    if config is None or pipeline is None or _has_errors(told):
        return None, told
    checked = tuple(replace(case, config=config.cases[at]) for at, case in enumerate(cases))
    redacted = tuple(document.mark(("redact", number)) for number in range(len(config.redact)))
    return CheckedSuite(path, shown, config, pipeline, checked, redacted), told


def _redacted(found: Iterable[Diagnostic], shown: str, *texts: SourceText) -> list[Diagnostic]:
    hints = ((each, _HINTS.get(each.code) if each.mark.file == shown else None) for each in found)
    return without_secrets((replace(each, hint=hint) if hint else each for each, hint in hints), texts)


def _has_errors(found: Sequence[Diagnostic]) -> bool:
    return any(each.severity == "error" for each in found)


def _constructed(shape: SuiteShape, found: list[Diagnostic]) -> TestSuiteModel | None:
    """Construct the models of a document without errors, or report a value that they reject."""
    data = {key: value for key, value in shape.document.data.items() if not key.startswith("x-")}
    try:
        return TestSuiteModel.model_validate(data)
    except ValidationError as error:
        path: DataPath = ()
        value: JSON = data
        for part in error.errors(include_url=False)[0]["loc"]:
            if shape.document.root.get(*path, part) is not None:
                path, value = (*path, part), value[part]
        message = f"`{path[-1] if path else 'the file'}` cannot be {shown_value(value)}"
        found.append(Diagnostic(Code.WRONG_VALUE, message, shape.document.mark(path)))
        return None
