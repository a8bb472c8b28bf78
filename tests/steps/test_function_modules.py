"""The modules of the author's functions: loaded once, as they were checked, out of the way of all others."""

import asyncio
import json
import sys

import pytest
from test_function_calls import called, function, run

from yamlgen.errors import Code, UsageError
from yamlgen.steps.python.function_calls import FunctionCaller


def refused(folder, source, **names):
    """The error that ends the run in which a function of a module with this source is called."""
    asked = function(folder, source, **names)
    with pytest.raises(UsageError) as raised:
        run(folder, lambda functions: functions.call(asked, {}, 30))
    return raised.value


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_module_is_loaded_once(tmp_path):
    """Rows that ask at once, and two functions of one file, share one module, and the loop goes on meanwhile."""
    source = (
        "import time\nwith open('loads', 'a') as file: file.write('x')\ntime.sleep(0.5)\n"
        "def score(): return 1\ndef grade(): return 2\n"
    )
    functions_of = [function(tmp_path, source), function(tmp_path, source, "grade")]

    async def work(functions):
        calls = asyncio.gather(*(functions.call(functions_of[n % 2], {}, 30) for n in range(20)))
        ticks = 0
        while not calls.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await calls, ticks

    values, ticks = run(tmp_path, work)
    assert values == [1, 2] * 10
    assert ticks > 5
    assert (tmp_path / "loads").read_text() == "x"


def test_a_module_has_longer_to_load_than_a_call(tmp_path):
    """What a module takes to load is not counted as a call's."""
    assert called(tmp_path, "import time\ntime.sleep(0.5)\ndef score(): return 1\n", timeout=0.2) == 1


def test_who_waits_for_a_module_may_leave(tmp_path):
    """A row that is cancelled while a module loads does not take the module from the others."""
    score = function(tmp_path, "import time\ntime.sleep(0.3)\ndef score(): return 1\n")

    async def work(functions):
        first = asyncio.ensure_future(functions.call(score, {}, 30))
        second = asyncio.ensure_future(functions.call(score, {}, 30))
        await asyncio.sleep(0.1)
        first.cancel()
        return await second

    assert run(tmp_path, work) == 1


def test_a_module_finds_its_siblings(tmp_path):
    """What is beside the pipeline can be imported, by a module in a folder as well, at once or later."""
    function(tmp_path, "one = 1\n", module="ones")
    function(tmp_path, "two = 2\n", module="lib/twos")
    source = "from ones import one\ndef score():\n    from lib.twos import two\n    return one + two\n"
    score = function(tmp_path, source, module="lib/scoring")
    assert run(tmp_path, lambda functions: functions.call(score, {}, 30)) == 3


def test_the_folder_comes_last(tmp_path):
    """A sibling named like a module of Python's hides it from nobody: the folder is the last to be looked in."""
    score = function(tmp_path, "import sys\ndef score(): return sys.path\n")
    path = run(tmp_path, lambda functions: functions.call(score, {}, 30))
    assert path == [*sys.path, str(tmp_path)]


@pytest.mark.parametrize("name", ["json", "test", "asyncio", "yamlgen"])
def test_a_module_shadows_nobody(tmp_path, name):
    """A file named like a module of Python's, or like this package, is loaded, and the other one stays what it is."""
    before = sys.modules.get(name)
    score = function(tmp_path, "import json\ndef score(): return json.dumps([__name__])\n", module=name)
    assert name in run(tmp_path, lambda functions: functions.call(score, {}, 30))
    assert sys.modules.get(name) is before
    assert json.dumps([1]) == "[1]"


def test_two_modules_of_one_name_are_two(tmp_path):
    """Files of one name in two folders do not meet."""
    functions_of = [function(tmp_path, f"def score(): return {n}\n", module=f"{'ab'[n]}/scoring") for n in range(2)]

    async def work(functions):
        return [await functions.call(each, {}, 30) for each in functions_of]

    assert run(tmp_path, work) == [0, 1]


def test_dataclasses_and_pickle_work(tmp_path):
    """A module can be found by its name, as dataclasses with deferred annotations and pickle need."""
    source = (
        "from __future__ import annotations\nimport pickle\nfrom dataclasses import dataclass, KW_ONLY\n"
        "@dataclass\nclass Point:\n    x: int\n    _: KW_ONLY\n    y: int = 2\n"
        "def score(): return pickle.loads(pickle.dumps(Point(1))).y\n"
    )
    assert called(tmp_path, source) == 2


def test_the_interpreter_is_left_as_it_was(tmp_path):
    """After the run `sys.path` and `sys.modules` are what they were, an equal entry of somebody else's included."""
    function(tmp_path, "", module="left_behind")
    sys.path.insert(0, str(tmp_path))
    path, modules = list(sys.path), set(sys.modules)
    try:
        called(tmp_path, "import left_behind\ndef score(): return 1\n")
        assert sys.path == path
        assert {name for name in set(sys.modules) - modules if "left_behind" in name or "scoring" in name} == set()
    finally:
        sys.path.remove(str(tmp_path))


def test_a_run_sees_siblings_as_they_are_then(tmp_path):
    """A sibling that was changed between two runs of one process is loaded anew."""
    source = "from ones import one\ndef score(): return one\n"
    function(tmp_path, "one = 1\n", module="ones")
    assert called(tmp_path, source) == 1
    function(tmp_path, "one = 1000\n", module="ones")
    assert called(tmp_path, source) == 1000


def test_a_folder_of_siblings_is_seen_as_it_is_then(tmp_path):
    """A sibling in a folder that has no `__init__` is loaded anew by the next run, by whatever form of import."""
    for number in (1, 2):
        function(tmp_path, f"one = {number}\n", module="lib/ones")
        assert called(tmp_path, "from lib import ones\ndef score(): return ones.one\n") == number
    assert "lib" not in sys.modules


def test_nothing_is_written_beside_a_module(tmp_path):
    """A module leaves no compiled file in the author's folder."""
    called(tmp_path, "def score(): return 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["scoring.py"]


def test_functions_that_nobody_calls_change_nothing(tmp_path):
    """A run without a call leaves `sys.path` alone, also in between."""

    async def main():
        before = list(sys.path)
        functions = FunctionCaller(tmp_path)
        assert sys.path == before
        await functions.close()
        assert sys.path == before

    asyncio.run(main())


def test_a_module_that_changed_is_not_run(tmp_path):
    """A source that is not the one that was checked ends the run before a line of it is run."""
    score = function(tmp_path, "def score(): return 1\n")
    score.file.write_text("open('ran', 'w').close()\ndef score(): return 2\n")
    with pytest.raises(UsageError) as raised:
        run(tmp_path, lambda functions: functions.call(score, {}, 30))
    assert (raised.value.code, raised.value.message) == (Code.BAD_MODULE, "scoring.py changed after it was checked")
    assert not (tmp_path / "ran").exists()
    score.file.unlink()
    with pytest.raises(UsageError, match=r"cannot read scoring\.py: No such file"):
        run(tmp_path, lambda functions: functions.call(score, {}, 30))


def test_a_module_that_fails_to_load_ends_the_run(tmp_path):
    """An exception while a module loads is told with its line, once for all rows that wait, and not tried again."""
    source = "with open('loads', 'a') as file: file.write('x')\nlimit = 1 / 0\ndef score(): ...\n"
    before = set(sys.modules)  # another test may have left a module of this name
    score = function(tmp_path, source)

    async def work(functions):
        calls = (functions.call(score, {}, 30) for _ in range(3))
        together = await asyncio.gather(*calls, return_exceptions=True)
        return [*together, *await asyncio.gather(functions.call(score, {}, 30), return_exceptions=True)]

    errors = run(tmp_path, work)
    assert {(type(error), error.code) for error in errors} == {(UsageError, Code.BAD_MODULE)}
    fact = "scoring.py cannot be loaded: ZeroDivisionError: division by zero (scoring.py:2: `limit = 1 / 0`)"
    assert {error.message for error in errors} == {fact}
    assert errors[0].hint == "run `python scoring.py` to see the whole traceback"
    assert (tmp_path / "loads").read_text() == "x"
    assert not [name for name in sys.modules if name.endswith("_scoring") and name not in before]


@pytest.mark.parametrize(
    ("line", "told", "hint"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'", "install it"),
        ("import sys; sys.exit('usage')", "SystemExit: usage", "__main__"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "python scoring.py"),
        ("import broken", "SyntaxError: invalid syntax (broken.py, line 1)", "python scoring.py"),
    ],
)
def test_whatever_a_module_raises_is_told(tmp_path, line, told, hint):
    """A missing package, a script that ends itself, a broken sibling: each ends the run, and says what to do."""
    (tmp_path / "broken.py").write_text("1 1\n")
    error = refused(tmp_path, f"{line}\ndef score(): ...\n")
    assert error.code is Code.BAD_MODULE
    assert error.message == f"scoring.py cannot be loaded: {told} (scoring.py:1: `{line}`)"
    assert hint in error.hint


def test_a_function_that_is_not_there_ends_the_run(tmp_path):
    """A name that only the loaded module could show to be missing, or to be no function, ends the run with a hint."""
    missing = refused(tmp_path, "from json import *\ndef score(): ...\n", name="scor")
    assert (missing.code, missing.message) == (Code.UNKNOWN_FUNCTION, "scoring.py has no function `scor`")
    assert missing.hint == "did you mean `score`?"
    assert refused(tmp_path, "score = 3\n").code is Code.UNKNOWN_FUNCTION
