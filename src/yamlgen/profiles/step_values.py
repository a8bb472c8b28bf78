"""The values of the steps of a run: their types, and their cases, by what the run has recorded of its pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yamlgen.schemas.types import ANYTHING, Type, list_of, object_of
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class StepShape:
    """How the value of a step is made of those of its cases.

    Attributes:
        name: its name.
        kind: its kind.
        for_each: the expression of its items; `None` without `for_each`.
        axes: the axes of its matrix.
        samples: how many samples it takes; `None` without `samples`.
    """

    name: str
    kind: str
    for_each: str | None
    axes: tuple[str, ...]
    samples: int | None

    @property
    def is_single(self) -> bool:
        """Whether it runs once for a row, so that its value is not a list."""
        return self.for_each is None and not self.axes and self.samples is None

    def cases(self, value: JSON) -> Iterator[tuple[int, Mapping[str, JSON], JSON]]:
        """Yield the cases of a value: the index of the item, the values of the axes, and what was made.

        With `samples`, what was made is the list of the samples.
        """
        for index, item in enumerate(_list(value) if self.for_each is not None else [value]):
            if not self.axes:
                yield index, {}, item
                continue
            for each in _list(item):
                if isinstance(each, dict) and "output" in each:
                    yield index, {axis: each.get(axis) for axis in self.axes}, each["output"]


def shapes_of(about: Mapping[str, JSON], kinds: Mapping[str, str]) -> dict[str, StepShape]:
    """Return the shapes of the steps of a run, in file order.

    Args:
        about: the record of the run.
        kinds: the kinds of its steps.
    """
    steps = (about.get("resolved") or {}).get("steps") or {}
    return {
        name: StepShape(
            name, kinds.get(name, ""), keys.get("for_each"), tuple(keys.get("matrix") or ()), keys.get("samples")
        )
        for name, keys in steps.items()
    }


def step_types(about: Mapping[str, JSON]) -> dict[str, Type]:
    """Return the types of the values of the steps of a run, in file order.

    A run of an earlier version has not recorded them: the schemas of answers are known, other types are not.
    """
    declared = about.get("declared") or {}
    made = {}
    for name, keys in ((about.get("resolved") or {}).get("steps") or {}).items():
        known = (declared.get(name) or {}).get("type")
        made[name] = Type(known) if isinstance(known, dict) else _written(keys)
    return made


def _written(keys: Mapping[str, JSON]) -> Type:
    """Return the type of a step by its keys."""
    schema = (keys.get("output") or {}).get("schema")
    made = Type(schema) if isinstance(schema, dict) else ANYTHING
    if keys.get("samples") is not None:
        made = list_of(made)
    if keys.get("matrix"):
        made = list_of(object_of({**dict.fromkeys(keys["matrix"], ANYTHING), "output": made}))
    return made if keys.get("for_each") is None else list_of(made)


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []
