"""The workflow of GitHub that checks pull requests: its steps are the scripts of the action, in one file."""

from __future__ import annotations

import json
import os
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from yamlgen.parsing.project_folder import real

WORKFLOW: Final = ".github/workflows/yamlgen.yml"

_SCRIPTS: Final = ("install.sh", "validate.sh", "diff.sh", "comment.sh", "test.sh")
_INDENT: Final = " " * 10


def repository_of(folder: Path) -> tuple[Path, str]:
    """Return the repository of a folder, where GitHub looks for workflows, and the path of the folder in it.

    A folder outside a repository is taken for one.
    """
    whole = real(folder)
    root = next((place for place in (whole, *whole.parents) if (place / ".git").exists()), whole)
    if root == whole:
        return folder, "."
    shown = root if folder.is_absolute() else Path(os.path.relpath(root))
    return shown, whole.relative_to(root).as_posix()


def workflow_text(paths: str, requirement: str) -> str:
    """Return the workflow.

    Args:
        paths: what it checks: files and folders of the repository, one a line.
        requirement: what pip installs in it; if that is empty, its first step says that it must be set.
    """
    home = files("yamlgen.api").joinpath("github")
    text = home.joinpath("workflow.yml").read_text(encoding="utf-8")
    for name in _SCRIPTS:
        _, _, script = home.joinpath(name).read_text(encoding="utf-8").partition("\n")  # without its first line, `#!`
        lines = "".join(f"{_INDENT}{line}\n" if line else "\n" for line in script.splitlines())
        text = text.replace(f"{_INDENT}<{name}>\n", lines)
    for word, value in (("<requirement>", requirement), ("<paths>", paths)):
        text = text.replace(word, json.dumps(value, ensure_ascii=False), 1)
    return text


def installed_requirement() -> str:
    """Return what pip must install to get this yamlgen elsewhere; empty if it was not installed from an address.

    Returns:
        As `git+https://host/owner/repository@commit`, without the user and the password.
    """
    try:
        written = distribution("yamlgen").read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    origin = json.loads(written or "{}")
    url = urlsplit(origin.get("url", ""))
    if "vcs_info" not in origin or not url.hostname:
        return ""
    user = "git@" if url.username == "git" and not url.password else ""
    address = url._replace(netloc=user + url.netloc.rpartition("@")[2]).geturl()
    return f"{origin['vcs_info']['vcs']}+{address}@{origin['vcs_info']['commit_id']}"
