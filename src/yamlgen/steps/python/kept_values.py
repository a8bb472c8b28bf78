"""What a kept value depends on: the sources of its function, and the files that the step lists under `reads`.

Owns what can be said of that before a run: which files these are, that they are there, and which ones are read by a
literal name and not listed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from yamlgen.errors import Code, Diagnostic
from yamlgen.parsing.project_folder import Stamp, is_folder, real, stamp_of
from yamlgen.parsing.yaml_parser import absence
from yamlgen.steps.python.config import Python
from yamlgen.steps.python.dependencies import Dependencies, ModuleSources, sources_of
from yamlgen.steps.python.opened_files import openings
from yamlgen.steps.python.signatures import Function
from yamlgen.steps.step_file import StepFile

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")


def dependencies(file: StepFile, step: Python, function: Function) -> tuple[Dependencies, list[Diagnostic]]:
    """What the values of a step depend on, and what is wrong with that.

    Args:
        file: where the step stands.
        step: the step, which keeps its values.
        function: what it calls.
    """
    folder = file.folder.absolute()
    sources = sources_of(folder, function.file.relative_to(folder).as_posix())
    files, problems = dict(sources.files), list[Diagnostic]()
    for index, reference in enumerate(step.reads or ()):
        mark = file.mark("reads", index)
        found = file.fitting(reference)
        if not found:
            hint = "the pattern is relative to the pipeline's file"
            problems.append(Diagnostic(Code.MISSING_FILE, f"no file fits `{reference}`", mark, hint))
        for path in found:
            absent = absence(*file.beside(path), "the pipeline's file")
            stamp = stamp_of(folder / path)
            if absent is not None:
                hint = f"`{path.rstrip('/')}/*` stands for its files" if is_folder(folder / path) else absent[1]
                problems.append(Diagnostic(Code.MISSING_FILE, absent[0], mark, hint))
            elif stamp is not None:
                files[path] = stamp
    if not problems and not file.is_broken("reads"):
        problems += _unlisted(file, step, sources, files)
    return Dependencies(folder, tuple(step.reads or ()), files, sources.imports), problems


def _unlisted(file: StepFile, step: Python, sources: ModuleSources, files: Mapping[str, Stamp]) -> Iterator[Diagnostic]:
    """The files that the function reads by a literal name, and that are not listed, as far as they are there."""
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
        message = f"{where} reads {file.beside(reference)[1]}, and a kept value does not see it change"
        written = reference if _PLAIN.fullmatch(reference) else json.dumps(reference, ensure_ascii=False)
        listed = f"add {written} to `reads`" if step.reads else f"add `reads: [{written}]`"
        hint = f"{listed}, so that another one calls `{step.call.partition(':')[2]}` again"
        yield Diagnostic(Code.UNLISTED_FILE, message, mark, hint, "warning")
