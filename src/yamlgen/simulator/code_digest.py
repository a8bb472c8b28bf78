"""Which simulator this is: a digest of what decides its answers besides a request, a seed and the faults."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from importlib.metadata import version
from typing import Final

from yamlgen.canonical_json import short_digest

_FOLDER: Final = "simulator"
_BESIDES: Final = ("token_estimate.py", "model_capabilities.py", "schemas/native_output_schema.py")
"""What it counts tokens by, and what it knows of models and schemas."""


@lru_cache(maxsize=1)
def simulator_digest() -> str:
    """Eight hexadecimal digits, others for another simulator.

    It is made of the sources, so that no change of them can forget to change it.
    """
    package = resources.files("yamlgen")
    own = (file.name for file in package.joinpath(_FOLDER).iterdir() if file.name.endswith(".py"))
    paths = [*(f"{_FOLDER}/{name}" for name in sorted(own)), *_BESIDES]
    sources = (package.joinpath(path).read_bytes() for path in paths)
    return short_digest(version("faker"), *sources).hex()[:8]
