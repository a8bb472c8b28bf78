"""Functions in worker processes: each call by itself, a worker that dies costs its row, and none outlives the run."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_function_calls import function

from yamlgen.errors import Code, EnvironmentProblem, RowError, UsageError
from yamlgen.steps.python import process_workers, thread_workers
from yamlgen.steps.python.function_calls import FunctionCaller

BARRIER = """
import os, time
from pathlib import Path

def meet(most):
    Path(f"here-{os.getpid()}").touch()
    while len(list(Path.cwd().glob("here-*"))) < most:
        time.sleep(0.002)
    return os.getpid()
"""
"""A function that returns when it runs in that many processes at the same time."""


def run(folder, work, processes=1, hidden=()):
    """What an async function of a `FunctionCaller` with processes gives."""

    async def main():
        functions = FunctionCaller(folder, processes=processes, hidden=hidden)
        try:
            return await work(functions)
        finally:
            await functions.close()

    return asyncio.run(main())


def called(folder, source, args=(), timeout=30.0, **options):
    """What `score` of a module with this source gives for arguments, in a process."""
    score = function(folder, source)
    return run(folder, lambda functions: functions.call(score, dict(args), timeout), **options)


def failed(folder, source, args=(), timeout=30.0):
    """The error of the row for which `score` of a module with this source was called in a process."""
    with pytest.raises(RowError) as raised:
        called(folder, source, args, timeout)
    return raised.value


def noted(file):
    """The number that a function writes into a file, once it is there."""
    end = time.monotonic() + 30
    while not file.exists() or not file.read_text(encoding="utf-8").endswith("\n"):
        assert time.monotonic() < end
        time.sleep(0.01)
    return int(file.read_text(encoding="utf-8"))


def is_gone(pid, seconds=5.0):
    """Whether a process ends within some seconds; one that nobody has waited for counts as ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_as_many_functions_compute_at_once_as_there_are_workers(tmp_path):
    """Two calls run in two processes at the same time, none of them ours; a third process is not started."""
    meet = function(tmp_path, BARRIER, "meet")

    async def work(functions):
        return await asyncio.gather(*(functions.call(meet, {"most": 2}, 20) for _ in range(6)))

    pids = set(run(tmp_path, work, processes=2))
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert all(is_gone(pid) for pid in pids)


def test_workers_start_when_calls_wait_for_them(tmp_path):
    """One call after the other needs one process, which loads the module once; without a call there is none."""
    source = "import os\nopen('loads', 'a').write('x')\ndef score(): return os.getpid()\n"
    score = function(tmp_path, source)

    async def work(functions):
        return {await functions.call(score, {}, 20) for _ in range(5)}

    assert len(run(tmp_path, work, processes=4)) == 1
    assert (tmp_path / "loads").read_text() == "x"


def test_a_call_comes_to_what_it_comes_to_in_a_thread(tmp_path):
    """Values and errors are those of a call in this process, also what cannot be sent to another process."""
    bodies = {
        "a": None,
        "float('inf')": Code.INVALID_VALUE,
        "{1: 2}": Code.INVALID_VALUE,
        "lambda: 0": Code.INVALID_VALUE,
        "'\\ud800'": Code.INVALID_VALUE,
        "1 / 0": Code.CALL_FAILED,
        "__import__('sys').exit(3)": Code.CALL_FAILED,
        "missing": Code.CALL_FAILED,
    }
    source = "".join(f"def score_{n}(a):\n    return {body}\n" for n, body in enumerate(bodies))
    scores = [function(tmp_path, source, f"score_{n}") for n in range(len(bodies))]
    args = {"a": {"big": 10**390, "none": None, "list": [True, 1.5, -0.0]}}

    async def work(functions):
        calls = (functions.call(score, args, 20) for score in scores)
        ended = await asyncio.gather(*calls, return_exceptions=True)
        return [(getattr(each, "code", None), str(each), getattr(each, "hint", None)) for each in ended]

    there = run(tmp_path, work)
    assert [code for code, *_ in there] == list(bodies.values())
    assert there == run(tmp_path, work, processes=0)


def test_arguments_of_any_size_and_form_arrive(tmp_path):
    """Many megabytes, half of a surrogate pair and NaN arrive; what is nested too deeply costs its row."""
    score = function(tmp_path, "def score(a): return [len(a['text']), a['half'] == '\\ud800', a['nan'] != a['nan']]\n")
    echo = function(tmp_path, "def echo(a): return a\n", "echo", "echoes")
    deep = []
    for _ in range(100_000):
        deep = [deep]

    async def work(functions):
        args = {"text": "x" * 30_000_000, "half": "\ud800", "nan": float("nan")}
        with pytest.raises(RowError) as raised:
            await functions.call(echo, {"a": deep}, 20)
        large = await functions.call(echo, {"a": "y" * 10_000_000}, 20)
        return await functions.call(score, {"a": args}, 20), raised.value.code, len(large)

    assert run(tmp_path, work) == ([30_000_000, True, True], Code.INVALID_VALUE, 10_000_000)


def test_coroutine_functions_stay_on_the_loop_of_the_run(tmp_path):
    """A coroutine function runs here; any other function that returns an awaitable has it awaited in its process."""
    source = (
        "import os\nasync def score(): return os.getpid()\n"
        "class Score:\n    async def __call__(self): return os.getpid()\nother = Score()\n"
    )
    score, other = function(tmp_path, source), function(tmp_path, source, "other")

    async def work(functions):
        here = {await functions.call(score, {}, 20) for _ in range(3)}
        return here, {await functions.call(other, {}, 20) for _ in range(3)}

    here, there = run(tmp_path, work)
    assert here == {os.getpid()}
    assert len(there) == 1
    assert there != here


def test_a_worker_that_dies_costs_its_row(tmp_path):
    """Whatever ends a worker in a call is told as the failure of its row; the next call has another worker."""
    deaths = {
        "os.kill(os.getpid(), 9)": ("was killed by SIGKILL", "memory"),
        "os._exit(3)": ("ended with exit code 3", "return"),
        "os.abort()": ("was killed by SIGABRT", "library"),
        "os.closerange(3, 100)": ("ended with exit code 0", "return"),
    }
    source = "import os\ndef score(death):\n    exec(death)\n    return os.getpid()\n"
    score = function(tmp_path, source)

    async def work(functions):
        pids, errors = {await functions.call(score, {"death": ""}, 20)}, []
        for death in deaths:
            with pytest.raises(RowError) as raised:
                await functions.call(score, {"death": death}, 20)
            errors.append(raised.value)
        return errors, pids | {await functions.call(score, {"death": ""}, 20)}

    errors, pids = run(tmp_path, work)
    for error, (told, hint) in zip(errors, deaths.values(), strict=True):
        assert (error.code, error.message) == (Code.WORKER_LOST, f"the worker process of `score` {told}")
        assert hint in error.hint
        assert error.doubt is None
    assert len(pids) == 2


def test_what_a_function_writes_into_the_connection_is_no_answer(tmp_path):
    """Not even a whole frame of somebody else's is taken for the answer of a call, this one or the next."""
    source = (
        "import os, socket\nfrom yamlgen.steps.python.worker_frames import frame_of\ndef score(bad):\n"
        "    for name in os.listdir('/proc/self/fd') if bad else ():\n"
        "        if os.path.realpath(f'/proc/self/fd/{name}').partition(':')[0].endswith('socket'):\n"
        "            os.write(int(name), frame_of({}, b'666'))\n    return 1\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        with pytest.raises(RowError, match="broke its connection") as raised:
            await functions.call(score, {"bad": True}, 20)
        return raised.value.code, await functions.call(score, {"bad": False}, 20)

    assert run(tmp_path, work) == (Code.WORKER_LOST, 1)


def test_a_worker_without_memory_costs_its_row(tmp_path):
    """A function that needs more than its process may have raises an error, and the worker goes on."""
    source = (
        "import os, resource\ndef score(size):\n    if size:\n"
        "        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\n"
        "    return [os.getpid(), len(b'x' * size)]\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        first = await functions.call(score, {"size": 0}, 20)
        with pytest.raises(RowError, match="MemoryError") as raised:
            await functions.call(score, {"size": 1 << 32}, 20)
        return raised.value.code, first == await functions.call(score, {"size": 0}, 20)

    assert run(tmp_path, work) == (Code.CALL_FAILED, True)


def test_an_idle_worker_that_was_killed_costs_nothing(tmp_path):
    """A process that dies between two calls is replaced before the next one."""
    score = function(tmp_path, "import os\ndef score(): return os.getpid()\n")

    async def work(functions):
        first = await functions.call(score, {}, 20)
        os.kill(first, signal.SIGKILL)
        is_gone(first)
        return first, await functions.call(score, {}, 20)

    first, second = run(tmp_path, work)
    assert first != second


def test_calls_that_all_lose_their_workers_raise_a_doubt(tmp_path, monkeypatch):
    """After so many the engine tries other rows, and ends the run; a call that returns clears the doubt."""
    monkeypatch.setattr(process_workers, "ALIKE", 3)
    score = function(tmp_path, "import os\ndef score(dies): dies and os._exit(1)\n")

    async def work(functions):
        calls = (functions.call(score, {"dies": True}, 20) for _ in range(3))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        await functions.call(score, {"dies": False}, 20)
        return [error.doubt for error in errors]

    doubts = run(tmp_path, work, processes=2)
    (doubt,) = (each for each in doubts if each is not None)
    assert (doubt.raised, doubt.cleared) == (True, True)


ENDLESS = {
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; note(); time.sleep(60)",
    "waits for a child": "note(); subprocess.run(['sleep', '60'])",
    "holds the lock": "note(); sum(range(10**12))",
    "awaits": "note(); return asyncio.sleep(60)",
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_a_call_that_takes_too_long_is_ended(tmp_path, body):
    """Past its time the process of a call is killed, whatever it does, and another one does the next call."""
    source = (
        "import asyncio, os, signal, subprocess, time\ndef note(): print(os.getpid(), file=open('pid', 'w'))\n"
        f"def score(quick):\n    if quick: return 1\n    {body}\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        with pytest.raises(RowError) as raised:
            await functions.call(score, {"quick": False}, 0.6)
        assert is_gone(int((tmp_path / "pid").read_text()))
        return raised.value, await functions.call(score, {"quick": True}, 20)

    error, after = run(tmp_path, work)
    assert (error.code, error.message) == (Code.CALL_TIMEOUT, "`score` took longer than 0.6 s")
    assert after == 1


def test_what_a_function_started_ends_with_its_call(tmp_path):
    """The children of a worker that is killed are killed too, so that they do not gather."""
    source = (
        "import subprocess, time\ndef score():\n    child = subprocess.Popen(['sleep', '60'])\n"
        "    print(child.pid, file=open('child', 'w'))\n    time.sleep(60)\n"
    )
    assert failed(tmp_path, source, timeout=0.6).code is Code.CALL_TIMEOUT
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_cancelled_call_ends_its_worker(tmp_path):
    """The end of the run is no failure of a row, and leaves no process."""
    score = function(
        tmp_path, "import os, time\ndef score():\n    print(os.getpid(), file=open('pid', 'w'))\n    time.sleep(60)\n"
    )

    async def work(functions):
        task = asyncio.ensure_future(functions.call(score, {}, 60))
        pid = await asyncio.to_thread(noted, tmp_path / "pid")
        task.cancel()
        await asyncio.wait([task], timeout=5)
        return task.cancelled(), pid

    is_cancelled, pid = run(tmp_path, work)
    assert is_cancelled
    assert is_gone(pid)


def test_a_function_that_forks_returns_once(tmp_path):
    """A child that returns from the function, or raises, ends there; what it does is not taken for an answer."""
    source = (
        "import os\ndef score(bad):\n    child = os.fork()\n    if child == 0 and bad: raise ValueError\n"
        "    if child: os.waitpid(child, 0)\n    return bool(child)\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        return [await functions.call(score, {"bad": n % 2 == 0}, 20) for n in range(4)]

    assert run(tmp_path, work) == [True] * 4


def test_a_child_that_stays_keeps_no_worker(tmp_path):
    """A worker that dies is noticed at once, although a child that it has forked lives on."""
    source = "import os, time\ndef score():\n    if os.fork() == 0: time.sleep(60)\n    os._exit(4)\n"
    began = time.monotonic()
    assert failed(tmp_path, source).message.endswith("ended with exit code 4")
    assert time.monotonic() - began < 10


def test_a_function_may_have_a_pool_of_its_own(tmp_path):
    """A function may start threads and processes, also a pool that ends its processes with a signal."""
    source = (
        "import multiprocessing\nfrom concurrent.futures import ThreadPoolExecutor\ndef double(n): return 2 * n\n"
        "def score():\n    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "        made = pool.map(double, [1, 2])\n    with ThreadPoolExecutor(2) as pool:\n"
        "        return made + list(pool.map(double, [3]))\n"
    )
    assert called(tmp_path, source) == [2, 4, 6]


def test_what_a_function_prints_is_printed_here(tmp_path, capsys):
    """Prints and the output of programs come out of the streams of this process, and disturb no answer."""
    source = (
        "import os, sys\ndef score():\n    print('a print: \\u00fc \\ud800')\n    print('an error', file=sys.stderr)\n"
        "    os.system('echo a program')\n    sys.stdout.write('no line feed')\n    return sys.stdin.read()\n"
    )
    assert called(tmp_path, source) == ""
    printed = capsys.readouterr()
    assert printed.out == "a print: ü \\ud800\na program\nno line feed"
    assert printed.err == "an error\n"


def test_a_worker_has_no_credentials(tmp_path, monkeypatch):
    """The variables of the SDK, those that were named, and copies of their values are not in its environment."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_PROFILE", "TEAM_TOKEN", "COPY_OF_IT"):
        monkeypatch.setenv(name, f"secret-{name.replace('COPY_OF_IT', 'TEAM_TOKEN')}")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OF_THE_AUTHOR", "yes")
    source = (
        "import os\ndef score():\n    with open('/proc/self/environ') as file: text = file.read()\n"
        "    return [sorted(name for name in os.environ if '_' in name), 'secret' in text]\n"
    )
    names, has_secret = called(tmp_path, source, hidden=("TEAM_TOKEN",))
    assert not has_secret
    assert {"ANTHROPIC_BASE_URL", "OF_THE_AUTHOR"} <= set(names)
    assert not {"ANTHROPIC_API_KEY", "ANTHROPIC_PROFILE", "TEAM_TOKEN", "COPY_OF_IT"} & set(names)


def test_a_worker_has_no_open_files_of_the_run(tmp_path):
    """It has its three streams, its connection and its pipe, and passes them to no program that it starts."""
    opened = (tmp_path / "opened").open("w")
    os.set_inheritable(opened.fileno(), True)  # noqa: FBT003 - the standard library's signature
    source = (
        "import os, subprocess, sys\nNOW = 'import os; print(os.listdir(\"/proc/self/fd\"))'\ndef score():\n"
        "    links = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
        "    mine = [os.readlink(link).partition(':')[0] for link in links if os.path.lexists(link)]\n"
        "    child = subprocess.run([sys.executable, '-c', NOW], close_fds=False, stdout=-1, text=True)\n"
        "    return [sorted(mine), len(eval(child.stdout))]\n"
    )
    try:
        mine, of_child = called(tmp_path, source)
    finally:
        opened.close()
    assert mine == ["/dev/null", "pipe", "pipe", "pipe", "socket"]
    assert of_child <= 4  # its three streams, and the folder that it lists


def test_signals_that_end_programs_do_not_end_a_worker(tmp_path):
    """A signal to all processes of a job leaves the worker to the run, which decides when its calls end."""
    body = "    os.kill(os.getpid(), n)\n    time.sleep(0.05)\n    return os.getsid(0)\n"
    source = f"import os, signal, time\ndef score(n):\n{body}"
    score = function(tmp_path, source)

    async def work(functions):
        return [await functions.call(score, {"n": n}, 20) for n in (signal.SIGINT, signal.SIGTERM)]

    one, other = run(tmp_path, work)
    assert one == other != os.getsid(0)


def test_a_function_may_change_its_process(tmp_path):
    """A function may change the working directory, and may have signal handlers, as the main program may."""
    source = (
        "import os, signal\ndef score():\n    os.chdir('/')\n    seen = []\n"
        "    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))\n    signal.raise_signal(signal.SIGALRM)\n"
        "    raise ValueError(seen)\n"
    )
    assert failed(tmp_path, source).message.endswith("[1] (scoring.py:7 in score: `raise ValueError(seen)`)")


def test_workers_tell_which_siblings_they_have_imported(tmp_path):
    """Modules from the pipeline's folder are known here, also those that a call imports, of all workers."""
    for name in ("ones", "twos"):
        function(tmp_path, "one = 1\n", module=name)
    source = f"{BARRIER}\nimport ones\ndef score():\n    meet(2)\n    import twos\n    return twos.one\n"
    score = function(tmp_path, source)

    async def work(functions):
        assert functions.siblings() == {}
        values = await asyncio.gather(*(functions.call(score, {}, 20) for _ in range(2)))
        return values, functions.siblings(), functions.older()

    values, siblings, older = run(tmp_path, work, processes=2)
    assert values == [1, 1]
    assert siblings == {name: tmp_path / f"{name}.py" for name in ("ones", "twos")}
    assert older == frozenset()
    assert "ones" not in sys.modules


def refused(folder, source, **names):
    """The error that ends the run in which a function of a module with this source is called."""
    asked = function(folder, source, **names)
    with pytest.raises(UsageError) as raised:
        run(folder, lambda functions: functions.call(asked, {}, 30))
    return raised.value


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module' (scoring.py:2: `{line}`)"),
        ("os._exit(5)", "the worker process that loaded it ended with exit code 5"),
    ],
)
def test_an_import_that_fails_ends_the_run(tmp_path, line, told):
    """A module that cannot be loaded, or ends its process, would do so for every row."""
    error = refused(tmp_path, f"import os\n{line}\ndef score(): ...\n")
    assert (error.code, error.message) == (Code.BAD_MODULE, f"scoring.py cannot be loaded: {told.format(line=line)}")


def test_an_import_that_never_ends_ends_the_run(tmp_path, monkeypatch):
    """A module has a deadline of its own; the process that loads it is killed, and nobody tries again."""
    monkeypatch.setattr(process_workers, "LOADING", 1)
    monkeypatch.setattr(thread_workers, "LOADING", 1)
    source = "import os, time\nopen('pids', 'a').write(f'{os.getpid()} ')\ntime.sleep(60)\ndef score(): ...\n"
    score = function(tmp_path, source)

    async def work(functions):
        return await asyncio.gather(*(functions.call(score, {}, 1) for _ in range(3)), return_exceptions=True)

    assert {error.message for error in run(tmp_path, work)} == {"scoring.py did not load within 1 s"}
    (pid,) = (tmp_path / "pids").read_text().split()
    assert is_gone(int(pid))


def test_a_module_that_loaded_before_is_not_blamed(tmp_path):
    """If a later worker dies while it loads a module, only the row fails."""
    source = "import os\nif os.path.exists('dies'): os._exit(5)\ndef score(): os._exit(6)\n"
    score = function(tmp_path, source)

    async def work(functions):
        with pytest.raises(RowError):
            await functions.call(score, {}, 20)
        (tmp_path / "dies").touch()
        with pytest.raises(RowError) as raised:
            await functions.call(score, {}, 20)
        return raised.value.message

    assert run(tmp_path, work) == "the worker process of `score` ended with exit code 5 while it loaded the module"


def test_a_worker_loads_the_source_that_was_checked(tmp_path):
    """A module that changes during the run does not change for workers that start later."""
    score = function(tmp_path, "import os\ndef score(dies):\n    if dies: os._exit(1)\n    return 1\n")

    async def work(functions):
        with pytest.raises(RowError):
            await functions.call(score, {"dies": True}, 20)
        score.file.write_text("def score(dies): return 2\n")
        return await functions.call(score, {"dies": False}, 20)

    assert run(tmp_path, work) == 1


def test_a_sibling_that_changes_is_not_mixed_with_the_old_one(tmp_path):
    """If a later worker imports another version of a sibling, the run ends: its rows would be made by two."""
    function(tmp_path, "one = 1\n", module="ones")
    score = function(tmp_path, "import os, ones\ndef score(dies):\n    if dies: os._exit(1)\n    return ones.one\n")

    async def work(functions):
        assert await functions.call(score, {"dies": False}, 20) == 1
        with pytest.raises(RowError):
            await functions.call(score, {"dies": True}, 20)
        assert await functions.call(score, {"dies": False}, 20) == 1
        with pytest.raises(RowError):
            await functions.call(score, {"dies": True}, 20)
        function(tmp_path, "one = 222\n", module="ones")
        with pytest.raises(UsageError, match=r"ones\.py changed during the run") as raised:
            await functions.call(score, {"dies": False}, 20)
        return raised.value.code

    assert run(tmp_path, work) == Code.BAD_MODULE


def test_a_worker_that_cannot_start_ends_the_run(tmp_path, monkeypatch):
    """Without an interpreter there is no worker, which is nobody's row."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no_python"))
    score = function(tmp_path, "def score(): return 1\n")
    with pytest.raises(EnvironmentProblem, match="cannot be started: No such file") as raised:
        run(tmp_path, lambda functions: functions.call(score, {}, 20))
    assert raised.value.code is Code.SCARCE


def test_no_worker_outlives_a_killed_run(tmp_path):
    """If the process of the run is killed, its workers end at once, also one that holds the interpreter's lock."""
    body = "    print(os.getpid(), file=open('pid', 'w'))\n    sum(range(10**12))\n"
    score = function(tmp_path, f"import os\ndef score():\n{body}")
    program = f"""if True:
        import asyncio, pathlib
        from yamlgen.steps.python.signatures import Function
        from yamlgen.steps.python.function_calls import FunctionCaller
        async def main():
            functions = FunctionCaller(pathlib.Path({str(tmp_path)!r}), processes=1)
            await functions.call(Function(pathlib.Path({str(score.file)!r}), "score", {score.source!r}), {{}}, 60)
        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", program]) as driver:  # without a guard around its main code
        pid = noted(tmp_path / "pid")
        driver.kill()
    assert is_gone(pid)


def test_exit_handlers_of_the_author_run(tmp_path):
    """A worker that the run no longer needs ends by itself."""
    called(tmp_path, "import atexit\natexit.register(lambda: open('left', 'w'))\ndef score(): return 1\n")
    assert (tmp_path / "left").exists()
