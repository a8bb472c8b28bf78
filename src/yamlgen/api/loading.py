"""Read and check a pipeline file; every command begins with this."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from yamlgen.api.loaded_pipeline import Pipeline, PipelineStage, column_of
from yamlgen.data.input_head import PEEK, InputHead, read_head
from yamlgen.data.input_sources import most_rows, selection_of, source_of
from yamlgen.diagnostics import Diagnostic, InvalidPipeline, Mark
from yamlgen.errors import Code, UsageError
from yamlgen.option_names import by_surface
from yamlgen.parsing.hint_fixes import with_fixes
from yamlgen.pipeline.file_settings import setting_marks
from yamlgen.pipeline.parsed_file import ParsedFile, read
from yamlgen.planning.compiled_pipeline import CompiledPipeline, in_order
from yamlgen.planning.compiler import compile_pipeline
from yamlgen.planning.plan import Plan
from yamlgen.planning.sample_rendering import MOST_ROWS, always_failing
from yamlgen.testing.suite_files import is_test_file
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.api.run_options import RunOptions
    from yamlgen.api.stages import Link, StageFinder
    from yamlgen.data.given_rows import GivenRows
    from yamlgen.testing.suite import CheckedSuite


def check_file(
    path: Path, *, params: Mapping[str, JSON], overrides: Mapping[str, str]
) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """Check a pipeline, or a test file, to which the parameters and overrides do not apply.

    Returns:
        What it contains, such as `2 steps`, unless there are errors, and all diagnostics.
    """
    if is_test_file(path):
        suite, told = check_suite(path)
        return None if suite is None else _counted(len(suite.cases), "case"), tuple(told)
    pipeline, found = check(path, params=params, overrides=overrides)
    return None if pipeline is None else _counted(len(pipeline.steps), "step"), found


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def check_suite(path: str | Path) -> tuple[CheckedSuite | None, list[Diagnostic]]:
    """Check a test file and its pipeline: return the tests, unless there are errors, and all diagnostics."""
    from yamlgen.testing.reader import read_suite  # noqa: PLC0415 - most callers have no test file

    return read_suite(Path(path).absolute(), str(path), check)


def check(  # noqa: PLR0913 - each caller sets a few of them
    path: str | Path,
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, str] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
    examine: bool = True,
    above: tuple[Link, ...] = (),
    ran: RunOptions | None = None,
) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
    """Check a pipeline file: return the pipeline, unless there are errors, and all diagnostics.

    Args:
        path: the pipeline file.
        params: the parameters, by name.
        overrides: values to override, by dotted path.
        input: the input, in place of the file's own.
        rows: the rows of a Python caller, in place of the file's input.
        examine: also read the first rows of the input, and report what a run would refuse.
        above: the tables of other pipelines that lead to this one as their stage.
        ran: the options with which its stages have run; their outputs are read.

    Raises:
        UsageError: a value of `rows` is not a row; or both `input` and `rows` are set; or an output is missing.
    """
    refuse_both(input, rows)
    shown, path = str(path), Path(path).absolute()
    given = None if input is None else str(input)
    parsed, diagnostics = read(path, shown, overrides, given, rows_given=rows is not None)
    if parsed is not None and is_test_file(path) and parsed.is_broken("cases"):
        return None, (_of_tests(shown),)
    is_own = not (overrides or input is not None or rows is not None)  # otherwise a mistake may be in what is given
    if parsed is None:
        return None, tuple(with_fixes(diagnostics, shown, certain=is_own))
    source = source_of(parsed.pipeline.input, parsed.path, parsed.shown, is_given=given is not None, rows=rows)
    most = most_rows(parsed.pipeline.input)
    odd: list[Diagnostic] = []
    stages: dict[str, PipelineStage] = {}
    finder: StageFinder | None = None
    if source.query is None:
        head = read_head(source, MOST_ROWS + 1 if examine else PEEK).at_most(most)
    else:
        from yamlgen.api.query_checks import checked_head  # noqa: PLC0415 - loads the store; few pipelines have a query
        from yamlgen.api.stages import StageFinder, with_outputs, with_types  # noqa: PLC0415

        finder = StageFinder(parsed, above, partial(_check_stage, examine))
        stages = finder.find()
        query = with_types(source.query, stages) if ran is None else with_outputs(source.query, stages, ran)
        head, odd = checked_head(parsed, source, query)
        odd += finder.diagnostics
    compiled = compile_pipeline(parsed, head.columns, partial(column_of, parsed, odd))
    plan, told = compiled.bound(params or {}, complete=False)
    unfiltered, head = head.columns, _selected(parsed, head, compiled, params or {}, told)
    if head.columns is not unfiltered:
        compiled = compile_pipeline(parsed, head.columns, partial(column_of, parsed, odd), unfiltered)
        plan, told = compiled.bound(params or {}, complete=False)
    if finder is not None and plan is not None and (twice := finder.collision(stages, plan)) is not None:
        odd.append(twice)
    at = parsed.document.mark(("input", _source_key(parsed)))
    odd += [Diagnostic(Code.BAD_INPUT, each, at, severity="warning") for each in head.anomalies]
    refused = _refused(parsed, head, told, compiled.taken) if examine else None
    more = dict.fromkeys([*odd, *([] if refused is None else [refused])])
    if examine and plan is not None and refused is None:
        more |= dict.fromkeys(_failing(plan, parsed, head, told))
    found = tuple(in_order([*told, *more], parsed.shown))
    found = tuple(with_fixes(found, shown, certain=is_own))
    if plan is None or any(each.severity == "error" for each in found):
        return None, found
    columns, changed = (head.columns, unfiltered), dict(overrides or {})
    made = Pipeline(path, shown, parsed, source, columns, changed, given, found, compiled, stages)
    return made, found


def _check_stage(
    examine: bool,  # noqa: FBT001 - bound by position
    path: Path,
    shown: str,
    params: Mapping[str, JSON],
    above: tuple[Link, ...],
) -> tuple[Pipeline | None, tuple[Diagnostic, ...]]:
    """Check the file of a stage, which messages show as `shown`."""
    return check(shown if Path(shown).absolute() == path else path, params=params, examine=examine, above=above)


def check_built(pipeline: Pipeline, params: Mapping[str, JSON] | None, options: RunOptions) -> None:
    """Check a pipeline whose stages have run, if only their outputs show which columns it reads.

    Raises:
        InvalidPipeline: it does not fit these columns.
    """
    from yamlgen.api.stages import schema_of  # noqa: PLC0415 - loads the store

    if not any(schema_of(stage) is None for stage in pipeline.stages.values()):
        return
    path = pipeline.shown if Path(pipeline.shown).absolute() == pipeline.path else pipeline.path
    made, told = check(
        path, params=params, overrides=pipeline.overrides, input=pipeline.input, examine=False, ran=options
    )
    if made is None:
        raise InvalidPipeline(told)


def _selected(
    parsed: ParsedFile,
    head: InputHead,
    compiled: CompiledPipeline,
    params: Mapping[str, JSON],
    told: tuple[Diagnostic, ...],
) -> InputHead:
    """Return the head with the rows for which `input.where` is true; with none, if they cannot be known."""
    spec = parsed.pipeline.input
    if spec.where is None or parsed.is_broken_within("input"):
        return head
    values = compiled.parameters.given(params, complete=False).values
    at = parsed.document.mark(("input", "where"))
    is_wrong = any(each.severity == "error" and _is_within(each.mark, at) for each in told)
    is_known = not is_wrong and compiled.parameters.schemas.keys() <= values.keys()
    return head.fulfilling(selection_of(spec, values).where if is_known else None).at_most(most_rows(spec))


def _of_tests(shown: str) -> Diagnostic:
    """Return the diagnostic of a test file where a pipeline is needed."""
    hint = by_surface(command=f"run it with `yamlgen test {shown}`", python=f"run it with `yamlgen.test({shown!r})`")
    return Diagnostic(Code.WRONG_VALUE, f"{shown} is a test file, not a pipeline", Mark(shown, 1, 1, 1, 1), hint)


def refuse_both(given: str | Path | None, rows: GivenRows | None) -> None:
    """Refuse two inputs in place of the file's own.

    Raises:
        UsageError: there are both a path and rows.
    """
    if given is not None and rows is not None:
        message = "`input` and `rows` cannot be combined: each replaces the input of the file"
        raise UsageError(message, code=Code.BAD_PARAM, hint="remove one of them")


def _refused(
    parsed: ParsedFile, head: InputHead, told: tuple[Diagnostic, ...], taken: frozenset[str]
) -> Diagnostic | None:
    """Return what a run would refuse in the first rows, unless a diagnostic reports it already."""
    in_file = parsed.pipeline.input.rows is not None
    at = parsed.document.mark(("input", _source_key(parsed)))
    marks = {at, parsed.document.mark(("input", "id")), *setting_marks(parsed)}
    if parsed.is_broken_within("input") or any(each.severity == "error" and each.mark in marks for each in told):
        return None
    if in_file and any(each.code is Code.BAD_NUMBER for each in told):
        return None
    fault = head.fault(taken)
    if fault is not None and "`input.where`" in fault.message:
        return Diagnostic(fault.code, fault.message, parsed.document.mark(("input", "where")), fault.hint)
    if fault is None or any(each.code == fault.code == Code.NAME_TAKEN for each in told):
        return None
    row = re.match(re.escape(head.source.name()) + r", row (\d+): ", fault.message)
    if in_file and row:
        at = parsed.document.mark(("input", "rows", int(row[1]) - 1))
    return Diagnostic(fault.code, fault.message, at, fault.hint)


def _source_key(parsed: ParsedFile) -> str:
    """Return the key of `input` that says where the rows come from."""
    return next(
        (key for key in ("folder", "range", "sql", "rows") if getattr(parsed.pipeline.input, key) is not None), "path"
    )


def _failing(plan: Plan, parsed: ParsedFile, head: InputHead, told: tuple[Diagnostic, ...]) -> Iterator[Diagnostic]:
    """Yield what fails for every row, unless a diagnostic reports it already."""
    tried = MOST_ROWS + 1 if plan.input.limit is None or plan.input.sample is not None else plan.input.limit
    for path, found in always_failing(plan, head.first(min(MOST_ROWS + 1, tried))):
        at = found.mark if found.mark.file else parsed.document.mark(path, key=True)
        if not any(_is_within(each.mark, at) for each in told):
            yield replace(found, mark=at)


def _is_within(mark: Mark, other: Mark) -> bool:
    is_beside = other.column <= mark.column < other.end_column
    return (mark.file, mark.line) == (other.file, other.line) and is_beside


def load(
    path: str | Path,
    *,
    overrides: Mapping[str, JSON] | None = None,
    input: str | Path | None = None,  # noqa: A002 - the name of the YAML key
    rows: GivenRows | None = None,
) -> Pipeline:
    """Read and check a pipeline file.

    Args:
        path: the pipeline file.
        overrides: values to override, by dotted path, as with `--set`; a string is parsed as YAML.
        input: the input, in place of the file's own, as with `--input`.
        rows: the rows in place of the file's own input: mappings, or a table.

    Raises:
        InvalidPipeline: the file has errors; `.diagnostics` contains all of them with their places.
        UsageError: a value of `rows` is not a row; or both `input` and `rows` are set.
    """
    pipeline, diagnostics = check(path, overrides=texts_of(overrides), input=input, rows=rows, examine=False)
    if pipeline is None:
        raise InvalidPipeline(diagnostics)
    return pipeline


def loaded(
    pipeline: str | Path | Pipeline,
    overrides: Mapping[str, JSON] | None,
    given: str | Path | None,
    rows: GivenRows | None,
) -> Pipeline:
    """Return a pipeline that is passed as a path, or loaded already.

    Raises:
        InvalidPipeline: the file has errors.
        UsageError: a value of `rows` is not a row; or both `given` and `rows` are set; or the pipeline is loaded
            already, so that its overrides, input and rows cannot be changed.
    """
    if not isinstance(pipeline, Pipeline):
        return load(pipeline, overrides=overrides, input=given, rows=rows)
    if overrides or given is not None or rows is not None:
        message = "`overrides`, `input` and `rows` cannot change a loaded pipeline"
        raise UsageError(message, code=Code.BAD_OVERRIDE, hint="pass them to `load`")
    return pipeline


def validate(
    path: str | Path, *, params: Mapping[str, JSON] | None = None, overrides: Mapping[str, JSON] | None = None
) -> list[Diagnostic]:
    """Check a pipeline, and return its errors and warnings in the order of the file. No API key is needed.

    Unlike `load`, it also reads the first rows of the input, and reports what a run would refuse. A test file
    (`.test.yaml`) is checked with its pipeline, without `params` and `overrides`.

    Args:
        path: the pipeline file, or a test file.
        params: the parameters that are known, by name.
        overrides: values to override, by dotted path, as with `--set`; a string is parsed as YAML.

    Returns:
        The diagnostics, each with its place; `severity` is "error" or "warning".
    """
    if is_test_file(Path(path)):
        return check_suite(path)[1]
    return list(check(path, params=params, overrides=texts_of(overrides))[1])


def texts_of(overrides: Mapping[str, JSON] | None) -> dict[str, str]:
    """Return overrides as YAML strings."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in (overrides or {}).items()}
