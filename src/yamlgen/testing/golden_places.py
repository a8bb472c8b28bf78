"""The files that a golden file must not replace when it is written anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yamlgen.planning.plan import Plan
from yamlgen.testing.suite_files import recordings_of


def occupied(suite: Path, cases: Sequence[Any], pipeline: Path, plans: Sequence[Plan]) -> dict[Path, str]:
    """Return the files of a test file and of its pipeline, by their resolved paths, each with what it is.

    Args:
        suite: the test file.
        cases: its cases, as written.
        pipeline: the pipeline file.
        plans: the plans of the cases.
    """
    return {path.resolve(): what for path, what in _files(suite, cases, pipeline, plans)}


def _files(suite: Path, cases: Sequence[Any], pipeline: Path, plans: Sequence[Plan]) -> Iterator[tuple[Path, str]]:
    yield suite, "the test file"
    yield recordings_of(suite), "the file of recorded answers"
    yield pipeline, "the pipeline"
    for case in cases:
        rows = case.get("rows") if isinstance(case, Mapping) else None
        if isinstance(rows, Mapping) and isinstance(rows.get("path"), str):
            yield suite.parent / rows["path"], "a file of rows"
    for plan in plans:
        for output in plan.outputs:
            for path in filter(None, (output.config.path, output.config.rejected)):
                yield pipeline.parent / path, "an output of the pipeline"
