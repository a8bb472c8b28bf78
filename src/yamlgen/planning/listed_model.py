"""A model as the API lists it, compared with the table of models and with what a pipeline asks of it.

The table is as old as the installed version. What the API itself says about a model is newer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from yamlgen import model_capabilities
from yamlgen.model_capabilities import EFFORTS, THINKING, betas_needed
from yamlgen.steps.plan_step import PlanStep, Variant
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON


class TableDifference(NamedTuple):
    """A fact that the API and the table of models state differently.

    Attributes:
        fact: the fact, as a phrase.
        table: the value in the table.
        listed: the value of the API.
    """

    fact: str
    table: str
    listed: str

    def __str__(self) -> str:
        return f"{self.fact} {self.listed} (this version: {self.table})"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """What the API says about a model. `None`: it says nothing about it.

    Attributes:
        id: its id.
        lifecycle: `active`, `deprecated` or `retired`.
        retires: the day on which it retires.
        context: the maximum of input tokens.
        max_output_tokens: the maximum of `max_tokens`.
        thinking: the types of `thinking` that it accepts.
        efforts: the levels of `effort` that it accepts.
        native_output: whether it accepts a JSON Schema for its output.
        batch: whether it can be used in batches.
    """

    id: str
    lifecycle: str | None = None
    retires: str | None = None
    context: int | None = None
    max_output_tokens: int | None = None
    thinking: tuple[str, ...] | None = None
    efforts: tuple[str, ...] | None = None
    native_output: bool | None = None
    batch: bool | None = None

    @classmethod
    def read(cls, body: Mapping[str, JSON], model: str) -> ListedModel | None:
        """Return the model in an answer of the API; `None` if the answer is something else."""
        if body.get("type") != "model" or not isinstance(body.get("id"), str):
            return None
        able = _mapping(body.get("capabilities"))
        thinking, effort = _mapping(able.get("thinking")), _mapping(able.get("effort"))
        retires, lifecycle = body.get("retires_at"), body.get("lifecycle")
        return cls(
            model,
            lifecycle if isinstance(lifecycle, str) else None,
            retires[:10] if isinstance(retires, str) else None,
            _number(body.get("max_input_tokens")),
            _number(body.get("max_tokens")),
            _supported(thinking, _mapping(thinking.get("types")), THINKING),
            _supported(effort, effort, EFFORTS),
            _is_supported(able.get("structured_outputs")),
            _is_supported(able.get("batch")),
        )

    def about(self) -> str:
        """Return what it says in short, as a phrase."""
        told = [self.lifecycle or "lifecycle unknown"]
        told += [f"retires on {self.retires}"] if self.retires else []
        told += [f"{self.context:,} tokens of context"] if self.context else []
        told += [f"`max_tokens` up to {self.max_output_tokens:,}"] if self.max_output_tokens else []
        return ", ".join(told)

    def differences(self) -> Iterator[TableDifference]:
        """Yield the facts that the table of models states differently; nothing for a model that it does not have."""
        table = model_capabilities.of(self.id)
        if not table.known:
            return
        lifecycle = "active" if table.lifecycle == "legacy" else table.lifecycle
        facts: tuple[tuple[str, Any, Any], ...] = (
            ("lifecycle", lifecycle, self.lifecycle),
            ("context", table.context, self.context),
            ("`max_tokens` up to", table.max_output_tokens, self.max_output_tokens),
            ("`thinking`:", table.thinking, self.thinking),
            ("`effort`:", table.efforts, self.efforts),
            ("native structured output:", table.native_output, self.native_output),
        )
        if table.retires != self.retires and self.lifecycle is not None:
            yield TableDifference("retirement", table.retires or "none", self.retires or "none")
        for fact, known, listed in facts:
            if known is not None and listed is not None and known != listed:
                yield TableDifference(fact, _shown(known), _shown(listed))

    def ending(self) -> str | None:
        """Return that the model retires, unless `validate` knows it from the table."""
        table = model_capabilities.of(self.id)
        if self.lifecycle not in ("deprecated", "retired"):
            return None
        if (self.lifecycle, self.retires) == (table.lifecycle, table.retires):
            return None
        when = "" if self.retires is None else f" since {self.retires}"
        if self.lifecycle == "deprecated":
            when = "" if self.retires is None else f", and retires on {self.retires}"
        newest = model_capabilities.successor_of(self.id)
        way = "" if newest == model_capabilities.undated(self.id) else f"; its successor is `{newest}`"
        return f"the API says that `{self.id}` is {self.lifecycle}{when}{way}"

    def misfits(self, step: PlanStep, variant: Variant) -> Iterator[str]:
        """Yield what a step asks of the model and the API does not offer, unless `validate` knows it from the table."""
        table, settings = model_capabilities.of(self.id), variant.settings
        place, says = f"step `{step.name}`", f"the API says that `{self.id}`"
        most, given = self.max_output_tokens, variant.max_tokens
        is_known = table.max_output_tokens is not None and given > table.max_output_tokens
        if most is not None and given > most and not is_known and not betas_needed(self.id, given):
            yield f"{place}: `max_tokens` is {given:,}, but {says} writes at most {most:,} tokens"
        kind = settings.thinking_type
        if kind and _is_missing(kind, self.thinking, table.thinking):
            yield f"{place}: {says} does not support `thinking: {kind}`; supported: {_shown(self.thinking or ())}"
        level = settings.effort
        if level and _is_missing(level, self.efforts, table.efforts):
            yield f"{place}: {says} does not support `effort: {level}`; supported: {_shown(self.efforts or ())}"
        is_native = step.schema is not None and variant.mode_for(step.schema) == "native"
        if is_native and self.native_output is False and table.native_output is not False:
            yield f"{place}: {says} does not support native structured output; set `output.mode: tools`"
        if step.batch is not None and self.batch is False:
            yield f"{place}: {says} does not support batches; set `batch: false`"


def _is_missing(word: str, listed: tuple[str, ...] | None, table: tuple[str, ...] | None) -> bool:
    """Return whether the API does not list a word that the table does not exclude."""
    return listed is not None and word not in listed and (table is None or word in table)


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}


def _number(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _is_supported(value: JSON) -> bool | None:
    found = _mapping(value).get("supported")
    return found if isinstance(found, bool) else None


def _supported(whole: Mapping[str, JSON], each: Mapping[str, JSON], names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the supported ones of some names; `None` if the API does not say."""
    told = {name: _is_supported(each.get(name)) for name in names}
    if all(value is None for value in told.values()):
        return () if _is_supported(whole) is False else None
    return tuple(name for name in names if told[name])


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return listing(value) if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
