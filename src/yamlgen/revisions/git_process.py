"""Runs the program `git`: it reads only, reaches no network, asks nothing, and has a deadline.

Git 2.30 or later is needed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from yamlgen import environment
from yamlgen.errors import Code, EnvironmentProblem

SECONDS: Final = 60.0
"""The time that git has for one answer."""

_SETTINGS: Final = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # git before 2.44 does not know GIT_NO_LAZY_FETCH
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
}
_OF_A_HOOK: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"})
"""Git sets these for hooks. They would hide the repository of a folder that belongs to another one."""

WITHOUT_LFS: Final = ("-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false")
"""The options under which large files stay pointers: their filter downloads them."""

FETCH_OBJECTS: Final = "fetch all with `git fetch --refetch --no-filter`, or make a clone that is not partial"


class GitFailed(EnvironmentProblem):
    """Git refused a command.

    Attributes:
        status: the exit code of git.
        told: what git wrote to standard error, in English.
    """

    def __init__(self, message: str, *, code: Code, hint: str | None = None, status: int = 0, told: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status
        self.told = told


def surroundings(changes: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return the environment variables for git."""
    return environment.inherited({**_SETTINGS, **changes}, without=_OF_A_HOOK)


def command(folder: Path, *arguments: str) -> list[str]:
    """Return the words that start git in a folder."""
    return ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", os.fspath(folder), *arguments]


def ask(
    folder: Path, *arguments: str, seconds: float = SECONDS, variables: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Run a command of git, and return what it prints.

    Args:
        folder: where to run it.
        arguments: the command and its arguments.
        seconds: the time allowed.
        variables: further environment variables.

    Raises:
        GitFailed: git refused the command.
        EnvironmentProblem: git is not installed, cannot be started, or did not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command(folder, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=surroundings(variables),
        )
    except ValueError as error:
        raise refusal(arguments, 1, b"an argument contains a null character") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise unusable(error, seconds) from error
    if done.returncode:
        raise refusal(arguments, done.returncode, done.stderr)
    return done.stdout


def unusable(error: Exception, seconds: float) -> EnvironmentProblem:
    """Return the error that git cannot be run."""
    if isinstance(error, FileNotFoundError):
        message, hint = "`git` is not installed, or not on the PATH", "install git 2.30 or later"
    elif isinstance(error, subprocess.TimeoutExpired):
        message, hint = f"git did not answer within {seconds:g} seconds", "try again, or look for a hanging disk"
    else:
        reason = getattr(error, "strerror", None) or error
        message, hint = f"git cannot be run: {reason}", "check the installation of git"
    return EnvironmentProblem(message, code=Code.NO_REVISION, hint=hint)


def refusal(arguments: tuple[str, ...], status: int, stderr: bytes) -> GitFailed:
    """Return the error for a command that git refused, or during which git was killed."""
    told = stderr.decode("utf-8", "replace").strip()
    verb = next((word for word in arguments if not word.startswith("-") and "=" not in word), "")
    if status < 0:
        fact = f"`git {verb}` was ended by signal {-status}"
        return GitFailed(fact, code=Code.NO_REVISION, hint="try again", status=status, told=told)
    if "promisor remote" in told:
        fact = f"`git {verb}` needs objects that this partial clone does not have"
        return GitFailed(fact, code=Code.NO_REVISION, hint=FETCH_OBJECTS, status=status, told=told)
    last = told.splitlines()[-1].removeprefix("fatal: ").removeprefix("error: ") if told else f"exit code {status}"
    hint = "run `git fsck` if this is not expected"
    return GitFailed(f"`git {verb}` failed: {last}", code=Code.NO_REVISION, hint=hint, status=status, told=told)
