"""The settings of a simulator, and the identity that its stored answers have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yamlgen.simulator.code_digest import simulator_digest
from yamlgen.simulator.faults import Faults
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The settings of the simulator.

    Attributes:
        latency: the time that each answer takes, in seconds.
        faults: faults with their rates, such as `rate_limit=0.1`.
        seed: selects the answers and the faults.
        batch_delay: the time after which each batch ends, in seconds.
    """

    latency: float = 0.0
    faults: Sequence[str] = ()
    seed: int = 0
    batch_delay: float = 0.0

    @property
    def about(self) -> dict[str, JSON]:
        """The values that answers depend on: `seed`, `faults` with their rates, and `simulator`, a digest of its code.

        Raises:
            UsageError: a fault is invalid.
        """
        return {"seed": self.seed, "faults": dict(self.rates.rates), "simulator": simulator_digest()}

    @property
    def name(self) -> str:
        """The same values as a string; it differs for another seed, other faults or other code."""
        about = self.about
        faults = "".join(f"&{fault}={rate!r}" for fault, rate in about["faults"].items())
        return f"simulator?code={about['simulator']}&seed={self.seed}{faults}"

    @property
    def rates(self) -> Faults:
        """The parsed faults."""
        return Faults.parse(self.faults, seed=self.seed)

    @property
    def options(self) -> str:
        """The command-line options for this simulator, without the latency and the delay of batches."""
        seed = f" --seed {self.seed}" if self.seed else ""
        return f" --simulate{seed}" + "".join(f" --fault {name}={rate}" for name, rate in self.rates.rates.items())
