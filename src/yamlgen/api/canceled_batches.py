"""Cancels the open batches of a run at the API. It only reads the store, so it also works beside a run that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

from yamlgen.batches.batch_api import BatchCallFailed
from yamlgen.batches.batch_store import BatchOrigin, BatchRecord, State
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.option_names import option
from yamlgen.value_objects import JSON

if TYPE_CHECKING:
    from yamlgen.claude.batch_calls import BatchCalls

Outcome = Literal["canceled", "ended", "unknown", "in_doubt", "forgotten"]

_TIMEOUT: Final = 60.0
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})


@dataclass(frozen=True)
class CanceledBatch:
    """What a cancelation did with one open batch of a run.

    Attributes:
        id: the API's id of the batch; `None` if it is unknown.
        step: the step whose requests it has.
        requests: the number of its requests.
        outcome: `canceled`; `ended` if it has ended already, and nothing changed; `unknown` if the API does not know
            it; `in_doubt` if the run ended before the API confirmed it; `forgotten` if its requests are sent again.
        message: what happened, and what to do, as a sentence.
    """

    id: str | None
    step: str
    requests: int
    outcome: Outcome
    message: str

    @property
    def is_left(self) -> bool:
        """Whether the batch may still be processed, because it could not be canceled."""
        return self.outcome in ("unknown", "in_doubt")

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON values."""
        return dict(vars(self))


async def cancel_batches(
    batches: Sequence[BatchRecord],
    *,
    is_running: bool,
    forget: Callable[[list[int]], None] | None,
    tell: Callable[[CanceledBatch], object],
) -> list[CanceledBatch]:
    """Cancel open batches.

    Args:
        batches: the batches, posted or in doubt.
        is_running: whether their run is in progress.
        forget: called with the numbers of the batches that the API does not know, and of those in doubt.
        tell: called after each batch.

    Raises:
        EnvironmentProblem: there is no key, or the store cannot be written.
        YamlgenError: the API cannot be reached, or refused the key.
    """
    done: list[CanceledBatch] = []
    left: list[BatchRecord] = []

    def note(batch: BatchRecord, canceled: CanceledBatch) -> None:
        if canceled.is_left and forget is not None:
            left.append(batch)
            return
        done.append(canceled)
        tell(canceled)

    posted = [batch for batch in batches if batch.state is State.POSTED]
    for origin in dict.fromkeys(batch.origin for batch in posted):
        async with _calls(origin) as calls:
            for batch in posted:
                if batch.origin == origin:
                    note(batch, await _cancel(batch, calls, by="the run" if is_running else "the next run"))
    for batch in batches:
        if batch.state is State.POSTING:
            note(batch, _made(batch, "in_doubt", _doubt(is_running=is_running)))
    if left and forget is not None:
        forget([batch.number for batch in left])
        for batch in left:
            done.append(_made(batch, "forgotten", "it is forgotten; the next run sends its requests again"))
            tell(done[-1])
    return done


async def _cancel(batch: BatchRecord, calls: BatchCalls, *, by: str) -> CanceledBatch:
    """Cancel a posted batch, whose results are collected `by` a run."""
    assert batch.id is not None  # noqa: S101 - a posted batch has one
    try:
        try:
            remote = await calls.cancel(batch.id)
        except BatchCallFailed as failed:
            if failed.status not in _REFUSED:
                raise
            remote = await calls.retrieve(batch.id)
            if remote.status != "ended":
                raise failed from None
            return _made(batch, "ended", f"it has ended already; {by} collects its results")
    except BatchCallFailed as failed:
        if failed.status != HTTPStatus.NOT_FOUND:
            raise failed.error from None
        way = f"{option('forget')} forgets it, and the next run sends its requests again"
        return _made(batch, "unknown", f"{failed.error.message}; {failed.error.hint}; {way}")
    answered = "it is canceled" if remote.status == "ended" else "it is being canceled"
    return _made(batch, "canceled", f"{answered}; {by} collects the answers that it has")


def _doubt(*, is_running: bool) -> str:
    """Return what is known of a batch whose creation was not confirmed."""
    if is_running:
        return "it is being posted; cancel it again when the API has confirmed it"
    fact = "it may exist, because the run ended before the API confirmed it; the next run finds it if it does"
    return f"{fact}; {option('forget')} forgets it, and its requests are sent again, which may bill them twice"


def _made(batch: BatchRecord, outcome: Outcome, message: str) -> CanceledBatch:
    return CanceledBatch(batch.id, batch.step, batch.requests, outcome, message)


def _calls(origin: BatchOrigin | None) -> AbstractAsyncContextManager[BatchCalls]:
    """Open the calls of the API to which a batch was posted, with the key of today."""
    from yamlgen.claude.batch_calls import open_batch_calls  # noqa: PLC0415 - loads the SDK, not needed to list runs
    from yamlgen.claude.endpoints import posted_to  # noqa: PLC0415

    if origin is None:
        raise EnvironmentProblem("the store does not record where its batches were posted", code=Code.UNREACHABLE)
    endpoint = posted_to(origin)
    credentials, headers = endpoint.credentials(retries=True), endpoint.headers()
    headers.check()
    return open_batch_calls(
        credentials=credentials,
        error_context=endpoint.error_context(credentials, headers),
        timeout=_TIMEOUT,
        api_version=origin.api_version,
        headers=headers.own,
    )
