"""The record of a run: how an output came to be, kept beside it as `*.run.json`.

Owns what is looked up around a run (git, versions) and puts it together with the report. Every look is bounded in
time and may fail without failing the run.
"""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from yamlgen.redaction import redact
from yamlgen.reports.report import Report
from yamlgen.value_objects import JSON

_PACKAGES: Final = ("yamlgen", "anthropic", "genai-prices", "instructor", "jsonschema-rs", "pydantic")
_GIT_SECONDS: Final = 5


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that shape a request."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit of a folder and whether something in it differs, or `None` outside of git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(folder, "status", "--porcelain", "--", ".")
    return {"commit": commit, "dirty": bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def surroundings(folder: Path) -> dict[str, JSON]:
    """The git commit of a folder and the versions of what is installed."""
    return {"git": git_state(folder), "versions": versions()}


def run_record(report: Report, about: dict[str, JSON], started: datetime) -> dict[str, JSON]:
    """Everything that tells how an output was made, without a key in it."""
    record = {
        **report.as_json(),
        **about,
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    cleaned: dict[str, JSON] = json.loads(redact(json.dumps(record, ensure_ascii=False)))
    return cleaned
