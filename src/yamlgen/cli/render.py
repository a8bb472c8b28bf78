"""`yamlgen render`: the pipeline with everything resolved, or the exact requests of one row."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from yamlgen.cli.messages import echo, json_line, put, show
from yamlgen.cli.options import checked, pipeline_options
from yamlgen.errors import Exit, redact
from yamlgen.ports import JSON


@click.command("render")
@click.argument("pipeline", type=click.Path(path_type=Path))
@pipeline_options
@click.option("--input", "input_path", metavar="PATH|-", help="Read the rows from here instead.")
@click.option("--row", type=click.IntRange(min=1), help="Show the requests of the N-th row, counted from 1.")
def command(
    pipeline: Path, params: dict[str, str], overrides: dict[str, str], input_path: str | None, row: int | None
) -> int:
    """Show a pipeline resolved, or the requests of one row.

    Without --row: the pipeline as YAML, with its parameters, settings, texts and schemas as a run would use them.
    With it: the bodies of that row's requests as JSON, step by step. A step that needs the output of another
    one is shown with an output that the simulator makes up. Nothing is sent; no key is needed, and none is shown.
    """
    from yamlgen.api import preview  # noqa: PLC0415 - loads the language
    from yamlgen.language.resolution import resolved  # noqa: PLC0415

    loaded, given = checked(pipeline, params, overrides, input_path)
    show(loaded.warnings)
    if row is None:
        put(redact(_as_yaml(resolved(loaded.plan(given)))))
        return Exit.OK
    for step, body, made_up in asyncio.run(preview(loaded, given, row)):
        if made_up:
            echo(f"{step}: filled with made-up outputs of {', '.join(made_up)}")
        put(json_line({"step": step, "request": body}, indent=2))
    return Exit.OK


def _as_yaml(data: dict[str, JSON]) -> str:
    """Data as YAML that a person reads: texts of several lines as blocks, nothing sorted."""
    import yaml  # noqa: PLC0415 - for this form only

    class Dumper(yaml.SafeDumper):
        """Writes no anchors: each step stands for itself."""

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
