"""The judgement of a case whose rows have run: failed rows, conditions, the golden file, and the accuracy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import nodes

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.output.failure_records import Failure, list_failures
from yamlgen.output.row_composer import RowComposer, outputs_of
from yamlgen.shaping.output_plan import OutputPlan
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.testing.accuracy import accuracies
from yamlgen.testing.expectations import judge, nested
from yamlgen.testing.gold_columns import gold_output
from yamlgen.testing.goldens import MOST, differences, golden_rows, read_golden, update_hint
from yamlgen.testing.suite import CheckedCase
from yamlgen.testing.verdicts import Flaw
from yamlgen.value_objects import JSON, Row

_COUNTED: Final = frozenset({"finished", "failed"})
"""The names by which the conditions of a case judge its failed rows."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a case.

    Attributes:
        flaws: what is wrong; empty if the case passes.
        gold: the accuracy and the confusion of each field.
        golden: the rows for its golden file; `None` if the case has none.
    """

    flaws: tuple[Flaw, ...]
    gold: dict[str, JSON] = field(default_factory=dict)
    golden: tuple[Row, ...] | None = None


def judge_case(
    case: CheckedCase, folder: Path, run_reader: RunReader, run: RunEntry, *, update: bool = False
) -> Judgement:
    """Judge a case by the results of its rows, none of which lacks an answer.

    A failed row fails the case, unless the case has several rows and one of its conditions reads `finished` or
    `failed`. The golden file of a pipeline with several outputs has the rows of the first one.

    Args:
        case: the case.
        folder: the folder of the test file.
        run_reader: the store of the run.
        run: the run of its rows, after its end.
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
    if case.is_single:
        flaws += _failed(case, failures) if failures else _false(case, _scope_of_one(case, run_reader, run, written))
    else:
        scope: dict[str, Any] = {"rows": _by_name(written, [each.rows for each in written])}
        scope |= {"finished": run.finished, "failed": run.failed, "dropped": sum(each.dropped for each in written)}
        false = _false(case, {**scope, "gold": nested(gold)} if gold else scope)
        is_allowed = any(_counts_rows(each.expression) for each in case.expect)
        flaws += [*(_failed(case, failures) if false or not is_allowed else []), *false]
    golden: tuple[Row, ...] | None = None
    if case.config.golden is not None:
        golden = tuple(golden_rows(first.rows, first.output.config))
        if not update:
            flaws += _different(case, folder / case.config.golden, golden, run_reader.id_column(run))
    return Judgement(tuple(flaws), gold, golden)


@dataclass(frozen=True, slots=True)
class _Written:
    """The rows of an output, and how many it dropped."""

    output: OutputPlan
    rows: list[dict[str, JSON]]
    dropped: int

    @classmethod
    def of(cls, run_reader: RunReader, run: RunEntry, output: OutputPlan) -> _Written:
        """Read an output of a run."""
        with RowComposer(run_reader, run, output) as composer:
            rows = [json.loads(line) for line in composer.lines()]
            return cls(output, rows, composer.counts.rejected + composer.counts.duplicates)


def _scope_of_one(
    case: CheckedCase, run_reader: RunReader, run: RunEntry, written: Sequence[_Written]
) -> dict[str, Any]:
    """Return what the conditions of a case of one row read: `output` is a list for an output with `for_each`."""
    row = next(run_reader.rows(run))
    values = run_reader.values(row, frozenset(step.name for step in case.plan.steps))
    outputs = [
        each.rows if each.output.config.for_each is not None else next(iter(each.rows), None) for each in written
    ]
    scope = {"row": run_reader.columns(row), "steps": values, "params": dict(case.plan.params)}
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


def _more(case: CheckedCase, count: int) -> Iterator[Flaw]:
    if count > MOST:
        yield Flaw(case.mark, f"and {count - MOST} more")
