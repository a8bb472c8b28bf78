"""A run of values that were packed elsewhere: a plan, a provider's configuration, and rows.

Called as a program it takes them from standard input, and the folder of a store; it prints the rows that have finished.
"""

import asyncio
import pickle
import sys
from pathlib import Path

from yamlgen.cancellation import Cancellation
from yamlgen.engine.local import LocalEngine
from yamlgen.output.row_line import compose_rows
from yamlgen.store.location import place_of
from yamlgen.store.run_recorder import Reuse
from yamlgen.store.run_session import held, opened, running


async def lines(packed, store):
    """The finished rows of a run of packed values, with a store in this process."""
    plan, provider, rows = pickle.loads(packed)  # noqa: S301 - our own
    place = place_of(plan.file, store)
    with held(place, "a test") as connection, opened(place, Reuse()) as session:
        async with running(session, connection, "packed", {}) as run:
            await LocalEngine(plan, provider, session.ledger, lambda _: None, Cancellation()).run(rows)
        return b"".join(compose_rows(session.archive, run.entry))


if __name__ == "__main__":
    sys.stdout.buffer.write(asyncio.run(lines(sys.stdin.buffer.read(), Path(sys.argv[1]))))
