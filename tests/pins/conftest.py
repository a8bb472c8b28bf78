"""What a rebuilding must leave as it is, held to files that the commit before it wrote.

To write them anew after a change that a user is meant to see, and then to read the difference:

    YAMLGEN_REWRITE_PINS=1 pytest tests/pins
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def pinned() -> Callable[[str, str], None]:
    """Hold a text to the file of this name."""

    def hold(name: str, text: str) -> None:
        path = HERE / name
        if "YAMLGEN_REWRITE_PINS" in os.environ:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return hold
