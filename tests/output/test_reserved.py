"""Two pipelines that write one output at once: the second is told, before anything is paid for."""

import subprocess
import sys

import pytest

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.output.files import output_paths, prepared, publish

OTHER = """\
import sys
from pathlib import Path
from yamlgen.output.files import output_paths, prepared
with prepared(output_paths(Path(sys.argv[1])), to_stdout=False, what="run x of other.yaml"):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that keeps `out/a.jsonl` for itself."""
    command = [sys.executable, "-c", OTHER, tmp_path / "out/a.jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        yield process
        process.kill()


def kept(path):
    """What a run is told that would write to a path."""
    with pytest.raises(EnvironmentProblem) as caught, prepared(output_paths(path), to_stdout=False):
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
    with prepared(output_paths(tmp_path / "out/a.jsonl"), to_stdout=False):
        pass
    assert not list((tmp_path / "out").iterdir())


def test_who_writes_is_named_only_as_long_as_it_lives(tmp_path, other):
    """A run in this process, or one whose words are gone, is not called by another's number."""
    with prepared(output_paths(tmp_path / "out/b.jsonl"), to_stdout=False, what="run y"):
        assert kept(tmp_path / "out/b.jsonl").endswith("another run is writing it")
    (tmp_path / "out/.a.jsonl.yamlgen-tmp").write_text("rows by now")
    assert kept(tmp_path / "out/a.jsonl").endswith("another run is writing it")
    assert other.poll() is None


def test_a_reservation_that_was_removed_is_made_anew(tmp_path):
    """Somebody clears up: the run has its files all the same, unless another has taken them."""
    paths = output_paths(tmp_path / "out/a.jsonl")
    files = {"rows": lambda: iter([b"{}\n"]), "failed": None, "run": {}}
    with prepared(paths, to_stdout=False) as staging:
        for path in paths.rows.parent.iterdir():
            path.unlink()
        paths.rows.parent.rmdir()
        publish(paths, staging, **files)
    assert sorted(path.name for path in paths.rows.parent.iterdir()) == ["a.jsonl", "a.run.json"]
    with prepared(paths, to_stdout=False) as first:
        for path in paths.rows.parent.glob(".*"):
            path.unlink()
        with prepared(paths, to_stdout=False), pytest.raises(EnvironmentProblem, match="another run is writing it"):
            publish(paths, first, **files)
        assert paths.rows.read_bytes() == b"{}\n"
