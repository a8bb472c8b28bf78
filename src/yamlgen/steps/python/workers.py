"""Workers: what calls the author's functions, in this process or elsewhere.

The run needs nothing else of them. They get the source of a module as it was checked, and arguments, which are JSON
values; they never get the credentials or the store. So they may be threads, processes, or processes on other machines,
which do not share the pipeline's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from yamlgen.steps.python.signatures import Function
from yamlgen.value_objects import JSON


class Workers(Protocol):
    """Calls the author's functions of one run. They must be closed."""

    async def call(
        self,
        function: Function,
        source: bytes,
        args: Mapping[str, JSON],
        timeout: float,  # noqa: ASYNC109 - reported as the author's
        check: Callable[[], object] = bool,
    ) -> JSON:
        """Call a function, when a worker is free, and return its value.

        Args:
            function: the function.
            source: the source of its module, which was checked against the digest in `function`.
            args: the arguments; the function gets a copy, which it may change.
            timeout: maximum seconds of the call, from when a worker is free and has loaded the module.
            check: called when a worker is free; what it raises is raised, and the function is not called.

        Raises:
            NeedsLoop: the function is a coroutine function, and these workers have no event loop; it was not called.
            RowError: it raised an exception, took too long, ended its worker, or returned a value that is not a JSON
                value.
            UsageError: its module cannot be loaded, or has no such function.
            EnvironmentProblem: the system has no resources for a worker, or for the function.
        """
        ...

    def siblings(self) -> Mapping[str, Path]:
        """Return the modules that the author's modules have imported from the pipeline's folder so far, by name.

        The modules of all workers that were used are in it, so that kept values depend on them.
        """
        ...

    def older(self) -> frozenset[Path]:
        """Return the modules from the pipeline's folder that a worker had loaded before its first call."""
        ...

    async def close(self) -> None:
        """End all workers."""
        ...


class NeedsLoop(Exception):  # noqa: N818 - not an error
    """A coroutine function was given to workers without an event loop: it belongs on that of the run."""
