"""`yamlgen lock`: write the lock of a pipeline."""

from __future__ import annotations

from pathlib import Path

import click

from yamlgen.cli.completed_values import complete_pipeline
from yamlgen.cli.messages import codes_of, echo, json_object, put, show, show_explanation
from yamlgen.cli.options import output_format, pipeline_options, store_option
from yamlgen.diagnostics import Diagnostic, InvalidPipeline
from yamlgen.errors import YamlgenError
from yamlgen.exit_codes import ExitCode


@click.command("lock")
@click.argument(
    "paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...", shell_complete=complete_pipeline
)
@pipeline_options
@store_option
@output_format
def command(
    paths: tuple[Path, ...],
    params: dict[str, str],
    overrides: dict[str, str],
    store: Path | None,
    output_format: str,
) -> int:
    """Write the locks of pipelines, for git.

    The lock of `triage.yaml` is `triage.lock.json`. It describes the last whole run in the store: fingerprints of the
    steps, the types of the outputs, digests of the input and the outputs, the models that answered, and the tokens of
    their answers. Each PATH is a pipeline, or a folder. Default: the current folder, and those below. Nothing is sent.
    """
    from yamlgen.api.argument_parsing import load_with  # noqa: PLC0415 - loads the language
    from yamlgen.api.lock_files import lock, pipelines_of  # noqa: PLC0415
    from yamlgen.cli.foreground import tell  # noqa: PLC0415

    json_out, made = output_format == "json", []
    invalid: list[Diagnostic] = []
    try:
        for path in pipelines_of(paths):
            try:
                loaded, given = load_with(path, params, overrides, None)
                made.append(lock(loaded, params=given, store=store))
            except InvalidPipeline as error:
                invalid.extend(error.diagnostics)
                continue
            if not json_out:
                echo(str(made[-1]))
    except YamlgenError as error:
        return tell(error, json_out=json_out)
    if json_out:
        diagnostics = [each.as_json() for each in invalid]
        put(json_object({"locks": [each.as_json() for each in made], "diagnostics": diagnostics}))
    else:
        show(invalid)
        show_explanation(codes_of(invalid))
    return ExitCode.USAGE if invalid else ExitCode.OK
