"""The options of a run, which override its pipeline file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from yamlgen.api.chosen_outputs import ChosenPaths
from yamlgen.errors import Code, UsageError
from yamlgen.option_names import by_surface, option
from yamlgen.pipeline.pipeline_model import Limits
from yamlgen.planning.batched_steps import with_batches
from yamlgen.planning.plan import Plan
from yamlgen.simulator.settings import SimulatorSettings
from yamlgen.steps.field_docstrings import docstrings_of

_LIMITS: Final = ("max_requests", "max_failures", "max_unusable", "max_cost_usd", "confirm_above_usd", "max_pause")


@dataclass(frozen=True)
class RunOptions:
    """How a run differs from its pipeline file. The options are those of `yamlgen.run`, which documents them."""

    output: ChosenPaths | None = None
    limit: int | None = None
    simulate: bool = False
    max_concurrency: int | None = None
    store: Path | None = None
    fresh: bool = False
    recheck: bool = False
    offline: bool = False
    retry: str | None = None
    max_requests: int | None = None
    max_failures: int | str | None = None
    max_unusable: str | None = None
    max_cost_usd: float | None = None
    confirm_above_usd: float | None = None
    max_pause: float | None = None
    yes: bool = False
    latency: float = 0.0
    faults: Sequence[str] = ()
    seed: int = 0
    batch: bool | None = None
    detach: bool = False
    batch_delay: float = 0.0
    watched: bool = False
    lock: bool = False
    locked: bool = False
    report: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise UsageError(f"`seed` must be an integer, not {self.seed!r}", code=Code.BAD_PARAM)
        if not self.simulate and (self.latency or self.faults or self.seed or self.batch_delay):
            names = by_surface(
                command="`--latency`, `--batch-delay`, `--fault` and `--seed`",
                python="`latency`, `batch_delay`, `faults` and `seed`",
            )
            message = f"{names} require {option('simulate')}"
            raise UsageError(message, code=Code.BAD_PARAM, hint="they control the simulator")
        for name, least in (("limit", 1), ("max_concurrency", 1), ("latency", 0), ("batch_delay", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value < least):
                raise UsageError(f"`{name}` must be {least} or more, not {value!r}", code=Code.BAD_PARAM)
        if self.fresh and (self.offline or self.retry is not None):
            other = option("offline") if self.offline else "a retry"
            message = f"{option('fresh')} uses no stored answers, but {other} needs them"
            raise UsageError(message, code=Code.BAD_PARAM, hint="remove one of them")
        if self.batch is not None and not isinstance(self.batch, bool):
            hint = "to set `minimum` or `wait`, pass `overrides={'batch': {'minimum': 100, 'wait': '2h'}}`"
            raise UsageError(f"`batch` must be True or False, not {self.batch!r}", code=Code.BAD_PARAM, hint=hint)
        if self.detach:
            self._check_detach()
        for name in _LIMITS:
            if getattr(self, name) is not None:
                self._check_limit(name, getattr(self, name))

    def _check_detach(self) -> None:
        if self.simulate:
            message = f"{option('detach')} leaves a batch to the API, but the simulated API ends with the run"
            serve = by_surface(command="start `yamlgen simulate`", python="open `yamlgen.simulate()`")
            hint = f"{serve}, set ANTHROPIC_BASE_URL to its address, and remove {option('simulate')}"
            raise UsageError(message, code=Code.BAD_PARAM, hint=hint)
        if self.offline:
            message = f"{option('detach')} has no effect with {option('offline')}, which sends nothing"
            raise UsageError(message, code=Code.BAD_PARAM, hint="remove one of them")
        if self.batch is False:
            alone = by_surface(command="`--no-batch`", python="`batch=False`")
            message = f"{option('detach')} has no effect with {alone}, which sends every request by itself"
            raise UsageError(message, code=Code.BAD_PARAM, hint="remove one of them")

    def _check_limit(self, name: str, value: Any) -> None:
        try:
            Limits.model_validate({name: str(value) if isinstance(value, bool) else value})  # pydantic takes True as 1
        except ValidationError:
            hint = docstrings_of(Limits)[name]
            raise UsageError(f"`{name}` is {value!r}", code=Code.BAD_PARAM, hint=hint) from None

    @property
    def simulation(self) -> SimulatorSettings | None:
        """The settings of the simulator, if the run is simulated."""
        if not self.simulate:
            return None
        return SimulatorSettings(self.latency, tuple(self.faults), self.seed, self.batch_delay)

    def over(self, plan: Plan) -> Plan:
        """Return the plan with these limits, this concurrency and these batches.

        Raises:
            UsageError: no step is batched, so that there is nothing to detach from; or a request that is sent by itself
                cannot have the `max_tokens` of its step.
        """
        runtime = plan.runtime
        if self.max_concurrency is not None:
            runtime = runtime.model_copy(update={"concurrency": min(plan.concurrency, self.max_concurrency)})
        given = {name: value for name in _LIMITS if (value := getattr(self, name)) is not None}
        steps = plan.steps if self.batch is None else with_batches(plan.steps, on=self.batch)
        if self.detach and not any(step.batch for step in steps):
            hint = f"add {option('batch')}, or `batch: true` to the pipeline"
            message = f"{option('detach')} has no effect: no step is sent in batches"
            raise UsageError(message, code=Code.BAD_PARAM, hint=hint)
        return replace(plan, runtime=runtime, limits=plan.limits.model_copy(update=given), steps=steps)
