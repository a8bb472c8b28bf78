"""The dependencies of a kept value: the sources of its function, and the files listed under `reads`.

Owns the checks of them before a run: that the listed files exist, and which files are read by a literal name without
being listed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.project_folder import Stamp, is_beyond, is_folder, real, stamp_of
from yamlgen.parsing.yaml_parser import absence
from yamlgen.steps.python.config import Python
from yamlgen.steps.python.dependencies import Dependencies, ModuleSources, sources_of
from yamlgen.steps.python.opened_files import openings
from yamlgen.steps.python.signatures import Function
from yamlgen.steps.step_file import StepFile

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")


def dependencies(file: StepFile, step: Python, function: Function) -> tuple[Dependencies, list[Diagnostic]]:
    """Return the dependencies of a step's kept values, and the mistakes in them.

    Args:
        file: the file that contains the step.
        step: the step, with `keep: true`.
        function: the function that it calls.
    """
    folder = file.folder.absolute()
    sources = sources_of(folder, function.file.relative_to(folder).as_posix())
    files, problems = dict(sources.files), list[Diagnostic]()
    for index, reference in enumerate(step.reads or ()):
        mark = file.mark("reads", index)
        found = file.fitting(reference)
        if not found and not is_beyond(folder / reference):
            hint = "write the pattern relative to the pipeline file"
            problems.append(Diagnostic(Code.MISSING_FILE, f"no file matches `{reference}`", mark, hint))
        for path in found:
            absent = absence(*file.beside(path), "the pipeline file")
            stamp = stamp_of(folder / path)
            if absent is not None:
                hint = f"write `{path.rstrip('/')}/*` for its files" if is_folder(folder / path) else absent[1]
                problems.append(Diagnostic(Code.MISSING_FILE, absent[0], mark, hint))
            elif stamp is not None:
                files[path] = stamp
    if not problems and not file.is_broken("reads"):
        problems += _unlisted(file, step, sources, files)
    return Dependencies(folder, tuple(step.reads or ()), files, sources.imports), problems


def _unlisted(file: StepFile, step: Python, sources: ModuleSources, files: Mapping[str, Stamp]) -> Iterator[Diagnostic]:
    """Report the existing files that the function reads by a literal name and that are not listed."""
    folder, mark = file.folder.absolute(), file.mark("call")
    known = {real(folder / path) for path in files}
    for opening in openings(folder, sources.trees, step.call.partition(":")[2]):
        places = (folder / opening.file, Path(opening.file).absolute())
        place = next((each for each in places if stamp_of(each) is not None), None)
        if place is None or real(place) in known:
            continue
        known.add(real(place))
        reference = Path(os.path.relpath(place, folder)).as_posix()
        where = f"{file.beside(opening.module)[1]}:{opening.line}"
        message = f"{where} reads {file.beside(reference)[1]}, but a kept value does not depend on this file"
        written = reference if _PLAIN.fullmatch(reference) else json.dumps(reference, ensure_ascii=False)
        listed = f"add {written} to `reads`" if step.reads else f"add `reads: [{written}]`"
        hint = f"{listed}, so that a change of the file calls `{step.call.partition(':')[2]}` again"
        yield Diagnostic(Code.UNLISTED_FILE, message, mark, hint, "warning")
