"""The execution of a step: the interface of a kind of step to the engine.

Checks of a file do not need this module: it, and the `execution` module of a kind, is only loaded when a run needs it.
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
"""Invents a value from its schema and the name of its step."""


@dataclass(frozen=True)
class RunResources:
    """The resources of a run for its steps.

    Attributes:
        models: the models, by the names of the plan's variants.
        folder: the pipeline's folder, with the author's code; `None` if the author's code may not be called.
        value_cache: stores the results of the author's functions.
        width: the maximum that runs at once, both of items of a step for one row and of the author's coroutines.
        invent: invents the results of the author's functions, if the models invent their answers too.
        repeats: whether rows that waited for batches are run again: a function is not called a second time for them.
        python_workers: the number of processes that call the author's functions; 0: threads of this process call them.
        hidden: the environment variables that these processes do not get, because they have credentials.
    """

    models: Mapping[str, Model]
    folder: Path | None = None
    value_cache: ValueCache | None = None
    width: int = MOST_CONCURRENCY
    invent: Invent | None = None
    repeats: bool = False
    python_workers: int = 0
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RowStep:
    """The state of a step for one row, shared by its cases.

    Attributes:
        context: the row and the step that send a request.
        begin: called when the row starts something slow.
        check: called before something slow begins after a wait; raises `Cancelled` if the run is ending.
        equal: the number of equal requests that the step has sent for the row.
    """

    context: RequestContext
    begin: Callable[[], None]
    check: Callable[[], object] = bool
    equal: Counter[Hashable] = field(default_factory=Counter)


class StepExecutor(ABC, Generic[StepT]):
    """Executes all steps of one kind in one run. It owns what it opens and must be closed.

    Args:
        run: the resources of the run.
    """

    def __init__(self, run: RunResources) -> None:
        self._run = run

    @abstractmethod
    async def perform(self, step: StepT, case: Case, row: RowStep) -> Answer:
        """Return the output of one case of a step.

        Raises:
            RowError: the case has failed.
            Cancelled: the run sends no more requests.
            YamlgenError: the run cannot continue.
        """

    async def close(self) -> None:
        """Close everything that it has opened."""


def executor_of(kind: str, run: RunResources) -> StepExecutor[Any]:
    """Return the executor of a kind in a run: `EXECUTOR` of `execution` in the kind's folder."""
    made: StepExecutor[Any] = import_module(f"yamlgen.steps.{kind}.execution").EXECUTOR(run)
    return made


def checked(value: JSON, schema: JSONSchema | None) -> JSON:
    """Return the value of a step without a model, validated against its schema.

    Raises:
        RowError: the value does not fit the schema.
    """
    errors = schema.errors(value) if schema is not None else ()
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        message = f"the value does not fit the step's `output.schema`: {errors[0]}{more}"
        raise RowError(message, code=Code.INVALID_VALUE)
    return value
