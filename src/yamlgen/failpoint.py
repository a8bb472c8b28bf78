"""Named places at which a test may kill the process, to see that nothing paid for is lost there.

`YAMLGEN_FAILPOINT=before-commit:3` ends the process with SIGKILL when it comes to that place for the third time.
Nothing happens where the variable is not set; it is read once.
"""

from __future__ import annotations

import os
import signal
from typing import Final, Literal

from yamlgen.environment import variable

Failpoint = Literal[
    "before-send", "after-receive", "before-commit", "after-commit", "during-export", "before-rename", "after-rename"
]

_NAME, _, _TIMES = (variable("YAMLGEN_FAILPOINT") or "").partition(":")
_LEFT: Final = [int(_TIMES) if _TIMES.isdigit() else 1]


def reach(name: Failpoint) -> None:
    """Come to a named place; a test may have asked that the process ends here."""
    if name == _NAME:
        _LEFT[0] -= 1
        if _LEFT[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
