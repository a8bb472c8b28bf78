"""The seams of the house on one page: the protocols by which rooms meet that may not import each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from yamlgen.row_result import Answer, RowResult
from yamlgen.value_objects import JSON, Attempt, CachedValue, Charge, Prompt, Refusal, Usage

if TYPE_CHECKING:
    from yamlgen.cancellation import Cancellation  # asyncio takes 30 ms to load, which `validate` need not wait for
    from yamlgen.events import Emit


Check: TypeAlias = Callable[[JSON], tuple[str, ...]]
"""What is wrong with an output beyond its schema. Raises `RowError` where that cannot be told."""

PriceFunction: TypeAlias = Callable[[Charge], float]
"""What one answer costs, in US dollars. Long prompts may cost more per token: never call it with a sum of answers."""


class RequestObserver(Protocol):
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
class RequestContext:
    """Who asks a model: a step for a row, by the row's identity, and who watches.

    Attributes:
        row: the row's place in the input: of those who wait, the first goes first.
        sample: which one this is, from 0, of the equal requests that the step makes for the row; each has its own
            answer.
    """

    step: str
    identity: str
    observer: RequestObserver
    row: int = 0
    sample: int = 0


class _Unobserving:
    """The watch of a request that nobody watches."""

    def sent(self) -> None:
        """Tell nobody."""

    def retried(self, reason: str, wait: float) -> None:
        """Tell nobody."""

    def received(self, attempt: Attempt, *, reask: bool) -> None:
        """Tell nobody."""

    def cut(self, usage: Usage, cost: float | None) -> None:
        """Tell nobody."""


UNOBSERVED: Final = RequestContext("", "", _Unobserving())
"""Who asks where nobody watches, and no row is meant."""


class Model(Protocol):
    """One step's way to its model."""

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """The body of the first request for `prompt`, exactly as it would be sent."""
        ...

    async def answer(self, prompt: Prompt, context: RequestContext, check: Check | None = None) -> Answer:
        """Ask, check, ask again; what has been answered before is not sent again.

        Args:
            prompt: what is asked.
            context: who asks.
            check: what must hold of the output besides its schema.

        Raises:
            RowError: this prompt has no valid answer; others may.
            RunStopped: no prompt will have one.
        """
        ...


class AttemptLog(Protocol):
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


class ResponseStore(Protocol):
    """What was paid for before, and where what is paid for now is kept."""

    def attempts_of(self, keys: tuple[bytes, ...], context: RequestContext) -> AbstractAsyncContextManager[AttemptLog]:
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


class ValueCache(Protocol):
    """Keeps what the author's own functions made, where the author wants that."""

    def kept(self, key: bytes) -> CachedValue | None:
        """What was kept under a key; whether it still holds is for its files to say."""
        ...

    async def keep(self, key: bytes, kept: CachedValue) -> None:
        """Keep a value; when this returns, it is on disk.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        ...


class Provider(Protocol[PlanT_contra]):
    """How models are reached: a configuration, picklable like a plan, from which an engine makes its own clients."""

    def open(
        self,
        plan: PlanT_contra,
        cancellation: Cancellation,
        response_store: ResponseStore | None = None,
        emit: Emit | None = None,
    ) -> AbstractAsyncContextManager[Mapping[str, Model]]:
        """The models that the plan asks, by the names of its variants, while the context lasts; closed afterwards.

        Once `cancellation` is requested the models send nothing more and raise `Cancelled`. Without a store every
        answer is asked for, and none is kept. `emit` is told how fast the API lets requests through, and of what the
        models warn.
        """
        ...


class RowSink(Protocol):
    """Where the outcomes of rows go, in any order."""

    async def add(self, outcome: RowResult) -> None:
        """Keep an outcome; when this returns, it is safe.

        Raises:
            EnvironmentProblem: the disk refuses.
        """
        ...


class RunStore(ResponseStore, ValueCache, RowSink, Protocol):
    """All that an engine takes out of the store of a run and puts in; one process has it open, and writes to it."""
