"""A pipeline's file, read and checked: what every command begins with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from yamlgen.data.drawn_column import read_column
from yamlgen.data.input_head import PEEK, InputHead, read_head
from yamlgen.data.source import Source, source_of
from yamlgen.errors import Code, Diagnostic, InvalidPipeline, Mark, UsageError
from yamlgen.parsing.project_folder import is_folder
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.parsed_file import ParsedFile, read
from yamlgen.planning.compiled_pipeline import CompiledPipeline, in_order
from yamlgen.planning.compiler import compile_pipeline
from yamlgen.planning.plan import Plan
from yamlgen.planning.sample_rendering import MOST_ROWS, always_failing
from yamlgen.value_objects import JSON, Columns


@dataclass(frozen=True)
class Pipeline:
    """A pipeline's file, read, checked and compiled; its plan is bound to the parameters of a run.

    Attributes:
        path: the file; like every path made of it it is absolute, wherever the process goes meanwhile.
        shown: the file as it was named.
        overrides: what was set from outside, by dotted path.
        input: where the rows come from instead, as it was given.
        warnings: what is worth knowing, though it stops nothing.
    """

    path: Path
    shown: str
    parsed: ParsedFile
    source: Source
    columns: Columns | None
    overrides: Mapping[str, str]
    input: str | None
    warnings: tuple[Diagnostic, ...]
    compiled: CompiledPipeline = field(repr=False, compare=False)

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"<Pipeline {self.shown}: {count} step{'' if count == 1 else 's'}>"

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of its steps, in file order."""
        return tuple(self.parsed.pipeline.steps)

    def plan(self, params: Mapping[str, JSON] | None = None) -> Plan:
        """The plan of a run with these parameters.

        Raises:
            InvalidPipeline: a parameter is missing, undeclared or wrong.
        """
        compiled = self.compiled
        if not compiled.is_current:  # a program may hold it for long
            compiled = compile_pipeline(self.parsed, self.columns, partial(_column, self.parsed, []))
        plan, diagnostics = compiled.bound(params or {}, complete=True)
        if plan is None:
            raise InvalidPipeline(diagnostics)
        return plan


def pipelines_in(path: Path) -> list[Path]:
    """The pipelines' files in a folder, sorted; of what is no folder, itself."""
    if not is_folder(path):
        return [path]
    return sorted(child for child in path.iterdir() if child.suffix in (".yaml", ".yml") and child.is_file())


def check(
    path: str | Path,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, str] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
    examine: bool = True,
) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
    """Everything that is wrong with a pipeline's file, and the pipeline if nothing is.

    Args:
        path: the file.
        params: the values of parameters, by name.
        overrides: values to set, by dotted path.
        input: where the rows come from instead.
        examine: read the first rows as a run would, and tell what it would refuse.
    """
    shown, path = str(path), Path(path).absolute()
    given = None if input is None else str(input)
    parsed, diagnostics = read(path, shown, overrides, given)
    if parsed is None:
        return None, tuple(diagnostics)
    source = source_of(parsed.pipeline.input, parsed.path, parsed.shown)
    head = read_head(source, MOST_ROWS + 1 if examine else PEEK)
    odd: list[Diagnostic] = []
    compiled = compile_pipeline(parsed, head.columns, partial(_column, parsed, odd))
    plan, told = compiled.bound(params or {}, complete=False)
    at = parsed.document.mark(("input", "path"))
    odd += [Diagnostic(Code.BAD_INPUT, each, at, severity="warning") for each in head.anomalies]
    refused = _refused(parsed, head, told) if examine else None
    more = dict.fromkeys([*odd, *([] if refused is None else [refused])])
    if examine and plan is not None and refused is None:
        more |= dict.fromkeys(_failing(plan, parsed, head, told))
    found = tuple(in_order([*told, *more], parsed.shown))
    if plan is None or any(each.severity == "error" for each in found):
        return None, found
    return Pipeline(path, shown, parsed, source, head.columns, dict(overrides or {}), given, found, compiled), found


def _refused(parsed: ParsedFile, head: InputHead, told: tuple[Diagnostic, ...]) -> Diagnostic | None:
    """What a run would refuse in the first rows, unless it was told of the file already."""
    at = parsed.document.mark(("input", "path" if head.source.rows_inline is None else "rows"))
    marks = {at, parsed.document.mark(("input", "id"))}
    if parsed.is_broken_within("input") or any(each.severity == "error" and each.mark in marks for each in told):
        return None
    if head.source.rows_inline is not None and any(each.code is Code.BAD_NUMBER for each in told):
        return None
    fault = head.fault(frozenset([*parsed.pipeline.steps, *parsed.pipeline.output.added]))
    if fault is None or any(each.code == fault.code == Code.NAME_TAKEN for each in told):
        return None
    return Diagnostic(fault.code, fault.message, at, fault.hint)


def _failing(plan: Plan, parsed: ParsedFile, head: InputHead, told: tuple[Diagnostic, ...]) -> Iterator[Diagnostic]:
    """What fails for every row, where nothing was told of it already."""
    for step, found in always_failing(plan, head.first(MOST_ROWS + 1)):
        at = found.mark if found.mark.file else parsed.document.mark(("steps", step.name), key=True)
        if not any(_is_within(each.mark, at) for each in told):
            yield replace(found, mark=at)


def _is_within(mark: Mark, other: Mark) -> bool:
    is_beside = other.column <= mark.column < other.end_column
    return (mark.file, mark.line) == (other.file, other.line) and is_beside


def _column(parsed: ParsedFile, odd: list[Diagnostic], at: DataPath, path: str, name: str) -> tuple[JSON, ...]:
    """A column of a file that a step names; what is odd about the file is added to `odd`, once."""
    mark = parsed.document.mark(at, key=True)

    def tell(told: str) -> None:
        if all(each.message != told for each in odd):
            odd.append(Diagnostic(Code.BAD_DRAW, told, mark, severity="warning"))

    return read_column(*parsed.beside(path), name, tell)


def load(
    path: str | Path,
    *,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the word that the YAML has for it
) -> Pipeline:
    """Read and check a pipeline's file.

    Args:
        path: the YAML file.
        overrides: values to set, by dotted path, as with `--set`; a text is read as YAML.
        input: where the rows come from instead, as with `--input`.

    Raises:
        InvalidPipeline: it has mistakes; `.diagnostics` holds all of them with their places.
    """
    pipeline, diagnostics = check(path, overrides=_texts(overrides), input=input, examine=False)
    if pipeline is None:
        raise InvalidPipeline(diagnostics)
    return pipeline


def loaded(pipeline: str | Path | Pipeline, overrides: Mapping[str, JSON] | None, given: str | Path | None) -> Pipeline:
    """A pipeline that is given as its file, or as it was loaded.

    Raises:
        InvalidPipeline: the file has mistakes.
        UsageError: it is loaded already, and was to be changed while it is read.
    """
    if not isinstance(pipeline, Pipeline):
        return load(pipeline, overrides=overrides, input=given)
    if overrides or given is not None:
        message = "overrides and input change a pipeline while it is read"
        raise UsageError(message, code=Code.BAD_OVERRIDE, hint="pass them to `load`")
    return pipeline


def validate(
    path: str | Path, *, params: Mapping[str, JSON] | None = None, overrides: Mapping[str, JSON] | None = None
) -> list[Diagnostic]:
    """Everything that can be known about a pipeline without a key: mistakes and warnings, in the order of its file.

    Unlike `load` it reads the first rows of the input as a run would, and tells what the run would refuse.

    Args:
        path: the YAML file.
        params: the values of its parameters, as far as they are known.
        overrides: values to set, by dotted path, as with `--set`; a text is read as YAML.

    Returns:
        What was found, each with its place, and `severity` "error" or "warning".
    """
    return list(check(path, params=params, overrides=_texts(overrides))[1])


def _texts(overrides: Mapping[str, JSON] | None) -> dict[str, str]:
    """Overrides as the texts that stand for them."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in (overrides or {}).items()}
