"""The simulated Messages API, served on this machine for other clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from yamlgen.simulator.faults import Faults
from yamlgen.simulator.server import Simulator


@asynccontextmanager
async def simulated_api(
    *, port: int = 0, latency: float = 0.0, faults: Sequence[str] = (), seed: int = 0
) -> AsyncIterator[str]:
    """Serve the simulated API for as long as the context lasts.

    Args:
        port: on which; 0 takes a free one.
        latency: seconds that an answer takes.
        faults: rates of faults, such as `rate_limit=0.1`.
        seed: picks the answers and the faults.

    Yields:
        The address, for `base_url` or ANTHROPIC_BASE_URL; any key will do.

    Raises:
        UsageError: a fault has no such name or rate.
        EnvironmentProblem: the port is taken.
    """
    simulator = Simulator(faults=Faults.parse(faults, seed=seed), latency=latency, seed=seed)
    base_url = await simulator.start(port=port)
    try:
        yield base_url
    finally:
        await simulator.stop()
