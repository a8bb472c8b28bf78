"""How a run reaches a model: the API with a key, or a simulator of its own that lives as long as the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from yamlgen.claude.client import ClaudeProvider
from yamlgen.language.spec import Runtime


@dataclass(frozen=True, slots=True)
class Simulation:
    """How the simulator behaves.

    Attributes:
        latency: seconds that an answer takes.
        faults: faults by rate, such as `rate_limit=0.1`.
        seed: picks the answers and the faults.
    """

    latency: float = 0.0
    faults: Sequence[str] = ()
    seed: int = 0

    @property
    def name(self) -> str:
        """What its answers depend on: with other faults or another seed, others answer."""
        return f"simulator?seed={self.seed}" + "".join(f"&{fault}" for fault in sorted(self.faults))


@asynccontextmanager
async def reach(
    runtime: Runtime, simulation: Simulation | None, *, watched: bool = False
) -> AsyncIterator[ClaudeProvider]:
    """The provider of a run; without a simulation its address and headers are looked up now, before any row is.

    Args:
        runtime: the pipeline's.
        simulation: how the simulator behaves, if there is one.
        watched: whether somebody waits for the first answer.

    Raises:
        EnvironmentProblem: the environment's address cannot be used, or a header of its own.
    """
    if simulation is None:
        provider = ClaudeProvider(runtime, watched=watched)
        provider.address()
        provider.headers()
        yield provider
        return
    from yamlgen.claude.simulator import Faults, Simulator  # noqa: PLC0415 - a server, for simulated runs only

    faults = Faults.parse(simulation.faults, seed=simulation.seed)
    simulator = Simulator(faults=faults, latency=simulation.latency, seed=simulation.seed)
    base_url = await simulator.start()
    try:
        yield ClaudeProvider(runtime, base_url=base_url, simulator=simulation.name)
    finally:
        await simulator.stop()
