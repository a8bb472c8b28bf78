"""Kept values and the files that they depend on: used while all are the same, made again when one is not."""

import importlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from constructs import ALL, MODULE, SCORE, SCORED, TOWNS, calls, lay_out

import yamlgen
from counted_runs import PipelineProject
from yamlgen.errors import Code
from yamlgen.steps.python import file_digests

EVERY = sorted(TOWNS)


@pytest.fixture
def files(project):
    """Write files beside the pipeline, by name; `None` takes one away."""

    def write(texts):
        for name, text in texts.items():
            path = project.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if text is None else path.write_text(text, encoding="utf-8")

    return write


def keep(project, **more):
    """Put a line on what a function says of each town onto the project, and keep that."""
    lay_out(project, {"score": {**SCORE, "keep": True, **more}, "line": SCORED})


def values(project, step="score"):
    """What a step made, by row."""
    lines = (project.folder / "out/towns.jsonl").read_text(encoding="utf-8").splitlines()
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
    def test_an_edited_sibling_is_called_for(self, project, files, way):
        """Whatever way a sibling is imported, another one calls again; the same one, and any other file, do not."""
        source, sibling = SIBLINGS[way]
        keep(project)
        files({**STANDING, "scoring.py": source})
        project.run()
        assert (values(project), sorted(calls(project))) == ([1] * ALL, EVERY)
        files({"idle.py": "one = 3\n", "notes.txt": "new"})
        assert (project.run().asked, calls(project)) == (0, [])
        files(
            {
                sibling: STANDING[sibling].replace("from .ones import one", "from .ones import one  #")
                + "one = more = 2\n"
            }
        )
        assert project.run().asked == ALL
        assert (values(project), sorted(calls(project))) == ([2] * ALL, EVERY)
        assert (project.run().asked, calls(project)) == (0, [])

    def test_a_sibling_that_appears_is_called_for(self, project, files):
        """A module that could not be imported, and now can, makes another function of it."""
        source = "try:\n    from ones import one\nexcept ImportError:\n    one = 0\n"
        keep(project)
        files({"scoring.py": source + reading("one")})
        project.run()
        assert values(project) == [0] * ALL
        files({"ones.py": "one = 1\n"})
        project.run()
        assert values(project) == [1] * ALL
        files({"ones.py": None})
        project.run()
        assert values(project) == [0] * ALL

    @pytest.mark.parametrize("edited", [True, False])
    def test_a_sibling_that_the_program_had_before(self, project, files, monkeypatch, edited):
        """What is made of a module that was loaded before its file was edited, as in a notebook, is not kept."""
        keep(project)
        files({"scoring.py": "import ones\n" + reading("ones.one"), "ones.py": "one = 1\n"})
        monkeypatch.syspath_prepend(project.folder)
        monkeypatch.setattr(file_digests, "BEGAN", 0 if edited else time.time_ns())
        importlib.import_module("ones")
        monkeypatch.setitem(sys.modules, "ones", sys.modules.pop("ones"))
        if edited:
            files({"ones.py": "one = 22\n"})
        project.run()
        assert sorted(calls(project)) == EVERY
        monkeypatch.delitem(sys.modules, "ones")
        project.run()
        assert (values(project), sorted(calls(project))) == (([22] * ALL, EVERY) if edited else ([1] * ALL, []))

    def test_a_sibling_that_a_script_edits_after_its_import(self, project, files):
        """A script that imports yamlgen, then a sibling, then edits it, keeps nothing of what the old one made."""
        keep(project)
        files({"scoring.py": "import ones\n" + reading("ones.one"), "ones.py": "one = 1\n"})
        project.save()
        edit = "import ones, time, pathlib; time.sleep(0.01); pathlib.Path('ones.py').write_text('one = 22\\n'); "
        script = (
            f"import sys, yamlgen; sys.dont_write_bytecode = True; sys.path.insert(0, '.'); {edit}"
            f"assert yamlgen.run({project.path.name!r}, simulate=True).rows()"
        )
        subprocess.run([sys.executable, "-c", script], cwd=project.folder, check=True, timeout=60)
        made = yamlgen.run(project.path, simulate=True).rows()
        assert [row["score"] for row in made] == [22] * ALL

    def test_the_sibling_of_another_function_is_none(self, project, files):
        """What another step's module is, or imports, is not what this one depends on."""
        keep(project)
        project.set("steps.other", {"kind": "python", "call": "other:made"})
        project.set("steps.score.when", "steps.other > 0")
        files({"scoring.py": MODULE, "other.py": "import ones\ndef made(): return ones.one\n", "ones.py": "one = 1\n"})
        project.run()
        assert sorted(calls(project)) == EVERY
        files({"ones.py": "one = 2\n", "other.py": "import ones\ndef made(): return ones.one + 1\n"})
        project.run()
        assert (values(project, "other"), calls(project)) == ([3] * ALL, [])

    def test_two_modules_of_one_source_are_two(self, project, files):
        """Files of equal contents in two folders keep values of their own, and neither makes the other's anew."""
        source = MODULE.replace("len(town) * weight", "__file__.split('/')[-2]")
        score = {**SCORE, "keep": True}
        steps = {name: {**score, "call": f"{name}.scoring:score"} for name in ("one", "two")}
        lay_out(project, {**steps, "line": {**SCORED, "prompt": "A line on {{ row.town }} of {{ steps.two }}."}})
        files({"one/scoring.py": source, "two/scoring.py": source})
        for called in (sorted(EVERY * 2), []):
            project.run()
            assert (values(project, "one"), values(project, "two")) == (["one"] * ALL, ["two"] * ALL)
            assert sorted(calls(project)) == called


class TestReads:
    """The files that a step lists."""

    SOURCE = reading("sum(int(path.read_text()) for path in sorted(Path('data').glob('*.txt')))")

    def test_an_edited_file_is_called_for(self, project, files):
        """Other contents of a listed file call again, back at the first ones too; the same contents anew do not."""
        keep(project, reads=["data/a.txt"])
        files({"scoring.py": self.SOURCE, "data/a.txt": "1"})
        assert project.run().asked == ALL
        assert sorted(calls(project)) == EVERY
        for number, asked, called in (("1", 0, []), ("2", ALL, EVERY), ("2", 0, []), ("1", 0, EVERY)):
            files({"data/a.txt": None})
            files({"data/a.txt": number})
            assert (project.run().asked, sorted(calls(project))) == (asked, called)
            assert values(project) == [int(number)] * ALL

    def test_a_file_that_is_not_listed_is_not_looked_at(self, project, files):
        """What no source and no list shows is the author's to list."""
        keep(project)
        files({"scoring.py": self.SOURCE, "data/a.txt": "1"})
        project.run()
        calls(project)
        files({"data/a.txt": "2"})
        assert (project.run().asked, calls(project), values(project)) == (0, [], [1] * ALL)

    def test_a_file_that_is_listed_later_is_called_for(self, project, files):
        """A value that was kept before its file was listed says nothing of it, and is made once more."""
        keep(project)
        files({"scoring.py": self.SOURCE, "data/a.txt": "1"})
        project.run()
        calls(project)
        project.set("steps.score.reads", ["data/a.txt"])
        assert (project.run().asked, sorted(calls(project))) == (0, EVERY)
        assert (project.run().asked, calls(project)) == (0, [])

    def test_a_pattern_stands_for_the_files_of_today(self, project, files):
        """A file more, or one less, that fits a pattern calls again."""
        keep(project, reads=["data/*.txt"])
        files({"scoring.py": self.SOURCE, "data/a.txt": "1", "data/a.csv": ""})
        for change, made in (({}, 1), ({"data/b.txt": "10"}, 11), ({"data/a.txt": None}, 10)):
            files(change)
            project.run()
            assert (values(project), sorted(calls(project))) == ([made] * ALL, EVERY)
            files({"data/a.csv": f"{made}"})
            assert (project.run().asked, calls(project)) == (0, [])

    def test_a_file_elsewhere_counts(self, project, files, tmp_path_factory):
        """A listed file may be anywhere, as an input may."""
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.txt"
        elsewhere.write_text("1")
        keep(project, reads=[str(elsewhere)])
        files({"scoring.py": reading(f"int(Path({str(elsewhere)!r}).read_text())")})
        project.run()
        calls(project)
        assert (project.run().asked, calls(project)) == (0, [])
        elsewhere.write_text("2")
        project.run()
        assert (values(project), sorted(calls(project))) == ([2] * ALL, EVERY)

    def test_the_output_replaces_no_listed_file(self, project, files):
        """A run whose output would be written over a file that a function reads does not begin."""
        keep(project, reads=["data/*.jsonl"])
        project.set("output.path", "data/a.jsonl")
        files({"scoring.py": MODULE, "data/a.jsonl": "{}"})
        assert project.run().error.code is Code.OUTPUT_PATH

    def test_equal_calls_with_other_lists_do_not_disturb_each_other(self, project, files):
        """Two steps that list different files each keep their values."""
        keep(project, reads=["data/a.txt"])
        project.set("steps.other", {**project.document["steps"]["score"], "reads": ["data/b.txt"]})
        files({"scoring.py": self.SOURCE, "data/a.txt": "1", "data/b.txt": "1"})
        project.run()
        assert sorted(calls(project)) == sorted(EVERY * 2)
        assert (project.run().asked, calls(project)) == (0, [])
        files({"data/b.txt": "2"})
        project.run()
        assert (sorted(calls(project)), values(project), values(project, "other")) == (EVERY, [2] * ALL, [3] * ALL)


class TestRuns:
    """What is used, when, and by whom."""

    def test_a_folder_that_moves_takes_its_values_along(self, project, files, tmp_path_factory, monkeypatch):
        """A copy of the pipeline's folder, its store within, calls nothing: files are told by their paths in it."""
        keep(project, reads=["data/a.txt"])
        files({**STANDING, "scoring.py": "import ones\n" + TestReads.SOURCE, "data/a.txt": "1"})
        project.run()
        calls(project)
        there = tmp_path_factory.mktemp("moved") / "there"
        shutil.copytree(project.folder, there)
        monkeypatch.chdir(there)
        with PipelineProject(there, project.script) as moved:
            moved.document, moved.rows = project.document, project.rows
            assert (moved.run().asked, calls(moved)) == (0, [])

    def test_a_plan_judges_as_the_run_does(self, project, files):
        """A forecast knows what is kept while the files are the same, and no longer; it calls nothing."""
        keep(project, reads=["data/a.txt"])
        files({**STANDING, "scoring.py": "import ones\n" + TestReads.SOURCE, "data/a.txt": "1"})
        project.run()
        calls(project)
        assert (project.plan().requests, project.plan().stored) == (0, ALL)
        for change in ({"data/a.txt": "2"}, {"ones.py": "one = 2\n"}):
            files(change)
            plan = project.plan()
            assert (plan.requests, plan.stored, calls(project)) == (ALL, 0, [])
            project.run()
            assert sorted(calls(project)) == EVERY
        assert (project.plan().requests, project.plan().stored) == (0, ALL)

    def test_a_value_of_an_older_store_is_made_once_more(self, project):
        """A value of which nobody knows what it depends on is not used."""
        keep(project)
        project.run()
        calls(project)
        with closing(sqlite3.connect(project.store())) as connection, connection:
            connection.execute("UPDATE kept SET files = NULL")
        assert (project.run().asked, sorted(calls(project))) == (0, EVERY)
        assert (project.run().asked, calls(project)) == (0, [])

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_file_that_changes_while_it_is_used(self, project, files, moment):
        """What is made while a listed file changes under it is not taken for what the new file would make."""
        change = "(os.replace('new.txt', 'data/a.txt') if town == 'Rome' and Path('new.txt').exists() else None)"
        use = "int(Path('data/a.txt').read_text())"
        keep(project, reads=["data/a.txt"])
        both = f"[{change}, {use}][1]" if moment == "before" else f"[{use}, {change}][0]"
        files({"scoring.py": reading(both), "data/a.txt": "1", "new.txt": "2"})
        project.run()
        assert sorted(calls(project)) == EVERY
        project.run()
        assert (sorted(calls(project)), values(project)) == (EVERY, [2] * ALL)
        project.run()
        assert calls(project) == []

    @pytest.mark.parametrize("folder", [".", "deep"])
    def test_a_sibling_that_changes_after_it_was_loaded(self, project, files, folder):
        """What an old sibling made, which was loaded before it was edited, is not taken for the new one's."""
        edit = f"os.replace('new.py', '{folder}/ones.py')"
        change = f"town == 'Rome' and os.path.exists('new.py') and {edit}"
        start = f"import sys\nsys.path.append('{folder}')\nimport ones\n"
        keep(project)
        files({"scoring.py": start + reading(f"[{change}, ones.one][1]"), f"{folder}/ones.py": "one = 1\n"})
        files({"new.py": "one = 2\n"})
        project.run()
        assert (values(project), sorted(calls(project))) == ([1] * ALL, EVERY)
        for called in (EVERY, []):
            project.run()
            assert (values(project), sorted(calls(project))) == ([2] * ALL, called)

    def test_a_sibling_that_another_step_loaded_before_it_changed(self, project, files):
        """A sibling that is loaded already is what it was then, whoever loaded it: nothing is kept of the new one."""
        edit = "if town == 'Rome': os.replace('new.py', 'ones.py')"
        first = f"import os, ones\ndef made(town):\n    {edit}\n    return 1\n"
        keep(project)
        project.set("steps.first", {"kind": "python", "call": "first:made", "args": {"town": "row.town"}})
        project.set("steps.score.when", "steps.first == 1")
        files({"scoring.py": "import ones\n" + reading("ones.one"), "first.py": first})
        files({"ones.py": "one = 1\n", "new.py": "one = 2\n"})
        project.run()
        assert (values(project), sorted(calls(project))) == ([1] * ALL, EVERY)
        files({"first.py": "def made(town): return 1\n"})
        project.run()
        assert (values(project), sorted(calls(project))) == ([2] * ALL, EVERY)
