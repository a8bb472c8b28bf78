"""The judgement of a case whose rows have run: failed rows, conditions, the golden file, and the accuracy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import nodes

from yamlgen.errors import LimitReached
from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.narrowing import null
from yamlgen.option_names import by_surface
from yamlgen.output.failure_records import Failure, list_failures
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.testing.accuracy import accuracies
from yamlgen.testing.expectations import judge, nested
from yamlgen.testing.gold_columns import gold_output
from yamlgen.testing.goldens import MOST, differences, golden_rows, read_golden, update_hint
from yamlgen.testing.stand_ins import stand_ins_of
from yamlgen.testing.suite import CheckedCase, CheckedSuite
from yamlgen.testing.verdicts import Flaw
from yamlgen.testing.written_cases import null_condition
from yamlgen.value_objects import JSON, Row

_COUNTED: Final = frozenset({"finished", "failed"})
"""The names by which the conditions of a case judge its failed rows."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a case.

    Attributes:
        flaws: what is wrong; empty if the case passes.
        gold: the accuracy and the confusion of each field.
        golden: the rows for its golden file, without the values that are left out; `None` if the case has none.
        staying: the stand-ins of values that these rows contain in another form.
    """

    flaws: tuple[Flaw, ...]
    gold: dict[str, JSON] = field(default_factory=dict)
    golden: tuple[Row, ...] | None = None
    staying: frozenset[str] = frozenset()


def judge_case(
    suite: CheckedSuite,
    case: CheckedCase,
    run_reader: RunReader,
    run: RunEntry,
    *,
    limit: LimitReached | None = None,
    unasked: Collection[tuple[str, int]] = (),
    update: bool = False,
) -> Judgement:
    """Judge a case by the results of its rows, none of which lacks an answer.

    A case fails where a run of its rows does. A failed row fails it, unless the case has several rows and one of its
    conditions reads `finished` or `failed`. A step that lost everything that it made fails it, unless the case has one
    row and one of its conditions tests a value of the step for null. The golden file of a pipeline with several outputs
    has the rows of the first one.

    Args:
        suite: the test file, whose golden files do not contain the values under `redact`.
        case: the case.
        run_reader: the store of the run.
        run: the run of its rows, after its end.
        limit: the limit at which a run that sends its requests stops; it fails a case of several rows.
        unasked: the steps and rows whose re-asks are not recorded.
        update: whether the golden file will be written anew, so that it is not compared.

    Raises:
        UsageError: the golden file is not JSON.
        EnvironmentProblem: the golden file cannot be read.
    """
    failures = [each for each in list_failures(run_reader, run) if not each.is_null]
    written = [_Written.of(run_reader, run, output) for output in outputs_of(run)]
    first = written[0]
    gold: dict[str, JSON] = {}
    if case.config.gold is not None:
        known = case.config.gold
        compared = gold_output(case.plan, known.on, known.fields).name
        rows = next(each.rows for each in written if each.output.name == compared)
        gold = accuracies(known, (each.row for each in case.rows()), rows)
    flaws: list[Flaw] = []
    if case.is_single and failures:
        flaws += _failed(case, failures)
    elif case.is_single:
        one = _scope_of_one(case, run_reader, run, written)
        flaws += [*_lost(case, run, one["steps"]), *_false(case, one)]
    else:
        scope: dict[str, Any] = {"rows": _by_name(written, [each.rows for each in written])}
        scope |= {"finished": run.finished, "failed": run.failed, "dropped": sum(each.dropped for each in written)}
        false = _false(case, {**scope, "gold": nested(gold)} if gold else scope)
        is_allowed = any(_counts_rows(each.expression) for each in case.expect)
        flaws += [*(_failed(case, failures) if false or not is_allowed else []), *_lost(case, run), *false]
        if limit is not None:
            hint = f"its exit code is {limit.exit_code}; change the limit in the pipeline, or use fewer rows"
            flaws.append(Flaw(case.mark, f"a run of these rows is {limit.message}", hint))
    golden: tuple[Row, ...] | None = None
    staying: frozenset[str] = frozenset()
    if case.config.golden is not None:
        golden = tuple(golden_rows(first.rows, first.output.config))
        if suite.config.redact:
            golden, staying = _hidden(case, golden, first.sources, suite.config.redact)
        if not update:
            flaws += _different(case, suite.path.parent / case.config.golden, golden, run_reader.id_column(run))
    if flaws:
        flaws += _unasked(case, unasked)
    return Judgement(tuple(flaws), gold, golden, staying)


@dataclass(frozen=True, slots=True)
class _Written:
    """The rows of an output, the positions of their rows in the input, and how many it dropped."""

    output: OutputPlan
    rows: list[dict[str, JSON]]
    sources: list[int]
    dropped: int

    @classmethod
    def of(cls, run_reader: RunReader, run: RunEntry, output: OutputPlan) -> _Written:
        """Read an output of a run."""
        with RowComposer(run_reader, run, output) as composer:
            made = [(number, json.loads(line)) for number, line in composer.numbered()]
            sources, rows = [number for number, _ in made], [row for _, row in made]
            return cls(output, rows, sources, composer.counts.rejected + composer.counts.duplicates)


def _scope_of_one(
    case: CheckedCase, run_reader: RunReader, run: RunEntry, written: Sequence[_Written]
) -> dict[str, Any]:
    """Return what the conditions of a case of one row read: `output` is a list for an output with `for_each`."""
    row = next(run_reader.rows(run))
    names = frozenset(step.name for step in case.plan.steps)
    outputs = [
        each.rows if each.output.config.for_each is not None else next(iter(each.rows), None) for each in written
    ]
    values, thinking = run_reader.values(row, names), run_reader.thinking(row, names)
    scope = case.plan.scope(run_reader.columns(row), values, thinking)
    return {**scope, "output": _by_name(written, outputs)}


def _by_name(written: Sequence[_Written], values: Sequence[JSON]) -> JSON:
    """Return the value of the only output, or a mapping from the names of the outputs to their values."""
    if not written[0].output.name:
        return values[0]
    return {each.output.name: value for each, value in zip(written, values, strict=True)}


def _counts_rows(expression: str) -> bool:
    """Return whether an expression reads how many rows finished or failed."""
    tree = parse_expression(expression)
    return any(isinstance(each, nodes.Name) and each.name in _COUNTED for each in (tree, *tree.find_all(nodes.Name)))


def _false(case: CheckedCase, scope: dict[str, Any]) -> list[Flaw]:
    return [flaw for flaw in (judge(each, scope) for each in case.expect) if flaw is not None]


def _failed(case: CheckedCase, failures: Sequence[Failure]) -> Iterator[Flaw]:
    for failure in failures[:MOST]:
        name = failure.number + 1 if failure.id is None else failure.id
        where = "" if case.is_single else f"row {name}: "
        yield Flaw(case.mark, f"{where}`{failure.step}` failed", f"{failure.code}: {failure.message}")
    yield from _more(case, len(failures))


def _lost(case: CheckedCase, run: RunEntry, values: Mapping[str, JSON] | None = None) -> Iterator[Flaw]:
    """Yield the steps whose values are all null because they failed, for which a run exits with 1.

    Args:
        case: the case.
        run: its run.
        values: the values of the steps for its only row.
    """
    report: Mapping[str, Any] = run.report or {}
    for lost in report.get("lost_steps", ()):
        step = lost["step"]
        if case.is_single and any(_tests_null(each.expression, step) for each in case.expect):
            continue
        has_items = report["steps"][step]["failed_items"] > 0
        what = f"every item of `{step}` failed and is null" if has_items else f"`{step}` failed and is null"
        where = " in every row" if values is None else ""
        known = None if values is None else null_condition(step, values.get(step))
        hint = "" if known is None else f"; if that is right, expect `{known}`"
        yield Flaw(case.mark, f"{what}{where}", f"{lost['code']}: {lost['message']}{hint}")


def _tests_null(expression: str, step: str) -> bool:
    """Return whether an expression is true only if a value of a step is null, as with `steps.label is none`."""
    return any(path[:2] == ("steps", step) for path in null(parse_expression(expression), holds=True))


def _different(case: CheckedCase, path: Path, found: Sequence[Row], id_column: str | None) -> Iterator[Flaw]:
    shown = case.config.golden or ""
    expected = read_golden(path)
    if expected is None:
        yield Flaw(case.mark, f"the golden file {shown} does not exist", update_hint())
        return
    number = 0
    for number, each in enumerate(differences(expected, found, id_column), start=1):
        if number <= MOST:
            what = f", `{each.field}`" if each.field else ""
            yield Flaw(case.mark, f"{shown}: row {each.row}{what}", f"expected {each.expected}, found {each.found}")
    yield from _more(case, number)


def _hidden(
    case: CheckedCase, rows: Sequence[Row], sources: Sequence[int], redact: Sequence[str]
) -> tuple[tuple[Row, ...], frozenset[str]]:
    """Return output rows with the stand-ins of their own rows, and the stand-ins whose values stay in another form."""
    known = {row.index: stand_ins_of(redact, row.row) for row in case.rows()}
    hidden = tuple(known[source].hide_row(row) for row, source in zip(rows, sources, strict=True))
    staying = (known[source].remaining(dict(row)) for row, source in zip(hidden, sources, strict=True))
    return hidden, frozenset().union(*staying)


def _unasked(case: CheckedCase, unasked: Collection[tuple[str, int]]) -> Iterator[Flaw]:
    """Yield the steps that a run re-asks after an invalid answer, where no re-ask is recorded."""
    counts = Counter(step for step, _ in set(unasked))
    again = by_surface(command="`yamlgen test --record=all`", python="`yamlgen.test(record='all')`")
    for step, count in counts.items():
        where = "" if case.is_single else f" in {count} row{'' if count == 1 else 's'}"
        yield Flaw(
            case.mark,
            f"further re-asks of `{step}` are not recorded{where}",
            f"a run sends them, and may get a valid answer; {again} sends and records them",
        )


def _more(case: CheckedCase, count: int) -> Iterator[Flaw]:
    if count > MOST:
        yield Flaw(case.mark, f"and {count - MOST} more")
