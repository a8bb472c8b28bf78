"""How a run reaches a model: the API with a key, or a simulator of its own that lives as long as the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from yamlgen.claude.provider import ClaudeProvider
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.simulator.settings import SimulatorSettings

_NOWHERE: Final = "http://127.0.0.1:0"
"""An address at which nobody can be reached."""


@asynccontextmanager
async def open_provider(
    runtime: Runtime,
    simulation: SimulatorSettings | None,
    *,
    sends: bool = True,
    watched: bool = False,
    retries: bool = False,
) -> AsyncIterator[ClaudeProvider]:
    """The provider of a run; without a simulation its address and headers are looked up now, before any row is.

    Args:
        runtime: the pipeline's.
        simulation: how the simulator behaves, if there is one.
        sends: whether anything may be sent; otherwise no simulator is started.
        watched: whether somebody waits for the first answer.
        retries: whether failed rows of a run are asked again.

    Raises:
        EnvironmentProblem: the environment's address cannot be used, or a header of its own.
    """
    if simulation is None:
        provider = ClaudeProvider(runtime, watched=watched, retries=retries)
        provider.address()
        provider.headers()
        yield provider
        return
    if not sends:
        yield ClaudeProvider(runtime, base_url=_NOWHERE, simulator=simulation.name)
        return
    from yamlgen.simulator.server import Simulator  # noqa: PLC0415 - a server, for simulated runs only

    simulator = Simulator(faults=simulation.rates, latency=simulation.latency, seed=simulation.seed)
    base_url = await simulator.start()
    try:
        yield ClaudeProvider(runtime, base_url=base_url, simulator=simulation.name)
    finally:
        await simulator.stop()
