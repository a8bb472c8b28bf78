"""The protocols that connect rooms which may not import each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from yamlgen.row_result import Answer, RowResult
from yamlgen.value_objects import JSON, Attempt, CachedValue, Cause, Charge, Prompt, Refusal, Usage

if TYPE_CHECKING:
    from yamlgen.cancellation import Cancellation  # imports asyncio, which takes 30 ms that `validate` does not need
    from yamlgen.events import Emit


Check: TypeAlias = Callable[[JSON], tuple[str, ...]]
"""Returns what is wrong with an output that its schema accepts. Raises `RowError` if it cannot be checked."""

PriceFunction: TypeAlias = Callable[[Charge], float]
"""Returns the cost of one answer in US dollars. Long prompts may cost more per token: never pass a sum of answers."""


class RequestObserver(Protocol):
    """Observes the requests of one row at one step."""

    def sent(self) -> None:
        """A request is sent, for the first time or again."""
        ...

    def retried(self, reason: str, wait: float) -> None:
        """The request will be sent again after `wait` seconds, because of `reason`."""
        ...

    def received(self, attempt: Attempt, *, cause: Cause) -> None:
        """An answer has arrived and is stored. It has not been validated yet."""
        ...

    def cut(self, usage: Usage, cost: float | None) -> None:
        """A stream was cut off after it had used these tokens. The request will be sent again, or fails."""
        ...


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The origin of a request: the step, the identity of the row, and the observer.

    Attributes:
        row: the position of the row in the input. Waiting requests are sent in this order.
        sample: the number, from 0, among the equal requests that the step makes for the row. Each has its own answer.
    """

    step: str
    identity: str
    observer: RequestObserver
    row: int = 0
    sample: int = 0


class _Unobserving:
    """An observer that does nothing."""

    def sent(self) -> None:
        """Do nothing."""

    def retried(self, reason: str, wait: float) -> None:
        """Do nothing."""

    def received(self, attempt: Attempt, *, cause: Cause) -> None:
        """Do nothing."""

    def cut(self, usage: Usage, cost: float | None) -> None:
        """Do nothing."""


UNOBSERVED: Final = RequestContext("", "", _Unobserving())
"""The context of a request without an observer and without a row."""


class RowWaits(Exception):  # noqa: N818 - not an error
    """A request was gathered for a batch: its row is run again when the results are there."""


class Model(Protocol):
    """The model of one step."""

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """Return the body of the first request for `prompt`, exactly as it would be sent."""
        ...

    async def answer(self, prompt: Prompt, context: RequestContext, check: Check | None = None) -> Answer:
        """Send the request, check the answer, and re-ask if it is invalid. Stored answers are reused.

        Args:
            prompt: the rendered prompt.
            context: the origin of the request.
            check: checks the output in addition to its schema.

        Raises:
            RowError: this prompt has no valid answer; other prompts may have one.
            RowWaits: its answer will come with a batch.
            RunStopped: no prompt can get an answer.
        """
        ...


class AttemptLog(Protocol):
    """The attempts of one step for one row: the first request, and the re-asks that follow its answers.

    A setup is an address, a model and its settings. Once a request of a setup was answered, the setup is proven: a
    refusal of another request is then caused by the content of that request. Before, it may be caused by the key, the
    address or the settings, and is not stored.

    Attributes:
        sends: whether a request without a stored answer may be sent.
    """

    @property
    def sends(self) -> bool: ...  # noqa: D102 - documented above

    def recall(self, keys: tuple[bytes, ...]) -> Attempt | None:
        """Return the stored answer of the first of these keys that has one, or `None`."""
        ...

    def may_follow(self, keys: tuple[bytes, ...]) -> bool:
        """Return whether a re-ask with these keys may be made after an answer that a check of the author rejects.

        It may not if the checks are only applied to answers of earlier runs. Then that answer is the last one.
        """
        ...

    def answered(self, key: bytes) -> int:
        """Return the number of stored answers of a key, including those that are not recalled."""
        ...

    def had_fallbacks(self, attempt: Attempt) -> bool:
        """Return whether the API could ask fallback models for a stored answer."""
        ...

    async def record(self, key: bytes, setup: bytes, request: Mapping[str, JSON], attempt: Attempt) -> Attempt:
        """Store a billed answer, and that its setup is proven; when this returns, both are on disk.

        Returns:
            The attempt with its number.

        Raises:
            EnvironmentProblem: the store cannot be written.
        """
        ...

    async def cut(self, model: str, usage: Usage, cost: float | None) -> None:
        """Store the usage of a stream that was cut off."""
        ...

    async def prove(self, setup: bytes) -> None:
        """Record that a setup is proven: its refusals are stored from now on."""
        ...

    def is_proven(self, setup: bytes) -> bool:
        """Return whether a request of a setup was ever answered."""
        ...

    def refused(self, key: bytes) -> Refusal | None:
        """Return the stored refusal of the request with this key, if it is still valid."""
        ...

    async def refuse(self, key: bytes, setup: bytes, refusal: Refusal) -> None:
        """Store a refusal as soon as its setup is proven, now or later in this run."""
        ...


class ResponseStore(Protocol):
    """Stores billed answers, and returns those of earlier runs."""

    def attempts_of(self, keys: tuple[bytes, ...], context: RequestContext) -> AbstractAsyncContextManager[AttemptLog]:
        """Open the attempts that begin with the request of these keys.

        The first key is the current one. A second key is the one under which an older version stored the answer.
        """
        ...

    def is_refused(self, schema: bytes) -> bool:
        """Return whether the API has refused a native schema, given its key."""
        ...

    async def refuse(self, schema: bytes, refusal: Refusal) -> None:
        """Store that the API has refused a native schema."""
        ...


PlanT_contra = TypeVar("PlanT_contra", contravariant=True)
DeskT_contra = TypeVar("DeskT_contra", contravariant=True)


class ValueCache(Protocol):
    """Stores the results of the author's functions: for steps with `keep:`, and for rows that are run again."""

    def kept(self, key: bytes) -> CachedValue | None:
        """Return the value of a key, or `None`. It is valid if the files that it depends on have not changed."""
        ...

    async def keep(self, key: bytes, kept: CachedValue) -> int:
        """Store a value, and return its number; when this returns, it is on disk.

        Raises:
            EnvironmentProblem: the store cannot be written.
        """
        ...

    def held(self, key: bytes) -> CachedValue | None:
        """Return a value that was held in this run, or `None`."""
        ...

    async def hold(self, key: bytes, value: JSON) -> None:
        """Store a value until the run ends; when this returns, it is on disk.

        Raises:
            EnvironmentProblem: the store cannot be written.
        """
        ...


class Provider(Protocol[PlanT_contra, DeskT_contra]):
    """A configuration from which an engine creates its clients for the models. It can be pickled, like a plan."""

    def open(
        self,
        plan: PlanT_contra,
        cancellation: Cancellation,
        response_store: ResponseStore | None = None,
        emit: Emit | None = None,
        desk: DeskT_contra | None = None,
    ) -> AbstractAsyncContextManager[Mapping[str, Model]]:
        """Open the models of the plan, by the names of its variants, until the context ends.

        Once `cancellation` is requested, the models send no more requests and raise `Cancelled`. Without a store, every
        request is sent and no answer is stored. `emit` receives the pace of the requests, and the warnings of the
        models. The desk gathers the requests of batches; without it, every request is sent by itself.
        """
        ...


class RowSink(Protocol):
    """Stores the results of rows, in any order."""

    async def add(self, outcome: RowResult) -> None:
        """Store a result; when this returns, it is on disk.

        Raises:
            EnvironmentProblem: the store cannot be written.
        """
        ...


class RunStore(ResponseStore, ValueCache, RowSink, Protocol):
    """Everything that an engine reads from and writes to the store of a run. One process has it open at a time."""
