"""What a change does to a pipeline: to its steps, its rows and the types of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from yamlgen.comparison.first_differences import FirstDifference
from yamlgen.comparison.step_changes import StepChange, StepVerdict
from yamlgen.comparison.step_tallies import RowCounts
from yamlgen.comparison.type_changes import TypeChange, type_changes
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class OutputChange:
    """A change of the type of an output, or an output that one side lacks.

    Attributes:
        output: the name of the output; empty for `output`.
        change: how its type differs; `None` if the output was added or removed.
        move: `added` or `removed`; `None` for an output of both sides.
    """

    output: str
    change: TypeChange | None = None
    move: str | None = None

    @property
    def breaks(self) -> bool:
        """Whether a program that reads the output may fail."""
        return self.move == "removed" if self.change is None else self.change.breaks

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        change = self.change
        return {
            "output": self.output,
            "move": self.move,
            "path": None if change is None else change.path,
            "kind": None if change is None else change.kind,
            "message": None if change is None else change.message,
            "breaks": self.breaks,
        }


@dataclass(frozen=True)
class PipelineChange:
    """What a change does to a pipeline.

    Attributes:
        file: its path, as the user reaches it.
        before: the path that it had, if it was renamed.
        move: `added`, `removed` or `renamed`; `None` for a file of both sides.
        steps: its steps.
        outputs: the changes of its outputs.
        rows: the rows that were added, removed or changed; `None` if they are unknown, or were not read.
        unknown: why the rows are unknown; `None` if they are known, or were not read.
        id: the old and the new `input.id`, if it has changed.
        notes: what a reader has to know beside this.
        is_stored: whether the store has answers of the pipeline.
    """

    file: str
    before: str | None = None
    move: str | None = None
    steps: Sequence[StepChange] = ()
    outputs: Sequence[OutputChange] = ()
    rows: RowCounts | None = None
    unknown: str | None = None
    id: FirstDifference | None = None
    notes: Sequence[str] = field(default=())
    is_stored: bool = False

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        rows = self.rows is not None and (self.rows.added or self.rows.removed or self.rows.changed)
        same = all(step.verdict is StepVerdict.SAME and step.move is None for step in self.steps)
        return same and not (self.move or self.outputs or self.id or rows)

    @property
    def asks(self) -> bool:
        """Whether a run may send requests because of the change."""
        return any(step.asks for step in self.steps)

    @property
    def breaks(self) -> bool:
        """Whether a program that reads an output may fail."""
        return any(output.breaks for output in self.outputs)

    @property
    def likely(self) -> float | None:
        """The likely cost of the requests that are certain, in US dollars; `None` if it is unknown."""
        costs = [step.sure.likely_cost for step in self.steps if step.sure is not None and step.sure.requests]
        return None if None in costs or self._is_unknown else sum(each for each in costs if each is not None)

    @property
    def cost(self) -> tuple[float, float | None] | None:
        """The minimum and the maximum cost in US dollars; `None` if it is unknown, or has no known maximum."""
        least, most = 0.0, 0.0
        is_bounded = True
        for step in self.steps:
            if step.sure is None or step.most is None or not step.most.requests:
                continue
            if step.sure.requests and step.sure.cost is None:
                return None
            least += step.sure.cost[0] if step.sure.cost else 0.0
            is_bounded &= step.most.cost is not None
            most += step.most.cost[1] if step.most.cost else 0.0
        return None if self._is_unknown else (least, most if is_bounded else None)

    @property
    def _is_unknown(self) -> bool:
        return any(step.asks and (step.sure is None or step.most is None) for step in self.steps)

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        rows = (
            None
            if self.rows is None
            else {
                "total": self.rows.total,
                **{
                    name: {"count": getattr(self.rows, name), "first": self.rows.names.get(name, [])}
                    for name in ("added", "removed", "changed")
                },
            }
        )
        cost = self.cost
        return {
            "file": self.file,
            "before": self.before,
            "move": self.move,
            "same": self.is_same,
            "asks": self.asks,
            "breaks": self.breaks,
            "id": None if self.id is None else self.id.as_json(),
            "steps": [step.as_json() for step in self.steps],
            "outputs": [output.as_json() for output in self.outputs],
            "rows": rows,
            "rows_unknown": self.unknown,
            "cost_usd": None if cost is None else {"least": cost[0], "likely": self.likely, "most": cost[1]},
            "notes": list(self.notes),
            "stored": self.is_stored,
        }


def output_changes(before: dict[str, JSON], after: dict[str, JSON]) -> list[OutputChange]:
    """Compare the types of the rows of outputs.

    Args:
        before: the JSON Schemas of the rows of the old outputs, by name; `output` has the empty name.
        after: those of the new outputs.
    """
    made = [
        OutputChange(name, each) for name in after if name in before for each in type_changes(before[name], after[name])
    ]
    made += [OutputChange(name, move="added") for name in after if name not in before]
    return [*made, *(OutputChange(name, move="removed") for name in before if name not in after)]
