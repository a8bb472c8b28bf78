"""The provider of a run: the API with a key, or a simulator that runs as long as the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from yamlgen.claude.provider import ClaudeProvider
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.planning.plan import Plan
from yamlgen.simulator.settings import SimulatorSettings

_NOWHERE: Final = "http://127.0.0.1:0"
"""An address that cannot be reached."""


@asynccontextmanager
async def open_provider(
    plan: Plan | None,
    simulation: SimulatorSettings | None,
    *,
    sends: bool = True,
    watched: bool = False,
    retries: bool = False,
) -> AsyncIterator[ClaudeProvider]:
    """Open the provider of a run. Without a simulation, its addresses and headers are checked before any row.

    Args:
        plan: the plan of the run; `None` if there is none.
        simulation: the simulator's settings, if there is one.
        sends: whether anything may be sent; otherwise no simulator is started.
        watched: whether a user waits for the first answer.
        retries: whether the run retries rows of a run.

    Raises:
        EnvironmentProblem: the environment's address, one of its headers or its profile cannot be used.
    """
    runtime = Runtime() if plan is None else plan.runtime
    if simulation is None:
        provider = ClaudeProvider(runtime, watched=watched, retries=retries)
        if plan is not None:
            provider.headers(plan)
        yield provider
        return
    if not sends:
        yield ClaudeProvider(runtime, base_url=_NOWHERE, simulator=simulation.name)
        return
    from yamlgen.simulator.server import Simulator  # noqa: PLC0415 - for simulated runs only

    latency, delay = simulation.latency, simulation.batch_delay
    simulator = Simulator(faults=simulation.rates, latency=latency, batch_delay=delay, seed=simulation.seed)
    base_url = await simulator.start()
    try:
        yield ClaudeProvider(runtime, base_url=base_url, simulator=simulation.name)
    finally:
        await simulator.stop()
