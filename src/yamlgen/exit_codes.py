"""The exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """The exit codes of the command line. `INTERRUPTED` and `TERMINATED` are 128 plus the number of the signal."""

    OK = 0
    FAILED_ROWS = 1
    USAGE = 2
    ENVIRONMENT = 3
    LIMIT = 4
    DETACHED = 5
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Final = {
    ExitCode.OK: "success",
    ExitCode.FAILED_ROWS: "failed rows, or `validate` found errors",
    ExitCode.USAGE: "wrong command or pipeline",
    ExitCode.ENVIRONMENT: "no key, API, input or disk",
    ExitCode.LIMIT: "a limit, or not confirmed",
    ExitCode.DETACHED: "batches wait: run again",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}
"""What each exit code means, in a few words."""
