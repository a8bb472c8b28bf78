"""What a run needs of the batch endpoints: the calls, their results, and how they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from yamlgen.errors import YamlgenError

Status = Literal["in_progress", "canceling", "ended"]


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch, as the API describes it.

    Attributes:
        id: the API's id of the batch.
        status: its processing status.
        created: when it was created, by the API's clock.
        ended: when it ended; `None` if it has not.
        canceled: whether it was canceled, before or after some of its requests were answered.
        counts: the number of its requests by outcome; all are `processing` until it has ended.
    """

    id: str
    status: Status
    created: datetime
    ended: datetime | None
    canceled: bool
    counts: Mapping[str, int]

    @property
    def requests(self) -> int:
        """The number of its requests."""
        return sum(self.counts.values())


class BatchCallFailed(Exception):  # noqa: N818 - an outcome that its caller handles
    """A call of the batch endpoints failed.

    Args:
        error: what to report if the run ends because of it.
        status: the HTTP status; 0 if no response arrived.
        transient: whether the same call may succeed later.
        retry_after: the seconds to wait, if the API names them.
    """

    def __init__(
        self, error: YamlgenError, *, status: int = 0, transient: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
        self.transient = transient
        self.retry_after = retry_after

    @property
    def is_certain(self) -> bool:
        """Whether a creation that failed like this has certainly created nothing: a 4xx other than 408, or a 501."""
        return (400 <= self.status < 500 and self.status != 408) or self.status == 501  # noqa: PLR2004 - HTTP's own


class BatchAPI(Protocol):
    """The batch endpoints of one API. No call is retried here. Each has a deadline.

    Every call raises `BatchCallFailed`.
    """

    @property
    def is_simulated(self) -> bool:
        """Whether the last response came from a simulator, which lists a batch as soon as it has it."""
        ...

    async def create(self, pieces: AsyncIterator[bytes], length: int, betas: Sequence[str] = ()) -> RemoteBatch:
        """Create a batch from a body of `length` bytes, which is streamed. `betas` are added to those of the client."""
        ...

    async def list(self, after: str | None = None, limit: int = 100) -> tuple[list[RemoteBatch], str | None]:
        """Return a page of batches, newest first, and the id after which the next page begins; `None` at the end."""
        ...

    async def retrieve(self, id: str) -> RemoteBatch:  # noqa: A002 - the API's word
        """Return the state of a batch."""
        ...

    async def cancel(self, id: str) -> RemoteBatch:  # noqa: A002
        """Cancel a batch. Raises with status 400 or 409 if it has ended."""
        ...

    def results(self, id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:  # noqa: A002
        """Open the results of an ended batch, from the configured host: lines of JSON, in any order.

        The lines come without their line ends. A connection that breaks raises `BatchCallFailed` while they are read.
        """
        ...

    async def synchronize(self) -> None:
        """Hear the time of the API's clock, if no response has arrived yet. Until then, `now` is this machine's clock.

        Without it, a machine whose clock is wrong would not find a creation in doubt, or would give up a batch as lost.
        """
        ...

    def now(self) -> datetime:
        """Return the time of the API's clock: of this machine, corrected by the `Date` of the last response."""
        ...
