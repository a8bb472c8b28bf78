"""The seams of the house on one page: what crosses between rooms that may not import each other.

Owns the values that an input, a plan, an engine and a model hand to one another. Each is an immutable value,
safe to pickle and to send to another process, or a protocol with more than one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from yamlgen.halt import Halt  # asyncio takes 30 ms to load, which `validate` need not wait for

JSON: TypeAlias = Any
"""A JSON value: `None`, a bool, a number, a string, a list, or a dict with string keys."""

Row: TypeAlias = Mapping[str, JSON]
"""One row of an input: column -> value."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of an input's columns before its rows are read.

    Attributes:
        names: the columns, in order.
        closed: true when no row can have another (a CSV header); false when they are those of the first rows.
    """

    names: tuple[str, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt: a text, or the API's content blocks as Python users may pass them."""

    role: Literal["user", "assistant"]
    content: str | list[dict[str, JSON]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one step asks for one row: its templates, rendered."""

    system: str | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the API bills them; `input_tokens` leaves out what was read from or written to the cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            self.cache_read_input_tokens + other.cache_read_input_tokens,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One paid answer: the response as the API gave it, and what was wrong with it (nothing, if valid)."""

    response: Mapping[str, JSON]
    usage: Usage
    errors: tuple[str, ...] = ()
    request_id: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step made of a row: a string, or a value that its output schema accepts."""

    value: JSON
    attempts: tuple[Attempt, ...] = field(default=())

    @property
    def usage(self) -> Usage:
        """The tokens of all attempts together."""
        return sum((attempt.usage for attempt in self.attempts), Usage())


Notice: TypeAlias = Callable[[str, float], None]
"""Called with a reason and the seconds to wait, whenever a request is about to be sent again."""


class Model(Protocol):
    """One step's way to its model."""

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        ...

    async def answer(self, prompt: Prompt, notice: Notice) -> Answer:
        """Ask, check, ask again.

        Raises:
            RowError: this prompt has no valid answer; others may.
            RunStopped: no prompt will have one.
        """
        ...


PlanT_contra = TypeVar("PlanT_contra", contravariant=True)


class Provider(Protocol[PlanT_contra]):
    """How a model is reached: a configuration, picklable, that opens the clients where they are used."""

    def open(self, plan: PlanT_contra, halt: Halt) -> AbstractAsyncContextManager[Mapping[str, Model]]:
        """The model of each step, by its name, for as long as the context lasts; closed afterwards.

        Once `halt` is requested the models send nothing more and raise `Halted`.
        """
        ...


class RowSink(Protocol):
    """Where finished and failed rows go, in any order, each safe when its call returns."""

    def add(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep the record of a finished row."""
        ...

    def add_failed(self, index: int, record: Mapping[str, JSON]) -> None:
        """Keep the record of a row that was set aside."""
        ...
