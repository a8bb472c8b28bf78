"""yamlgen: declarative YAML pipelines for making data with Claude.

`load`, `run` and `arun` run a pipeline's file; `AnthropicLLM` is the model by itself. Each is imported when it is
first used, because the SDK and instructor take a second to load.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yamlgen.api.loading import Pipeline, load
    from yamlgen.api.results import Result, arun, run
    from yamlgen.errors import Diagnostic, InvalidPipeline, RowError, RunStopped, YamlgenError
    from yamlgen.llm.llm import AnthropicLLM

__version__: str

_HOMES = {
    "AnthropicLLM": "yamlgen.llm.llm",
    "Diagnostic": "yamlgen.errors",
    "InvalidPipeline": "yamlgen.errors",
    "Pipeline": "yamlgen.api.loading",
    "Result": "yamlgen.api.results",
    "RowError": "yamlgen.errors",
    "RunStopped": "yamlgen.errors",
    "YamlgenError": "yamlgen.errors",
    "arun": "yamlgen.api.results",
    "load": "yamlgen.api.loading",
    "run": "yamlgen.api.results",
}

__all__ = [
    "AnthropicLLM",
    "Diagnostic",
    "InvalidPipeline",
    "Pipeline",
    "Result",
    "RowError",
    "RunStopped",
    "YamlgenError",
    "arun",
    "load",
    "run",
]

import_module("yamlgen.engine")  # it notes when the program began: a module that was there by then is as its file was


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("yamlgen")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'yamlgen' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
