"""How a step is done, as far as all kinds are the same: what the engine needs of a kind.

What a file says is checked without this: nothing here, and no `execution` of a kind, is loaded before a run needs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from yamlgen.errors import Code, RowError
from yamlgen.interfaces import Model, RequestContext, ValueCache
from yamlgen.row_result import Answer
from yamlgen.schemas.author_schema import JSONSchema
from yamlgen.steps.config_fields import MOST_CONCURRENCY
from yamlgen.steps.fan_out import Case
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON

StepT = TypeVar("StepT", bound=PlanStep)

Invent: TypeAlias = Callable[[JSON, str], JSON]
"""Makes up a value, by its schema and the name of its step."""


@dataclass(frozen=True)
class RunResources:
    """What a run has for its steps.

    Attributes:
        models: the models that are asked, by the names of the plan's variants.
        folder: the pipeline's, where code of the author's stands; `None` where none of it may be called.
        value_cache: keeps what that made.
        width: the most that is under way at once: of the items of a step for one row, of the author's coroutines.
        invent: makes up what that would make, where the models make up their answers too.
    """

    models: Mapping[str, Model]
    folder: Path | None = None
    value_cache: ValueCache | None = None
    width: int = MOST_CONCURRENCY
    invent: Invent | None = None


@dataclass(frozen=True, slots=True)
class RowStep:
    """A step for one row, as each of its cases needs it.

    Attributes:
        context: who asks.
        begin: is called when the row begins something that takes its time.
        equal: how many equal requests the step has made for the row.
    """

    context: RequestContext
    begin: Callable[[], None]
    equal: Counter[Hashable] = field(default_factory=Counter)


class StepExecutor(ABC, Generic[StepT]):
    """Does the steps of one kind in one run, which may have several; what it opens for that is its own. To be closed.

    Args:
        run: what the run has.
    """

    def __init__(self, run: RunResources) -> None:
        self._run = run

    @abstractmethod
    async def perform(self, step: StepT, case: Case, row: RowStep) -> Answer:
        """The output of one case of a step.

        Raises:
            RowError: it has none.
            Cancelled: nothing more is sent.
            YamlgenError: the run cannot go on.
        """

    def close(self) -> None:
        """Close what it has opened."""


def executor_of(kind: str, run: RunResources) -> StepExecutor[Any]:
    """What does the steps of a kind in a run: `EXECUTOR` of `execution` in the kind's folder."""
    made: StepExecutor[Any] = import_module(f"yamlgen.steps.{kind}.execution").EXECUTOR(run)
    return made


def checked(value: JSON, schema: JSONSchema | None) -> JSON:
    """A value that a step without a model has made.

    Raises:
        RowError: it does not fit the step's schema.
    """
    errors = schema.errors(value) if schema is not None else ()
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        message = f"the value does not fit the step's `output.schema`: {errors[0]}{more}"
        raise RowError(message, code=Code.INVALID_VALUE)
    return value
