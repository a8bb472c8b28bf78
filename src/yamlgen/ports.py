"""The seams of the house on one page: what crosses between rooms that may not import each other.

Owns the values that an input, a plan, an engine and a model hand to one another. Each is an immutable value,
safe to pickle and to send to another process, or a protocol with more than one implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from yamlgen.errors import RowError
    from yamlgen.events import Emit
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
class Lost:
    """An item of a step that is null: its place, from 0, among those of its row; how messages name it; and why."""

    case: int
    name: str
    error: RowError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step made of a row: a string, or a value that its output schema accepts.

    Attributes:
        key: of the first request, if there was one alone.
        skipped: whether the step was not done, because its `when` did not hold; the value is null then.
        items: how often the step was done for the row; 0 where its value is no list.
        lost: the items that are null, where the step allows that.
    """

    value: JSON
    attempts: tuple[Attempt, ...] = field(default=())
    key: bytes = b""
    skipped: bool = False
    items: int = 0
    lost: tuple[Lost, ...] = ()

    @property
    def usage(self) -> Usage:
        """The tokens of all attempts together."""
        return sum((attempt.usage for attempt in self.attempts), Usage())


Check: TypeAlias = Callable[[JSON], tuple[str, ...]]
"""What is wrong with an output beyond its schema. Raises `RowError` where that cannot be told."""

Tariff: TypeAlias = Callable[[Charge], float]
"""What one answer costs, in US dollars. Long prompts may cost more per token: never call it with a sum of answers."""


@dataclass(eq=False)
class Doubt:
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the API refused a request for what it holds: the status of HTTP, and the sentence for it."""

    status: int
    message: str


class Watch(Protocol):
    """Is told what happens to the requests of one row at one step."""

    def sent(self) -> None:
        """A request goes out now, or goes out again."""
        ...

    def retried(self, reason: str, wait: float) -> None:
        """The request will go out again after `wait` seconds, because of `reason`."""
        ...

    def received(self, attempt: Attempt, *, reask: bool) -> None:
        """An answer, to a first request or to a re-ask, is there, and safe; what is wrong with it is not known yet."""
        ...

    def cut(self, usage: Usage, cost: float | None) -> None:
        """A stream broke off after it had taken so much; the request will go out again, or fails."""
        ...


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks a model: a step for a row, by the row's identity, and who watches.

    Attributes:
        row: the row's place in the input: of those who wait, the first goes first.
        sample: which one this is, from 0, of the equal requests that the step makes for the row; each has its own
            answer.
    """

    step: str
    identity: str
    watch: Watch
    row: int = 0
    sample: int = 0


class _Nobody:
    """The watch of a request that nobody watches."""

    def sent(self) -> None:
        """Tell nobody."""

    def retried(self, reason: str, wait: float) -> None:
        """Tell nobody."""

    def received(self, attempt: Attempt, *, reask: bool) -> None:
        """Tell nobody."""

    def cut(self, usage: Usage, cost: float | None) -> None:
        """Tell nobody."""


NOBODY: Final = Asker("", "", _Nobody())
"""Who asks where nobody watches, and no row is meant."""


class Model(Protocol):
    """One step's way to its model."""

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        ...

    async def answer(self, prompt: Prompt, asker: Asker, check: Check | None = None) -> Answer:
        """Ask, check, ask again; what has been answered before is not sent again.

        Args:
            prompt: what is asked.
            asker: who asks.
            check: what must hold of the output besides its schema.

        Raises:
            RowError: this prompt has no valid answer; others may.
            RunStopped: no prompt will have one.
        """
        ...


class Chain(Protocol):
    """The attempts of one step for one row: the first request, and the re-asks that follow from its answers.

    A setup is an address, a model and its settings: where a request of it was answered, a refusal of another is about
    what that one holds. Elsewhere it may be about the key, the address or the settings, and is not kept.

    Attributes:
        sends: whether what was never answered may be sent.
    """

    @property
    def sends(self) -> bool: ...  # noqa: D102 - said above

    def recall(self, keys: tuple[bytes, ...]) -> Attempt | None:
        """The answer that a request with the first of these keys has had, or else with the next one, or `None`."""
        ...

    def answered(self, key: bytes) -> int:
        """How many answers a request with this key has had, those that are not recalled included."""
        ...

    async def record(self, key: bytes, setup: bytes, request: Mapping[str, JSON], attempt: Attempt) -> Attempt:
        """Keep a paid answer, and that its setup was answered; when this returns, both are on disk.

        The attempt comes back with its number.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        ...

    async def cut(self, model: str, usage: Usage, cost: float | None) -> None:
        """Note what a stream took that broke off."""
        ...

    async def prove(self, setup: bytes) -> None:
        """Note that a request of a setup was answered: the refusals of this setup are kept from now on."""
        ...

    def is_proven(self, setup: bytes) -> bool:
        """Whether a request of a setup was ever answered."""
        ...

    def refused(self, key: bytes) -> Refusal | None:
        """How a request with this key was refused, if that was kept and still counts."""
        ...

    async def refuse(self, key: bytes, setup: bytes, refusal: Refusal) -> None:
        """Keep a refusal once its setup is proven, now or later in this run."""
        ...


class Recorder(Protocol):
    """What was paid for before, and where what is paid for now is kept."""

    def chain(self, keys: tuple[bytes, ...], asker: Asker) -> AbstractAsyncContextManager[Chain]:
        """The attempts that begin with the request of these keys, for as long as the context lasts.

        The first key is today's; a second one is that under which an older version kept the answer.
        """
        ...

    def is_refused(self, schema: bytes) -> bool:
        """Whether the API has refused a native schema, known by its key."""
        ...

    async def refuse(self, schema: bytes, refusal: Refusal) -> None:
        """Keep that it has."""
        ...


PlanT_contra = TypeVar("PlanT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a function of the author's made.

    Attributes:
        files: what it depends on: path relative to the pipeline -> sha256 in hexadecimal; empty if not known.
    """

    value: JSON
    files: Mapping[str, str]


class Keeper(Protocol):
    """Keeps what the author's own functions made, where the author wants that."""

    def kept(self, key: bytes) -> Kept | None:
        """What was kept under a key; whether it still holds is for its files to say."""
        ...

    async def keep(self, key: bytes, kept: Kept) -> None:
        """Keep a value; when this returns, it is on disk.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        ...


class Provider(Protocol[PlanT_contra]):
    """How a model is reached: a configuration, picklable, that opens the clients where they are used."""

    def open(
        self, plan: PlanT_contra, halt: Halt, recorder: Recorder | None = None, emit: Emit | None = None
    ) -> AbstractAsyncContextManager[Mapping[str, Model]]:
        """The models that the plan asks, by the names of its variants, while the context lasts; closed afterwards.

        Once `halt` is requested the models send nothing more and raise `Halted`. Without a recorder every answer is
        asked for, and none is kept. `emit` is told how fast the API lets requests through, and of what the models warn.
        """
        ...
