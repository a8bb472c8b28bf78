"""The batches of a run: their desk, and what is left of them when the run ends early."""

from __future__ import annotations

from yamlgen.api.preparation import Preparation
from yamlgen.batches.batch_store import State
from yamlgen.batches.desk import BatchDesk
from yamlgen.batches.detachment import detached, still_processed, ways_on
from yamlgen.batches.waits import Waits
from yamlgen.cancellation import Cancellation
from yamlgen.engine.spending_limits import Budget
from yamlgen.errors import Detached, YamlgenError
from yamlgen.events import Emit
from yamlgen.pacing.pool import MAX_PAUSE
from yamlgen.store.run_reader import RunEntry, RunReader


def open_desk(
    ready: Preparation, *, emit: Emit, cancellation: Cancellation, budget: Budget, sends: bool, detach: bool
) -> BatchDesk | None:
    """Return the desk of a run; `None` if it needs none.

    A run that sends each request by itself needs it while a batch of an earlier run is open: what that batch has is not
    sent again.
    """
    plan = ready.plan
    steps = {step.name: step.batch for step in plan.generating if step.batch is not None}
    batches = ready.session.run_recorder.batches
    if not sends or not (steps or batches.open_batches()):
        return None
    return BatchDesk(
        batches,
        steps,
        cancellation=cancellation,
        emit=emit,
        allowance=budget,
        waits=Waits(pause=plan.limits.max_pause or MAX_PAUSE),
        tries=plan.runtime.max_retries + 1,
        simulated=ready.simulation is not None,
        detach=detach,
    )


def count_open(run_reader: RunReader, run: RunEntry) -> tuple[int, int]:
    """Return how many batches of a run are in progress at the API, and how many requests they have."""
    if run_reader.place.simulated:  # they end with the simulator of the run
        return 0, 0
    left = [each for each in run_reader.batches(run.number) if each.state in (State.POSTING, State.POSTED)]
    return len(left), sum(each.requests for each in left)


def leaving(error: YamlgenError, batches: int, requests: int, run: str) -> YamlgenError:
    """Return the error of a run that ends early, with what is known of its open batches."""
    if isinstance(error, Detached):
        return detached(batches, requests, run)
    hint = left_open(batches, requests, run)
    return error.replace(hint=f"{error.hint}; {hint}" if error.hint else hint)


def left_open(batches: int, requests: int, run: str) -> str:
    """Return what a run that ends early leaves at the API, and how to continue, as a phrase."""
    return f"{still_processed(batches, requests)}: {ways_on(batches, run)}"
