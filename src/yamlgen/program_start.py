"""When the program started, as far as yamlgen knows: when it was imported."""

import time
from typing import Final

BEGAN: Final = time.time_ns()
"""In nanoseconds since the epoch. A module that was loaded by then matches its file."""
