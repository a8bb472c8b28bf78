"""Pipelines on two sides that are compared, and then run: what was told against what is sent.

Owns the way of the proof of `diff`: the older side is a folder, the newer side another one, with a copy of the store of
the older side. No git and no process is needed, and both the comparison and the run are in this process.
"""

import asyncio
import json
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import yaml

from yamlgen.api import compared_rows
from yamlgen.api.compared_trees import WorkingTree
from yamlgen.api.loading import check, load
from yamlgen.api.pipeline_comparison import ComparedFile, PipelineComparer
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.cancellation import Cancellation
from yamlgen.comparison.pipeline_changes import PipelineChange
from yamlgen.comparison.step_tallies import TallyKeeper
from yamlgen.errors import YamlgenError
from yamlgen.events import AnswerReceived, RequestSent

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
SIMULATED = RunOptions(simulate=True, max_concurrency=4)


@dataclass(frozen=True)
class Project:
    """The files of a folder, by name, and which of them is the pipeline."""

    files: dict[str, str]
    main: str = "p.yaml"

    @property
    def document(self):
        """The pipeline as data, a new copy each time."""
        return yaml.load(self.files[self.main], _LOADER)  # noqa: S506 - the safe one, in C

    def having(self, files, main=None):
        """The project with other files; `None` removes one."""
        merged = {**self.files, **files}
        return Project({name: text for name, text in merged.items() if text is not None}, main or self.main)

    def saying(self, document):
        """The project with another pipeline, given as data."""
        text = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1000)
        return self.having({self.main: text})

    def write(self, folder):
        """Write the files into a folder, and return the path of the pipeline."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        return folder / self.main


@dataclass(frozen=True)
class FolderTree:
    """A side that is a folder; its paths are told as those of another folder.

    Attributes:
        folder: where its files are.
        shown: the folder of the working tree.
    """

    folder: Path
    shown: Path
    name: str = "before"

    def _own(self, path):
        return self.folder / path.relative_to(self.shown)

    def pipelines(self, target):
        """Not needed: which pipelines are compared is said."""
        raise NotImplementedError

    def has(self, path):
        """Whether it has a file."""
        return self._own(path).is_file()

    def text(self, path):
        """The text of a file."""
        return self._own(path).read_text(encoding="utf-8")

    def load(self, path, params, overrides):
        """Check a pipeline."""
        return check(self._own(path), params=params, overrides=overrides, examine=False)

    def told(self, text):
        """A message with the paths of the working tree."""
        return text.replace(str(self.folder), str(self.shown))

    def real(self, path):
        """The path in the working tree of a file that was read."""
        return self.shown / path.relative_to(self.folder) if path.is_relative_to(self.folder) else path


@dataclass
class Told:
    """What a comparison told.

    Attributes:
        change: what the change does.
        rows: for each row of the new side and each step, which of `sure`, `opened` and `pending` it counts as.
    """

    change: PipelineChange
    rows: dict[int, dict[str, frozenset[str]]]

    def pairs(self, *kinds):
        """The rows and steps that were told as one of these kinds."""
        return {(row, step) for row, steps in self.rows.items() for step, of in steps.items() if of & {*kinds}}


@dataclass
class Sent:
    """What a run sent.

    Attributes:
        requests: the number of requests by row and step.
        reasks: the number of new answers to re-asks by row and step.
        error: what ended the run early.
    """

    requests: Counter = field(default_factory=Counter)
    reasks: Counter = field(default_factory=Counter)
    error: YamlgenError | None = None


@contextmanager
def _noting(rows):
    """Note, row by row, what the tallies of a comparison count."""
    kinds = ("sure", "opened", "pending")

    class NotingKeeper(TallyKeeper):
        def add(self, row, state, name):
            before = {step: [getattr(tally, kind) for kind in kinds] for step, tally in self.tallies.items()}
            super().add(row, state, name)
            rows[row.index] = {
                step: frozenset(
                    kind for kind, was in zip(kinds, before[step], strict=True) if getattr(tally, kind) > was
                )
                for step, tally in self.tallies.items()
            }

    with mock.patch.object(compared_rows, "TallyKeeper", NotingKeeper):
        yield


def told(folder, before, after, *, options=SIMULATED):
    """Compare two projects: the older one was written to `before` in the folder, the newer one to `after`.

    Args:
        folder: has both.
        before: the older project.
        after: the newer project.
        options: the store, and the simulator.
    """
    rows = {}
    old, new = folder / "before", folder / "after"
    files = {name for name in {*before.files, *after.files} if before.files.get(name) != after.files.get(name)}
    changed = frozenset(new / name for name in files)
    comparer = PipelineComparer(FolderTree(old, new), WorkingTree(), {}, {}, options, changed)
    with _noting(rows):
        change = asyncio.run(comparer.compare(ComparedFile(new / before.main, new / after.main)))
    return Told(change, rows)


def ran(path, options=SIMULATED, stop_after=None):
    """Run a pipeline, and return what was sent."""
    sent, cancellation = Sent(), Cancellation()

    def observe(event):
        if isinstance(event, RequestSent):
            sent.requests[event.row, event.step] += 1
            if sent.requests.total() == stop_after:
                cancellation.request("enough")
        elif isinstance(event, AnswerReceived) and event.cause == "reask" and not event.reused:
            sent.reasks[event.row, event.step] += 1

    try:
        asyncio.run(execute(load(path), options=options, emit=observe, cancellation=cancellation))
    except YamlgenError as error:
        sent.error = error
    return sent


def prepared(folder, project, options=SIMULATED, **run):
    """Write a project into a folder, and run it, so that its store has its answers."""
    folder.mkdir(parents=True, exist_ok=True)
    return ran(project.write(folder), options, **run)


def copied_store(source, target):
    """Copy the store of a folder to another folder."""
    (target / ".yamlgen").mkdir(exist_ok=True)
    for file in (source / ".yamlgen").glob("*.db*"):
        shutil.copyfile(file, target / ".yamlgen" / file.name)


def as_jsonl(rows):
    """Rows as a file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
