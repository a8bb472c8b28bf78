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
    from yamlgen.claude.llm import AnthropicLLM
    from yamlgen.errors import Diagnostic, InvalidPipeline, RowError, RunStopped, YamlgenError

_HOMES = {
    "AnthropicLLM": "yamlgen.claude.llm",
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

# The function `run` and the room `run` share a name, and the first import of a room binds its name here. So that is
# done now, and undone: from here on the name is the function's, whatever is imported later.
import_module("yamlgen.run")
del globals()["run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'yamlgen' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
