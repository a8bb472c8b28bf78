"""The values that cross the rooms of the house: immutable, safe to pickle and to send to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = Any
"""A JSON value: `None`, a bool, a number, a string, a list, or a dict with string keys."""


Row: TypeAlias = Mapping[str, JSON]
"""One row of an input: column -> value."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of an input's columns before its rows are read.

    Attributes:
        names: the columns, in order.
        closed: true when no row can have another (a CSV header, rows written inline); false when they are those of the
            first rows.
        types: a JSON Schema for each column, which all rows satisfy when `closed`, and the first rows otherwise.
        complete: true when every row has each of them, as in a CSV.
        least: how many rows there are at least.
    """

    names: tuple[str, ...]
    closed: bool
    types: Mapping[str, JSON] = field(default_factory=dict)
    complete: bool = False
    least: int = field(default=0, compare=False)


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
class Charge:
    """What one answer is charged for. Nothing, if it is a refusal before any output, whatever its usage says.

    Attributes:
        usage: the tokens that are charged.
        hour_writes: how many of those written to the cache are kept for an hour; the others are for five minutes.
        searches: how often the web was searched.
        fast: whether the model answered in its fast mode.
        batch: whether it answered in a batch.
        in_us: whether it was bound to run in the United States.
    """

    usage: Usage = Usage()
    hour_writes: int = 0
    searches: int = 0
    fast: bool = False
    batch: bool = False
    in_us: bool = False


@dataclass(frozen=True, slots=True)
class InputRow:
    """One row of an input, its place in it (from 0), and who it is.

    `identity` is what keeps the answers of two rows apart, whatever their order: canonical JSON of the row's id, or
    of its values in the columns that the pipeline refers to and an ordinal among equal ones.
    """

    index: int
    row: Row
    identity: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One paid answer: the response as the API gave it, and what was wrong with it (nothing, if valid).

    Attributes:
        response: the body of the response.
        errors: what the check said of it.
        request_id: the API's own name for the request.
        seconds: how long it took.
        cost: in US dollars; `None` where the model's price is not known.
        reused: whether it came out of the store, where an earlier run or another step had put it.
        number: its number in the store; 0 where it was not stored.
        case: which time of a step that is done several times for a row, such as `item 3`.
        notes: what had to be done to read a valid one.
    """

    response: Mapping[str, JSON]
    usage: Usage
    errors: tuple[str, ...] = ()
    request_id: str | None = None
    seconds: float = 0.0
    cost: float | None = None
    reused: bool = False
    number: int = 0
    case: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the API refused a request for what it holds: the status of HTTP, and the sentence for it."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class CachedValue:
    """What a function of the author's made.

    Attributes:
        files: what it depends on: path relative to the pipeline -> sha256 in hexadecimal; empty if not known.
    """

    value: JSON
    files: Mapping[str, str]


@dataclass(eq=False)
class SystemicFailure:
    """Whether the requests of a model may fail all alike: shared by the model that asks and the engine that runs.

    Attributes:
        cleared: whether one of them was answered, in this run or before it.
        raised: whether so many have failed that other rows are to be tried.
        others: the rows that were tried for it, and failed too.
        patience: how many times as many must fail until it is raised again, where no row that was tried told anything.
    """

    cleared: bool = False
    raised: bool = False
    others: set[int] = field(default_factory=set)
    patience: int = 1
