"""`yamlgen render`: the pipeline with everything resolved, the graph of its steps, or the exact requests of one row.

Owns that `--graph` may stand alone: click would take the pipeline behind it for its value.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Literal

import click

from yamlgen.cli.messages import as_yaml, echo, json_line, put, safe, show
from yamlgen.cli.options import input_option, pipeline_options
from yamlgen.exit_codes import ExitCode

_FORMS: Final = ("text", "mermaid")


class _Render(click.Command):
    """A command whose `--graph` takes a word, and never a file, for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        given = [
            f"--graph={_FORMS[0]}" if word == "--graph" and _is_file(after) else word
            for word, after in zip(options, [*options[1:], "."], strict=True)
        ]
        return super().parse_args(ctx, given + args[len(options) :])


def _is_file(word: str) -> bool:
    """Whether a word behind `--graph` is a pipeline, and no form that may be misspelt."""
    return word not in _FORMS and (not word.isalpha() or Path(word).exists())


@click.command("render", cls=_Render)
@click.argument("pipeline", type=click.Path(path_type=Path))
@pipeline_options
@input_option
@click.option("--row", metavar="ID|N", help="Show the requests of this row, by its `input.id` or its number, from 1.")
@click.option(
    "--graph",
    type=click.Choice(_FORMS),
    is_flag=False,
    flag_value=_FORMS[0],
    help="Show the steps with their types and what needs what: as text, or as a Mermaid flowchart.",
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
    """Show a pipeline resolved, or the requests of one row.

    Alone: the pipeline as YAML, with its parameters, settings, texts and schemas as a run would use them.
    With --graph: each step with what it needs, reads and gives, in running order; --graph=mermaid draws the same.
    With --row: the bodies of that row's requests as JSON, step by step. What is a row's id is taken for that; another
    number is the row's place in the input. A step that needs the output of another
    one is shown with an output that the simulator makes up. Nothing is sent; no key is needed, and none is shown.
    """
    if graph is not None and row is not None:
        raise click.UsageError("--graph shows the steps, --row the requests of a row: one at a time")
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language

    loaded, given = load_with(pipeline, params, overrides, input_path)
    show(loaded.warnings)
    if row is None:
        from yamlgen.api.pipeline_views import render  # noqa: PLC0415

        shown = render(loaded, params=given, graph=graph)
        put(shown if isinstance(shown, str) else as_yaml(shown))
        return ExitCode.OK
    from yamlgen.api.preview import preview  # noqa: PLC0415 - loads the SDK

    told: set[str] = set()
    for step, case, body, made_up in asyncio.run(preview(loaded, given, row, lambda told: echo(safe(told)))):
        if made_up and step not in told:
            told.add(step)
            echo(f"{step}: filled with made-up outputs of {', '.join(made_up)}")
        put(json_line({"step": step, **({"case": case} if case else {}), "request": body}, indent=2))
    return ExitCode.OK
