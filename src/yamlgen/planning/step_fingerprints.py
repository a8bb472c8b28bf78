"""The fingerprint of a step: what decides its requests and its value, and what decides which answers are valid.

It is made of a compiled step, so that neither the formatting of the pipeline, nor the place of its folder, nor the
names of its files are in it. What changes neither a request nor the validity of an answer is not in it either:
descriptions, prices, timeouts, limits, batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import nodes

from yamlgen.canonical_json import fingerprint
from yamlgen.expressions.syntax_trees import members_read
from yamlgen.pipeline.model_settings import PUBLIC_URL, normalised
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.planning.plan import Plan
from yamlgen.steps.plan_step import PlanStep
from yamlgen.value_objects import JSON

_PARAMS: Final = "params"


@dataclass(frozen=True, slots=True)
class StepFingerprint:
    """The fingerprint of a step.

    Attributes:
        kind: the kind of the step.
        asking: a digest of each part that decides which requests the step sends or which value it computes, by the
            key of the step, such as `messages`; without the parts that the step does not have.
        accepting: a digest of each part that decides which answers are valid, and what happens to the others.
    """

    kind: str
    asking: Mapping[str, str]
    accepting: Mapping[str, str]

    @property
    def asks(self) -> str:
        """One digest of all parts that decide which requests the step sends or which value it computes."""
        return fingerprint([self.kind, dict(self.asking)])

    @property
    def accepts(self) -> str:
        """One digest of all parts that decide which answers are valid."""
        return fingerprint(dict(self.accepting))

    @property
    def checks(self) -> Mapping[str, str]:
        """The parts that decide which answers are re-asked."""
        return {name: part for name, part in self.accepting.items() if name not in ("on_error", "on_item_error")}


def fingerprint_of(plan: Plan, step: PlanStep) -> StepFingerprint:
    """Return the fingerprint of a step of a plan.

    The files of a function are read; everything else is in the plan.
    """
    asking, sources = step.asking()
    accepting, late = step.accepting()
    answering = [_answering(plan.runtime_of(each)) for each in step.every_variant]
    runtime = (
        {"runtime": answering if any(each != answering[0] for each in answering) else answering[0]} if answering else {}
    )
    return StepFingerprint(
        step.kind,
        _digests({**asking, **runtime, _PARAMS: read_params(plan, sources)}),
        _digests({**accepting, _PARAMS: read_params(plan, late)}),
    )


def _answering(runtime: Runtime) -> list[JSON]:
    """Return what decides who answers, without what comes from the environment."""
    answering: list[JSON] = [normalised(runtime.base_url or PUBLIC_URL), runtime.api_version]
    return [*answering, runtime.workspace] if isinstance(runtime.workspace, str) else answering


def read_params(plan: Plan, trees: Iterable[nodes.Node]) -> dict[str, JSON]:
    """Return the values of the parameters that templates read."""
    return {name: plan.params[name] for name in members_read(trees, _PARAMS, plan.params)}


def _digests(parts: Mapping[str, Any]) -> dict[str, str]:
    return {name: fingerprint(part) for name, part in sorted(parts.items()) if part not in (None, {})}
