"""How a run reaches a model: the API with a key, or a simulator of its own that lives as long as the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yamlgen.claude.client import ClaudeProvider
from yamlgen.pipeline.language import Runtime
from yamlgen.values import JSON

if TYPE_CHECKING:
    from yamlgen.simulator import Faults


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
    def about(self) -> dict[str, JSON]:
        """What its answers depend on: `seed`, `faults` with their rates, and `simulator`, a digest of its code.

        Raises:
            UsageError: there is no such fault.
        """
        from yamlgen.simulator import edition  # noqa: PLC0415 - a server, for simulated runs only

        return {"seed": self.seed, "faults": dict(self.rates.rates), "simulator": edition()}

    @property
    def name(self) -> str:
        """The same as a text: with another seed, other faults or other code, others answer."""
        about = self.about
        faults = "".join(f"&{fault}={rate!r}" for fault, rate in about["faults"].items())
        return f"simulator?code={about['simulator']}&seed={self.seed}{faults}"

    @property
    def rates(self) -> Faults:
        """The faults, read."""
        from yamlgen.simulator import Faults  # noqa: PLC0415

        return Faults.parse(self.faults, seed=self.seed)

    @property
    def options(self) -> str:
        """The options of a command that has such a simulator; how long an answer takes is left out."""
        seed = f" --seed {self.seed}" if self.seed else ""
        return f" --simulate{seed}" + "".join(f" --fault {name}={rate}" for name, rate in self.rates.rates.items())


@asynccontextmanager
async def reach(
    runtime: Runtime, simulation: Simulation | None, *, watched: bool = False, retries: bool = False
) -> AsyncIterator[ClaudeProvider]:
    """The provider of a run; without a simulation its address and headers are looked up now, before any row is.

    Args:
        runtime: the pipeline's.
        simulation: how the simulator behaves, if there is one.
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
    from yamlgen.simulator import Simulator  # noqa: PLC0415

    simulator = Simulator(faults=simulation.rates, latency=simulation.latency, seed=simulation.seed)
    base_url = await simulator.start()
    try:
        yield ClaudeProvider(runtime, base_url=base_url, simulator=simulation.name)
    finally:
        await simulator.stop()
