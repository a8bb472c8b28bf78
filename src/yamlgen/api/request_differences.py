"""How the requests of one row differ between two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from yamlgen.api.compared_rows import opened
from yamlgen.api.loaded_sides import InvalidSide, LoadedSide
from yamlgen.api.pipeline_comparison import ComparedFile, PipelineComparer
from yamlgen.api.row_requests import Preview, requests_of
from yamlgen.cancellation import Cancellation
from yamlgen.claude.provider_setup import open_provider
from yamlgen.comparison.pipeline_changes import PipelineChange
from yamlgen.comparison.step_changes import StepChange, StepVerdict
from yamlgen.data.row_identity import id_name, identities, number_of
from yamlgen.errors import Code, UsageError
from yamlgen.row_result import RowResult
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON, InputRow


@dataclass(frozen=True)
class RequestDifference:
    """The requests of a row at a step on both sides.

    Attributes:
        file: the pipeline.
        step: the step.
        row: the row, as messages name it.
        before: the requests of the old side.
        after: the requests of the new side.
    """

    file: str
    step: str
    row: str
    before: Sequence[Preview]
    after: Sequence[Preview]

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        sides = {"before": self.before, "after": self.after}
        return {
            "file": self.file,
            "step": self.step,
            "row": self.row,
            **{name: [{"case": each.case, "request": each.request} for each in side] for name, side in sides.items()},
        }


async def request_difference(
    comparer: PipelineComparer, files: Sequence[ComparedFile], step: str, row: str | None
) -> RequestDifference:
    """Return how the requests of a step differ for a row.

    Args:
        comparer: the two sides.
        files: the pipelines, of which the first that has the step and differs is taken.
        step: the name of the step.
        row: the id of the row, or its number, from 1. Default: the first row that differs.

    Raises:
        UsageError: no pipeline has such a step, or such a row; or nothing differs.
        YamlgenError: an input is broken, or a store cannot be read.
    """
    steps: dict[str, None] = {}
    same: tuple[ComparedFile, PipelineChange, StepChange] | None = None
    for file in files:
        try:
            change = await comparer.compare(file)
        except InvalidSide:
            if len(files) == 1:
                raise
            continue
        steps |= dict.fromkeys(each.step for each in change.steps)
        found = next((each for each in change.steps if each.step == step), None)
        if found is not None and found.verdict not in (StepVerdict.SAME, StepVerdict.COSMETIC):
            return await _difference(comparer, file, change, found, row)
        if same is None and found is not None:
            same = file, change, found
    if same is not None and row is not None:
        return await _difference(comparer, *same, row)
    if step in steps:
        message = f"no request of step `{step}` differs"
        raise UsageError(message, code=Code.BAD_PARAM, hint="choose a row to see its request anyway")
    raise UsageError(f"no pipeline has a step `{step}`", code=Code.UNKNOWN_STEP, hint=suggestion(step, steps, "steps"))


async def _difference(
    comparer: PipelineComparer, file: ComparedFile, change: PipelineChange, found: StepChange, row: str | None
) -> RequestDifference:
    step = found.step
    if change.unknown is not None:
        message = f"the rows of {change.file} are unknown, so no request can be shown: {change.unknown}"
        raise UsageError(message, code=Code.MISSING_INPUT, hint="choose sides whose rows can be read")
    name = row if row is not None else found.tally.first if found.tally is not None else "1"
    names = (found.before or step, step)
    paths = zip((comparer.before, comparer.after), file, names, strict=True)
    sides = [(None if path is None else comparer.load(tree, path), step_name) for tree, path, step_name in paths]
    made = [await _requests(comparer, side, step_name, name or "1") for side, step_name in sides]
    if not any(made) and all(requests is None for requests in made):
        raise UsageError(
            f"{change.file} has no row {id_name(name)}", code=Code.NO_ROWS, hint="write its id, or its number"
        )
    return RequestDifference(change.file, step, name or "1", made[0] or (), made[1] or ())


@dataclass
class _Kept:
    outcomes: list[RowResult] = field(default_factory=list)

    async def add(self, outcome: RowResult) -> None:
        self.outcomes.append(outcome)


async def _requests(comparer: PipelineComparer, side: LoadedSide | None, step: str, name: str) -> list[Preview] | None:
    """Return the requests of a row at a step; `None` if the side has no such row."""
    try:
        return None if side is None else await _requests_of(comparer, side, step, name)
    except UsageError as error:
        if error.code is not Code.NO_ROWS:
            raise
        return None


async def _requests_of(comparer: PipelineComparer, side: LoadedSide, step: str, name: str) -> list[Preview] | None:
    async with (
        opened(side, comparer.options) as (ready, rows, log),
        open_provider(side.plan, SimulatorSettings()) as simulated,
    ):
        wanted, number = identities(name), number_of(name)
        row: InputRow | None = None
        for each in rows:
            if each.identity in wanted:
                row = each
                break
            row = each if row is None and each.index == number else row
        if row is None:
            return None
        kept = _Kept()
        async with (
            ready.provider.open(side.plan, Cancellation(), log) as models,
            simulated.open(side.plan, Cancellation()) as inventing,
        ):
            await ready.go_over([row], models, kept)
            known = {name: answer for outcome in kept.outcomes for name, answer in outcome.answers.items()}
            made = await requests_of(side.plan, inventing, {**inventing, **models}, row, known)
        return [each for each in made if each.step == step]
