"""The kinds of steps, by name. A kind is a folder of that name and a line here.

A folder has the modules `config` (the keys), `declaration` (checks and types), `plan_step` (its step of a plan) and
`execution`. They are loaded by name: `KEYS` of `config` here, `DECLARED` of `declaration` when a file has a step of the
kind, and `EXECUTOR` of `execution` when a run first executes one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union

from pydantic import Discriminator, Tag

from yamlgen.steps.step_config import StepConfig

if TYPE_CHECKING:
    from yamlgen.steps.declaration import DeclaredStep
    from yamlgen.steps.step_file import StepFile

KINDS: Final[dict[str, type[StepConfig]]] = {
    kind: import_module(f"yamlgen.steps.{kind}.config").KEYS
    for kind in (
        "generate",
        "compute",
        "python",
        "draw",
    )
}
"""The model of the keys of each kind."""

DEFAULT_KIND: Final = "generate"
"""The kind of a step without `kind`."""


def kind_of(step: Any) -> str:
    """Return the kind of a step, given as data or as a model; the default if the kind is unknown."""
    kind = step.get("kind", DEFAULT_KIND) if isinstance(step, dict) else getattr(step, "kind", DEFAULT_KIND)
    return kind if kind in KINDS else DEFAULT_KIND


def declare(name: str, step: StepConfig, file: StepFile) -> DeclaredStep[Any]:
    """Return a step as its kind declares it."""
    declared: type[DeclaredStep[Any]] = import_module(f"yamlgen.steps.{kind_of(step)}.declaration").DECLARED
    return declared(name, step, file)


if TYPE_CHECKING:
    Step: TypeAlias = StepConfig
else:
    tagged = tuple(Annotated[keys, Tag(kind)] for kind, keys in KINDS.items())
    Step = Annotated[Union[tagged], Discriminator(kind_of)]  # noqa: UP007 - the number of kinds is not fixed
    """A step of any kind; a step without `kind` is a `generate` step."""
