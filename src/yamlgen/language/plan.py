"""A plan: a pipeline checked, resolved and ordered, as immutable values that can be sent anywhere.

Owns what a run needs to know and nothing that a run holds: no client, no open file, no loop. Templates stay their
source text, schemas their JSON text; what is compiled from them is cached where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final, Literal

from yamlgen.language.schemas import JSONSchema
from yamlgen.language.spec import Input, Limits, Output, Price, Runtime, Settings
from yamlgen.language.template import render
from yamlgen.ports import JSON, Message, Prompt, Row

DEFAULT_MAX_TOKENS: Final = 4096
MOST_CONCURRENCY: Final = 1000
"""How many requests may be in flight where nothing is set; how many are is for the API to say."""


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """One turn of a conversation, its content a template's source."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step: which model is asked what, and what its answer must be.

    Attributes:
        settings: the model's settings, the step's own over its alias's; `id` is set.
        schema: what the output must satisfy; `None` for text.
        needs: the steps that this one refers to.
        columns: the columns that its templates refer to; `None` when they need the row as a whole.
        price: what the author says that the model costs; `None` leaves it to the price list.
    """

    name: str
    settings: Settings
    system: str | None
    messages: tuple[TemplateMessage, ...]
    schema: JSONSchema | None
    mode: Literal["auto", "native", "tools", "json"]
    reasks: int
    needs: frozenset[str]
    columns: frozenset[str] | None
    price: Price | None = None

    @property
    def model(self) -> str:
        """The id of the model."""
        return self.settings.id or ""

    @property
    def max_tokens(self) -> int:
        """The most tokens of an answer."""
        return self.settings.max_tokens or DEFAULT_MAX_TOKENS

    def prompt(self, row: Row, params: Mapping[str, JSON], outputs: Mapping[str, JSON]) -> Prompt:
        """The step's templates filled in for one row.

        Raises:
            RowError: a value that a template needs is missing in this row.
        """
        scope = {"row": row, "params": params, "steps": outputs}
        system = None if self.system is None else render(self.system, scope)
        messages = tuple(Message(turn.role, render(turn.content, scope)) for turn in self.messages)
        return Prompt(system, messages)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pipeline, ready to run.

    Attributes:
        file: the pipeline's file.
        params: every parameter's value.
        steps: in file order; the graph is in their `needs`.
    """

    name: str
    file: Path
    params: Mapping[str, JSON]
    runtime: Runtime
    limits: Limits
    input: Input
    steps: tuple[PlanStep, ...]
    output: Output

    def ordered(self) -> tuple[PlanStep, ...]:
        """The steps so that each comes after those it needs."""
        steps = {step.name: step for step in self.steps}
        order = TopologicalSorter({name: step.needs for name, step in steps.items()}).static_order()
        return tuple(steps[name] for name in order)

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that any step refers to; `None` when one needs the row as a whole."""
        each = [step.columns for step in self.steps if step.columns is not None]
        return frozenset().union(*each) if len(each) == len(self.steps) else None

    @property
    def concurrency(self) -> int:
        """The most requests in flight at once."""
        ceiling = self.runtime.concurrency
        return MOST_CONCURRENCY if ceiling == "auto" else ceiling

    @property
    def folder(self) -> Path:
        """The folder that the pipeline's paths start from."""
        return self.file.parent
