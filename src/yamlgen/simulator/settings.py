"""How a simulator behaves, and by what its answers are told from those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yamlgen.simulator.code_digest import simulator_digest
from yamlgen.simulator.faults import Faults
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
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
        return {"seed": self.seed, "faults": dict(self.rates.rates), "simulator": simulator_digest()}

    @property
    def name(self) -> str:
        """The same as a text: with another seed, other faults or other code, others answer."""
        about = self.about
        faults = "".join(f"&{fault}={rate!r}" for fault, rate in about["faults"].items())
        return f"simulator?code={about['simulator']}&seed={self.seed}{faults}"

    @property
    def rates(self) -> Faults:
        """The faults, read."""
        return Faults.parse(self.faults, seed=self.seed)

    @property
    def options(self) -> str:
        """The options of a command that has such a simulator; how long an answer takes is left out."""
        seed = f" --seed {self.seed}" if self.seed else ""
        return f" --simulate{seed}" + "".join(f" --fault {name}={rate}" for name, rate in self.rates.rates.items())
