"""Fixtures for every test. Sockets are limited to loopback, also in child processes, and keys are removed.

The whole suite runs on all processors. Tests named on the command line run in this process. Property tests try the
same twenty examples in every run; `--hypothesis-profile thorough` tries a thousand others.

Tests call the command line in three ways: with `call` in this process, which is fast because the SDK is imported once;
with `fork_server` if they need a process of its own (kills, limits, folders), which is a fork of one that has imported
it (`forked_program` is one for shells); or with `program` if it must be one from its start (signals, pipes, terminals,
imports).
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

gc.disable()  # until the tests are collected: modules are never garbage, and the SDK has thousands of classes

GUARD = Path(__file__).parent / "guard"
sys.path.insert(0, str(GUARD))
import sitecustomize  # noqa: E402, F401 - closes this process's sockets; child processes find it by PYTHONPATH

settings.register_profile(
    "lean", max_examples=20, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("thorough", settings.get_profile("lean"), max_examples=1000, derandomize=False)
settings.load_profile("lean")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has its background jobs pass over Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE")
_VARIABLES += (
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_CONFIG_DIR",
    "ANTHROPIC_WORKSPACE_ID",
    "ANTHROPIC_ORGANIZATION_ID",
)
_VARIABLES += ("ANTHROPIC_FEDERATION_RULE_ID", "ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_IDENTITY_TOKEN_FILE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SHOWN = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES")

SMALL = """\
version: 1
name: small
input: {path: rows.jsonl, id: id}
steps:
  note: {model: claude-haiku-5-5, max_tokens: 1024, prompt: "Write a note on {{ row.topic }}."}
output: {path: out/notes.jsonl}
"""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return three workers for two processors, since many tests wait; none if tests are named on the command line."""
    return 3 * (os.cpu_count() or 1) // 2 if config.args_source is config.ArgsSource.TESTPATHS else 0


_SELDOM = 50_000, 20, 20


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect garbage seldom: to scan all that thousands of tests load takes longer than a test.

    What is loaded from now on is not compiled to a file: tests edit modules within the second and the size by which
    Python tells a change.
    """
    try:
        return (yield)
    finally:
        gc.enable()
        gc.set_threshold(*_SELDOM)
        sys.dont_write_bytecode = True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's key, address, proxy and colour settings, and set the guard for child processes."""
    for name in (*_VARIABLES, *_PROXIES, *_SHOWN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(GUARD), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))


@dataclass(frozen=True)
class Called:
    """The result of a call of the command line."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call `yamlgen` with arguments, in this process: `call("validate", path, stdin=b"...")`."""
    from yamlgen.cli import main, messages  # noqa: PLC0415 - tests of other rooms need no command line

    def yamlgen(*arguments: object, stdin: bytes = b"") -> Called:
        monkeypatch.setattr(sys, "argv", ["yamlgen", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        messages._lines.cache_clear()
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        gc.unfreeze()  # a run freezes what is loaded, for its process ends with it; this one goes on
        gc.set_threshold(*_SELDOM)
        said = capsys.readouterr()
        return Called(int(ended.value.code or 0), said.out, said.err)

    return yamlgen


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[object, None, None]:
    """Start processes that need nothing of this one but its files: `fork_server.call(folder, "run", path)`."""
    from forked_processes import ForkServer  # noqa: PLC0415 - most tests need no process

    with ForkServer(tmp_path_factory.mktemp("fork_server")) as one:
        yield one


@pytest.fixture(scope="session")
def forked_program(tmp_path_factory: pytest.TempPathFactory, fork_server: object) -> Path:
    """Return a `yamlgen` for shells that has forks do its work."""
    from forked_program import installed_program  # noqa: PLC0415 - few tests need it

    return installed_program(tmp_path_factory.mktemp("program"), fork_server)


@pytest.fixture
def program() -> str:
    """Return the installed `yamlgen`, for tests that need a process."""
    return str(Path(sys.executable).with_name("yamlgen"))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with `small.yaml`, a pipeline of one step with eight rows."""
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    rows = "".join(f'{{"id": {number}, "topic": "town {number}"}}\n' for number in range(1, 9))
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the key of the scripted API in the environment."""
    from scripted_api import KEY  # noqa: PLC0415 - tests of other rooms need no server

    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
