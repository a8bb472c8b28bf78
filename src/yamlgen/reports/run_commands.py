"""What to type, or to call in Python, to go on from a run of a store."""

from __future__ import annotations

import json
import shlex
from typing import Final

from yamlgen.errors import near
from yamlgen.option_names import by_surface
from yamlgen.store.location import FOLDER, StoreLocation
from yamlgen.store.run_reader import RunEntry
from yamlgen.value_objects import JSON

_ENDINGS: Final = (".yaml", ".yml")


class RunCommands:
    """The commands of a run.

    Args:
        place: its store.
        run: the run.
    """

    def __init__(self, place: StoreLocation, run: RunEntry) -> None:
        is_beside = place.folder.name == FOLDER and place.name.endswith(_ENDINGS)
        self._file = near(place.folder.parent / place.name) if is_beside else run.about["pipeline"]["file"]
        self._store = None if is_beside else near(place.folder)
        self._run = run.name
        self._simulated = place.simulated

    def retry(self) -> str:
        """Return the command that runs the failed rows again, and no others."""
        simulate = ["--simulate"] if self._simulated else []
        command = self._command(["retry", self._file, self._run, *simulate])
        return by_surface(command=command, python=self._call("retry", *(["simulate=True"] if simulate else [])))

    def show_row(self, row: JSON) -> str:
        """Return the command that shows a row, by its id or its number from 1, with all of its exchanges."""
        name = row if isinstance(row, str) else json.dumps(row)
        command = self._command(["runs", "show", self._file, self._run, "--row", name])
        return by_surface(command=command, python=self._call("show", f"row={row!r}"))

    def _command(self, words: list[str]) -> str:
        stored = [] if self._store is None else ["--store", self._store]
        return shlex.join(["yamlgen", *words, *stored])

    def _call(self, name: str, *options: str) -> str:
        stored = [] if self._store is None else [f"store={self._store!r}"]
        return f"yamlgen.{name}({', '.join([repr(self._file), repr(self._run), *options, *stored])})"
