"""The command that continues from a run, made of the words with which the run was started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from yamlgen.errors import Code, YamlgenError
from yamlgen.redaction import redact

if TYPE_CHECKING:
    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.results import Report
    from yamlgen.api.run_options import RunOptions

_CONTINUED: Final = (Code.STOPPED, Code.LIMIT, Code.PAUSED_TOO_LONG, Code.DETACHED)
"""What ends a run that the same command continues."""

_CONFIRMED: Final = {"--yes": 0, "-y": 0}
_SIMULATION: Final = {"--simulate": 0, "--seed": 1, "--fault": 1, "--latency": 1, "--batch-delay": 1, **_CONFIRMED}
_REPEATED: Final = ("-p", "--param", "--set", "--input", "--store", "--env-file")
_TRIAL: Final = ("--limit", "20")
"""A trial over this many rows makes an estimate narrow."""

_LIMIT: Final = {"--limit": 1, **_CONFIRMED}
_PREVIEW: Final = {"-n": 1, "--html": 1, "--fresh": 0, "--offline": 0, **_CONFIRMED}
_FEW: Final = re.compile(r"-n=?\d+")
_FRESH: Final = {"--fresh": 0}
"""Options, with the number of words that follow each."""


def after_finish(pipeline: Pipeline, options: RunOptions, report: Report, words: Sequence[str]) -> list[str]:
    """Return the commands that continue from a finished run, and the one that shows it, unless it was shown.

    Args:
        pipeline: the pipeline that ran.
        options: the options of the run.
        report: what came of it.
        words: the words of the command line, without `yamlgen`.
    """
    look = _look(pipeline, options, report, words)
    if report.failed or report.lost_steps:
        failed = ["runs", "failed", pipeline.shown, *_named(options, report)]
        retry = ["retry", pipeline.shown, *(["--simulate"] if options.simulate else []), *_store(options)]
        retry += ["--input", "-"] if pipeline.input == "-" else []
        return [_command(failed), _command([*retry, *_values(words, "--env-file")]), *look]
    if words[:1] not in (["run"], ["preview"]) or not (options.simulate or options.limit):
        return look
    plan = ["plan", pipeline.shown, *(word for option in _REPEATED for word in _values(words, option))]
    if options.simulate:
        return [_command(plan), _command(_without(words, _SIMULATION)), *look]
    if words[0] == "run":
        return [_command(_without(words, _LIMIT)), *look]
    whole = (word for word in _without(words[1:], _PREVIEW) if not _FEW.fullmatch(word))
    return [_command(plan), _command(["run", *whole])]


def _look(pipeline: Pipeline, options: RunOptions, report: Report, words: Sequence[str]) -> list[str]:
    """Return the command that shows a run; none if the run was shown, or has no rows."""
    shown = options.report or words[:1] == ["preview"] or not (report.finished or report.failed)
    return [] if shown else [_command(["report", pipeline.shown, *_named(options, report)])]


def after_stop(
    error: YamlgenError, report: Report | None, words: Sequence[str], pipeline: Pipeline, options: RunOptions
) -> list[str]:
    """Return the commands that continue a run which ended early, print its rows, and show it; those that can be used.

    Args:
        error: why it ended.
        report: what it did until then.
        words: the words of the command line, without `yamlgen`.
        pipeline: the pipeline that ran.
        options: the options of the run.
    """
    if report is None or not report.run or error.code not in _CONTINUED:
        return []
    export = ["runs", "export", pipeline.shown, *_named(options, report)]
    if len(pipeline.outputs) > 1:
        export += ["-o", f"{pipeline.outputs[0].name}=-"]
    rows = [_command(export)] if report.finished else []
    return [_command(_without(words, _FRESH)), *rows, *_look(pipeline, options, report, words)]


def trial(pipeline: Pipeline, options: RunOptions, words: Sequence[str], *, alone: bool = False) -> str:
    """Return the command that runs a few rows of what was estimated, for a narrower estimate.

    Args:
        pipeline: the pipeline.
        options: the options of the estimate.
        words: the words of the command line, without `yamlgen`.
        alone: whether the rows are not to wait for a batch.
    """
    repeated = [word for option in _REPEATED for word in _values(words, option)]
    how = shlex.split(options.simulation.options) if options.simulation else []
    return _command(["run", pipeline.shown, *repeated, *_TRIAL, *(["--no-batch"] if alone else []), *how])


def _named(options: RunOptions, report: Report) -> list[str]:
    """Return the words with which `runs` finds a run. By default, it shows runs that are not simulated."""
    return [*([report.run] if options.simulate else []), *_store(options)]


def _store(options: RunOptions) -> list[str]:
    return [] if options.store is None else ["--store", str(options.store)]


def _command(words: Iterable[str]) -> str:
    return redact(shlex.join(["yamlgen", *words]))


def _values(words: Sequence[str], option: str) -> list[str]:
    """Return an option with its value, as often as it is among the words: `-p a=1`, `-pa=1`, `--param=a=1`."""
    found: list[str] = []
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            found += [word, value]
        elif word.startswith(option if len(option) == len("-p") else f"{option}="):
            found.append(word)
    return found


def _without(words: Sequence[str], options: dict[str, int]) -> list[str]:
    """Return the words without some options and their values."""
    left: list[str] = []
    skipped = 0
    for word in words:
        name = word.partition("=")[0]
        if skipped:
            skipped -= 1
        elif name in options:
            skipped = 0 if "=" in word else options[name]
        else:
            left.append(word)
    return left
