"""The digest of the simulator's code, on which its answers depend in addition to request, seed and faults."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from importlib.metadata import version
from typing import Final

from yamlgen.canonical_json import short_digest

_FOLDER: Final = "simulator"
_BESIDES: Final = ("token_estimate.py", "model_capabilities.py", "schemas/native_output_schema.py")
"""The modules outside the folder on which answers depend: token counts, models and schemas."""


@lru_cache(maxsize=1)
def simulator_digest() -> str:
    """Return eight hexadecimal digits that identify the simulator's code.

    The digest is made from the source files, so every change to them changes it.
    """
    package = resources.files("yamlgen")
    own = (file.name for file in package.joinpath(_FOLDER).iterdir() if file.name.endswith(".py"))
    paths = [*(f"{_FOLDER}/{name}" for name in sorted(own)), *_BESIDES]
    sources = (package.joinpath(path).read_bytes() for path in paths)
    return short_digest(version("faker"), *sources).hex()[:8]
