"""Real git repositories for tests: made fast, with fixed authors and dates, without the settings of this machine.

A test that has yamlgen run git calls `plain(monkeypatch)` first, for example in a fixture with `autouse=True`.
"""

import os
import subprocess

SETTINGS = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "T",
    "GIT_AUTHOR_EMAIL": "t@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "T",
    "GIT_COMMITTER_EMAIL": "t@example.org",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    "GIT_ALLOW_PROTOCOL": "file",
    "LC_ALL": "C",
}
OWN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""The variables of a hook, in case that a hook runs the tests."""


def plain(monkeypatch):
    """Hide the settings of this machine from git, also where yamlgen runs it."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.setenv(name, SETTINGS[name])
    for name in OWN:
        monkeypatch.delenv(name, raising=False)


def git(folder, *arguments, **variables):
    """Run git in a folder, and return what it prints, without the line end."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    environment |= {**SETTINGS, "HOME": os.fspath(folder), **variables}
    command = ["git", "-c", "commit.gpgsign=false", "-c", "gc.auto=0", *map(os.fspath, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return os.fsdecode(done.stdout.removesuffix(b"\n"))


def put(folder, files):
    """Write files into a folder. A value is a text, bytes, or `None`: the file is removed."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def committed(folder, files=None, message="x"):
    """Write files, commit all of the folder, and return the commit's name."""
    put(folder, files or {})
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def made(folder, files=None):
    """Make a repository with the branch `main`; with files: and a first commit of them. Return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    if files is not None:
        committed(folder, files)
    return folder


def branched(folder, name, files=None, start="HEAD"):
    """Switch to a new branch, and commit files to it. Return the commit's name."""
    git(folder, "checkout", "-q", "-b", name, start)
    return committed(folder, files, name)


def shallow_clone(origin, folder, depth=1):
    """Clone only the last commits of the current branch, as CI does."""
    git(origin, "clone", "-q", f"--depth={depth}", f"file://{origin}", folder)
    return folder


def with_submodule(folder, inner, name):
    """Add a repository as a submodule, and commit it. Return the commit's name."""
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, name)
    return committed(folder)
