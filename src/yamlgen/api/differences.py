"""`diff`: what a change will ask again, and what that costs. Nothing is sent, and no author's function is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yamlgen.api.compared_trees import CommitTree, Tree, WorkingTree
from yamlgen.api.loaded_sides import InvalidSide
from yamlgen.api.loading import texts_of
from yamlgen.api.pipeline_comparison import ComparedFile, PipelineComparer
from yamlgen.api.request_differences import RequestDifference, request_difference
from yamlgen.api.run_options import RunOptions
from yamlgen.comparison.first_differences import FirstDifference
from yamlgen.comparison.pipeline_changes import PipelineChange
from yamlgen.comparison.step_changes import StepChange
from yamlgen.data.temporary_folder import temporary_folder
from yamlgen.errors import Code, EnvironmentProblem, UsageError, YamlgenError, near
from yamlgen.option_names import parameter
from yamlgen.revisions.commit_files import CommitFiles
from yamlgen.revisions.compared_sides import Sides, parse_sides
from yamlgen.revisions.renames import renamed
from yamlgen.revisions.repository import Repository
from yamlgen.sync_bridge import synchronous
from yamlgen.value_objects import JSON

__all__ = [
    "Comparison",
    "DiffReport",
    "FirstDifference",
    "PipelineChange",
    "StepChange",
    "adiff",
    "check_conditions",
    "comparison",
    "diff",
]

_LIMIT: Final = re.compile(r"cost:([0-9]+(?:\.[0-9]+)?)")


def check_conditions(conditions: Sequence[str]) -> None:
    """Check conditions under which a comparison fails.

    Raises:
        UsageError: one is neither `asks`, nor `breaks`, nor `cost:N`.
    """
    for condition in conditions:
        if condition not in ("asks", "breaks") and not _LIMIT.fullmatch(condition):
            hint = "write `asks`, `breaks`, or a limit in US dollars such as `cost:5`"
            raise UsageError(f"`{condition}` is not a condition", code=Code.BAD_PARAM, hint=hint)


@dataclass(frozen=True)
class DiffReport:
    """What a change does to the pipelines of a repository.

    Attributes:
        headline: the two sides, in words.
        pipelines: the pipelines that differ.
        same: the number of pipelines that are the same.
        invalid: the pipelines with errors, which are not compared.
    """

    headline: str
    pipelines: Sequence[PipelineChange]
    same: int = 0
    invalid: Sequence[InvalidSide] = ()

    @property
    def asks(self) -> bool:
        """Whether a run of one of the pipelines may send requests because of the change."""
        return any(each.asks for each in self.pipelines)

    @property
    def breaks(self) -> bool:
        """Whether a program that reads an output may fail."""
        return any(each.breaks for each in self.pipelines)

    @property
    def cost(self) -> tuple[float, float | None] | None:
        """The minimum and the maximum cost in US dollars; `None` if it is unknown, or has no known maximum."""
        costs = [each.cost for each in self.pipelines if each.asks]
        known = [each for each in costs if each is not None]
        if len(known) < len(costs):
            return None
        most = [cost[1] for cost in known]
        return sum(cost[0] for cost in known), None if None in most else sum(each or 0.0 for each in most)

    @property
    def likely(self) -> float | None:
        """The likely cost of the requests that are certain, in US dollars; `None` if it is unknown."""
        costs = [each.likely for each in self.pipelines if each.asks]
        return None if None in costs else sum(each for each in costs if each is not None)

    def fails(self, conditions: Sequence[str]) -> list[str]:
        """Return which of the conditions `asks`, `breaks` and `cost:N` hold; an unknown cost exceeds every limit."""
        most = 0.0 if not self.asks else None if self.cost is None else self.cost[1]
        made = []
        for condition in conditions:
            limit = _LIMIT.fullmatch(condition)
            exceeds = limit is not None and (most is None or most > float(limit[1]))
            if exceeds or {"asks": self.asks, "breaks": self.breaks}.get(condition, False):
                made.append(condition)
        return made

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        cost = self.cost
        return {
            "headline": self.headline,
            "pipelines": [each.as_json() for each in self.pipelines],
            "same": self.same,
            "diagnostics": [each.as_json() for error in self.invalid for each in error.diagnostics],
            "asks": self.asks,
            "breaks": self.breaks,
            "cost_usd": None if cost is None else {"least": cost[0], "likely": self.likely, "most": cost[1]},
        }


@dataclass(frozen=True)
class Comparison:
    """Two sides, and the pipelines to compare.

    Attributes:
        headline: the two sides, in words.
        comparer: compares a pipeline.
        files: the pipelines.
    """

    headline: str
    comparer: PipelineComparer
    files: Sequence[ComparedFile]

    async def report(self) -> DiffReport:
        """Compare all pipelines.

        Raises:
            UsageError: no pipeline declares a parameter.
            YamlgenError: an input is broken, or a store cannot be read.
        """
        made: list[PipelineChange] = []
        invalid: list[InvalidSide] = []
        for file in self.files:
            try:
                made.append(await self.comparer.compare(file))
            except InvalidSide as error:
                invalid.append(error)
        for name, value in self.comparer.params.items():
            if name not in self.comparer.declared and not all(each.is_same for each in made):
                message = f"no pipeline that differs declares the parameter `{name}`"
                raise UsageError(message, code=Code.UNDECLARED_PARAM, hint=f"remove {parameter(name, str(value))}")
        changed = [each for each in made if not each.is_same]
        return DiffReport(self.headline, changed, len(made) - len(changed), invalid)

    async def why(self, step: str, row: str | None) -> RequestDifference:
        """Return how the requests of a step for a row differ.

        Args:
            step: the name of the step.
            row: the id of the row, or its number, from 1. Default: the first row that differs.

        Raises:
            UsageError: no pipeline has such a step, or such a row; or nothing differs.
            YamlgenError: an input is broken, or a store cannot be read.
        """
        return await request_difference(self.comparer, self.files, step, row)


@contextmanager
def comparison(
    arguments: Sequence[str],
    *,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, str] | None = None,
    options: RunOptions | None = None,
) -> Iterator[Comparison]:
    """Open two sides of the repository of the current folder, or of the first path.

    Args:
        arguments: a revision, or two, as `git diff` takes them; then pipelines, or folders of them.
        params: the parameters, by name, for both sides.
        overrides: values to override by dotted path, for both sides.
        options: the store, and the simulator.

    Raises:
        EnvironmentProblem: there is no git, no repository, or no such revision.
        UsageError: there is no such file.
    """
    revision, paths = _split(arguments)
    start = next((path if path.is_dir() else path.parent for path in paths), Path())
    while not start.exists():
        start = start.parent
    repository = Repository.at(start.absolute())
    sides = parse_sides(repository, revision)
    with temporary_folder(None) as folder:
        before, after, changed, links = _trees(repository, sides, folder)
        options = options or RunOptions()
        comparer = PipelineComparer(before, after, params or {}, overrides or {}, options, changed, links)
        targets = [path.absolute() for path in paths] or [repository.root]
        try:
            yield Comparison(sides.headline, comparer, _files(before, after, targets))
        except InvalidSide:  # names its files itself
            raise
        except YamlgenError as error:
            message, hint = (each and after.told(before.told(each)) for each in (error.message, error.hint))
            raise error.replace(message=message, hint=hint) from None


def _trees(repository: Repository, sides: Sides, folder: Path) -> tuple[Tree, Tree, frozenset[Path], frozenset[Path]]:
    """Return the sides, the files that differ, and the symbolic links."""
    hidden = folder / ".sides"  # no side looks for pipelines here, if temporary files lie in the repository
    places = hidden / "before", hidden / "after"
    for place in places:
        place.mkdir(parents=True)
    old = CommitFiles(repository, sides.before, places[0])
    if sides.after is None:
        changed = old.changed(None)
        links = old.links() | {path for path in changed if path.is_symlink()}
        return CommitTree(old), WorkingTree(), frozenset(changed), frozenset(links)
    new = CommitFiles(repository, sides.after, places[1])
    changed, links = old.changed(new), old.links() | new.links()
    return CommitTree(old), CommitTree(new, is_before=False), frozenset(changed), frozenset(links)


def _split(arguments: Sequence[str]) -> tuple[str | None, list[Path]]:
    """Return the revision, if the first argument is one, and the paths."""
    paths = [Path(each) for each in arguments]
    if not paths:
        return None, paths
    is_path = paths[0].suffix in (".yaml", ".yml") if not paths[0].exists() else not _is_both(arguments[0])
    return (None, paths) if is_path else (arguments[0], paths[1:])


def _is_both(name: str) -> bool:
    """Refuse a name of a file that is also a revision."""
    try:
        repository = Repository.at(Path().absolute())
        repository.commit(name)
    except EnvironmentProblem:
        return False
    hint = f"write `./{name}` for the path, or `heads/{name}` for the branch, or `tags/{name}` for the tag"
    raise UsageError(f"`{name}` is a path and a revision", code=Code.NO_REVISION, hint=hint)


def _files(before: Tree, after: Tree, targets: Sequence[Path]) -> list[ComparedFile]:
    old: set[Path] = set()
    new: set[Path] = set()
    for target in targets:
        found = before.pipelines(target), after.pipelines(target)
        if not any(found):
            message = f"neither side has a pipeline at {near(target)}"
            hint = "write the path of a pipeline, or of a folder of them; two revisions are written as `A..B`"
            raise UsageError(message, code=Code.MISSING_FILE, hint=hint)
        old, new = old | found[0], new | found[1]
    old, new = old | {path for path in new if before.has(path)}, new | {path for path in old if after.has(path)}
    moved = {new: old for old, new in renamed(sorted(old - new), sorted(new - old), before.text, after.text)}
    pairs = [ComparedFile(moved.get(path, path if path in old else None), path) for path in sorted(new)]
    gone = sorted(old - new - set(moved.values()))
    return [*pairs, *(ComparedFile(path, None) for path in gone)]


async def adiff(
    *arguments: str | Path,
    params: Mapping[str, JSON] | None = None,
    overrides: Mapping[str, JSON] | None = None,
    store: str | Path | None = None,
    simulate: bool = False,
    latency: float = 0.0,
    faults: Sequence[str] = (),
    seed: int = 0,
) -> DiffReport:
    """Compare pipelines of two sides of a git repository: what a change will ask again, and what that costs.

    Nothing is sent, no API key is needed, nothing is written, and no function of an author is called.

    Args:
        arguments: a revision, or two, as `git diff` takes them: `main`, `main..feature`, `main...`; default: HEAD and
            the working tree. Then pipelines, or folders of them; default: the whole repository.
        params: the parameters, by name, for both sides.
        overrides: values to set, by dotted path, for both sides.
        store: the folder of the stores. Default: `.yamlgen/` next to each pipeline.
        simulate: compare with the answers of simulated runs.
        latency: seconds by which each simulated answer was delayed.
        faults: simulated faults by rate, such as `["rate_limit=0.1"]`.
        seed: selected the simulated answers and faults.

    Returns:
        The pipelines that differ: the verdict on each step with the first difference, rows, requests and their cost;
        rows that were added, removed or changed; the types of outputs. `invalid` has the pipelines with errors.

    Raises:
        EnvironmentProblem: there is no git, no repository, or no such revision; or a store cannot be read.
        UsageError: there is no such file, or no pipeline declares a parameter; or an input is broken.
    """
    folder = None if store is None else Path(store)
    options = RunOptions(store=folder, simulate=simulate, latency=latency, faults=faults, seed=seed)
    given = [str(each) for each in arguments]
    with comparison(given, params=params, overrides=texts_of(overrides), options=options) as compared:
        return await compared.report()


diff = synchronous(adiff)
