"""Named places in the code at which a test can kill the process, to check that no billed answer is lost.

`YAMLGEN_FAILPOINT=before-commit:3` kills the process with SIGKILL when it reaches that place for the third time. The
variable is read once, at import. If it is not set, nothing happens.
"""

from __future__ import annotations

import os
import signal
from typing import Final, Literal

from yamlgen.environment import variable

Failpoint = Literal[
    "before-send",
    "after-receive",
    "before-commit",
    "after-commit",
    "during-export",
    "before-rename",
    "after-rename",
    "batch-gathered",
    "batch-intended",
    "batch-sent",
    "batch-posted",
    "batch-ended",
    "batch-collecting",
    "batch-collected",
]

_NAME, _, _TIMES = (variable("YAMLGEN_FAILPOINT") or "").partition(":")
_LEFT: Final = [int(_TIMES) if _TIMES.isdigit() else 1]


def reach(name: Failpoint) -> None:
    """Mark a named place, and kill the process if `YAMLGEN_FAILPOINT` selects it."""
    if name == _NAME:
        _LEFT[0] -= 1
        if _LEFT[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
