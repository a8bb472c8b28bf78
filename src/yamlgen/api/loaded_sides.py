"""A pipeline as one side of a comparison has it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from yamlgen.api.compared_trees import Tree
from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.lock_files import last_whole_run, needed_of
from yamlgen.api.run_options import RunOptions
from yamlgen.comparison.first_differences import StepSide
from yamlgen.comparison.lock import lock_path, read_lock
from yamlgen.comparison.step_texts import step_texts
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import YamlgenError
from yamlgen.parsing.project_folder import POINTS, is_pointer
from yamlgen.planning.plan import Plan
from yamlgen.store.location import StoreLocation, location_of
from yamlgen.store.run_session import open_runs
from yamlgen.suggestions import knowing
from yamlgen.value_objects import JSON


class InvalidSide(InvalidPipeline):
    """A pipeline of one side has errors. Files of a commit are named with the revision.

    Attributes:
        tree: the side.
        found: the diagnostics with the paths at which the files can be read as long as the sides are open.
    """

    tree: Tree
    found: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, tree: Tree, found: tuple[Diagnostic, ...]) -> InvalidSide:
        """Return the error of a side with these diagnostics."""
        error = cls(tuple(_named(tree, each) for each in found))
        error.tree, error.found = tree, found
        return error


@dataclass(frozen=True)
class LoadedSide:
    """A pipeline as one side has it.

    Attributes:
        tree: the side.
        pipeline: the pipeline.
        plan: its plan.
        place: the store of its answers.
        steps: its steps, by name.
    """

    tree: Tree
    pipeline: Pipeline
    plan: Plan
    place: StoreLocation
    steps: Mapping[str, StepSide]

    def unreadable(self) -> str | None:
        """Return why its rows cannot be known; `None` if they can be read."""
        for stage in self.pipeline.stages.values():
            return f"they come from {self.tree.told(stage.pipeline.shown)}"
        source = self.pipeline.source
        if source.files and any(file.path is None for file in source.files):
            return "they come from standard input"
        tables = source.query.tables if source.query else ()
        for file in (*source.files, *(each for table in tables for each in table.files)):
            if file.path is not None and is_pointer(file.path):
                return f"{self.tree.told(file.name())} {POINTS}"
        return None


def load_side(
    tree: Tree,
    path: Path,
    params: Mapping[str, JSON],
    overrides: Mapping[str, str],
    options: RunOptions,
    declared: set[str],
) -> LoadedSide:
    """Load a pipeline of one side.

    Args:
        tree: the side.
        path: the pipeline, by its path in the working tree.
        params: the parameters, by name; those that the pipeline does not declare are left out.
        overrides: values to override by dotted path.
        options: the store, and the simulator.
        declared: receives the names of the parameters that the pipeline declares.

    Raises:
        InvalidSide: it has errors.
    """
    pipeline, told = tree.load(path, {}, overrides)
    if pipeline is not None:
        known = pipeline.compiled.parameters.schemas.keys()
        given = {name: value for name, value in params.items() if name in known}
        declared.update(given)
        place = location_of(path, options.store, simulated=options.simulate)
        try:
            plan = options.over(pipeline.plan({**_last_params(pipeline, place), **given}))
        except InvalidPipeline as error:
            told = error.diagnostics
        else:
            unlimited = plan.limits.model_copy(update={"max_cost_usd": None})  # a limit needs the price of each model
            texts = step_texts(pipeline.parsed)
            steps = {step.name: StepSide.of(plan, step, texts.get(step.name, "")) for step in plan.steps}
            return LoadedSide(tree, pipeline, replace(plan, limits=unlimited), place, steps)
    raise InvalidSide.of(tree, told)


def _named(tree: Tree, diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic with the paths that users know."""
    hint = None if diagnostic.hint is None else knowing(tree.told(diagnostic.hint), diagnostic.known)
    mark = replace(diagnostic.mark, file=tree.told(diagnostic.mark.file))
    fix = None if diagnostic.fix is None else replace(diagnostic.fix, mark=replace(diagnostic.fix.mark, file=mark.file))
    return replace(diagnostic, message=tree.told(diagnostic.message), mark=mark, hint=hint, fix=fix)


def _last_params(pipeline: Pipeline, place: StoreLocation) -> dict[str, JSON]:
    """Return the parameters without a default as the last whole run had them; without a store, as the lock has them."""
    last: Mapping[str, JSON] = {}
    with suppress(YamlgenError):  # then they must be given
        lock = read_lock(lock_path(pipeline.path))
        last = {} if lock is None else lock.params
    with suppress(YamlgenError):
        if place.exists:
            with open_runs(place) as run_reader:
                run = last_whole_run(run_reader)
                last = last if run is None else run.about["params"]
    return needed_of(pipeline, last)
