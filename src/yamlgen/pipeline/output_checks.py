"""Checks of the outputs of a pipeline: their files, the names of their columns, and keys that contradict each other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yamlgen.collector import Collector
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code, RowError
from yamlgen.formats.column_shapes import mixed_columns, text_columns
from yamlgen.formats.format import is_delimiter
from yamlgen.formats.format_table import format_of
from yamlgen.option_names import option
from yamlgen.parsing.file_patterns import fits, is_pattern, split
from yamlgen.parsing.project_folder import is_folder, real, unusable
from yamlgen.parsing.source_map import DataPath
from yamlgen.parsing.unrendered_templates import unexpanded
from yamlgen.pipeline.input_checks import unknown_format
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.shaping.file_names import failed_path, part_path, record_path
from yamlgen.shaping.output_plan import ITEM, STEP, OutputPlan, rendered_path
from yamlgen.suggestions import correction, knowing, listing
from yamlgen.value_objects import JSON, Columns

_OTHER_TEMPLATE = re.compile(r"(?<!\{)\$?\{((?:params\.)?[A-Za-z_]\w*)\}(?!\})")
"""Finds a placeholder of a shell or of Python."""

_UNDECLARED = ", and declare the parameter"
_INPUT = "the input"
_INEXACT = 1e-9
"""The maximum difference of a sum of shares from 1: floats are inexact."""


def check_outputs(
    parsed: ParsedFile, columns: Columns | None, outputs: Sequence[OutputPlan], params: Mapping[str, JSON]
) -> list[Diagnostic]:
    """Return the diagnostics for the outputs.

    Args:
        parsed: the file.
        columns: the known columns of the input; `None` if they are unknown.
        outputs: the outputs.
        params: the known values of the parameters, for the paths.
    """
    checker = _OutputChecker(parsed, columns, params)
    for output in outputs:
        checker.check(output)
    checker.check_step_name(outputs)
    checker.check_collisions(outputs)
    return checker.diagnostics


def check_paths(parsed: ParsedFile, outputs: Sequence[OutputPlan], params: Mapping[str, JSON]) -> list[Diagnostic]:
    """Return the errors in the paths of the outputs for the parameters of a run.

    Args:
        parsed: the file.
        outputs: the outputs, with their paths as written.
        params: the values of the parameters.
    """
    checker = _OutputChecker(parsed, None, params)
    for output in outputs:
        checker.check_own_paths(output)
    checker.check_collisions(outputs)
    return [each for each in checker.diagnostics if each.severity == "error"]


def written_files(output: OutputPlan) -> Iterator[tuple[DataPath, str]]:
    """Yield the key of each file of rows of an output, in the output, with the path of the file."""
    config = output.config
    if config.split is None:
        yield ("path",), config.path
    else:
        at: DataPath = ("split",) if config.split.by is None else ("split", "into")
        for part in config.split.parts:
            yield (*at, part), str(part_path(Path(config.path), part))
    if config.rejected is not None:
        yield ("rejected",), config.rejected


@dataclass
class _OutputChecker(Collector):
    parsed: ParsedFile
    columns: Columns | None
    params: Mapping[str, JSON]

    def check(self, output: OutputPlan) -> None:
        """Check one output by itself."""
        self.check_own_paths(output)
        self.check_csv(output)
        self.check_typed_columns(output)
        self.check_names(output)
        self.check_keys(output)
        self.check_split(output)

    def check_own_paths(self, output: OutputPlan) -> None:
        """Check each path of one output by itself."""
        for key, written in (("path", output.config.path), ("rejected", output.config.rejected)):
            if written and not self.parsed.is_broken(*output.at, key):
                self.check_path((*output.at, key), written)

    def rendered(self, written: str) -> str | None:
        """Return a path with the known parameters; `None` if one is unknown."""
        if "{" not in written:
            return written
        with suppress(RowError):
            return rendered_path(written, self.params)
        return None

    def check_path(self, at: DataPath, written: str) -> None:
        target = self.rendered(written)
        if target is None:
            return
        path, shown = self.parsed.beside(target)
        mark, shell = self.parsed.document.mark(at), unexpanded(target)
        if shell is not None:
            way = f"write the full path, or let your shell expand it with {option('output', 'PATH')}"
            self.complain(Code.OUTPUT_PATH, f"`{shell}` is not expanded: it is read as a folder name", mark, way)
        elif no_path := unusable(path, shown):
            self.complain(Code.OUTPUT_PATH, no_path, mark, "write the path of a file")
        elif is_folder(path):
            hint = "write the path of a file in it, such as rows.jsonl"
            self.complain(Code.OUTPUT_PATH, f"{shown} is a folder", mark, hint)
        elif path.name.startswith(".") and format_of(path) is None and format_of(Path(f"rows{path.name}")) is not None:
            hint = f"write a name before `{path.name}`"
            if "{{" in written:
                hint = "set the parameter to a value that is not empty"
            self.complain(Code.OUTPUT_PATH, f"`{target}` has no file name, only an extension", mark, hint)
        elif (kind := format_of(path)) is None:
            self.diagnostics.append(unknown_format(target, mark))
        elif problem := kind.problem(path):
            self.complain(problem[0], problem[1], mark, problem[2])
        elif other := _OTHER_TEMPLATE.search(written):
            name = other[1].rpartition(".")[2]
            hint = f"write `{{{{ params.{name} }}}}`" + ("" if name in self.parsed.names("params") else _UNDECLARED)
            self.complain(Code.UNFILLED, f"`{other[0]}` is part of the name of the file", mark, hint, warn=True)

    def check_names(self, output: OutputPlan) -> None:
        """Check that no two output columns have the same name, and that excluded columns exist."""
        mark, config, names = (
            self.parsed.document.mark,
            output.config,
            () if self.columns is None else self.columns.names,
        )
        steps = self.parsed.pipeline.steps
        for name in config.added:
            if name in (config.columns or ()):
                message = f"`columns` defines the column that `{output.key}.{name}` adds"
                self.complain(Code.NAME_TAKEN, message, mark((*output.at, "columns", name), key=True), "rename it")
            elif config.columns is None and name in names and name not in output.excluded:
                message = f"the column that `{output.key}.{name}` adds has the name of an input column"
                hint = "rename the input column, or remove this key: both would be the same output column"
                self.complain(Code.NAME_TAKEN, message, mark((*output.at, name), key=True), hint)
            elif config.columns is None and name in output.step_columns:
                message = f"step `{name}` has the name of the column that `{output.key}.{name}` adds"
                hint = "rename it: both would be the same output column"
                self.complain(Code.NAME_TAKEN, message, mark(("steps", name), key=True), hint)
        is_broken = any(self.parsed.is_broken_within(*output.at, key) for key in ("columns", "exclude"))
        if config.columns is not None or is_broken:
            return
        for name in output.step_columns:
            if name in names and name not in output.excluded:
                message = f"step `{name}` has the same name as a column of the input"
                hint = f"rename the step, or choose the columns of `{output.key}` with `columns`"
                self.complain(Code.NAME_TAKEN, message, mark(("steps", name), key=True), hint)
            thought = output.thinking_column(name)
            taken = {"a column of the input": {*names} - output.excluded, "a step": {*output.step_columns}}
            owner = next((owner for owner, known in taken.items() if thought in known), None)
            if owner is not None:
                message = f"`keep_thinking` of step `{name}` adds the column `{thought}`, which is the name of {owner}"
                hint = f"rename one of them, or choose the columns of `{output.key}` with `columns`"
                at = mark(("steps", name, "output", "keep_thinking"), key=True)
                self.complain(Code.NAME_TAKEN, message, at, hint)
        if config.for_each is not None and ITEM in {*output.step_columns, *names} - output.excluded:
            message = f"`{output.key}.for_each` adds a column `{ITEM}`, which exists already"
            at = mark((*output.at, "for_each"), key=True)
            self.complain(Code.NAME_TAKEN, message, at, "define the columns under `columns`")
        self.check_excluded(output, steps)

    def check_excluded(self, output: OutputPlan, steps: Mapping[str, object]) -> None:
        """Check that each excluded column exists, and that a column is left."""
        excluded = output.config.exclude or ()
        is_known = self.columns is not None and self.columns.closed and not self.parsed.is_broken("steps")
        kept = {*output.default_names, *output.config.added, *(() if self.columns is None else self.columns.names)}
        is_empty = is_known and output.config.for_each is None and kept == output.excluded
        if excluded and is_empty and self.parsed.names("steps") == list(steps):
            mark = self.parsed.document.mark((*output.at, "exclude"), key=True)
            self.complain(Code.WRONG_VALUE, "`exclude` leaves out every column", mark, "keep at least one column")
            return
        for index, name in enumerate(excluded):
            at = self.parsed.document.mark((*output.at, "exclude", index))
            if name in excluded[:index]:
                self.complain(Code.WRONG_VALUE, f"`{name}` is listed twice", at, "remove it", warn=True)
                continue
            if name.startswith("thinking."):
                self.check_excluded_thinking(output, name, at)
                continue
            step = name.removeprefix("steps.")
            if step != name and step not in steps and not self.parsed.is_broken("steps", step):
                hint = correction(step, steps, "steps")
                if step.partition(".")[0] in steps:
                    hint = "only a whole step can be excluded: to write a part of it, use `columns`"
                self.complain(Code.UNKNOWN_STEP, f"unknown step `{step}`", at, hint)
            elif step == name and self.columns is not None and name not in self.columns.names:
                hint = f"write `steps.{name}` for the step" if name in steps else None
                thought = next((each for each in output.keep_thinking if name == output.thinking_column(each)), None)
                hint = f"write `thinking.{thought}`" if thought else hint
                hint = hint or correction(name.removeprefix("row."), self.columns.names, "columns")
                hint, message = knowing(hint, self.columns.names), f"the input has no column `{name}`"
                if not self.columns.closed:
                    message = f"none of the first rows has the column `{name}`"
                self.complain(
                    Code.UNKNOWN_COLUMN, message, at, hint, warn=not self.columns.closed and name not in steps
                )

    def check_excluded_thinking(self, output: OutputPlan, name: str, at: Mark) -> None:
        """Check that a step whose thinking is excluded keeps it."""
        step = name.removeprefix("thinking.")
        if step not in output.keep_thinking:
            message = f"no step `{step}` keeps its thinking, so there is no column to exclude"
            self.complain(
                Code.UNKNOWN_STEP, message, at, correction(step, output.keep_thinking, "steps") or "remove it"
            )

    def check_csv(self, output: OutputPlan) -> None:
        """Check that the delimiter can separate cells, and that the output is a CSV file."""
        csv, at = output.config.csv, (*output.at, "csv")
        if csv is None:
            return
        if csv.delimiter is not None and not is_delimiter(csv.delimiter):
            mark = self.parsed.document.mark((*at, "delimiter"))
            message = f"{json.dumps(csv.delimiter)} cannot separate the cells of a CSV file"
            self.complain(Code.WRONG_VALUE, message, mark, 'write one character, such as ";" or "\\t"')
        kinds = [format_of(Path(path)) for _, path in written_files(output)]
        if all(kind is None or kind.separator is None for kind in kinds):
            message = "`csv` has no effect: the output is not a CSV file"
            mark = self.parsed.document.mark(at, key=True)
            self.complain(Code.CONFLICT, message, mark, "change the extension of `path`, or remove `csv`", warn=True)

    def check_typed_columns(self, output: OutputPlan) -> None:
        """Warn about columns that have no type in a format with typed columns."""
        kinds = ((key, format_of(Path(path))) for key, path in written_files(output))
        typed = next((key for key, kind in kinds if kind is not None and kind.has_column_types), None)
        names = [] if typed is None else text_columns(output.type.value)
        if output.config.columns is None and self.columns is not None:
            left_out = {*names, *output.steps, *(output.config.exclude or ())}
            names = [*(each for each in mixed_columns(self.columns.types) if each not in left_out), *names]
        if typed is not None and names:
            columns = f"{listing(names)} {'is' if len(names) == 1 else 'are'}"
            message = f"{columns} written as JSON text, because the values are mixed, recursive or free-form"
            mark = self.parsed.document.mark((*output.at, *typed), key="split" in typed)
            hint = "declare one type and all properties, or parse the text as JSON when you read the file"
            self.complain(Code.JSON_COLUMN, message, mark, hint, warn=True)

    def check_keys(self, output: OutputPlan) -> None:
        """Check for keys that contradict each other."""
        config, mark = output.config, self.parsed.document.mark
        if config.columns is not None and config.exclude is not None:
            hint = "remove `exclude`: `columns` lists what is written"
            message = "`columns` and `exclude` cannot be combined"
            self.complain(Code.CONFLICT, message, mark((*output.at, "exclude"), key=True), hint)

    def check_split(self, output: OutputPlan) -> None:
        """Check that the shares of a split sum to 1."""
        split, at = output.config.split, (*output.at, "split")
        if split is None or self.parsed.is_broken_within(*at):
            return
        mark = self.parsed.document.mark(at, key=True)
        if not split.parts:
            self.complain(Code.MISSING_KEY, "`split` has no parts", mark, "write `split: {train: 0.9, test: 0.1}`")
            return
        total = sum(split.parts.values())
        if abs(total - 1) > _INEXACT:
            message = f"the shares of `split` sum to {total:.6g}, not to 1"
            self.complain(Code.WRONG_VALUE, message, mark, "change them so that their sum is 1")

    def check_step_name(self, outputs: Sequence[OutputPlan]) -> None:
        """Check that no step has the name under which an output's failures are reported."""
        if STEP in self.parsed.pipeline.steps and not all(output.is_plain for output in outputs):
            message = f"step `{STEP}` has the name under which failures of the output are reported"
            self.complain(Code.NAME_TAKEN, message, self.parsed.document.mark(("steps", STEP), key=True), "rename it")

    def check_collisions(self, outputs: Sequence[OutputPlan]) -> None:
        """Check that no two files of the run have the same path, and that none replaces a file that the run reads.

        The path that a split divides counts as a file.
        """
        taken = self.files_read()
        for output in outputs[:1]:
            for what, derived in (("the failed rows file", failed_path), ("the record of the run", record_path)):
                self.take((*output.at, "path"), output.config.path, taken, derived, what)
        for output in outputs:
            is_free = self.take((*output.at, "path"), output.config.path, taken)
            for key, written in written_files(output):
                if key == ("rejected",) or (key[0] == "split" and is_free):  # otherwise its parts are taken too
                    self.take((*output.at, *key), written, taken)
        if not self.parsed.is_broken_within("input"):
            self.check_growth(outputs)

    def take(
        self,
        at: DataPath,
        written: str,
        taken: dict[str, str],
        derived: Callable[[Path], Path] = Path,
        what: str = "",
    ) -> bool:
        """Report a file that is taken, otherwise take it; return whether it was free.

        Args:
            at: the path of its key in the pipeline.
            written: the path, as written.
            taken: the files that are taken, each with what it is.
            derived: returns the path of the file.
            what: what the file is; empty for the key itself.
        """
        path = self.rendered(written)
        if not path or self.parsed.is_broken(*at):
            return True
        file = derived(Path(path))
        target, what = self.target(str(file)), what or f"`{'.'.join(map(str, at))}`"
        if target not in taken:
            taken[target] = what
            return True
        is_part = "split" in at
        message = f"{what} and {taken[target]} are the same file, {path if derived is Path else file}"
        if taken[target] == _INPUT and not is_part and derived is Path:
            message = "the output would replace the input"
        mark = self.parsed.document.mark(at, key=is_part)
        self.complain(Code.OUTPUT_PATH, message, mark, "rename the part" if is_part else "write another path")
        return False

    def check_growth(self, outputs: Sequence[OutputPlan]) -> None:
        """Check that the pattern of the input matches no file of the run, which the next run would read."""
        source, root = self.parsed.pipeline.input, self.parsed.path.parent
        key, reference = "path", str(source.path)
        if source.folder is not None:
            key, reference, root = "pattern", source.pattern, root / source.folder
        elif not is_pattern(root, reference):
            return
        start, parts = split(root, reference)
        home = real(root / start)
        for at, file, what in self.files_written(outputs):
            target = Path(self.target(str(file)))
            if not target.is_relative_to(home) or not fits(target.relative_to(home).as_posix(), parts):
                continue
            mark = self.parsed.document.mark(at, key="split" in at)
            if all(each.mark != mark for each in self.diagnostics):
                message = f"the next run would read {what}, {file}, as input: `input.{key}` matches it"
                hint = "write it to another folder, or change the pattern"
                self.complain(Code.OUTPUT_PATH, message, mark, hint)

    def files_written(self, outputs: Sequence[OutputPlan]) -> Iterator[tuple[DataPath, Path, str]]:
        """Yield each file of the run, with its key in the pipeline and what it is; without unknown paths."""
        for number, output in enumerate(outputs):
            for key, written in written_files(output):
                at = (*output.at, *key)
                path = None if self.parsed.is_broken(*at) else self.rendered(written)
                if not path:
                    continue
                yield at, Path(path), "this output"
                if number == 0 and key == ("path",):
                    yield at, failed_path(Path(path)), "the failed rows file"
                    yield at, record_path(Path(path)), "the record of the run"

    def files_read(self) -> dict[str, str]:
        """Return the files that the pipeline reads, each with what it is."""
        steps = self.parsed.pipeline.steps
        found = {
            self.target(path): f"a file that step `{name}` reads"
            for name, step in steps.items()
            for path in step.files(lambda _: [])
        }
        found |= {self.target(path): _INPUT for path in self.parsed.input_files()}
        return {**found, str(real(self.parsed.path)): "the pipeline file"}

    def target(self, path: str) -> str:
        """Return the file that a path leads to."""
        return str(real(self.parsed.beside(path)[0]))
