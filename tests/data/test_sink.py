"""Rows out: the files of a run, whole or not there at all."""

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from yamlgen.data.sink import OutputPaths, Sink, StdoutSink, output_paths
from yamlgen.errors import Code, EnvironmentProblem, Exit, UsageError

RUN = {"run": "r1"}


def opened(path: Path) -> Sink:
    """A sink that writes to `path`, ready for rows."""
    sink = Sink(output_paths(path))
    sink.open()
    return sink


def written(path: Path, records, failed=()) -> str:
    """The text of an output after a whole run in which `records` finished in their order."""
    sink = opened(path)
    for index, record in enumerate(records):
        sink.add(index, record)
    for index, record in enumerate(failed):
        sink.add_failed(index, record)
    sink.finish(RUN)
    return path.read_bytes().decode()


def names(folder: Path) -> set[str]:
    """What is in `folder`, hidden files too."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("settings", "stem"),
    [
        ({}, "runners"),
        ({"simulated": True}, "runners.simulated"),
        ({"limit": 5}, "runners.limit-5"),
        ({"simulated": True, "limit": 5}, "runners.simulated.limit-5"),
    ],
)
def test_names_of_the_files(settings, stem):
    """A simulated or limited run has names of its own; what stands beside the rows is always JSON."""
    out = Path("out")
    assert output_paths(out / "runners.csv", **settings) == OutputPaths(
        rows=out / f"{stem}.csv",
        failed=out / f"{stem}.failed.jsonl",
        run=out / f"{stem}.run.json",
        partial=out / f"{stem}.partial.jsonl",
        partial_failed=out / f"{stem}.partial.failed.jsonl",
    )


@pytest.mark.parametrize("name", ["rows.parquet", "rows", ".jsonl"])
def test_unknown_ending(name):
    """An ending that tells no format is refused with those that do."""
    with pytest.raises(UsageError) as caught:
        output_paths(Path(name))
    assert caught.value.code == Code.UNKNOWN_FORMAT
    assert all(ending in caught.value.hint for ending in (".jsonl", ".json", ".csv", ".tsv"))


def test_jsonl(tmp_path):
    """One row a line, letters as they are, keys in their order."""
    text = written(tmp_path / "a.jsonl", [{"name": "Oslo", "é": [1, None]}, {"b": 1.5, "a": "x\ny\u2028"}])
    assert text == '{"name": "Oslo", "é": [1, null]}\n{"b": 1.5, "a": "x\\ny\u2028"}\n'


def test_json(tmp_path):
    """An array with one row a line; an empty one when there are no rows."""
    assert written(tmp_path / "a.json", [{"a": 1}, {"a": "é"}]) == '[\n{"a": 1},\n{"a": "é"}\n]\n'
    assert written(tmp_path / "b.json", []) == "[]\n"


def test_csv(tmp_path):
    """The header is every key in order of appearance; null is empty, what is no string is JSON text."""
    records = [{"a": "x", "n": {"k": [1, "é"]}}, {"b": True, "a": None, "n": 2}, {"a": 'say "hi", you\r\nthere'}]
    assert written(tmp_path / "a.csv", records) == (
        'a,n,b\nx,"{""k"": [1, ""é""]}",\n,2,true\n"say ""hi"", you\r\nthere",,\n'
    )


def test_tsv(tmp_path):
    """A `.tsv` is separated by tabs, and a cell with a tab is quoted."""
    assert written(tmp_path / "a.tsv", [{"a": "x,y", "b": "1\t2"}]) == 'a\tb\nx,y\t"1\t2"\n'


def test_lone_surrogate(tmp_path):
    """Half a surrogate pair, which UTF-8 cannot hold, is written as its escape and read back as it was."""
    row = {"a": "x\ud800\\\udc00"}
    assert json.loads(written(tmp_path / "a.jsonl", [row])) == row
    assert json.loads(written(tmp_path / "a.json", [row])) == [row]
    assert written(tmp_path / "a.csv", [row]) == "a\nx\\ud800\\\\udc00\n"


def test_nan_is_no_json(tmp_path):
    """A value that JSON cannot hold is refused by `add`; it never becomes a line that others cannot read."""
    sink = opened(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        sink.add(0, {"a": float("nan")})
    assert sink.abort() is None


def test_row_is_on_disk_when_add_returns(tmp_path):
    """A finished row is in the partial file at once, in order of completion."""
    sink = opened(tmp_path / "a.csv")
    sink.add(1, {"a": 1})
    assert (tmp_path / "a.partial.jsonl").read_text() == '{"a": 1}\n'
    sink.add(0, {"a": 0})
    assert (tmp_path / "a.partial.jsonl").read_text() == '{"a": 1}\n{"a": 0}\n'
    sink.abort()


def test_kill_keeps_finished_rows(tmp_path):
    """After `kill -9` every finished row is in the partial file, and the next run leaves it alone."""
    code = """
        import os, signal, sys
        from pathlib import Path
        from yamlgen.data.sink import Sink, output_paths
        sink = Sink(output_paths(Path(sys.argv[1])))
        sink.open()
        sink.add(0, {"a": 0})
        sink.add(1, {"a": 1})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "a.jsonl")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert written(tmp_path / "a.jsonl", [{"a": 2}]) == '{"a": 2}\n'
    assert (tmp_path / "a.partial.jsonl").read_text() == '{"a": 0}\n{"a": 1}\n'


def test_finish_leaves_only_the_outputs(tmp_path):
    """After a run there are the rows and the run file, and neither a partial nor a temporary file."""
    written(tmp_path / "new" / "deep" / "a.jsonl", [{"a": 1}])
    assert names(tmp_path / "new" / "deep") == {"a.jsonl", "a.run.json"}
    assert json.loads((tmp_path / "new" / "deep" / "a.run.json").read_text()) == RUN


def test_failed_rows_have_their_file(tmp_path):
    """Failed rows are in a file of their own, which a run without failures removes."""
    written(tmp_path / "a.jsonl", [{"a": 1}], failed=[{"step": "x"}])
    assert names(tmp_path) == {"a.jsonl", "a.run.json", "a.failed.jsonl"}
    assert (tmp_path / "a.failed.jsonl").read_text() == '{"step": "x"}\n'
    written(tmp_path / "a.jsonl", [{"a": 1}])
    assert names(tmp_path) == {"a.jsonl", "a.run.json"}


def test_failed_rows_are_in_input_order(tmp_path):
    """Failed rows are written in input order, whichever failed first."""
    sink = opened(tmp_path / "a.jsonl")
    for index in (2, 0, 1):
        sink.add_failed(index, {"n": index})
    sink.finish(RUN)
    assert (tmp_path / "a.failed.jsonl").read_text() == '{"n": 0}\n{"n": 1}\n{"n": 2}\n'
    assert (tmp_path / "a.jsonl").read_text() == ""


def test_abort_keeps_what_is_finished(tmp_path):
    """An aborted run leaves the previous output as it was and its own rows in the partial files."""
    written(tmp_path / "a.jsonl", [{"old": 1}])
    sink = opened(tmp_path / "a.jsonl")
    sink.add(3, {"new": 1})
    sink.add_failed(1, {"step": "x"})
    assert sink.abort() == tmp_path / "a.partial.jsonl"
    assert (tmp_path / "a.jsonl").read_text() == '{"old": 1}\n'
    assert (tmp_path / "a.partial.jsonl").read_text() == '{"new": 1}\n'
    assert (tmp_path / "a.partial.failed.jsonl").read_text() == '{"step": "x"}\n'


def test_abort_removes_what_is_empty(tmp_path):
    """An aborted run that had finished nothing leaves nothing, and tells so."""
    assert opened(tmp_path / "a.jsonl").abort() is None
    assert names(tmp_path) == set()


def test_abort_may_come_late_and_twice(tmp_path):
    """`abort` after `finish`, or before `open`, or again, has nothing to do."""
    sink = opened(tmp_path / "a.jsonl")
    sink.add(0, {})
    sink.finish(RUN)
    assert sink.abort() is None
    assert sink.abort() is None
    assert Sink(output_paths(tmp_path / "b.jsonl")).abort() is None
    assert names(tmp_path) == {"a.jsonl", "a.run.json"}


def test_partial_files_are_never_overwritten(tmp_path):
    """Each aborted run's partial files are kept, as a pair of one number."""
    for number in range(3):
        sink = opened(tmp_path / "a.jsonl")
        sink.add_failed(0, {"run": number})
        if number != 1:
            sink.add(1, {"run": number})
        sink.abort()
    assert {name for name in names(tmp_path) if "failed" not in name} == {"a.partial.jsonl", "a.partial-3.jsonl"}
    assert {"a.partial.failed.jsonl", "a.partial-2.failed.jsonl", "a.partial-3.failed.jsonl"} < names(tmp_path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.failed.jsonl", "a.run.json"])
def test_output_path_is_a_folder(tmp_path, name):
    """An output path that is a folder is refused before the run, with nothing written."""
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="it is a folder") as caught:
        opened(tmp_path / "a.jsonl")
    assert caught.value.code == Code.OUTPUT_PATH
    assert names(tmp_path) == {name}


def test_output_path_is_a_pipe(tmp_path):
    """A pipe is refused: a file would take its place."""
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(UsageError, match="not a regular file"):
        opened(tmp_path / "a.jsonl")


def test_folder_that_cannot_be_made(tmp_path):
    """A parent that is a file is a problem of the disk, told with the path and the reason."""
    (tmp_path / "out").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"out/a\.jsonl: ") as caught:
        opened(tmp_path / "out" / "a.jsonl")
    assert caught.value.code == Code.DISK
    assert caught.value.exit_code == Exit.ENVIRONMENT


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from yamlgen.data.sink import Sink, output_paths
    from yamlgen.errors import Code, EnvironmentProblem

    def room(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(sys.argv[1])
    path.write_text("old")
    sink = Sink(output_paths(path))
    sink.open()
    sink.add(1, {"a": "x" * 50})
"""


def without_room(code: str, path: Path) -> str:
    """The output of a process that runs `code` after one row is written, with `room` to take the room away."""
    script = textwrap.dedent(FULL) + textwrap.dedent(code)
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_full_disk_while_rows_come(tmp_path):
    """A row that does not fit is told, and the partial file ends with the last whole row."""
    told = without_room(
        """
        room(100)
        try:
            sink.add(0, {"a": "y" * 100})
        except EnvironmentProblem as error:
            print(error.code == Code.DISK, error)
        sink.add(0, {"a": "z"})
        print(sink.abort())
        """,
        tmp_path / "a.jsonl",
    )
    partial = tmp_path / "a.partial.jsonl"
    assert told == f"True cannot write {partial}: {os.strerror(errno.EFBIG)}\n{partial}\n"
    assert partial.read_text() == '{"a": "%s"}\n{"a": "z"}\n' % ("x" * 50)
    assert (tmp_path / "a.jsonl").read_text() == "old"


def test_full_disk_at_the_end(tmp_path):
    """An output that does not fit leaves the previous one, no temporary file, and the rows in the partial file."""
    told = without_room(
        """
        room(10)
        try:
            sink.finish({})
        except EnvironmentProblem as error:
            print(error)
        print(sink.abort())
        """,
        tmp_path / "a.jsonl",
    )
    assert told == f"cannot write {tmp_path / 'a.jsonl'}: {os.strerror(errno.EFBIG)}\n{tmp_path / 'a.partial.jsonl'}\n"
    assert names(tmp_path) == {"a.jsonl", "a.partial.jsonl"}
    assert (tmp_path / "a.jsonl").read_text() == "old"


def test_run_file_that_does_not_fit_leaves_the_rows_alone(tmp_path):
    """The files take their places together: when the last cannot be written, the first is not replaced."""
    without_room(
        """
        room(1000)
        try:
            sink.finish({"long": "x" * 2000})
        except EnvironmentProblem:
            pass
        """,
        tmp_path / "a.jsonl",
    )
    assert (tmp_path / "a.jsonl").read_text() == "old"
    assert names(tmp_path) == {"a.jsonl", "a.partial.jsonl"}


def test_mode_of_a_new_output(tmp_path):
    """A new output may be read by whom the umask lets, not by its owner alone."""
    before = os.umask(0o027)
    try:
        written(tmp_path / "a.jsonl", [])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) == 0o640


def test_mode_of_an_existing_output(tmp_path):
    """A replaced output keeps its mode."""
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "a.jsonl").chmod(0o604)
    written(tmp_path / "a.jsonl", [])
    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) == 0o604


@pytest.mark.parametrize("exists", [True, False])
def test_link_stays_a_link(tmp_path, exists):
    """An output that is a link is written to where the link leads."""
    target = tmp_path / "elsewhere" / "rows.jsonl"
    if exists:
        target.parent.mkdir()
        target.write_text("old")
    (tmp_path / "a.jsonl").symlink_to("elsewhere/rows.jsonl")
    assert written(tmp_path / "a.jsonl", [{"a": 1}]) == '{"a": 1}\n'
    assert (tmp_path / "a.jsonl").is_symlink()
    assert target.read_text() == '{"a": 1}\n'
    assert names(target.parent) == {"rows.jsonl"}


def test_stdout_in_input_order(tmp_path):
    """Rows go out as soon as all before them are done, failed ones counted; the notes go to their files."""
    stream = io.BytesIO()
    sink = StdoutSink(output_paths(tmp_path / "a.jsonl"), stream)
    sink.open()
    sink.add(2, {"a": 2})
    assert stream.getvalue() == b""
    sink.add(0, {"a": 0})
    assert stream.getvalue() == b'{"a": 0}\n'
    sink.add_failed(1, {"step": "x"})
    sink.add(3, {"a": "é\ud800"})
    assert stream.getvalue().decode() == '{"a": 0}\n{"a": 2}\n{"a": "é\\ud800"}\n'
    sink.finish(RUN)
    assert names(tmp_path) == {"a.run.json", "a.failed.jsonl"}


def test_stdout_abort_keeps_all_rows(tmp_path):
    """An aborted run has every finished row in its partial file, those that went out and those that waited."""
    sink = StdoutSink(output_paths(tmp_path / "a.jsonl"), io.BytesIO())
    sink.open()
    sink.add(0, {"a": 0})
    sink.add(2, {"a": 2})
    assert sink.abort() == tmp_path / "a.partial.jsonl"
    assert (tmp_path / "a.partial.jsonl").read_text() == '{"a": 0}\n{"a": 2}\n'


def test_stdout_reader_has_gone(tmp_path):
    """A closed pipe stops the run with a sentence; the row is kept."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
        sink = StdoutSink(output_paths(tmp_path / "a.jsonl"), stream)
        sink.open()
        with pytest.raises(EnvironmentProblem, match="standard output has gone") as caught:
            sink.add(0, {"a": 0})
    assert caught.value.code == Code.STOPPED
    assert sink.abort() == tmp_path / "a.partial.jsonl"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_stdout_disk_full(tmp_path):
    """Standard output into a full disk is a problem of the disk."""
    with Path("/dev/full").open("wb", buffering=0) as stream:
        sink = StdoutSink(output_paths(tmp_path / "a.jsonl"), stream)
        sink.open()
        with pytest.raises(EnvironmentProblem, match="cannot write standard output: No space left on device") as caught:
            sink.add(0, {"a": 0})
        sink.abort()
    assert caught.value.code == Code.DISK
