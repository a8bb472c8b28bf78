"""The parts of a lock that a plan decides, the digest of rows, and the differences between two locks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from yamlgen.canonical_json import canonical
from yamlgen.comparison.lock import Lock, LockedInput, LockedOutput, LockedRun, LockedStep
from yamlgen.planning.output_fingerprints import output_keys
from yamlgen.planning.plan import Plan
from yamlgen.planning.step_fingerprints import fingerprint_of
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.schemas.keywords import subschemas
from yamlgen.shaping.output_plan import STEP
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON, InputRow

STRICT: Final = frozenset({"steps", "python", "types"})
"""The parts that a locked run must share with the lock."""

MADE_OF: Final = frozenset({"steps", "python", "outputs"})
"""The parts that decide the rows of the outputs, apart from those of the input."""

_PYTHON: Final = "python"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class LockDifference:
    """A difference between two locks: the part of the lock, and a phrase such as "step `label`: `messages`"."""

    part: str
    what: str


class RowsDigest:
    """The digest of rows in their order, which does not depend on their file or its format.

    Attributes:
        rows: the number of rows.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._made = hashlib.sha256()

    def of(self, rows: Iterable[InputRow]) -> Iterator[InputRow]:
        """Yield rows, and add each."""
        for row in rows:
            self.rows += 1
            self._made.update(canonical(row.row) + b"\n")
            yield row

    @property
    def value(self) -> str:
        """The digest of the rows until now, in hexadecimal."""
        return self._made.hexdigest()


def lock_of(plan: Plan) -> Lock:
    """Return the lock of a plan, as far as it is known before a run."""
    python: dict[str, str] = {}
    for step in plan.steps:
        python |= step.code()
    return Lock(
        params=dict(plan.params),
        input=LockedInput(id=plan.input.id),
        steps={step.name: _step(plan, step) for step in plan.steps},
        outputs={
            output.name or STEP: LockedOutput(keys=output_keys(plan, output), type=_type(output.type))
            for output in plan.outputs
        },
        python=python,
    )


def differences(before: Lock, after: Lock) -> list[LockDifference]:
    """Return the differences between two locks, in the order of the file's importance: steps first."""
    return [
        *(LockDifference("steps", each) for each in _steps(before.steps, after.steps)),
        *(LockDifference("python", f"`{each}`") for each in _changed(before.python, after.python)),
        *_outputs(before.outputs, after.outputs),
        *(LockDifference("params", f"the parameter `{each}`") for each in _changed(before.params, after.params)),
        *(LockDifference("input", each) for each in _input(before.input, after.input)),
        *(LockDifference("run", each) for each in _run(before.run, after.run)),
    ]


def _step(plan: Plan, step: PlanStep) -> LockedStep:
    made = fingerprint_of(plan, step)
    models = sorted({variant.model for variant in step.variants})
    return LockedStep(kind=made.kind, asks=dict(made.asking), accepts=dict(made.accepting), models=models)


def _type(schema: JSONSchema) -> dict[str, Any]:
    """Return a type in one form: the order of required columns has no meaning."""
    whole = schema.value
    for _, part in subschemas(whole):
        if isinstance(part.get("required"), list):
            part["required"] = sorted(part["required"])
    return whole


def _changed(before: Mapping[str, JSON], after: Mapping[str, JSON]) -> list[str]:
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name, _ABSENT) != after.get(name, _ABSENT)
    )


def _steps(before: Mapping[str, LockedStep], after: Mapping[str, LockedStep]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield f"step `{name}` {'was added' if old is None else 'was removed'}"
        elif old.kind != new.kind:
            yield f"step `{name}` is a `{new.kind}` step, and was a `{old.kind}` step"
        elif old.models != new.models:
            yield f"step `{name}`: the model {_listed(old.models)} -> {_listed(new.models)}"
        else:
            keys = dict.fromkeys([*_changed(old.asks, new.asks), *_changed(old.accepts, new.accepts)])
            keys.pop(_PYTHON, None)  # told by its files
            if keys:
                yield f"step `{name}`: {_listed(list(keys))}"


def _outputs(before: Mapping[str, LockedOutput], after: Mapping[str, LockedOutput]) -> Iterator[LockDifference]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        shown = "the output" if name == STEP else f"the output `{name}`"
        if old is None or new is None:
            yield LockDifference("types", f"{shown} {'was added' if old is None else 'was removed'}")
            continue
        if old.type != new.type:
            yield LockDifference("types", f"the type of {shown}")
        keys = _changed(old.keys, new.keys)
        if keys:
            yield LockDifference("outputs", f"{shown}: {_listed(keys)}")


def _input(before: LockedInput, after: LockedInput) -> Iterator[str]:
    if before.id != after.id:
        yield f"`input.id`: {before.id} -> {after.id}"
    if before.digest != after.digest:
        is_counted = before.rows != after.rows and None not in (before.rows, after.rows)
        yield f"the rows of the input: {before.rows:,} -> {after.rows:,}" if is_counted else "the rows of the input"


def _run(before: LockedRun | None, after: LockedRun | None) -> Iterator[str]:
    if before is None or after is None:
        if before is not after:
            yield "the last run was added" if before is None else "the last run was removed"
        return
    if (before.finished, before.failed, before.lost) != (after.finished, after.failed, after.lost):
        yield f"rows of the run: {_rows(before)} -> {_rows(after)}"
    for step in sorted(before.answers.keys() | after.answers.keys()):
        old, new = before.answers.get(step, {}), after.answers.get(step, {})
        if old != new:
            names = [sorted({name for each in side.values() for name in each.answered_by}) for side in (old, new)]
            told = f", answered by {_listed(names[0])} -> {_listed(names[1])}" if names[0] != names[1] else ""
            yield f"the answers of step `{step}`{told}"
    for name in _changed(before.outputs, after.outputs):
        yield "the rows of the output" if name == STEP else f"the rows of the output `{name}`"


def _rows(run: LockedRun) -> str:
    lost = f", {run.lost:,} items lost" if run.lost else ""
    return f"{run.finished:,} finished, {run.failed:,} failed{lost}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
