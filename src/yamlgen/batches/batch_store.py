"""What a run needs of the store to send batches: the intent to post one, its requests, and their results."""

from __future__ import annotations

from collections.abc import Awaitable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from json import JSONEncoder
from typing import Final, Protocol

from yamlgen.batches.batch_api import RemoteBatch
from yamlgen.canonical_json import storable
from yamlgen.steps.config_fields import Auth
from yamlgen.value_objects import JSON, Attempt


class State(StrEnum):
    """The state of a batch in the store. `GATHERING`, `POSTING` and `POSTED` are open: they hold requests."""

    GATHERING = "gathering"
    """Its requests are added. If the run ends now, nothing was sent."""
    POSTING = "posting"
    """The intent is on disk; whether the API has the batch is in doubt."""
    POSTED = "posted"
    """The API has the batch, and its id is known."""
    COLLECTED = "collected"
    """All its results are in the store."""
    LOST = "lost"
    """Its results can no longer be had."""


HEAD: Final = b'{"requests":['
SEPARATOR: Final = b","
TAIL: Final = b"]}"
"""What is around and between the entries in the body of a batch. `BatchRecord.size` includes it."""

_ENCODER: Final = JSONEncoder(ensure_ascii=False, check_circular=False)


def entry_of(key: bytes, body: Mapping[str, JSON], told: Mapping[str, str] | None = None) -> bytes:
    """Return the entry of a request: an object with its `custom_id` and its `params`, as UTF-8 JSON.

    Args:
        key: the key of its answer.
        body: its parameters.
        told: further fields, which only the simulator reads.
    """
    entry = entry_from(key, storable(_ENCODER.encode(body)).encode())
    return b"%s,%s" % (entry[:-1], _ENCODER.encode(dict(told))[1:].encode()) if told else entry


def entry_from(key: bytes, params: bytes) -> bytes:
    """Return the entry of a request whose parameters are JSON already."""
    return b'{"custom_id":"%s","params":%s}' % (key.hex().encode(), params)


@dataclass(frozen=True, slots=True)
class BatchOrigin:
    """Where a batch is posted, so that another process can cancel it.

    Attributes:
        base_url: the address of the API.
        api_key_env: the environment variable that has the key.
        api_version: the version of the API.
        simulated: whether the simulator of the run answers.
        headers: the names of further headers, each with the environment variable that has its value.
        workspace: the id of the workspace, if a header names one.
        auth: the kind of the credentials.
    """

    base_url: str
    api_key_env: str
    api_version: str
    simulated: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    workspace: str = ""
    auth: Auth = "key"


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch in the store.

    Attributes:
        number: its number in the store.
        run: the number of the newest run that posted it or waited for it.
        step: the step whose requests it has.
        state: its state.
        id: the API's id; `None` until it is known.
        requests: the number of its requests.
        size: the bytes of its body.
        betas: the beta features that its creation requests, besides those of the environment.
        most: its maximum cost in US dollars; `None` if a price is unknown.
        intended: when it was about to be posted, by the API's clock; `None` while it is gathered.
        created: when the API created it.
        ended: when it ended.
        counts: the number of its requests by outcome, once it has ended.
        cost: what its answers cost in US dollars; `None` if a price is unknown, or before it is collected.
        origin: where it is posted; `None` if unknown.
    """

    number: int
    run: int
    step: str
    state: State
    id: str | None = None
    requests: int = 0
    size: int = 0
    betas: tuple[str, ...] = ()
    most: float | None = None
    intended: datetime | None = None
    created: datetime | None = None
    ended: datetime | None = None
    counts: Mapping[str, int] | None = None
    cost: float | None = None
    origin: BatchOrigin | None = None


@dataclass(frozen=True, slots=True)
class GatheredRequest:
    """A request to be sent in a batch.

    Attributes:
        key: the key of its answer; in hexadecimal it is the `custom_id`.
        setup: the digest of what makes a server accept requests of any content.
        variant: the name of the plan's variant, which knows the price.
        entry: its line in the body of the batch: an object with `custom_id` and `params`, as UTF-8 JSON.
        body: the body of the request, as the store keeps it with the answer.
    """

    key: bytes
    setup: bytes
    variant: str
    entry: bytes
    body: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """Why a request in a batch has no answer.

    Attributes:
        kind: `errored`, `expired`, `canceled`, or `missing` from the results.
        error: the body of the API's error response, for `errored`.
        times: how often the request has failed in this run, this time included.
    """

    kind: str
    error: Mapping[str, JSON] | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcome of one request of a batch: an answer, or a failure."""

    key: bytes
    outcome: Attempt | BatchFailure


class OutcomeReader(Protocol):
    """Reads the results of batches."""

    def parse(self, line: bytes) -> tuple[bytes, Mapping[str, JSON]] | None:
        """Return the key and the result of a line; `None` if its custom id is not a key.

        Raises:
            BatchCallFailed: the line is not a result: the stream is damaged.
        """
        ...

    def outcome(self, variant: str, key: bytes, result: Mapping[str, JSON], seconds: float) -> BatchOutcome:
        """Return the outcome of a request from its result, with its cost by the prices of the variant."""
        ...


class BatchStore(Protocol):
    """The batches of a store, as one run sees and changes them. Writes return once they are on disk.

    Attributes:
        arrived: the batches of this run whose rows are run again: their answers are new to these rows, not reused.
    """

    arrived: Container[int]

    def open_batches(self) -> list[BatchRecord]:
        """Return the batches of earlier runs that are `POSTING` or `POSTED`."""
        ...

    def record_of(self, number: int) -> BatchRecord:
        """Return a batch."""
        ...

    async def adopt(self, number: int) -> None:
        """Note that this run waits for a batch of an earlier run."""
        ...

    def knows(self, id: str) -> bool:  # noqa: A002 - the API's word
        """Return whether the API's id of a batch is in the store."""
        ...

    def batch_of(self, key: bytes) -> int | None:
        """Return the number of the open batch that has the request of a key."""
        ...

    async def begin_batch(self, step: str, betas: Sequence[str] = (), origin: BatchOrigin | None = None) -> int:
        """Add a batch in the state `GATHERING`, and return its number."""
        ...

    def add(self, number: int, request: GatheredRequest) -> Awaitable[bool]:
        """Add a request to a batch; the result is false if an open batch has its key already."""
        ...

    async def intend(self, number: int, when: datetime, most: float | None) -> BatchRecord:
        """Note that a batch is about to be posted (`POSTING`), and return it with its count and size."""
        ...

    def entries(self, number: int) -> Iterator[bytes]:
        """Yield the lines of its requests, in the order in which they were added."""
        ...

    async def posted(self, number: int, remote: RemoteBatch) -> None:
        """Note that the API has the batch (`POSTED`)."""
        ...

    async def drop(self, number: int, state: State | None = None) -> None:
        """Forget the requests of a batch, which may then be sent again. Without a state, forget the batch too."""
        ...

    def variant_of(self, number: int, key: bytes) -> str | None:
        """Return the variant of a request that a batch still lacks the result of; `None` if there is none."""
        ...

    async def settle(self, number: int, outcomes: Sequence[BatchOutcome]) -> None:
        """Store outcomes: answers as billed attempts, failures for this run. The batch has their requests no more.

        An outcome whose request the batch no longer has is ignored: its result came twice.
        """
        ...

    def unsettled(self, number: int) -> int:
        """Return how many requests of a batch have no outcome yet."""
        ...

    async def collected(self, number: int, remote: RemoteBatch) -> BatchRecord:
        """Note that a batch is done (`COLLECTED`). Requests that are left failed as `missing`. Return the batch."""
        ...

    def failure(self, key: bytes) -> BatchFailure | None:
        """Return why the request of a key has failed in a batch of this run, if it was not sent again since."""
        ...

    def past_seconds(self) -> tuple[float, ...]:
        """Return how long the newest collected batches took, in seconds from creation to end; at most 20.

        Canceled batches are left out.
        """
        ...
