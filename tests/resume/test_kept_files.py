"""Kept values and the files that they depend on: used while all are the same, made again when one is not."""

import importlib
import json
import shutil
import sqlite3
import sys
import time
from contextlib import closing

import pytest
from constructs import ALL, MODULE, SCORE, SCORED, TOWNS, calls, lay_out

from counted_runs import Workbench
from yamlgen.engine import file_digests
from yamlgen.errors import Code

EVERY = sorted(TOWNS)


@pytest.fixture
def files(bench):
    """Write files beside the pipeline, by name; `None` takes one away."""

    def write(texts):
        for name, text in texts.items():
            path = bench.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if text is None else path.write_text(text, encoding="utf-8")

    return write


def keep(bench, **more):
    """Put a line on what a function says of each town onto the workbench, and keep that."""
    lay_out(bench, {"score": {**SCORE, "keep": True, **more}, "line": SCORED})


def values(bench, step="score"):
    """What a step made, by row."""
    lines = (bench.folder / "out/towns.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[step] for line in lines]


def reading(what):
    """The source of a function that notes its calls and gives what an expression does."""
    return "import os, sys\nfrom pathlib import Path\n" + MODULE.replace("len(town) * weight", what)


SIBLINGS = {
    "at the top": ("import ones\n" + reading("ones.one"), "ones.py"),
    "a name of it": ("from ones import one\n" + reading("one"), "ones.py"),
    "when it is called": (reading("__import__('ones').one"), "ones.py"),
    "in the function": (MODULE.replace("return len", "from ones import one\n    return one + 0 * len"), "ones.py"),
    "in a folder": ("from lib.ones import one\n" + reading("one"), "lib/ones.py"),
    "a module of a folder": ("from lib import ones\n" + reading("ones.one"), "lib/ones.py"),
    "of a sibling": ("import twos\n" + reading("twos.ones.one"), "ones.py"),
    "of a package": ("from pack import one\n" + reading("one"), "pack/ones.py"),
    "the package itself": ("import pack.ones\n" + reading("pack.more"), "pack/__init__.py"),
    "by a made name": ("import importlib\n" + reading("importlib.import_module('on' + 'es').one"), "ones.py"),
    "from another folder": (reading("sys.path.append('deep') or __import__('deeper').one"), "deep/deeper.py"),
    "found elsewhere": (
        "import sys\nsys.path.append('deep')\nfrom deeper import one\n" + reading("one"),
        "deep/deeper.py",
    ),
    "below what is found elsewhere": (
        "import sys\nsys.path.append('deep')\nfrom over import one\n" + reading("one"),
        "deep/deeper.py",
    ),
}
"""Ways to import a sibling, and the file that is."""

STANDING = {
    "ones.py": "one = 1\n",
    "lib/ones.py": "one = 1\n",
    "twos.py": "import ones\n",
    "pack/__init__.py": "from .ones import one\nmore = 1\n",
    "pack/ones.py": "one = 1\n",
    "deep/deeper.py": "one = 1\n",
    "deep/over.py": "from deeper import one\n",
    "idle.py": "one = 1\n",
}


class TestSiblings:
    """What the function's module imports from the pipeline's folder."""

    @pytest.mark.parametrize("way", SIBLINGS)
    def test_an_edited_sibling_is_called_for(self, bench, files, way):
        """Whatever way a sibling is imported, another one calls again; the same one, and any other file, do not."""
        source, sibling = SIBLINGS[way]
        keep(bench)
        files({**STANDING, "scoring.py": source})
        bench.run()
        assert (values(bench), sorted(calls(bench))) == ([1] * ALL, EVERY)
        files({"idle.py": "one = 3\n", "notes.txt": "new"})
        assert (bench.run().asked, calls(bench)) == (0, [])
        files(
            {
                sibling: STANDING[sibling].replace("from .ones import one", "from .ones import one  #")
                + "one = more = 2\n"
            }
        )
        assert bench.run().asked == ALL
        assert (values(bench), sorted(calls(bench))) == ([2] * ALL, EVERY)
        assert (bench.run().asked, calls(bench)) == (0, [])

    def test_a_sibling_that_appears_is_called_for(self, bench, files):
        """A module that could not be imported, and now can, makes another function of it."""
        source = "try:\n    from ones import one\nexcept ImportError:\n    one = 0\n"
        keep(bench)
        files({"scoring.py": source + reading("one")})
        bench.run()
        assert values(bench) == [0] * ALL
        files({"ones.py": "one = 1\n"})
        bench.run()
        assert values(bench) == [1] * ALL
        files({"ones.py": None})
        bench.run()
        assert values(bench) == [0] * ALL

    @pytest.mark.parametrize("edited", [True, False])
    def test_a_sibling_that_the_program_had_before(self, bench, files, monkeypatch, edited):
        """What is made of a module that was loaded before its file was edited, as in a notebook, is not kept."""
        keep(bench)
        files({"scoring.py": "import ones\n" + reading("ones.one"), "ones.py": "one = 1\n"})
        monkeypatch.syspath_prepend(bench.folder)
        monkeypatch.setattr(file_digests, "BEGAN", 0 if edited else time.time_ns())
        importlib.import_module("ones")
        monkeypatch.setitem(sys.modules, "ones", sys.modules.pop("ones"))
        if edited:
            files({"ones.py": "one = 22\n"})
        bench.run()
        assert sorted(calls(bench)) == EVERY
        monkeypatch.delitem(sys.modules, "ones")
        bench.run()
        assert (values(bench), sorted(calls(bench))) == (([22] * ALL, EVERY) if edited else ([1] * ALL, []))

    def test_the_sibling_of_another_function_is_none(self, bench, files):
        """What another step's module is, or imports, is not what this one depends on."""
        keep(bench)
        bench.set("steps.other", {"kind": "python", "call": "other:made"})
        bench.set("steps.score.when", "steps.other > 0")
        files({"scoring.py": MODULE, "other.py": "import ones\ndef made(): return ones.one\n", "ones.py": "one = 1\n"})
        bench.run()
        assert sorted(calls(bench)) == EVERY
        files({"ones.py": "one = 2\n", "other.py": "import ones\ndef made(): return ones.one + 1\n"})
        bench.run()
        assert (values(bench, "other"), calls(bench)) == ([3] * ALL, [])

    def test_two_modules_of_one_source_are_two(self, bench, files):
        """Files of equal contents in two folders keep values of their own, and neither makes the other's anew."""
        source = MODULE.replace("len(town) * weight", "__file__.split('/')[-2]")
        score = {**SCORE, "keep": True}
        steps = {name: {**score, "call": f"{name}.scoring:score"} for name in ("one", "two")}
        lay_out(bench, {**steps, "line": {**SCORED, "prompt": "A line on {{ row.town }} of {{ steps.two }}."}})
        files({"one/scoring.py": source, "two/scoring.py": source})
        for called in (sorted(EVERY * 2), []):
            bench.run()
            assert (values(bench, "one"), values(bench, "two")) == (["one"] * ALL, ["two"] * ALL)
            assert sorted(calls(bench)) == called


class TestReads:
    """The files that a step lists."""

    SOURCE = reading("sum(int(path.read_text()) for path in sorted(Path('data').glob('*.txt')))")

    def test_an_edited_file_is_called_for(self, bench, files):
        """Other contents of a listed file call again, back at the first ones too; the same contents anew do not."""
        keep(bench, reads=["data/a.txt"])
        files({"scoring.py": self.SOURCE, "data/a.txt": "1"})
        assert bench.run().asked == ALL
        assert sorted(calls(bench)) == EVERY
        for number, asked, called in (("1", 0, []), ("2", ALL, EVERY), ("2", 0, []), ("1", 0, EVERY)):
            files({"data/a.txt": None})
            files({"data/a.txt": number})
            assert (bench.run().asked, sorted(calls(bench))) == (asked, called)
            assert values(bench) == [int(number)] * ALL

    def test_a_file_that_is_not_listed_is_not_looked_at(self, bench, files):
        """What no source and no list shows is the author's to list."""
        keep(bench)
        files({"scoring.py": self.SOURCE, "data/a.txt": "1"})
        bench.run()
        calls(bench)
        files({"data/a.txt": "2"})
        assert (bench.run().asked, calls(bench), values(bench)) == (0, [], [1] * ALL)

    def test_a_file_that_is_listed_later_is_called_for(self, bench, files):
        """A value that was kept before its file was listed says nothing of it, and is made once more."""
        keep(bench)
        files({"scoring.py": self.SOURCE, "data/a.txt": "1"})
        bench.run()
        calls(bench)
        bench.set("steps.score.reads", ["data/a.txt"])
        assert (bench.run().asked, sorted(calls(bench))) == (0, EVERY)
        assert (bench.run().asked, calls(bench)) == (0, [])

    def test_a_pattern_stands_for_the_files_of_today(self, bench, files):
        """A file more, or one less, that fits a pattern calls again."""
        keep(bench, reads=["data/*.txt"])
        files({"scoring.py": self.SOURCE, "data/a.txt": "1", "data/a.csv": ""})
        for change, made in (({}, 1), ({"data/b.txt": "10"}, 11), ({"data/a.txt": None}, 10)):
            files(change)
            bench.run()
            assert (values(bench), sorted(calls(bench))) == ([made] * ALL, EVERY)
            files({"data/a.csv": f"{made}"})
            assert (bench.run().asked, calls(bench)) == (0, [])

    def test_a_file_elsewhere_counts(self, bench, files, tmp_path_factory):
        """A listed file may be anywhere, as an input may."""
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.txt"
        elsewhere.write_text("1")
        keep(bench, reads=[str(elsewhere)])
        files({"scoring.py": reading(f"int(Path({str(elsewhere)!r}).read_text())")})
        bench.run()
        calls(bench)
        assert (bench.run().asked, calls(bench)) == (0, [])
        elsewhere.write_text("2")
        bench.run()
        assert (values(bench), sorted(calls(bench))) == ([2] * ALL, EVERY)

    def test_the_output_replaces_no_listed_file(self, bench, files):
        """A run whose output would be written over a file that a function reads does not begin."""
        keep(bench, reads=["data/*.jsonl"])
        bench.set("output.path", "data/a.jsonl")
        files({"scoring.py": MODULE, "data/a.jsonl": "{}"})
        assert bench.run().error.code is Code.OUTPUT_PATH

    def test_equal_calls_with_other_lists_do_not_disturb_each_other(self, bench, files):
        """Two steps that list different files each keep their values."""
        keep(bench, reads=["data/a.txt"])
        bench.set("steps.other", {**bench.document["steps"]["score"], "reads": ["data/b.txt"]})
        files({"scoring.py": self.SOURCE, "data/a.txt": "1", "data/b.txt": "1"})
        bench.run()
        assert sorted(calls(bench)) == sorted(EVERY * 2)
        assert (bench.run().asked, calls(bench)) == (0, [])
        files({"data/b.txt": "2"})
        bench.run()
        assert (sorted(calls(bench)), values(bench), values(bench, "other")) == (EVERY, [2] * ALL, [3] * ALL)


class TestRuns:
    """What is used, when, and by whom."""

    def test_a_folder_that_moves_takes_its_values_along(self, bench, files, tmp_path_factory, monkeypatch):
        """A copy of the pipeline's folder, its store within, calls nothing: files are told by their paths in it."""
        keep(bench, reads=["data/a.txt"])
        files({**STANDING, "scoring.py": "import ones\n" + TestReads.SOURCE, "data/a.txt": "1"})
        bench.run()
        calls(bench)
        there = tmp_path_factory.mktemp("moved") / "there"
        shutil.copytree(bench.folder, there)
        monkeypatch.chdir(there)
        with Workbench(there, bench.script) as moved:
            moved.document, moved.rows = bench.document, bench.rows
            assert (moved.run().asked, calls(moved)) == (0, [])

    def test_a_plan_judges_as_the_run_does(self, bench, files):
        """A forecast knows what is kept while the files are the same, and no longer; it calls nothing."""
        keep(bench, reads=["data/a.txt"])
        files({**STANDING, "scoring.py": "import ones\n" + TestReads.SOURCE, "data/a.txt": "1"})
        bench.run()
        calls(bench)
        assert (bench.plan().requests, bench.plan().stored) == (0, ALL)
        for change in ({"data/a.txt": "2"}, {"ones.py": "one = 2\n"}):
            files(change)
            plan = bench.plan()
            assert (plan.requests, plan.stored, calls(bench)) == (ALL, 0, [])
            bench.run()
            assert sorted(calls(bench)) == EVERY
        assert (bench.plan().requests, bench.plan().stored) == (0, ALL)

    def test_a_value_of_an_older_store_is_made_once_more(self, bench):
        """A value of which nobody knows what it depends on is not used."""
        keep(bench)
        bench.run()
        calls(bench)
        with closing(sqlite3.connect(bench.store())) as connection, connection:
            connection.execute("UPDATE kept SET files = NULL")
        assert (bench.run().asked, sorted(calls(bench))) == (0, EVERY)
        assert (bench.run().asked, calls(bench)) == (0, [])

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_file_that_changes_while_it_is_used(self, bench, files, moment):
        """What is made while a listed file changes under it is not taken for what the new file would make."""
        change = "(os.replace('new.txt', 'data/a.txt') if town == 'Rome' and Path('new.txt').exists() else None)"
        use = "int(Path('data/a.txt').read_text())"
        keep(bench, reads=["data/a.txt"])
        both = f"[{change}, {use}][1]" if moment == "before" else f"[{use}, {change}][0]"
        files({"scoring.py": reading(both), "data/a.txt": "1", "new.txt": "2"})
        bench.run()
        assert sorted(calls(bench)) == EVERY
        bench.run()
        assert (sorted(calls(bench)), values(bench)) == (EVERY, [2] * ALL)
        bench.run()
        assert calls(bench) == []

    @pytest.mark.parametrize("folder", [".", "deep"])
    def test_a_sibling_that_changes_after_it_was_loaded(self, bench, files, folder):
        """What an old sibling made, which was loaded before it was edited, is not taken for the new one's."""
        edit = f"os.replace('new.py', '{folder}/ones.py')"
        change = f"town == 'Rome' and os.path.exists('new.py') and {edit}"
        start = f"import sys\nsys.path.append('{folder}')\nimport ones\n"
        keep(bench)
        files({"scoring.py": start + reading(f"[{change}, ones.one][1]"), f"{folder}/ones.py": "one = 1\n"})
        files({"new.py": "one = 2\n"})
        bench.run()
        assert (values(bench), sorted(calls(bench))) == ([1] * ALL, EVERY)
        for called in (EVERY, []):
            bench.run()
            assert (values(bench), sorted(calls(bench))) == ([2] * ALL, called)

    def test_a_sibling_that_another_step_loaded_before_it_changed(self, bench, files):
        """A sibling that is loaded already is what it was then, whoever loaded it: nothing is kept of the new one."""
        edit = "if town == 'Rome': os.replace('new.py', 'ones.py')"
        first = f"import os, ones\ndef made(town):\n    {edit}\n    return 1\n"
        keep(bench)
        bench.set("steps.first", {"kind": "python", "call": "first:made", "args": {"town": "row.town"}})
        bench.set("steps.score.when", "steps.first == 1")
        files({"scoring.py": "import ones\n" + reading("ones.one"), "first.py": first})
        files({"ones.py": "one = 1\n", "new.py": "one = 2\n"})
        bench.run()
        assert (values(bench), sorted(calls(bench))) == ([1] * ALL, EVERY)
        files({"first.py": "def made(town): return 1\n"})
        bench.run()
        assert (values(bench), sorted(calls(bench))) == ([2] * ALL, EVERY)
