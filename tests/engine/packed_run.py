"""A run of values that were packed elsewhere: a plan, a provider's configuration, and rows.

Called as a program it takes them from standard input, and the folder of a store; it prints the rows that have finished.
"""

import asyncio
import pickle
import sys
from pathlib import Path

from yamlgen.cancellation import Cancellation
from yamlgen.engine.local_engine import LocalEngine
from yamlgen.output.row_composer import RowComposer
from yamlgen.store.location import location_of
from yamlgen.store.reuse_policy import ReusePolicy
from yamlgen.store.run_session import begin_run, locked_connection, open_session


async def lines(packed, store):
    """The finished rows of a run of packed values, with a store in this process."""
    plan, provider, rows = pickle.loads(packed)  # noqa: S301 - our own
    place = location_of(plan.file, store)
    with locked_connection(place, "a test") as connection, open_session(place, ReusePolicy()) as session:
        async with begin_run(session, connection, "packed", {}) as run:
            await LocalEngine(plan, provider, session.run_recorder, lambda _: None, Cancellation()).run(rows)
        with RowComposer(session.run_reader, run.entry, *plan.outputs) as composer:
            return b"".join(composer.lines())


if __name__ == "__main__":
    sys.stdout.buffer.write(asyncio.run(lines(sys.stdin.buffer.read(), Path(sys.argv[1]))))
