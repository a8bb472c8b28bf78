"""The `python` kind: a step that calls a function of the author."""

import time
from typing import Final

BEGAN: Final = time.time_ns()
"""The time at which this program imported yamlgen: a module loaded before it is stale if its file changed after it."""
