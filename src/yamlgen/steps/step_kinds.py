"""The kinds of steps, by name. A kind is a folder of that name and a line here.

A folder has the modules `config` (the keys), `declaration` (checks and types), `plan_step` (its step of a plan) and
`execution`. They are loaded by name: `DECLARED` of `declaration` here, and `EXECUTOR` of `execution` when a run first
executes a step of the kind.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union

from pydantic import Discriminator, Tag

from yamlgen.steps.declaration import DeclaredStep
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_file import StepFile

KINDS: Final[dict[str, type[DeclaredStep[Any]]]] = {
    kind: import_module(f"yamlgen.steps.{kind}.declaration").DECLARED
    for kind in (
        "generate",
        "compute",
        "python",
        "draw",
    )
}
DEFAULT_KIND: Final = "generate"
"""The kind of a step without `kind`."""


def kind_of(step: Any) -> str:
    """Return the kind of a step, given as data or as a model; the default if the kind is unknown."""
    kind = step.get("kind", DEFAULT_KIND) if isinstance(step, dict) else getattr(step, "kind", DEFAULT_KIND)
    return kind if kind in KINDS else DEFAULT_KIND


def declare(name: str, step: StepConfig, file: StepFile) -> DeclaredStep[Any]:
    """Return a step as its kind declares it."""
    return KINDS[kind_of(step)](name, step, file)


if TYPE_CHECKING:
    Step: TypeAlias = StepConfig
else:
    tagged = tuple(Annotated[each.fields, Tag(kind)] for kind, each in KINDS.items())
    Step = Annotated[Union[tagged], Discriminator(kind_of)]  # noqa: UP007 - the number of kinds is not fixed
    """A step of any kind; a step without `kind` is a `generate` step."""
