"""Running: rows through a plan."""

import time
from typing import Final

BEGAN: Final = time.time_ns()
"""When this program imported yamlgen: a module that it had by then is as its file was."""
