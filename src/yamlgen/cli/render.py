"""`yamlgen render`: the pipeline with everything resolved, or the exact requests of one row."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from yamlgen.cli.messages import as_yaml, echo, json_line, put, show
from yamlgen.cli.options import checked, input_option, pipeline_options
from yamlgen.errors import Exit


@click.command("render")
@click.argument("pipeline", type=click.Path(path_type=Path))
@pipeline_options
@input_option
@click.option("--row", type=click.IntRange(min=1), help="Show the requests of the N-th row, counted from 1.")
def command(
    pipeline: Path, params: dict[str, str], overrides: dict[str, str], input_path: str | None, row: int | None
) -> int:
    """Show a pipeline resolved, or the requests of one row.

    Without --row: the pipeline as YAML, with its parameters, settings, texts and schemas as a run would use them.
    With it: the bodies of that row's requests as JSON, step by step. A step that needs the output of another
    one is shown with an output that the simulator makes up. Nothing is sent; no key is needed, and none is shown.
    """
    from yamlgen.language.resolution import resolved  # noqa: PLC0415 - loads the language

    loaded, given = checked(pipeline, params, overrides, input_path)
    show(loaded.warnings)
    if row is None:
        put(as_yaml(resolved(loaded.plan(given))))
        return Exit.OK
    from yamlgen.api.preview import preview  # noqa: PLC0415 - loads the SDK

    told: set[str] = set()
    for step, case, body, made_up in asyncio.run(preview(loaded, given, row)):
        if made_up and step not in told:
            told.add(step)
            echo(f"{step}: filled with made-up outputs of {', '.join(made_up)}")
        put(json_line({"step": step, **({"case": case} if case else {}), "request": body}, indent=2))
    return Exit.OK
