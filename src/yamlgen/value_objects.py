"""The values that rooms exchange. They are immutable, and can be pickled and sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

JSON: TypeAlias = Any
"""A JSON value: `None`, `bool`, `int`, `float`, `str`, a list, or a dict with string keys."""

MOST_BITS: Final = 1328
"""Maximum size of an integer in a value: 400 digits, as in a pipeline."""


Cause: TypeAlias = Literal["first", "reask", "larger", "refusal"]
"""Why a request is sent: as the first one, as a re-ask, with more tokens after a truncated answer, or to a fallback
model after a refusal."""


Row: TypeAlias = Mapping[str, JSON]
"""One row of an input: its values by column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an input, as far as they are known before its rows are read.

    Attributes:
        names: the columns, in order.
        closed: true if no row can have other columns (a CSV header, inline rows); false if they were taken from the
            first rows.
        types: a JSON Schema for each column. All rows satisfy it if `closed`, otherwise only the first rows.
        complete: true if every row has every column, as in a CSV file.
        least: the minimum number of rows.
        supposed: the columns whose types were taken from the first rows although it is `closed`.
    """

    names: tuple[str, ...]
    closed: bool
    types: Mapping[str, JSON] = field(default_factory=dict)
    complete: bool = False
    least: int = field(default=0, compare=False)
    supposed: frozenset[str] = frozenset()

    def sure_type(self, name: str) -> JSON:
        """Return the JSON Schema that a column satisfies in every row."""
        return self.types.get(name, {}) if self.closed and name not in self.supposed else {}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt: a string, or content blocks of the API, which Python users may pass."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, JSON]]


@dataclass(frozen=True, slots=True)
class CacheMarks:
    """What the API is asked to cache of a prompt. Each lifetime is `5m` or `1h`; `None` asks for nothing.

    Attributes:
        step: the lifetime that the step sets for its prompts.
        system: the lifetime of the prompt up to the end of the system prompt.
        messages: the messages at whose end a part to cache ends, by their indexes, each with its lifetime.
        shared: where the parts end that other prompts of the step have too, as a number of messages: 0 for the end of
            the system prompt, -1 for that of the tools.
        repeats: whether the step sends equal prompts.
    """

    step: str | None = None
    system: str | None = None
    messages: tuple[tuple[int, str], ...] = ()
    shared: tuple[int, ...] = ()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of one step for one row: its rendered templates, and what of it is cached.

    Attributes:
        user_id: the identifier of the person for whom it is sent; it does not distinguish prompts.
    """

    system: str | None
    messages: tuple[Message, ...]
    cache: CacheMarks | None = None
    user_id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the API bills them. `input_tokens` are the uncached input tokens."""

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
class RateLimits:
    """What an API lets an account send per minute to the models of a pool. `None`: the API shows no such limit."""

    requests: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """What one answer is charged for. A refusal before any output is free, whatever its usage.

    Attributes:
        usage: the charged tokens.
        hour_writes: how many of the tokens written to the cache are cached for an hour; the others for five minutes.
        searches: the number of web searches.
        fast: whether the model answered in fast mode.
        batch: whether the model answered in a batch.
        in_us: whether the request had to be processed in the United States.
    """

    usage: Usage = Usage()
    hour_writes: int = 0
    searches: int = 0
    fast: bool = False
    batch: bool = False
    in_us: bool = False

    @property
    def uncached(self) -> Charge:
        """The same without the prompt cache: all its tokens are ordinary input."""
        usage = self.usage
        tokens = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
        return replace(self, usage=Usage(tokens, usage.output_tokens), hour_writes=0)


@dataclass(frozen=True, slots=True)
class InputRow:
    """One row of an input, its position (from 0), and its identity.

    `identity` distinguishes the answers of rows, whatever their order. It is the canonical JSON of the row's id, or of
    its values in the columns that the pipeline refers to and an ordinal among equal rows.
    """

    index: int
    row: Row
    identity: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One billed answer: the response of the API, and its validation errors.

    Attributes:
        response: the body of the response.
        errors: the validation errors; empty if the answer is valid.
        request_id: the API's id of the request.
        seconds: the duration of the request.
        cost: in US dollars; `None` if the price of the model is unknown.
        reused: whether it is an answer from the store, of an earlier run or another step.
        number: its number in the store; 0 if it is not stored.
        case: the case of a step that has several for a row, such as `item 3`; empty for other steps.
        notes: how a valid answer had to be repaired to be read.
        batched: whether it came with a batch.
        own: whether this run has stored it.
        fallback: the id of the model that answered in place of the step's, which has refused; empty for the step's own.
        saved: by how many US dollars it cost less than without the prompt cache, if this run has paid for it.
        by_older_key: whether it was found by a key that an older version made.
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
    batched: bool = False
    own: bool = False
    fallback: str = ""
    saved: float = 0.0
    by_older_key: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API's refusal of a request because of its content: the HTTP status, and the message."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class CachedValue:
    """The stored result of one of the author's functions.

    Attributes:
        files: the files that it depends on: the sha256 in hexadecimal by path, relative to the pipeline; empty if
            unknown.
        number: its number in the store. A value that is made anew has another one.
    """

    value: JSON
    files: Mapping[str, str]
    number: int = field(default=0, compare=False)


@dataclass(eq=False)
class SystemicFailure:
    """Tracks whether all requests of a model may fail in the same way. Shared by the model and the engine.

    Attributes:
        cleared: whether one of them was answered, in this run or before it.
        raised: whether so many have failed that other rows should be tried.
        others: the rows that were tried because of it, and failed too.
        patience: the factor for the number of failures until it is raised again, if trying other rows was inconclusive.
    """

    cleared: bool = False
    raised: bool = False
    others: set[int] = field(default_factory=set)
    patience: int = 1
