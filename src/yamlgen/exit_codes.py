"""The exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum


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
