"""`yamlgen render`: the resolved pipeline, the graph of its steps, or the exact requests of one row.

`--graph` works without a value: click alone would read the pipeline after it as its value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.messages import as_yaml, echo, json_line, put, safe, show
from yamlgen.cli.options import input_option, pipeline_options
from yamlgen.exit_codes import ExitCode

_FORMS: Final = ("text", "mermaid")


class _Render(click.Command):
    """A command whose `--graph` never reads a file name as its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        given = [
            f"--graph={_FORMS[0]}" if word == "--graph" and _is_file(after) else word
            for word, after in zip(options, [*options[1:], "."], strict=True)
        ]
        return super().parse_args(ctx, given + args[len(options) :])


def _is_file(word: str) -> bool:
    """Whether the word after `--graph` is a pipeline, and not a format, possibly misspelled."""
    return word not in _FORMS and (not word.isalpha() or Path(word).exists())


@click.command("render", cls=_Render)
@click.argument("pipeline", type=click.Path(path_type=Path), shell_complete=complete_pipeline)
@pipeline_options
@input_option
@click.option("--row", metavar="ID|N", help="Show the requests of the row with this id, or number, from 1.")
@click.option(
    "--graph",
    type=click.Choice(_FORMS),
    is_flag=False,
    flag_value=_FORMS[0],
    help="Show the graph of steps: as text, or as a Mermaid flowchart.",
)
def command(
    *,
    pipeline: Path,
    params: dict[str, str],
    overrides: dict[str, str],
    input_path: str | None,
    row: str | None,
    graph: Literal["text", "mermaid"] | None,
) -> int:
    """Show a resolved pipeline, its graph, or the requests of one row.

    Without options: the pipeline as YAML, with parameters, settings, strings and schemas as a run would use them. The
    key x-output-type contains the JSON Schema of the output rows.
    With --graph: each step with its dependencies, inputs and outputs, in running order; --graph=mermaid draws it.
    With --row: the bodies of the row's requests as JSON, step by step. If a step needs the output of another one, a
    simulated output is filled in. Nothing is sent, no API key is needed, and none is shown.
    """
    if graph is not None and row is not None:
        raise click.UsageError("--graph and --row cannot be combined")
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language

    loaded, given = load_with(pipeline, params, overrides, input_path)
    show(loaded.warnings)
    if row is None:
        from yamlgen.api.pipeline_views import render  # noqa: PLC0415

        shown = render(loaded, params=given, graph=graph)
        put(shown if isinstance(shown, str) else as_yaml(shown))
        return ExitCode.OK
    import asyncio  # noqa: PLC0415

    from yamlgen.api.row_requests import requests_of_row  # noqa: PLC0415 - loads the SDK

    noted: set[str] = set()
    for step, case, body, made_up in asyncio.run(requests_of_row(loaded, given, row, lambda note: echo(safe(note)))):
        if made_up and step not in noted:
            noted.add(step)
            echo(f"{step}: filled with made-up outputs of {', '.join(made_up)}")
        put(json_line({"step": step, **({"case": case} if case else {}), "request": body}, indent=2))
    return ExitCode.OK
