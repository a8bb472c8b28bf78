"""Declarative YAML pipelines that generate data with Claude.

The functions match the commands of the command line:

- `init`, `validate`, `load`, `render`, `plan`, `run` and `retry` work on a pipeline file. `aplan`, `arun` and `aretry`
  are the async versions of `plan`, `run` and `retry`.
- `doctor` checks whether a run would work, and `adoctor` is its async version.
- `status` tells whether pipelines are up to date, and `astatus` is its async version. `lock` writes their locks.
- `test` runs the tests of pipelines on recorded answers, and `atest` is its async version. `cases_from_run` writes
  tests out of a run.
- `runs`, `show`, `rows`, `failures` and `export` read the store of a pipeline, and `report` shows whether the rows are
  any good. `cancel` cancels batches, and `prune` deletes old runs.
- `examples` lists the shipped pipelines that `init` writes. `schema` and `simulate` are for other tools.

`AnthropicLLM` calls a model without a pipeline.

Each name is imported on first use, because the SDK and instructor take a second to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yamlgen.api.commands import aplan, aretry, arun, plan, retry, run
    from yamlgen.api.differences import DiffReport, adiff, diff
    from yamlgen.api.doctor import adoctor, doctor
    from yamlgen.api.doctor_report import DoctorReport, HealthCheck
    from yamlgen.api.examples import examples
    from yamlgen.api.history import Pruning, cancel, export, failures, prune, rows, runs, show
    from yamlgen.api.loaded_pipeline import Pipeline
    from yamlgen.api.loading import load, validate
    from yamlgen.api.lock_files import LockChange, lock
    from yamlgen.api.pipeline_status import PipelineStatus, astatus, status
    from yamlgen.api.pipeline_views import render
    from yamlgen.api.project_files import init, schema
    from yamlgen.api.results import Result
    from yamlgen.api.row_requests import Preview
    from yamlgen.api.run_cases import cases_from_run
    from yamlgen.api.run_reports import report
    from yamlgen.api.simulated_api import simulate
    from yamlgen.api.stored_run import Export, Run
    from yamlgen.api.tests import atest, test
    from yamlgen.diagnostics import Diagnostic, InvalidPipeline
    from yamlgen.errors import RowError, RunStopped, YamlgenError
    from yamlgen.events import RunForecast
    from yamlgen.llm.llm import AnthropicLLM
    from yamlgen.testing.verdicts import TestReport

__version__: str

_HOMES = {
    "AnthropicLLM": "yamlgen.llm.llm",
    "Diagnostic": "yamlgen.diagnostics",
    "DiffReport": "yamlgen.api.differences",
    "DoctorReport": "yamlgen.api.doctor_report",
    "Export": "yamlgen.api.stored_run",
    "HealthCheck": "yamlgen.api.doctor_report",
    "InvalidPipeline": "yamlgen.diagnostics",
    "LockChange": "yamlgen.api.lock_files",
    "Pipeline": "yamlgen.api.loaded_pipeline",
    "PipelineStatus": "yamlgen.api.pipeline_status",
    "Preview": "yamlgen.api.row_requests",
    "Pruning": "yamlgen.api.history",
    "Result": "yamlgen.api.results",
    "RowError": "yamlgen.errors",
    "Run": "yamlgen.api.stored_run",
    "RunForecast": "yamlgen.events",
    "RunStopped": "yamlgen.errors",
    "TestReport": "yamlgen.testing.verdicts",
    "YamlgenError": "yamlgen.errors",
    "adiff": "yamlgen.api.differences",
    "adoctor": "yamlgen.api.doctor",
    "aplan": "yamlgen.api.commands",
    "aretry": "yamlgen.api.commands",
    "arun": "yamlgen.api.commands",
    "astatus": "yamlgen.api.pipeline_status",
    "atest": "yamlgen.api.tests",
    "cancel": "yamlgen.api.history",
    "cases_from_run": "yamlgen.api.run_cases",
    "diff": "yamlgen.api.differences",
    "doctor": "yamlgen.api.doctor",
    "examples": "yamlgen.api.examples",
    "export": "yamlgen.api.history",
    "failures": "yamlgen.api.history",
    "init": "yamlgen.api.project_files",
    "load": "yamlgen.api.loading",
    "lock": "yamlgen.api.lock_files",
    "plan": "yamlgen.api.commands",
    "prune": "yamlgen.api.history",
    "render": "yamlgen.api.pipeline_views",
    "report": "yamlgen.api.run_reports",
    "retry": "yamlgen.api.commands",
    "rows": "yamlgen.api.history",
    "run": "yamlgen.api.commands",
    "runs": "yamlgen.api.history",
    "schema": "yamlgen.api.project_files",
    "show": "yamlgen.api.history",
    "simulate": "yamlgen.api.simulated_api",
    "status": "yamlgen.api.pipeline_status",
    "test": "yamlgen.api.tests",
    "validate": "yamlgen.api.loading",
}

__all__ = [
    "AnthropicLLM",
    "Diagnostic",
    "DiffReport",
    "DoctorReport",
    "Export",
    "HealthCheck",
    "InvalidPipeline",
    "LockChange",
    "Pipeline",
    "PipelineStatus",
    "Preview",
    "Pruning",
    "Result",
    "RowError",
    "Run",
    "RunForecast",
    "RunStopped",
    "TestReport",
    "YamlgenError",
    "adiff",
    "adoctor",
    "aplan",
    "aretry",
    "arun",
    "astatus",
    "atest",
    "cancel",
    "cases_from_run",
    "diff",
    "doctor",
    "examples",
    "export",
    "failures",
    "init",
    "load",
    "lock",
    "plan",
    "prune",
    "render",
    "report",
    "retry",
    "rows",
    "run",
    "runs",
    "schema",
    "show",
    "simulate",
    "status",
    "test",
    "validate",
]

import_module("yamlgen.program_start")


if not TYPE_CHECKING:  # type checkers know the names above, and report unknown ones

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
