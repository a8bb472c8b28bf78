"""The fingerprint of an output: what decides its rows, and how they are spread over its files."""

from __future__ import annotations

from typing import Any

from yamlgen.canonical_json import fingerprint
from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.syntax_trees import dumped
from yamlgen.planning.plan import Plan
from yamlgen.planning.step_fingerprints import read_params
from yamlgen.shaping.output_plan import OutputPlan


def output_keys(plan: Plan, output: OutputPlan) -> dict[str, str]:
    """Return a digest of each key of an output that decides its rows; without keys that it does not have.

    The names of its files are in none of them. Without `columns`, the order of the steps is that of its columns.
    """
    config = output.config
    trees = [parse_expression(each.source) for each in config.expressions()]
    parts: dict[str, Any] = {
        name: None if source is None else dumped(parse_expression(source))
        for name, source in (("for_each", config.for_each), ("where", config.where), ("unique", config.unique))
    }
    split = config.split
    parts |= {
        "columns": output.default_names if config.columns is None else _columns(config.columns),
        "exclude": sorted(config.exclude) if config.exclude else None,
        "shape": config.shape,
        "split": split and [None if split.by is None else dumped(parse_expression(split.by)), split.parts],
        "failed": None if config.failed == "separate" else config.failed,
        "csv": config.csv and config.csv.model_dump(),
        "provenance": config.provenance or None,
        "rejected": config.rejected is not None or None,
        "params": read_params(plan, trees),
    }
    return {name: fingerprint(part) for name, part in parts.items() if part not in (None, {})}


def _columns(column: Any) -> Any:
    """Return a column with its expressions parsed; the order of the keys is that of the written columns."""
    if isinstance(column, str):
        return dumped(parse_expression(column))
    if isinstance(column, list | tuple):
        return ["list", *map(_columns, column)]
    return ["mapping", *([name, _columns(each)] for name, each in column.items())]
