"""The author's functions, called: in threads or on the loop, with a deadline, each failure its row's own."""

import asyncio
import contextvars
import hashlib
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import yamlgen
from yamlgen.errors import Code, RowError
from yamlgen.steps.python.daemon_threads import MOST
from yamlgen.steps.python.function_calls import FunctionCaller, key_of
from yamlgen.steps.python.signatures import Function
from yamlgen.steps.python.tracebacks import TracebackFormatter


def function(folder, source, name="score", module="scoring"):
    """A function in a new file with this source."""
    file = folder / f"{module}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(source, encoding="utf-8")
    return Function(file, name, hashlib.sha256(file.read_bytes()).hexdigest())


def run(folder, work):
    """What an async function of `FunctionCaller` gives."""

    async def main():
        functions = FunctionCaller(folder)
        try:
            return await work(functions)
        finally:
            await functions.close()

    return asyncio.run(main())


def called(folder, source, args=(), timeout=30.0):
    """What `score` of a module with this source gives for arguments."""
    score = function(folder, source)
    return run(folder, lambda functions: functions.call(score, dict(args), timeout))


def failed(folder, source, args=(), timeout=30.0):
    """The error of the row for which `score` of a module with this source was called."""
    with pytest.raises(RowError) as raised:
        called(folder, source, args, timeout)
    assert pickle.loads(pickle.dumps(raised.value)).message == raised.value.message  # noqa: S301 - its own
    return raised.value


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_function_is_called_by_name_with_its_arguments(tmp_path, kind):
    """A function gets each argument under its name, and its value comes back."""
    source = f"{kind} score(a, *, b): return [a, b]\n"
    assert called(tmp_path, source, {"b": 2, "a": {"x": None}}) == [{"x": None}, 2]


def test_a_callable_that_gives_an_awaitable_is_awaited(tmp_path):
    """A wrapped coroutine function, and an object with an async `__call__`, give their values."""
    wrapped = "async def work(): return 1\ndef score(): return work()\n"
    assert called(tmp_path, wrapped) == 1
    assert called(tmp_path, "class A:\n    async def __call__(self): return 2\nscore = A()\n") == 2


def test_functions_run_side_by_side(tmp_path):
    """As many functions as there are threads run at the same time: each of these waits for all others."""
    source = f"import threading\nall_here = threading.Barrier({MOST})\ndef score(): return all_here.wait(20) >= 0\n"
    score = function(tmp_path, source)

    async def work(functions):
        return await asyncio.gather(*(functions.call(score, {}, 20) for _ in range(MOST)))

    assert run(tmp_path, work) == [True] * MOST


def test_no_more_functions_run_than_there_are_threads(tmp_path):
    """The calls beyond wait for a place, and their time begins when they have it."""
    source = (
        "import threading, time\nlock, now, most = threading.Lock(), 0, 0\n"
        "def score():\n    global now, most\n    with lock:\n        now += 1\n        most = max(most, now)\n"
        "    time.sleep(0.2)\n    with lock:\n        now -= 1\n    return most\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        return await asyncio.gather(*(functions.call(score, {}, 0.9) for _ in range(6 * MOST)))

    assert max(run(tmp_path, work)) == MOST


def test_a_thread_is_used_again(tmp_path):
    """One call after the other is done by one thread, none of them the loop's."""
    score = function(tmp_path, "import threading\ndef score(): return threading.get_ident()\n")

    async def work(functions):
        return [await functions.call(score, {}, 30) for _ in range(5)]

    idents = run(tmp_path, work)
    assert len(set(idents)) == 1
    assert threading.get_ident() not in idents


def wait_for_none_but(threads):
    """Wait until there are no threads but these."""
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - threads:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_threads_end_with_the_run(tmp_path):
    """When all is closed, no thread is left that was not there before."""
    before = set(threading.enumerate())
    source = "import threading\nall_here = threading.Barrier(3)\ndef score(): return all_here.wait(20) >= 0\n"
    score = function(tmp_path, source)

    async def work(functions):
        return await asyncio.gather(*(functions.call(score, {}, 20) for _ in range(3)))

    assert run(tmp_path, work) == [True] * 3
    wait_for_none_but(before)


def test_a_thread_that_was_given_up_ends_with_its_function(tmp_path):
    """A call that ends after its time ends its thread, which nobody counts any more, though the run goes on."""
    score = function(tmp_path, "import time\ndef score(): time.sleep(0.4)\n")

    async def work(functions):
        await functions.call(score, {}, 30)  # the thread of this one is idle then, and may stay
        before = set(threading.enumerate())
        errors = await asyncio.gather(*(functions.call(score, {}, 0.1) for _ in range(3)), return_exceptions=True)
        wait_for_none_but(before)
        return [error.code for error in errors]

    assert run(tmp_path, work) == [Code.CALL_TIMEOUT] * 3


def test_coroutine_functions_run_on_the_loop(tmp_path):
    """Many more coroutines than threads wait at the same time, on the loop of the run."""
    count = 10 * MOST
    source = (
        "import asyncio\nhere, all_here = [], asyncio.Event()\nasync def score():\n    here.append(1)\n"
        f"    if len(here) == {count}: all_here.set()\n    await all_here.wait()\n"
        "    return id(asyncio.get_running_loop())\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        values = await asyncio.gather(*(functions.call(score, {}, 20) for _ in range(count)))
        return set(values) == {id(asyncio.get_running_loop())}

    assert run(tmp_path, work)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_function_sees_the_context_of_its_caller(tmp_path, kind):
    """Context variables are as they are where the function is called, and what it sets stays with it."""
    seen = contextvars.ContextVar("seen", default=0)
    sys.modules["seen_by_functions"] = seen
    score = function(
        tmp_path,
        f"import sys\nseen = sys.modules['seen_by_functions']\n{kind} score():\n"
        "    value = seen.get()\n    seen.set(9)\n    return value\n",
    )

    async def work(functions):
        seen.set(5)
        return await functions.call(score, {}, 30), seen.get()

    try:
        assert run(tmp_path, work) == (5, 5)
    finally:
        del sys.modules["seen_by_functions"]


def test_a_function_may_change_its_arguments(tmp_path):
    """What a function does to its arguments is not seen outside."""
    args = {"items": [{"n": 1}]}
    assert called(tmp_path, "def score(items):\n    items[0]['n'] = 2\n    return items\n", args) == [{"n": 2}]
    assert args == {"items": [{"n": 1}]}


def test_arguments_nested_beyond_reason_cost_their_row(tmp_path):
    """An argument that cannot be copied is told, not crashed on."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert failed(tmp_path, "def score(deep): ...\n", {"deep": deep}).code is Code.INVALID_VALUE


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef score(): time.sleep(60)\n",
        "import asyncio\nasync def score(): await asyncio.sleep(60)\n",
        "import asyncio\nasync def work(): await asyncio.sleep(60)\ndef score(): return work()\n",
    ],
)
def test_a_call_that_takes_too_long_costs_its_row(tmp_path, source):
    """Past its time a call is given up, and the message says what allows more."""
    began = time.monotonic()
    error = failed(tmp_path, source, timeout=0.2)
    assert time.monotonic() - began < 10
    assert (error.code, error.message) == (Code.CALL_TIMEOUT, "`score` took longer than 0.2 s")
    assert "timeout" in error.hint


@pytest.mark.parametrize("made", ["async def score", "def score"], ids=["coroutine", "awaitable"])
def test_a_loop_that_stood_still_costs_no_function_its_value(tmp_path, made):
    """Who blocks the loop past a function's time takes none of it: what was only waiting to go on does."""
    steps = "    await asyncio.sleep(0.1)\n    for _ in range(9):\n        await asyncio.sleep(0)\n    return 7\n"
    source = f"import asyncio\n\nasync def score():\n{steps}"
    if made == "def score":
        source = source.replace("async def score", "async def work") + "\ndef score():\n    return work()\n"
    score = function(tmp_path, source)

    async def work(functions):
        await functions.call(score, {}, 30)
        call = asyncio.ensure_future(functions.call(score, {}, 0.5))
        await asyncio.sleep(0.05)
        time.sleep(1)  # noqa: ASYNC251 - the loop is to stand still
        return await call

    assert run(tmp_path, work) == 7


def test_a_coroutine_that_takes_too_long_is_cancelled(tmp_path):
    """A coroutine past its time gets to clean up."""
    source = (
        "import asyncio\nasync def score():\n    try:\n        await asyncio.sleep(60)\n"
        "    finally:\n        open('cleaned', 'w').close()\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        with pytest.raises(RowError):
            await functions.call(score, {}, 0.1)
        await asyncio.sleep(0.1)
        return (tmp_path / "cleaned").exists()

    assert run(tmp_path, work)


def test_a_coroutine_that_will_not_be_cancelled_is_left(tmp_path):
    """A coroutine that goes on after it was cancelled does not keep its row."""
    source = (
        "import asyncio\nasync def score():\n    try:\n        await asyncio.sleep(60)\n"
        "    except asyncio.CancelledError:\n        await asyncio.sleep(2)\n"
    )
    score = function(tmp_path, source)

    async def work(functions):
        began = time.monotonic()
        with pytest.raises(RowError):
            await functions.call(score, {}, 0.1)
        return time.monotonic() - began

    assert run(tmp_path, work) < 1.5


def test_a_function_that_hangs_gives_its_place_to_others(tmp_path):
    """When as many functions hang as there are threads, the next calls are done all the same."""
    source = "import threading\ndef score(hang):\n    hang and threading.Event().wait(60)\n    return 'done'\n"
    score = function(tmp_path, source)

    async def work(functions):
        hung = (functions.call(score, {"hang": True}, 0.2) for _ in range(MOST))
        errors = await asyncio.gather(*hung, return_exceptions=True)
        return errors, await asyncio.gather(*(functions.call(score, {"hang": False}, 20) for _ in range(MOST)))

    errors, values = run(tmp_path, work)
    assert {error.code for error in errors} == {Code.CALL_TIMEOUT}
    assert values == ["done"] * MOST


def test_a_function_that_hangs_does_not_keep_the_program(tmp_path):
    """The interpreter ends though a function never returns."""
    score = function(tmp_path, "import threading\ndef score(): threading.Event().wait()\n")
    program = f"""if True:
        import asyncio, pathlib
        from yamlgen.errors import RowError
        from yamlgen.steps.python.signatures import Function
        from yamlgen.steps.python.function_calls import FunctionCaller
        async def main():
            functions = FunctionCaller(pathlib.Path({str(tmp_path)!r}))
            try:
                await functions.call(Function(pathlib.Path({str(score.file)!r}), "score", {score.source!r}), {{}}, 0.2)
            except RowError as error:
                print(error.code)
            await functions.close()
        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout.strip(), done.stderr) == (Code.CALL_TIMEOUT, "")


def test_a_cancelled_call_is_cancelled(tmp_path):
    """The end of the run is no failure of a row: it passes through, whether the function waits here or there."""
    source = "import asyncio, time\nasync def here(): await asyncio.sleep(60)\ndef there(): time.sleep(3)\n"

    async def work(functions):
        calls = [functions.call(function(tmp_path, source, name), {}, 60) for name in ("here", "there")]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1)
        return [task.cancelled() for task in tasks]

    assert run(tmp_path, work) == [True, True]


def test_an_exception_is_told_with_the_line_it_came_from(tmp_path):
    """The message has the exception's type and text, and the place in the author's file, as the author names it."""
    source = "def score(text):\n    total = len(text)\n    return total / 0\n"
    error = failed(tmp_path, source, {"text": "x"})
    assert error.code is Code.CALL_FAILED
    assert error.message == (
        "`score` raised ZeroDivisionError: division by zero (scoring.py:3 in score: `return total / 0`)"
    )


def test_the_last_line_of_the_authors_is_the_one_that_is_told(tmp_path):
    """An error in a sibling is told there; one inside a library where the author called it, also one beside them."""
    function(tmp_path, "def check(text):\n    raise ValueError(text)\n", module="checking")
    sibling = failed(tmp_path, "from checking import check\ndef score(): check('no')\n").message
    assert sibling == "`score` raised ValueError: no (checking.py:2 in check: `raise ValueError(text)`)"
    library = failed(tmp_path, "import json\nasync def score(): json.loads('{')\n").message
    assert library.endswith("(scoring.py:2 in score: `async def score(): json.loads('{')`)")
    (tmp_path / ".venv").mkdir()
    function(tmp_path / ".venv", "def fail(): raise KeyError('k')\n", module="installed")
    source = "import sys\nsys.path.append('.venv')\nfrom installed import fail\ndef score(): fail()\n"
    assert "(scoring.py:4 in score: `def score(): fail()`)" in failed(tmp_path, source).message
    sys.path.remove(".venv")
    sys.modules.pop("installed", None)


def test_this_package_is_never_the_authors():
    """A pipeline in a folder above this package does not make it the author's code."""
    package = Path(yamlgen.__file__).parent
    trace = TracebackFormatter(package.parent)
    assert not trace.is_theirs(str(package / "run" / "functions.py"))
    assert trace.is_theirs(str(package.parent / "scoring.py"))
    assert not trace.is_theirs("<frozen importlib._bootstrap>")


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    "raised",
    ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "asyncio.CancelledError()", "StopIteration(1)"],
)
def test_whatever_a_function_raises_costs_its_row_alone(tmp_path, kind, raised):
    """An exception that ends programs, loops or tasks is that row's failure; the next one is called as ever."""
    score = function(tmp_path, f"import asyncio\n{kind} score(bad):\n    if bad: raise {raised}\n    return 'fine'\n")

    async def work(functions):
        with pytest.raises(RowError) as failure:
            await functions.call(score, {"bad": True}, 30)
        return failure.value, await functions.call(score, {"bad": False}, 30)

    error, value = run(tmp_path, work)
    assert error.code is Code.CALL_FAILED
    assert raised.partition("(")[0].removeprefix("asyncio.") in error.message
    assert value == "fine"


def test_a_coroutine_that_cancels_its_task_costs_its_row(tmp_path):
    """The task that a coroutine can reach is its own, not the row's."""
    error = failed(tmp_path, "import asyncio\nasync def score(): asyncio.current_task().cancel()\n")
    assert error.message == "`score` raised CancelledError"


def test_a_wrong_call_is_told(tmp_path):
    """What only the call shows of a signature is told without a place, for it is in nobody's code."""
    error = failed(tmp_path, "def score(): ...\n", {"text": 1})
    assert error.message == "`score` raised TypeError: score() got an unexpected keyword argument 'text'"


def test_an_exceptions_text_is_made_fit_for_a_message(tmp_path):
    """A text is one line, not too long, without a key, in characters; one that cannot be had is left out."""
    said = failed(tmp_path, "def score(): raise ValueError('a\\n  b \\ud800 sk-ant-api03-abc ' + 'x' * 1000)\n").message
    assert said.startswith("`score` raised ValueError: a b \\ud800 sk-ant-[secret] xxx")
    assert "abc" not in said
    assert said.count("x") < 350
    broken = "class Bad(Exception):\n    def __str__(self): return 1\ndef score(): raise Bad\n"
    assert failed(tmp_path, broken).message.startswith("`score` raised Bad (scoring.py:3 in score")


def test_a_result_is_kept_by_function_reads_and_arguments():
    """Equal calls have one key, in whatever order they are written; another module, function or list has another."""
    same = key_of("scoring:score", ("a.csv", "b.csv"), {"x": 1, "y": [2]})
    assert same == key_of("scoring:score", ("b.csv", "a.csv"), {"y": [2], "x": 1})
    others = [
        key_of("scoring:score", ("a.csv", "b.csv"), {"x": 1, "y": [3]}),
        key_of("scoring:other", ("a.csv", "b.csv"), {"x": 1, "y": [2]}),
        key_of("lib.scoring:score", ("a.csv", "b.csv"), {"x": 1, "y": [2]}),
        key_of("scoring:score", ("a.csv",), {"x": 1, "y": [2]}),
    ]
    assert len({same, *others}) == 5
