"""A step of a plan that calls a function of the author."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from yamlgen.expressions.evaluation import evaluate, parse_expression
from yamlgen.expressions.syntax_trees import dumped
from yamlgen.parsing.project_folder import digest_of
from yamlgen.steps.fan_out import Scope
from yamlgen.steps.plan_step import PlanStep, StepParts
from yamlgen.steps.python.dependencies import Dependencies, sources_of
from yamlgen.steps.python.signatures import Function
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStep(PlanStep):
    """A step that calls a function of the author. If its values are kept, `depends` lists what they depend on."""

    kind: ClassVar[str] = "python"
    is_outside: ClassVar[bool] = True
    shape: ClassVar[tuple[str, str]] = ("[[", "]]")
    call: str
    function: Function
    args: Mapping[str, str]
    timeout: float
    depends: Dependencies | None = None

    @property
    def keeps_values(self) -> bool:
        """Whether its values are kept as long as the files on which they depend stay the same."""
        return self.depends is not None

    def fill(self, scope: Scope) -> dict[str, JSON]:
        """Return the arguments of the call."""
        return {name: evaluate(source, scope) for name, source in self.args.items()}

    def about(self) -> Iterator[str]:
        """Yield the function that it calls."""
        yield self.call

    def own_asking(self) -> StepParts:
        """Return its function, its arguments as they are parsed, and its files."""
        parsed = {name: parse_expression(source) for name, source in self.args.items()}
        args = {name: dumped(tree) for name, tree in parsed.items()}
        code = self.code() or self.function.source
        parts = {"call": self.call, "args": args, "python": code, "reads": self.reads()}
        return StepParts(parts, list(parsed.values()))

    def code(self) -> dict[str, str]:
        """Return the digests of the function's module and of what it imports from the pipeline's folder.

        The digests are of the text with line feeds, since git may check it out with other line ends.
        """
        module = "/".join(self.call.partition(":")[0].split(".")) + ".py"
        folder = self.function.file.parents[module.count("/")]
        return {path: _digest(folder / path) for path in sorted(sources_of(folder, module).files)}

    def reads(self) -> dict[str, str]:
        """Return the digests of the files that the function reads, if its values are kept."""
        if self.depends is None:
            return {}
        folder = self.depends.folder
        others = sorted(self.depends.files.keys() - self.code().keys())
        return {path: _digest(folder / path) for path in others if (folder / path).is_file()}

    def repeated(self) -> dict[str, Any] | None:
        """Return its call and the digests of its files as they are; `None` if its values are not kept."""
        made, depends = PlanStep.repeated(self), self.depends
        if made is None or depends is None:
            return None
        del made["timeout"]
        imports = None if depends.imports is None else sorted(depends.imports)
        files = {path: digest_of(depends.folder / path) for path in sorted(depends.files)}
        return {**made, "function": self.function.name, "depends": [depends.reads, imports, files]}

    def own_keys(self, by_tool: AbstractSet[str]) -> dict[str, Any]:
        """Return the call and the schema of its value."""
        kept = self.depends is not None
        made = {"call": self.call, "args": dict(self.args), "timeout": self.timeout, "keep": kept}
        if self.depends is not None and self.depends.reads:
            made["reads"] = list(self.depends.reads)
        return made | PlanStep.own_keys(self, by_tool)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
