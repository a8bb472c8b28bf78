"""The record of a run, which is written next to its output as `*.run.json`.

It combines the report with the git commit and the versions of packages. Looking these up is limited in time, and may
fail without an effect on the run.
"""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from yamlgen.errors import EnvironmentProblem
from yamlgen.redaction import redact
from yamlgen.reports.report import Report
from yamlgen.revisions.git_process import ask
from yamlgen.value_objects import JSON

_PACKAGES: Final = ("yamlgen", "anthropic", "genai-prices", "instructor", "jsonschema-rs", "pydantic")
_GIT_SECONDS: Final = 5


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that influence requests."""
    found = {"python": platform.python_version()}
    installed = {package: _version(package) for package in _PACKAGES}
    return found | {package: number for package, number in installed.items() if number is not None}


@cache  # a process has loaded its packages; the lookup parses all of their metadata
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the git commit of a folder and whether it has changes, or `None` outside of git."""
    here = folder.resolve()
    if not any((place / ".git").exists() for place in (here, *here.parents)):
        return None  # what git would say, without a process
    try:
        commit = ask(folder, "rev-parse", "HEAD", seconds=_GIT_SECONDS)
        status = ask(folder, "status", "--porcelain", "--", ".", seconds=_GIT_SECONDS)
    except EnvironmentProblem:
        return None
    return {"commit": commit.decode().strip(), "dirty": bool(status)}


def surroundings(folder: Path) -> dict[str, JSON]:
    """Return the git commit of a folder and the versions of packages."""
    return {"git": git_state(folder), "versions": versions()}


def run_record(report: Report, about: dict[str, JSON], started: datetime) -> dict[str, JSON]:
    """Return the record of a run, without API keys."""
    record = {
        **report.as_json(),
        **about,
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    cleaned: dict[str, JSON] = json.loads(redact(json.dumps(record, ensure_ascii=False)))
    return cleaned
