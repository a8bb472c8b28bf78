"""The run that the words `[PIPELINE] [RUN]` of a command line name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from yamlgen.api.stored_run import Run

ENDINGS: Final = (".yaml", ".yml")


def named_run(words: tuple[str, ...], store: Path | None) -> Run:
    """Return the run that words name: a pipeline or a folder, and the name of a run or its beginning.

    Raises:
        UsageError: no run or several runs have this name, or there is no store.
        EnvironmentProblem: a store cannot be read.
    """
    from yamlgen.api.history import find_run, store_locations  # noqa: PLC0415 - loads the store

    paths = [Path(word) for word in words if word.endswith(ENDINGS) or Path(word).exists()]
    names = [word for word in words if not (word.endswith(ENDINGS) or Path(word).exists())]
    if len(names) > 1:
        raise click.UsageError(f"this command takes one run, not {len(names)}: {', '.join(names)}")
    return find_run(store_locations(paths, store), names[0] if names else None)
