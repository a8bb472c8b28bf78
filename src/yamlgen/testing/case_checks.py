"""The checks of the cases of a test file, whose shape is right as far as they read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Protocol

from yamlgen.collector import Collector
from yamlgen.data.input_head import read_head
from yamlgen.data.source import Source
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code, YamlgenError
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, TypeView
from yamlgen.formats.format_table import USUAL_ENDINGS
from yamlgen.option_names import option, parameter
from yamlgen.parsing.secret_scan import setting
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.planning.compiled_pipeline import CompiledPipeline
from yamlgen.planning.plan import Plan
from yamlgen.schemas.types import kind_of
from yamlgen.steps.step_template import StepTemplate
from yamlgen.suggestions import correction
from yamlgen.testing.accuracy import repeated_label
from yamlgen.testing.case_input import CaseInput, checked_rows, fault, golden_fault, missing_file, one_row
from yamlgen.testing.expectations import ExpectationChecker, expectation_of, views_of_one, views_of_several
from yamlgen.testing.gold_columns import absence_in, gold_output
from yamlgen.testing.golden_places import GoldenPlaces
from yamlgen.testing.suite import CheckedCase
from yamlgen.testing.suite_config import CaseModel
from yamlgen.testing.suite_files import is_test_file
from yamlgen.testing.suite_shape import SuiteShape, case_named
from yamlgen.value_objects import JSON

_COLUMN: Final = re.compile(r"(?:unknown|the input has no) column `([^`]+)`")
_MEANT: Final = re.compile(r"did you mean `(.+)`\?")


class LoadedPipeline(Protocol):
    """What the checks need of a checked pipeline."""

    @property
    def source(self) -> Source:
        """Its input."""
        ...

    @property
    def parsed(self) -> ParsedFile:
        """Its file."""
        ...

    @property
    def compiled(self) -> CompiledPipeline:
        """What it was compiled into."""
        ...


class PipelineLoader(Protocol):
    """Checks a pipeline, and returns it, unless it has errors, with its diagnostics."""

    def __call__(
        self,
        path: Path,
        *,
        overrides: Mapping[str, str] | None = None,
        input: Path | None = None,  # noqa: A002 - the name of the YAML key
        rows: Iterable[Mapping[str, JSON]] | None = None,
        examine: bool = True,
    ) -> tuple[LoadedPipeline | None, Sequence[Diagnostic]]:
        """Check a pipeline with the rows of a file, or with these rows."""
        ...


@dataclass
class SuiteChecker(Collector):
    """Checks the cases of one test file.

    Args:
        path: the file, absolute.
        shown: the file, as the caller wrote it.
        load: checks a pipeline.
        shape: the document, and what is broken in it.
        is_whole: whether nothing is; only then are cases made.
        update: whether golden files will be written anew.
    """

    path: Path
    shown: str
    load: PipelineLoader
    shape: SuiteShape
    is_whole: bool
    update: bool = False
    loaded: dict[str, tuple[LoadedPipeline | None, list[Diagnostic]]] = field(default_factory=dict)
    """The pipeline with its own errors, by the kind of rows."""
    columns: frozenset[str] = frozenset()
    """The columns of the files of rows."""
    read: int = 0
    """The number of cases whose files of rows were read."""
    own: frozenset[Diagnostic] = frozenset()
    """The diagnostics of the pipeline without any rows."""
    files: frozenset[Path] = frozenset()
    """The files that the steps of the pipeline read."""

    def check(self) -> tuple[list[CheckedCase], Path | None]:
        """Check everything, and return the cases without errors, and the pipeline file."""
        data = self.shape.document.data
        cases = data.get("cases") or []
        self._check_names(cases)
        pipeline = self._pipeline(data.get("pipeline"))
        made = [self._case(at, case, pipeline) for at, case in enumerate(cases) if isinstance(case, dict)]
        self._check_redacted(data.get("redact") or [], cases)
        if pipeline is not None and self.is_whole:
            plans = [case.plan for case in made if case is not None]
            self._check_goldens(cases, GoldenPlaces(self.path, cases, pipeline, self.files, plans))
        return [case for case in made if case is not None], pipeline

    def _check_names(self, cases: Sequence[Any]) -> None:
        first: dict[str, Mark] = {}
        for at, case in enumerate(cases):
            name = case.get("name") if isinstance(case, dict) else None
            if name is None:
                continue
            mark = self._mark("cases", at, "name")
            if name in first:
                message = f"the name `{name}` is already used by the case at line {first[name].line}"
                self.complain(Code.CONFLICT, message, mark, "rename one of them")
            first.setdefault(name, mark)

    def _pipeline(self, name: str | None) -> Path | None:
        """Return the pipeline file, or `None` if it cannot be used, which is reported."""
        if name is None:
            return None
        mark, path = self._mark("pipeline"), self.path.parent / name
        missing = missing_file(path, self._shown(name), mark)
        if missing is None and is_test_file(path):
            self.complain(Code.WRONG_VALUE, f"{self._shown(name)} is a test file", mark, "write the path of a pipeline")
            return None
        if missing is not None:
            self.diagnostics.append(missing)
            return None
        base, told = self.load(self._callable(name), rows=(), examine=False)
        self.own = frozenset(told)
        self.diagnostics.extend(each for each in told if each.severity == "error")
        self.files = frozenset() if base is None else frozenset(base.parsed.files())
        return None if base is None else path

    def _case(self, at: int, case: Mapping[str, Any], pipeline: Path | None) -> CheckedCase | None:
        before = len(self.diagnostics)
        golden = case.get("golden")
        if golden is not None:
            path, mark = self.path.parent / golden, self._mark("cases", at, "golden")
            found = golden_fault(path, self._shown(golden), mark, is_replaced=self.update)
            self.diagnostics.extend([] if found is None else [found])
        row, rows = case.get("row"), case.get("rows")
        if (row is None) == (rows is None) or self.shape.is_broken("cases", at, "row" if rows is None else "rows"):
            return None
        if rows is not None and (self._is_missing(at, rows) or pipeline is None):
            return None
        if pipeline is None:
            return None
        loaded = self._loaded(at, row, rows)
        known = None if loaded is None else loaded.compiled.plan
        if loaded is None or known is None:
            return None
        plan = self._bound(at, case, loaded)
        source = loaded.source if row is None else one_row(loaded.source, row, self.shown)
        taken = self._rows(at, source, plan or known, rows)
        self._check_expectations(at, case, plan or known, source, taken)
        is_wrong = any(each.severity == "error" for each in self.diagnostics[before:])
        if is_wrong or not self.is_whole or taken is None or plan is None:
            return None
        expect = [
            expectation_of(each, self._mark("cases", at, "expect", number))
            for number, each in enumerate(case.get("expect", ()))
        ]
        mark = self.shape.document.mark(("cases", at, "name"))
        place = source.place_of if row is None else partial(_told, self._mark("cases", at, "row", key=True))
        return CheckedCase(CaseModel(), mark, plan, taken.count, taken.rows, tuple(expect), place)

    def _is_missing(self, at: int, rows: Mapping[str, Any]) -> bool:
        """Report a file of rows that does not exist, and return whether the rows cannot be read."""
        if "path" not in rows:
            return True
        path, shown = self.path.parent / rows["path"], self._shown(rows["path"])
        found = missing_file(path, shown, self._mark("cases", at, "rows", "path"))
        self.diagnostics.extend([] if found is None else [found])
        return found is not None

    def _loaded(self, at: int, row: Mapping[str, JSON] | None, rows: Mapping[str, Any] | None) -> LoadedPipeline | None:
        """Return the pipeline for the rows of a case; cases whose rows have the same columns share it."""
        name = self.shape.document.data["pipeline"]
        key = json.dumps(rows, sort_keys=True) if row is None else _columns_of(row)
        if key not in self.loaded:
            if rows is None:
                made, told = self.load(self._callable(name), rows=self._alike[key], examine=False)
            else:
                form = {"input.format": rows["format"]} if "format" in rows else None
                path = self.path.parent / rows["path"]
                made, told = self.load(self._callable(name), overrides=form, input=path, examine=False)
            self.loaded[key] = made, [each for each in told if each.severity == "error" and each not in self.own]
        made, errors = self.loaded[key]
        for each in errors:
            self._relocate(each, ("cases", at, "row" if row is not None else "rows"))
        return made

    def _relocate(self, found: Diagnostic, path: DataPath) -> None:
        """Report an error of the pipeline that only the rows of a case cause, at these rows."""
        is_one = path[-1] == "row"
        column = _COLUMN.fullmatch(found.message)
        message = f"the pipeline cannot use {'this row' if is_one else 'these rows'}: {found.message}"
        hint = "" if found.hint is None else f"{found.hint}; "
        if found.code is Code.UNKNOWN_FORMAT and not is_one:
            mark = self._mark(*path, "path")
            self.complain(found.code, found.message, mark, f"use {USUAL_ENDINGS}, or set `format` under `rows`")
            return
        if column is not None:
            message = f"the {'row has' if is_one else 'rows have'} no column `{column[1]}`, which the pipeline reads"
            hint = "add it; "
        self.complain(found.code, message, self._mark(*path, key=True), f"{hint}see {found.place}")

    @cached_property
    def _alike(self) -> Mapping[str, list[Mapping[str, JSON]]]:
        """The rows of all cases of one row, by their columns."""
        made: dict[str, list[Mapping[str, JSON]]] = {}
        for case in self.shape.document.data["cases"]:
            row = case.get("row") if isinstance(case, dict) else None
            if isinstance(row, dict):
                made.setdefault(_columns_of(row), []).append(row)
        return made

    def _bound(self, at: int, case: Mapping[str, Any], loaded: LoadedPipeline) -> Plan | None:
        """Return the plan with the parameters of a case, or report their mistakes."""
        shared, own = self.shape.document.data.get("params") or {}, case.get("params") or {}
        places: dict[str, DataPath] = {name: ("params", name) for name in shared}
        places |= {name: ("cases", at, "params", name) for name in own}
        given = {**shared, **own}
        plan, told = loaded.compiled.bound(given, complete=True)
        written = {_option(name, value): name for name, value in given.items()}
        meant = {found[1] for each in told if (found := _MEANT.fullmatch(each.hint or ""))}
        for each in told:
            if each.severity != "error" or each in loaded.compiled.diagnostics or each.code is Code.SECRET:
                continue
            name, hint = written.get(each.mark.file), each.hint
            is_missing = each.code is Code.MISSING_PARAM
            if is_missing and any(f"`{likely}`" in each.message for likely in meant):
                continue
            if name is None:  # it has no value, or another error follows from the values
                mark = self._mark("params", key=True) if shared else self._mark("cases", at, "name")
                self.complain(each.code, each.message, mark, "set it under `params`" if is_missing else hint)
                continue
            if "-p " in (hint or ""):
                hint = f'put it in quotes: "{given[name]}"' if isinstance(given[name], int | float) else None
            hint = hint or f"write a value that matches the schema of the parameter `{name}` in the pipeline"
            mark = self._mark(*places[name], key=each.code is Code.UNDECLARED_PARAM)
            self.complain(each.code, each.message, mark, hint)
        return plan

    def _rows(self, at: int, source: Source, plan: Plan, rows: Mapping[str, Any] | None) -> CaseInput | None:
        try:
            taken = checked_rows(source, plan, None if rows is None else rows.get("limit"))
            if rows is not None:
                head = read_head(source).columns
                self.columns |= taken.names.union(() if head is None else head.names, plan.columns or ())
                self.read += 1
        except YamlgenError as error:
            path: DataPath = ("cases", at, "row") if rows is None else ("cases", at, "rows", "path")
            self.diagnostics.append(fault(error, source, self._mark(*path, key=rows is None)))
            return None
        return taken

    def _check_expectations(
        self, at: int, case: Mapping[str, Any], plan: Plan, source: Source, taken: CaseInput | None
    ) -> None:
        gold = case.get("gold")
        if "row" in case:
            views = views_of_one(plan, read_head(source).columns)
        else:
            views = views_of_several(plan, None if gold is None else gold.get("fields", ()))
            is_unknown = "fields" not in gold if gold is not None else self.shape.is_broken("cases", at, "gold")
            views |= {"gold": ANYTHING} if is_unknown else {}
        if gold is not None and (taken is not None or "row" in case):
            self._check_gold(at, gold, plan, None if "row" in case else taken)
        checker = ExpectationChecker(dict(plan.params))
        for number, written in enumerate(case.get("expect") or ()):
            path: DataPath = ("cases", at, "expect", number)
            if isinstance(written, str):
                self._check_template(checker, "check", written, path, views)
            elif isinstance(written, dict):
                for key, role in (("expression", "check"), ("message", "message")):
                    if key in written:
                        self._check_template(checker, role, written[key], (*path, key), views)
        self.diagnostics.extend(checker.diagnostics)

    def _check_template(
        self, checker: ExpectationChecker, role: Any, source: str, path: DataPath, views: Mapping[str, TypeView]
    ) -> None:
        checker.check(StepTemplate(role, source, self.shape.document, path), views)

    def _check_gold(self, at: int, gold: Mapping[str, Any], plan: Plan, taken: CaseInput | None) -> None:
        where: DataPath = ("cases", at, "gold")
        on: str | None = gold.get("on")
        fields: Mapping[str, str] = gold.get("fields") or {}
        if taken is None:
            self.complain(Code.CONFLICT, "`gold` requires `rows`", self._mark(*where, key=True), "remove it")
            return
        columns: list[tuple[DataPath, str]] = [] if on is None else [((*where, "on"), on)]
        columns += [((*where, "fields", name), column) for name, column in fields.items()]
        for path, column in columns:
            if column not in taken.names:
                hint = correction(column, sorted(taken.names), "columns")
                message = f"the rows of {case_named(self.shape.document, at)} have no column `{column}`"
                self.complain(Code.UNKNOWN_COLUMN, message, self._mark(*path), hint)
        if on is not None and on in taken.names and (twice := repeated_label(taken.rows(), on)) is not None:
            first, second, label = twice
            message = (
                f"rows {first} and {second} of {case_named(self.shape.document, at)} have the same `{on}`, {label}"
            )
            self.complain(
                Code.CONFLICT, message, self._mark(*where, "on"), "write a column that is different in each row"
            )
        output = gold_output(plan, on, fields)
        names: list[tuple[DataPath, str]] = [((*where, "on"), on)] if on is not None and on in taken.names else []
        for path, name in [*names, *(((*where, "fields", name), name) for name in fields)]:
            absent = absence_in(output, name)
            if absent is not None:
                hint = correction(name.rpartition(".")[2], absent.known)
                self.complain(absent.code, absent.message, self._mark(*path, key="fields" in path), hint)

    def _check_goldens(self, cases: Sequence[Any], places: GoldenPlaces) -> None:
        """Report golden files that `--update` would write over another file."""
        for at, case in enumerate(cases):
            golden = case.get("golden") if isinstance(case, dict) else None
            if isinstance(golden, str):
                found = places.take(self.path.parent / golden, case_named(self.shape.document, at))
                if found is not None:
                    mark = self._mark("cases", at, "golden")
                    self.diagnostics = [each for each in self.diagnostics if each.mark != mark]  # it will be written
                    message = f"{self._shown(golden)} is {found}, which {option('update')} would overwrite"
                    self.complain(Code.CONFLICT, message, mark, "write another path")

    def _check_redacted(self, redacted: Sequence[Any], cases: Sequence[Any]) -> None:
        """Report the mistakes in `redact`, whose expressions can read a row of any case."""
        rows = [case.get("row") for case in cases if isinstance(case, dict)]
        names = self.columns.union(*(row for row in rows if isinstance(row, dict)))
        view: TypeView = NamespaceView(Code.UNKNOWN_COLUMN, "column", dict.fromkeys(sorted(names), ANYTHING))
        is_known = self.read + sum(isinstance(row, dict) for row in rows) == len(cases)
        views = {"row": view if is_known else ANYTHING}
        checker = ExpectationChecker()
        for number, source in enumerate(redacted):
            if isinstance(source, str):
                self._check_template(checker, "value", source, ("redact", number), views)
        self.diagnostics.extend(checker.diagnostics)

    def _mark(self, *path: str | int, key: bool = False) -> Mark:
        return self.shape.document.mark(path, key=key)

    def _shown(self, name: str) -> str:
        """Return a path that is relative to the test file as messages show it."""
        return str(Path(self.shown).parent / name)

    def _callable(self, name: str) -> Path:
        """Return the path of a pipeline so that its diagnostics show it as the caller would write it."""
        is_here = Path(self.shown).absolute() == self.path
        return Path(self._shown(name)) if is_here else self.path.parent / name


def _columns_of(row: Mapping[str, JSON]) -> str:
    """Return the columns of a row and their types, as a key."""
    return json.dumps([[column, kind_of(value)] for column, value in sorted(row.items())])


def _option(name: str, value: JSON) -> str:
    """Return the file of the diagnostics of a parameter, which is its option."""
    return setting(parameter, name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).file


def _told(mark: Mark, _: int) -> str:
    return f"{mark.file}:{mark.line}"
