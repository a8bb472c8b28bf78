"""Processes of `yamlgen` that begin in a twentieth of a second: forks of one that has loaded everything already.

A fork is as real as any process: its own signals, limits, locks and files. Owns what is done to it before it runs
(folder, variables, failpoint, limits) and what is known of it afterwards (exit code, output, the events that it told).

The process that has loaded everything forks a zygote for each connection; a zygote forks one process after the other
and waits for its end. So processes at the same time have zygotes of their own, and nothing is loaded twice.
"""

import gc
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module, reload
from itertools import count
from pathlib import Path

DEADLINE = 60
"""Seconds after which a process ends itself."""

GUARD = Path(__file__).parent / "guard"
PRELOAD = (
    "yamlgen.cli.run",
    "yamlgen.cli.foreground",
    "yamlgen.api.run_execution",
    "yamlgen.api.argument_parsing",
    "yamlgen.api.stage_runs",
    "yamlgen.steps.generate.execution",
    "yamlgen.claude.instructor_handlers",  # with what instructor imports: a second
    "yamlgen.batches.desk",
    "yamlgen.simulator.server",
    "anthropic.resources.messages",
    "genai_prices.data",
    "rich.table",
    "aiohttp",
    "httpcore2",
    "anyio.streams.tls",
)
"""What nearly every process loads."""

_numbers = count(1)


@dataclass(frozen=True)
class EndedProcess:
    """What a process came to; a negative code is the signal that killed it.

    Attributes:
        told: the events that it told, each as its words: `AnswerReceived 3 facts False`.
    """

    code: int
    out: str
    err: str
    told: list

    def count(self, *words):
        """How many events begin with these words."""
        return sum(event[: len(words)] == list(words) for event in self.told)


class Zygote:
    """A connection to a process that forks others, one at a time."""

    def __init__(self, address):
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(address))
        self._said = self._line.makefile("r", encoding="utf-8")

    def ask(self, job):
        """Have it do something."""
        self._line.sendall(f"{json.dumps(job)}\n".encode())

    def number(self):
        """Wait for the next number that it says."""
        return int(self._said.readline())

    def close(self):
        """Have it end."""
        self._said.close()
        self._line.close()


@dataclass
class ForkedProcess:
    """A process at work."""

    pid: int
    files: Path
    _zygote: Zygote
    _free: list
    _ended: EndedProcess | None = None

    def told(self):
        """The events that it has told until now; one that a kill cut short is none."""
        whole = Path(f"{self.files}.told").read_text("utf-8").rpartition("\n")[0]
        return [line.split() for line in whole.splitlines()]

    def until(self, *words, times=1):
        """Wait until it has told such events so often."""
        ends = time.monotonic() + DEADLINE
        while sum(event[: len(words)] == list(words) for event in self.told()) < times:
            assert time.monotonic() < ends, (words, self.told())
            time.sleep(0.002)

    def until_said(self, text):
        """Wait until it has said this on standard error."""
        ends = time.monotonic() + DEADLINE
        while text not in (said := Path(f"{self.files}.err").read_text("utf-8")):
            assert time.monotonic() < ends, said
            time.sleep(0.002)

    def pause(self, seconds):
        """Let it work for a moment."""
        time.sleep(seconds)

    def send(self, number):
        """Send it a signal, if it has not just ended by itself."""
        if self._ended is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self):
        """Wait for its end."""
        if self._ended is None:
            code = self._zygote.number()
            self._free.append(self._zygote)
            out, err = (Path(f"{self.files}.{name}").read_text("utf-8") for name in ("out", "err"))
            self._ended = EndedProcess(code, out, err, self.told())
        return self._ended

    def kill(self):
        """Send SIGKILL, and wait for its end."""
        self.send(signal.SIGKILL)
        return self.wait()


@dataclass
class ForkServer:
    """Starts processes; what they say is kept in files under `folder`."""

    folder: Path
    _parent: subprocess.Popen | None = None
    _all: list = field(default_factory=list)
    _free: list = field(default_factory=list)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for zygote in self._all:
            zygote.close()
        if self._parent:
            self._parent.stdin.close()
            self._parent.wait(timeout=DEADLINE)
            self._parent.stdout.close()

    def start(
        self, folder, *arguments, failpoint="", size=None, umask=0o022, first_look=None, terminal=None, **environment
    ):
        """Call `yamlgen` with arguments in a folder.

        Args:
            folder: the folder.
            arguments: those of the command line.
            failpoint: where it is killed.
            size: the most bytes that it may write to one file.
            umask: its umask.
            first_look: the seconds between the looks at a batch, instead of half a second that grows to a minute.
            terminal: the name of the terminal that is its standard input and standard error.
            environment: further variables.
        """
        zygote = self._free.pop() if self._free else self.zygote()
        files = self.folder / str(next(_numbers))
        job = {
            "folder": str(folder),
            "arguments": list(map(str, arguments)),
            "environment": {"YAMLGEN_FAILPOINT": failpoint, **environment},
            "size": size,
            "first_look": first_look,
            "umask": umask,
            "terminal": terminal,
            "files": str(files),
        }
        zygote.ask(job)
        return ForkedProcess(zygote.number(), files, zygote, self._free)

    def call(self, folder, *arguments, **options):
        """Call `yamlgen`, and wait for its end."""
        return self.start(folder, *arguments, **options).wait()

    def zygote(self):
        """Return a zygote that does nothing yet."""
        address = self.folder / "address"
        if self._parent is None:
            self._parent = self._loaded(address)
            assert self._parent.stdout.readline(), "it listens"
        self._all.append(Zygote(address))
        return self._all[-1]

    def _loaded(self, address):
        left = ("_PROXY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "COLUMNS", "LINES")
        kept = {name: value for name, value in os.environ.items() if not name.upper().endswith(left)}
        path = os.pathsep.join([str(GUARD), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        environment = {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, __file__, address], env=environment, **pipes)


def _serve(address):
    gc.disable()
    for name in PRELOAD:
        import_module(name)
    gc.freeze()  # no process looks for garbage among what all have loaded
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the zygotes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            line, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _fork_one_by_one(line)
            line.close()
    os._exit(0)  # to take all these modules apart takes a second


def _fork_one_by_one(line):
    """Be a zygote: never returns."""
    for text in line.makefile("r", encoding="utf-8"):
        job = json.loads(text)
        if "program" in job:
            import_module("forked_program").serve(job["program"], line)
        for name in ("out", "err", "told"):
            Path(f"{job['files']}.{name}").touch()
        streams = _opened(job)
        pid = os.fork()
        if pid == 0:
            os.close(line.detach())
            _live(job, streams)
        for descriptor in streams:
            os.close(descriptor)
        _say(line, pid)
        _say(line, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _opened(job):
    """Open the three streams of a process: a terminal that nobody had open would end for its reader."""
    reads, writes = os.O_RDONLY | os.O_NOCTTY, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY
    said = job["terminal"] or f"{job['files']}.err"
    return os.open(job["terminal"] or os.devnull, reads), os.open(f"{job['files']}.out", writes), os.open(said, writes)


def _say(line, number):
    line.sendall(f"{number}\n".encode())


def _live(job, streams):
    """Be the process: never returns."""
    signal.alarm(DEADLINE)
    os.chdir(job["folder"])
    os.umask(job["umask"])
    os.environ.update(job["environment"])
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    _tell(os.open(f"{job['files']}.told", os.O_WRONLY | os.O_APPEND))
    reload(import_module("yamlgen.failpoint"))  # it reads its variable once
    if job["first_look"] is not None:
        waits = import_module("yamlgen.batches.waits")
        waits.Backoff.__init__.__defaults__, waits._GROWTH = (job["first_look"],), 1.0
    if job["size"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["size"], job["size"]))
    sys.argv = ["yamlgen", *job["arguments"]]
    code = 70
    try:
        import_module("yamlgen.cli").main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - as Python would
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell(descriptor):
    """Write every event at once, so that it is known even if the process is killed after it."""
    fold = import_module(
        "yamlgen.engine.spending_limits"
    ).Budget  # every run has one, and after the report it is told first
    observe = fold.observe

    def told(self, event):
        observe(self, event)
        words = (getattr(event, name, None) for name in ("row", "step", "reused"))
        line = " ".join([type(event).__name__, *(str(word) for word in words if word is not None)])
        with suppress(OSError):  # a limit on files is one on this file too
            os.write(descriptor, f"{line}\n".encode())

    fold.observe = told


if __name__ == "__main__":
    _serve(sys.argv[1])
