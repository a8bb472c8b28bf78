"""Two pipelines that write one output at once: the second is told, before anything is paid for."""

import os
import subprocess
import sys

import pytest

from hand_made_output import paths_at
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.formats.format import UNCHANGED
from yamlgen.output.files import prepared, publish

OTHER = """\
import sys
from hand_made_output import paths_at
from yamlgen.output.files import prepared
with prepared(paths_at(sys.argv[1]), what="run x of other.yaml"):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that keeps `out/a.jsonl` for itself."""
    command = [sys.executable, "-c", OTHER, tmp_path / "out/a.jsonl"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"\n"
        yield process
        process.kill()


def kept(path):
    """What a run is told that would write to a path."""
    with pytest.raises(EnvironmentProblem) as caught, prepared(paths_at(path)):
        pass
    assert caught.value.code is Code.BUSY
    assert "output=" in caught.value.hint
    return caught.value.message


def test_the_second_run_is_told_who_writes_there(tmp_path, other):
    """By whatever spelling it names the file, also where only the file of failed rows is the same."""
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "link.jsonl").symlink_to("out/a.jsonl")
    who = f"another run is writing it (run x of other.yaml, process {other.pid})"
    for path in ("out/a.jsonl", "out/../out/./a.jsonl", "link/a.jsonl", "link.jsonl", "out/a.csv"):
        assert who in kept(tmp_path / path), path
    other.kill()
    other.wait()
    with prepared(paths_at(tmp_path / "out/a.jsonl")):
        pass
    assert not list((tmp_path / "out").iterdir())


def test_who_writes_is_named_only_as_long_as_it_lives(tmp_path, other):
    """A run in this process, or one whose words are gone, is not called by another's number."""
    with prepared(paths_at(tmp_path / "out/b.jsonl"), what="run y"):
        assert kept(tmp_path / "out/b.jsonl").endswith("another run is writing it")
    (tmp_path / "out/.a.jsonl.yamlgen-tmp").write_text("rows by now")
    assert kept(tmp_path / "out/a.jsonl").endswith("another run is writing it")
    assert other.poll() is None


def test_a_reservation_that_was_removed_is_made_anew(tmp_path):
    """Somebody clears up: the run has its files all the same, unless another has taken them."""
    path = tmp_path / "out/a.jsonl"
    folder, paths = path.parent, paths_at(path)
    files = {"rows": [(path, lambda: iter([b"{}\n"]), UNCHANGED)], "failed": None, "record": dict}
    with prepared(paths) as staging:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        publish(staging, paths, **files)
    assert sorted(file.name for file in folder.iterdir()) == ["a.jsonl", "a.run.json"]
    with prepared(paths) as first:
        for file in folder.glob(".*"):
            file.unlink()
        with prepared(paths), pytest.raises(EnvironmentProblem, match="another run is writing it"):
            publish(first, paths, **files)
        assert path.read_bytes() == b"{}\n"
