"""The simulated Messages API as a server on this machine, for other clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator


@asynccontextmanager
async def simulate(
    *, port: int = 0, latency: float = 0.0, batch_delay: float = 0.0, faults: Sequence[str] = (), seed: int = 0
) -> AsyncIterator[str]:
    """Serve the simulated API for as long as the context lasts: `async with yamlgen.simulate() as base_url`.

    Args:
        port: the port to listen on; 0 picks a free one.
        latency: seconds by which each answer is delayed.
        batch_delay: seconds after which each batch ends.
        faults: faults by rate, such as `rate_limit=0.1`.
        seed: selects the answers and the faults.

    Yields:
        The address, for `base_url` or ANTHROPIC_BASE_URL; any key is accepted.

    Raises:
        UsageError: the name or the rate of a fault is invalid.
        EnvironmentProblem: the port is in use.
    """
    simulator = Simulator(faults=Faults.parse(faults, seed=seed), latency=latency, seed=seed, batch_delay=batch_delay)
    base_url = await simulator.start(port=port)
    try:
        yield base_url
    finally:
        await simulator.stop()
