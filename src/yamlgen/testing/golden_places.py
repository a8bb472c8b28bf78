"""The files that a golden file must not replace: all that the pipeline and the test read or write otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from yamlgen.output.files import output_paths
from yamlgen.parsing.project_folder import real
from yamlgen.parsing.yaml_parser import compose
from yamlgen.parsing.yaml_parser import read as read_text
from yamlgen.planning.plan import Plan
from yamlgen.store.location import FOLDER
from yamlgen.testing.suite_files import is_recordings_file, is_test_file, recordings_of

_TRIAL: Final = re.compile(r"(\.simulated)?(\.limit-[0-9]+)?(\.stdout)?(?=\.[^.]*$|\.failed\.jsonl$|\.run\.json$)")
"""What the names of the files of simulated, limited and printed runs have in addition."""


class GoldenPlaces:
    """Where golden files cannot be.

    Args:
        suite: the test file.
        cases: its cases, as written.
        pipeline: the pipeline file.
        files: the files that the steps of the pipeline read.
        plans: the plans of the cases.
    """

    def __init__(
        self, suite: Path, cases: Sequence[Any], pipeline: Path, files: Iterable[Path], plans: Sequence[Plan]
    ) -> None:
        self._read = {real(path): what for path, what in _read(suite, cases, pipeline, files)}
        made = (output_paths(plan.outputs, plan.folder, {}, simulated=False, limit=None) for plan in plans)
        self._written = {real(path) for paths in made for path in paths.all}
        self._store = real(pipeline.parent / FOLDER)
        self._goldens: dict[Path, str] = {}

    def take(self, golden: Path, case: str) -> str | None:
        """Return what else is at the place of a golden file; `None` if nothing is, and it then belongs to this case."""
        path = real(golden)
        found = self._read.get(path) or self._goldens.get(path)
        if found is None and path.with_name(_TRIAL.sub("", path.name)) in self._written:
            found = "a file that a run of the pipeline writes"
        if found is None and path.is_relative_to(self._store):
            found = "in the store of the pipeline"
        if found is None and (is_test_file(path) or is_recordings_file(path)):
            found = f"the name of {'a test file' if is_test_file(path) else 'a file of recorded answers'}"
        self._goldens.setdefault(path, f"the golden file of {case}")
        return found


def _read(suite: Path, cases: Sequence[Any], pipeline: Path, files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    yield from ((path, "a file that the pipeline reads") for path in files)
    source = _input_of(pipeline)
    if source is not None:
        yield pipeline.parent / source, "the input of the pipeline"
    for case in cases:
        rows = case.get("rows") if isinstance(case, Mapping) else None
        if isinstance(rows, Mapping) and isinstance(rows.get("path"), str):
            yield suite.parent / rows["path"], "a file of rows"
    yield pipeline, "the pipeline"
    yield recordings_of(suite), "the file of recorded answers"
    yield suite, "the test file"


def _input_of(pipeline: Path) -> str | None:
    """Return the path of the input in a pipeline; cases replace it."""
    text, _ = read_text(pipeline, str(pipeline))
    document = None if text is None else compose(text)[0]
    node = None if document is None else document.root.get("input", "path")
    return node.value if node is not None and isinstance(node.value, str) else None
