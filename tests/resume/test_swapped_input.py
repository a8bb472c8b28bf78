"""The input changes while a run is under way: no row is lost or doubled in silence, and nothing is paid twice."""

import json
import os

import pytest

from counted_runs import ScriptedReplies
from yamlgen.errors import Code
from yamlgen.exit_codes import ExitCode

COUNT = 40
ROWS = [{"id": number, "town": f"Oslo {number}", "note": "x" * 25_000} for number in range(COUNT)]
"""A megabyte, of which a run that asks for few rows at once has read a quarter at its beginning."""

PREVIOUS = "the output of the run before\n"


def lines(rows):
    """The rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def replaced(path, rows):
    """Put a file with other rows in the place of one."""
    beside = path.with_suffix(".new")
    beside.write_text(lines(rows))
    beside.replace(path)


class Swapping(ScriptedReplies):
    """Does something to the input when so many requests came; the earliest of them are answered after it."""

    def __init__(self, at, swap):
        super().__init__()
        self.at, self.swap, self.came = at, swap, 0

    def __call__(self, body):
        """The reply to a body."""
        self.came += 1
        if self.came == self.at:
            self.swap()
        return super().__call__(body)


@pytest.fixture
def big(project):
    """The project with many rows, few of them at once, and an output of a run before."""
    project.rows = list(ROWS)
    project.set("input.id", "id")
    project.set("runtime.concurrency", 2)
    project.set("steps.facts", None)
    project.set("steps.line.prompt", "A line on {{ row.town }}.")
    (project.folder / "out").mkdir()
    (project.folder / "out/towns.jsonl").write_text(PREVIOUS)
    return project


def swapped(project, at, swap, **options):
    """A run whose input is swapped at its request number `at`."""
    path = project.folder / "rows.jsonl"
    project.script = Swapping(at, lambda: swap(path))
    done = project.run(**options)
    assert project.script.came >= at
    project.script = ScriptedReplies()
    return done


def ids(project, name="towns.jsonl"):
    """The ids of the output, in its order."""
    return [json.loads(line)["id"] for line in (project.folder / "out" / name).read_text().splitlines()]


NEW = [*reversed(ROWS), {"id": COUNT, "town": "Oslo new", "note": ""}]
SWAPS = {
    "another file": lambda path: replaced(path, NEW),
    "sorted again": lambda path: path.write_text(lines(reversed(ROWS))),
    "ids twice": lambda path: replaced(path, [*ROWS[: COUNT // 2], *ROWS[: COUNT // 2]]),
    "shorter": lambda path: os.truncate(path, path.stat().st_size - 1),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
@pytest.mark.parametrize("at", [10, COUNT], ids=["early", "at the end"])
def test_a_swapped_input_ends_the_run_and_keeps_its_answers(big, at, swap):
    """The run ends with 3, what was answered is kept, and nothing is written; the next run pays for the rest alone."""
    done = swapped(big, at, swap)
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.INPUT_CHANGED)
    assert "stored; the same call continues from there" in done.error.hint
    assert big.files() == {"towns.jsonl": PREVIOUS.encode()}
    assert done.asked == COUNT if at == COUNT else done.asked < COUNT
    big.rows = list(NEW)
    again = big.run()
    assert (again.code, again.asked) == (0, COUNT + 1 - done.asked)
    assert ids(big) == [row["id"] for row in NEW]


def test_what_is_under_way_at_the_swap_is_kept(big):
    """Each request that was sent before the change was noticed was answered, and none is sent again."""
    done = swapped(big, 10, SWAPS["another file"])
    again = big.run()
    assert done.rows
    assert not done.rows & again.rows
    assert len(done.rows | again.rows) == COUNT
    assert ids(big) == list(range(COUNT))


SAME = {
    "touched": lambda path: path.touch(),
    "the same bytes written again": lambda path: path.write_text(lines(ROWS)),
    "the same bytes in another file": lambda path: replaced(path, ROWS),
}


@pytest.mark.parametrize("swap", SAME.values(), ids=SAME)
def test_the_same_bytes_change_nothing(big, swap):
    """A run over the same bytes under another identity goes to its end, and warns of nothing."""
    done = swapped(big, 10, swap)
    assert (done.code, done.asked, done.report.warnings) == (0, COUNT, [])
    assert ids(big) == list(range(COUNT))


def test_what_was_appended_is_for_the_next_run(big):
    """Rows that were appended are left out, with one warning in the report and in the record; the next run has them."""

    def append(path):
        with path.open("a") as file:
            file.write(lines([{"id": "new", "town": "Oslo new"}]) + '{"id": "half')

    done = swapped(big, 10, append)
    assert (done.code, done.asked) == (0, COUNT)
    assert ids(big) == list(range(COUNT))
    (warning,) = done.report.warnings
    assert warning.startswith("the input rows.jsonl grew by ")
    assert json.loads((big.folder / "out/towns.run.json").read_text())["warnings"] == [warning]
    big.rows.append({"id": "new", "town": "Oslo new"})
    again = big.run()
    assert (again.asked, again.report.warnings) == (1, [])
    assert ids(big) == [*range(COUNT), "new"]


def test_a_trial_is_held_to_the_whole_file(big):
    """With `--limit` too, another file than the one that was checked is another input."""
    done = swapped(big, 2, SWAPS["shorter"], limit=3)
    assert (done.code, done.error.code, done.asked) == (ExitCode.ENVIRONMENT, Code.INPUT_CHANGED, 3)
    assert big.run(limit=3).asked == 0
    assert ids(big, "towns.limit-3.jsonl") == [0, 1, 2]


def test_a_retry_is_held_to_the_input_too(big):
    """A retry whose input is swapped ends with 3, and the retry after it pays for nothing twice."""
    big.refuse("Oslo 7.", "Oslo 9.")
    run = big.run().finished.entry.name
    before = big.files()
    done = swapped(big, 1, SWAPS["sorted again"], retry=run)
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.INPUT_CHANGED)
    assert big.files() == before
    assert big.run(retry=run).asked + done.asked == 2
    assert ids(big) == list(range(COUNT))


def test_a_function_may_not_rewrite_the_input(big):
    """A python step that writes the run's own input is told as any other change."""
    (big.folder / "own.py").write_text(
        "from pathlib import Path\n\n\n"
        "def rewrite(n):\n    if n == 0:\n        Path('rows.jsonl').write_text('{}')\n    return n\n"
    )
    big.set("steps.own", {"kind": "python", "call": "own:rewrite", "args": {"n": "row.id"}})
    big.set("steps.line.prompt", "A line on {{ row.town }} {{ steps.own }}.")
    done = big.run()
    assert (done.code, done.error.code) == (ExitCode.ENVIRONMENT, Code.INPUT_CHANGED)
    assert big.files() == {"towns.jsonl": PREVIOUS.encode()}
