"""What a change will ask again: pipelines of two sides of git, compared request by request. Nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from yamlgen.api.compared_rows import compare_rows
from yamlgen.api.compared_trees import CommitTree, Tree
from yamlgen.api.loaded_pipeline import Pipeline, PipelineStage
from yamlgen.api.loaded_sides import InvalidSide, LoadedSide, load_side
from yamlgen.api.pipeline_files import named_files
from yamlgen.api.run_options import RunOptions
from yamlgen.api.stages import stages_behind
from yamlgen.comparison.first_differences import FirstDifference
from yamlgen.comparison.locked_parts import lock_of
from yamlgen.comparison.pipeline_changes import PipelineChange, output_changes
from yamlgen.comparison.step_changes import OtherCauses, StepChange, StepVerdict, step_changes
from yamlgen.comparison.step_texts import common_lines
from yamlgen.errors import near
from yamlgen.excerpts import brief
from yamlgen.pipeline.input_config import Input
from yamlgen.pipeline.parsed_file import read
from yamlgen.value_objects import JSON


class ComparedFile(NamedTuple):
    """A pipeline on both sides: its paths in the working tree; `None` on a side that lacks it."""

    before: Path | None
    after: Path | None


@dataclass(frozen=True)
class PipelineComparer:
    """Compares the pipelines of two sides.

    Args:
        before: the older side.
        after: the newer side.
        params: the parameters, by name, for both sides.
        overrides: values to override by dotted path, for both sides.
        options: the store, and the simulator.
        changed: the files that differ between the sides; `None`: they are unknown.
        links: the symbolic links: a file behind one may differ where the path with the link does not.
        declared: receives the parameters that a pipeline declares.
    """

    before: Tree
    after: Tree
    params: Mapping[str, JSON] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    changed: frozenset[Path] | None = None
    links: frozenset[Path] = frozenset()
    declared: set[str] = field(default_factory=set)

    async def compare(self, file: ComparedFile) -> PipelineChange:
        """Compare a pipeline.

        Raises:
            InvalidSide: the pipeline has errors on one side.
            YamlgenError: the input is broken, or the store cannot be read.
        """
        shown = near(file.after or file.before or Path())
        try:
            after = None if file.after is None else self.load(self.after, file.after)
        except InvalidSide:
            if file.after != file.before or file.after is None or not self._is_untouched_file(file.after):
                raise
            return PipelineChange(shown)  # it has the same errors on both sides
        moved = "renamed" if file.before is not None and file.after != file.before else None
        if after is not None and moved is None and file.before is not None and self._is_untouched(after.pipeline):
            steps = [StepChange(step.name, StepVerdict.SAME) for step in after.plan.steps]
            return PipelineChange(shown, steps=steps)
        try:
            before = None if file.before is None else self.load(self.before, file.before)
        except InvalidSide:
            if after is not None:
                raise
            return PipelineChange(shown, move="removed", notes=["it was invalid"])
        change = await self._changed(shown, before, after)
        if before is None or after is None:
            return replace(change, move="added" if before is None else "removed")
        if moved and file.before is not None:
            change = replace(change, move=moved, before=near(file.before))
        return change

    def load(self, tree: Tree, path: Path) -> LoadedSide:
        """Load a pipeline of one side.

        Raises:
            InvalidSide: it has errors.
        """
        return load_side(tree, path, self.params, self.overrides, self.options, self.declared)

    def _is_untouched_file(self, path: Path) -> bool:
        """Whether no file differs that an invalid pipeline names, as far as it can be read."""
        if self.changed is None or path in self.changed:
            return False
        place = self.after.place(path)
        parsed, _ = read(place, str(place), self.overrides)
        named = [] if parsed is None else list(named_files(parsed, path.parent))
        return not any(one.has(each) for one in named for each in self.changed)

    def _is_untouched(self, pipeline: Pipeline) -> bool:
        """Whether no file of a pipeline differs."""
        if self.changed is None:
            return False
        if not all(self._is_untouched(stage.pipeline) for stage in pipeline.stages.values()):
            return False
        path = self.after.real(pipeline.path)
        read = {path, *(self.after.real(Path(os.path.normpath(each))) for each in pipeline.compiled.files)}
        named = list(named_files(pipeline.parsed, path.parent))
        places = {*read, *(one.path for one in named)}
        if any(place.is_relative_to(link) for link in self.links for place in places):
            return False
        if any(one.pattern is not None and link.is_relative_to(one.path) for link in self.links for one in named):
            return False
        return not any(each in read or any(one.has(each) for one in named) for each in self.changed)

    async def _changed(self, shown: str, before: LoadedSide | None, after: LoadedSide | None) -> PipelineChange:
        names = _names(before, after)
        olds, news = ({} if side is None else side.steps for side in (before, after))
        compared = await compare_rows(before, after, names, self.options)
        tally = compared.tally
        rows = None if tally is not None else self._rows_apart(before, after)
        if tally is not None and after is not None and before is not None:
            counts = tally.counts
            numbers = {name: getattr(counts, name) for name in ("added", "removed", "changed")}
            told = [f"{number:,} {name}" for name, number in numbers.items() if number]
            if told:
                rows = FirstDifference(after.tree.told(after.pipeline.source.name()), None, f"rows: {', '.join(told)}")
        steps = step_changes(
            olds,
            news,
            names,
            None if tally is None else tally.tallies,
            compared.forecasts,
            OtherCauses(rows, _common(before, after), _store_left(before, after)),
        )
        has_types = compared.unknown is None or _have_types(before, after)
        notes = [] if has_types else ["the types of the outputs are not compared: the columns of a side are unknown"]
        types = [
            {} if side is None else {output.name: output.type.value for output in side.plan.outputs}
            for side in (before, after)
        ]
        return PipelineChange(
            shown,
            steps=[_told(each, self.after) for each in steps],
            outputs=output_changes(*types) if before and after and has_types else (),
            rows=None if tally is None else tally.counts,
            unknown=compared.unknown,
            id=_id(before, after),
            notes=[*notes, *self._notes()],
            is_stored=compared.is_stored,
        )

    def _rows_apart(self, before: LoadedSide | None, after: LoadedSide | None) -> FirstDifference | None:
        """Return why rows that are unknown may differ; `None` if they are certainly the same."""
        if before is None or after is None:
            return None
        old, new = (_asked_of(side.plan.input) for side in (before, after))
        mark = after.pipeline.parsed.document.mark(("input",), key=True)
        if old != new:
            return FirstDifference(after.tree.told(f"{mark.file}:{mark.line}"), None, "other rows")
        for name, stage in after.pipeline.stages.items():
            other = before.pipeline.stages.get(name)
            if other is None or _makes(stage) != _makes(other):
                return FirstDifference(after.tree.told(stage.pipeline.shown), None, "its rows may differ")
        for pipeline in (after.pipeline, *(stage.pipeline for stage in stages_behind(after.pipeline))):
            folder = self.after.real(pipeline.path).parent
            for named in named_files(pipeline.parsed, folder):
                changed = [each for each in self.changed or () if named.is_data and named.has(each)]
                if changed:
                    return FirstDifference(near(min(changed)), None, "its rows may differ")
        return None

    def _notes(self) -> list[str]:
        made = []
        for tree in (self.before, self.after):
            if isinstance(tree, CommitTree) and tree.outside:
                made += [f"{near(path)} is not in git: it is read as it is now" for path in sorted(tree.outside)]
        return list(dict.fromkeys(made))


def _names(before: LoadedSide | None, after: LoadedSide | None) -> dict[str, str | None]:
    """Return for each step of the new side its name on the old side: a step that asks the same was renamed."""
    if after is None:
        return {}
    if before is None:
        return {step.name: None for step in after.plan.steps}
    olds, news = before.steps, after.steps
    gone = {name: step.fingerprint for name, step in olds.items() if name not in news}
    made: dict[str, str | None] = {name: name if name in olds else None for name in news}
    for name, step in news.items():
        if made[name] is None:
            made[name] = next((old for old, found in gone.items() if found == step.fingerprint), None)
            gone.pop(made[name] or "", None)
    return made


def _asked_of(spec: Input) -> JSON:
    """Return the keys of an input that decide its rows."""
    return spec.model_dump(mode="json", exclude_none=True, exclude={"tables"})


def _makes(stage: PipelineStage) -> JSON:
    """Return what decides the rows of a stage, but for its data."""
    made: list[JSON] = []
    for each in (*stages_behind(stage.pipeline), stage):
        plan = each.pipeline.plan(each.params)
        lock = lock_of(plan).model_dump(mode="json")
        made.append([lock, _asked_of(plan.input), each.output])
    return made


def _common(before: LoadedSide | None, after: LoadedSide | None) -> FirstDifference | None:
    """Return the first difference in what all steps have in common."""
    if before is None or after is None:
        return None
    old, new = (common_lines(side.pipeline.parsed) for side in (before, after))
    left, right = ([line for _, line in side] for side in (old, new))
    for kind, start, end, first, last in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind != "equal":
            was, now = (next(iter(each), None) for each in (left[start:end], right[first:last]))
            number = new[min(first, len(new) - 1)][0] if new else 1
            place = f"{after.pipeline.parsed.document.source.file}:{number}"
            old_line, new_line = (each and brief(each.strip()) for each in (was, now))
            return FirstDifference(place, old_line, new_line)
    return None


def _store_left(before: LoadedSide | None, after: LoadedSide | None) -> FirstDifference | None:
    """Return the store that a renamed file leaves behind."""
    if before is None or after is None or before.place == after.place or not before.place.exists:
        return None
    return FirstDifference(
        near(before.place.database), new="the answers of the file under its old name stay in this store"
    )


def _have_types(before: LoadedSide | None, after: LoadedSide | None) -> bool:
    """Return whether the columns of both sides are known, or those of none, although their rows cannot be read."""
    known = [side.pipeline.columns[0] is not None for side in (before, after) if side is not None]
    return all(known) or not any(known)


def _id(before: LoadedSide | None, after: LoadedSide | None) -> FirstDifference | None:
    """Return the change of `input.id`."""
    if before is None or after is None:
        return None
    old, new = before.plan.input.id, after.plan.input.id
    if old == new:
        return None
    mark = after.pipeline.parsed.document.mark(("input", "id"), key=True)
    return FirstDifference(after.tree.told(f"{mark.file}:{mark.line}"), old, new)


def _told(change: StepChange, tree: Tree) -> StepChange:
    if change.first is None:
        return change
    return replace(change, first=change.first._replace(place=tree.told(change.first.place)))
