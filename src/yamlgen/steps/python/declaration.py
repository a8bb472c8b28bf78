"""A `python` step, as declared in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from yamlgen.diagnostics import Diagnostic
from yamlgen.errors import Code
from yamlgen.parsing.project_folder import Stamp
from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.python.config import Python
from yamlgen.steps.python.dependencies import Dependencies
from yamlgen.steps.python.kept_values import dependencies
from yamlgen.steps.python.plan_step import PythonStep
from yamlgen.steps.python.signatures import FoundFunction, check_args, find


@dataclass
class DeclaredPython(DeclaredStep[Python]):
    """A `python` step with its function, found in the source, and the dependencies of its kept values."""

    planned = PythonStep

    found: FoundFunction | None = field(default=None, init=False)
    depends: Dependencies | None = field(default=None, init=False)

    def check(self) -> Iterator[Diagnostic]:
        """Check its function, its arguments, and the files that it reads."""
        step, file = self.step, self.file
        if file.is_broken("call"):
            return
        call = file.mark("call")
        self.found, problems = find(file.folder, file.shown_folder, step.call, call)
        yield from problems
        if self.found is not None and not file.is_broken_within("args"):
            yield from check_args(self.found, {arg: file.mark("args", arg, key=True) for arg in step.args}, call)
        if step.reads and not step.keep and not file.is_broken("keep"):
            message = f"`reads` has no effect: step `{self.name}` does not have `keep: true`"
            yield Diagnostic(Code.CONFLICT, message, file.mark("reads", key=True), "add `keep: true`", "warning")
        elif self.found is not None and step.keep:
            self.depends, problems = dependencies(file, step, self.found.function)
            yield from problems

    def files_behind(self) -> Mapping[Path, Stamp]:
        """Return the sources of its function and the files that it reads, if its values are kept."""
        depends = self.depends
        return {} if depends is None else {depends.folder / path: stamp for path, stamp in depends.files.items()}

    def own_fields(self) -> dict[str, Any]:
        """Return the call and the dependencies of its value."""
        return {
            "call": self.step.call,
            "function": self.found.function if self.found is not None else None,
            "args": {template.name: template.source for template, _ in self.of("arg")},
            "timeout": self.step.timeout or self.file.timeout,
            "depends": self.depends,
        }


DECLARED: Final = DeclaredPython
