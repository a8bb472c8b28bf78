"""Rows out: the files of a run, whole or not there at all."""

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hand_made_output import paths_at
from output_schemas import json_line
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.exit_codes import ExitCode
from yamlgen.formats.format import UNCHANGED
from yamlgen.output.atomic_write import Staging
from yamlgen.output.files import OutputPaths, RowsFile, prepared, publish, write_rows

RUN = {"run": "r1"}


def lines(records):
    """The JSON lines of `records`, as often as they are asked for."""
    return lambda: map(json_line, records)


def written(path: Path, records, failed=()) -> str:
    """The text of an output after a whole run with these finished and failed rows."""
    paths = paths_at(path)
    with prepared(paths) as staging:
        rows = [(path, lines(records), UNCHANGED)]
        publish(staging, paths, rows=rows, failed=lines(failed) if failed else None, record=lambda: RUN)
    return path.read_bytes().decode()


def prepare(paths) -> None:
    """See that files can be written."""
    with prepared(paths):
        pass


def export(path, rows):
    """What is told of an export of these rows to one file."""
    return write_rows([(path, rows, UNCHANGED)])


def put(paths, *, rows, failed, run) -> None:
    """Put files in place; without rows, the file of before stays."""
    files = [] if rows is None else [(file.path, rows, None) for file in paths.rows]
    with Staging() as staging:
        publish(staging, paths, rows=files, failed=failed, record=lambda: run)


def names(folder: Path) -> set[str]:
    """What is in `folder`, hidden files too."""
    return {path.name for path in folder.iterdir()}


def program(code: str, path: Path, **environment) -> subprocess.CompletedProcess:
    """A process that runs `code` with `paths`, `lines`, and `room` to take the room away."""
    script = """
        import json, resource, signal, sys
        from pathlib import Path
        from hand_made_output import paths_at
        from yamlgen.canonical_json import encoded
        from yamlgen.formats.format import UNCHANGED
        from yamlgen.output.files import publish
        from yamlgen.output.atomic_write import Staging
        from yamlgen.errors import EnvironmentProblem

        def room(size):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        def put(paths, *, rows, failed, run):
            with Staging() as staging:
                publish(staging, paths, rows=[(paths.rows[0].path, rows, UNCHANGED)], failed=failed, record=lambda: run)

        def lines(*records):
            return lambda: (encoded(json.dumps(record) + '\\n') for record in records)

        paths = paths_at(sys.argv[1])
    """
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", textwrap.dedent(script) + textwrap.dedent(code), str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.parametrize(
    ("settings", "stem"),
    [
        ({}, "runners"),
        ({"simulated": True}, "runners.simulated"),
        ({"limit": 5}, "runners.limit-5"),
        ({"simulated": True, "limit": 5}, "runners.simulated.limit-5"),
        ({"to_stdout": True}, "runners.stdout"),
    ],
)
def test_names_of_the_files(settings, stem):
    """A simulated, limited or printed run has names of its own; what stands beside the rows is always JSON."""
    out = Path("out")
    printed = settings.get("to_stdout", False)
    assert paths_at(out / "runners.csv", **settings) == OutputPaths(
        rows=() if printed else (RowsFile("", "", out / f"{stem}.csv"),),
        failed=out / f"{stem}.failed.jsonl",
        run=out / f"{stem}.run.json",
        report=out / f"{stem}.report.html",
        printed="" if printed else None,
    )


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", ".jsonl"])
def test_unknown_ending(name):
    """An ending that tells no format is refused with those that do."""
    for call in (paths_at, lambda path: export(path, lines([]))):
        with pytest.raises(UsageError) as caught:
            call(Path(name))
        assert caught.value.code == Code.UNKNOWN_FORMAT
        assert all(ending in caught.value.hint for ending in (".jsonl", ".json", ".csv", ".tsv"))


def test_what_is_read_is_spared(tmp_path):
    """An output that would replace or remove a file that the run reads is refused, through links too."""
    paths = paths_at(tmp_path / "a.jsonl")
    (tmp_path / "link").symlink_to("a.failed.jsonl")
    paths.check([tmp_path / "b.jsonl"])
    with pytest.raises(UsageError, match="the run reads it") as caught:
        paths.check([tmp_path / "link"])
    assert caught.value.code == Code.OUTPUT_PATH


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
    """Half a surrogate pair, which UTF-8 cannot hold, is an escape in JSON and comes back; in CSV it is U+FFFD."""
    row = {"a": "x\ud800\\\udc00"}
    assert json.loads(written(tmp_path / "a.jsonl", [row])) == row
    assert json.loads(written(tmp_path / "a.json", [row])) == [row]
    assert written(tmp_path / "a.csv", [row]) == "a\nx\ufffd\\\ufffd\n"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_one_file_of_rows(tmp_path, name):
    """An export is one file in the format of its ending, with its folder, and the same bytes as a run's output."""
    export(tmp_path / "new" / name, lines([{"a": 1}, {"b": 2}]))
    assert (tmp_path / "new" / name).read_text() == written(tmp_path / name, [{"a": 1}, {"b": 2}])
    assert names(tmp_path / "new") == {name}


def test_publish_leaves_only_the_outputs(tmp_path):
    """After a run there are the rows and the run file, and no temporary file."""
    written(tmp_path / "new" / "deep" / "a.jsonl", [{"a": 1}])
    assert names(tmp_path / "new" / "deep") == {"a.jsonl", "a.run.json"}
    assert json.loads((tmp_path / "new" / "deep" / "a.run.json").read_text()) == RUN


def test_a_record_has_its_numbers_on_one_line(tmp_path):
    """A list of numbers takes one line, and texts stay as they are, also those that look like such a list."""
    paths, record = paths_at(tmp_path / "a.jsonl"), {"slots": [1, 2.5, -3e-07], "text": "[ 1,   2 ]", "empty": []}
    with prepared(paths) as staging:
        publish(staging, paths, rows=[], failed=None, record=lambda: record)
    text = paths.run.read_text()
    assert '"slots": [1, 2.5, -3e-07],' in text
    assert json.loads(text) == record


def test_failed_rows_have_their_file(tmp_path):
    """Failed rows are in a file of their own, which a run without failures removes."""
    written(tmp_path / "a.jsonl", [{"a": 1}], failed=[{"step": "x"}])
    assert names(tmp_path) == {"a.jsonl", "a.run.json", "a.failed.jsonl"}
    assert (tmp_path / "a.failed.jsonl").read_text() == '{"step": "x"}\n'
    written(tmp_path / "a.jsonl", [{"a": 1}])
    assert names(tmp_path) == {"a.jsonl", "a.run.json"}


def test_rows_of_before_stay(tmp_path):
    """A run without rows of its own leaves those of before alone."""
    written(tmp_path / "a.jsonl", [{"old": 1}])
    put(paths_at(tmp_path / "a.jsonl"), rows=None, failed=lines([{"step": "x"}]), run={"run": "r2"})
    assert (tmp_path / "a.jsonl").read_text() == '{"old": 1}\n'
    assert names(tmp_path) == {"a.jsonl", "a.failed.jsonl", "a.run.json"}
    assert json.loads((tmp_path / "a.run.json").read_text()) == {"run": "r2"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.failed.jsonl", "a.run.json"])
def test_output_path_is_a_folder(tmp_path, name):
    """An output path that is a folder is refused before the run, with nothing written."""
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="it is a folder") as caught:
        written(tmp_path / "a.jsonl", [])
    assert caught.value.code == Code.OUTPUT_PATH
    assert names(tmp_path) == {name}


def test_output_path_is_a_pipe(tmp_path):
    """A pipe is refused, for a file would take its place; not by a run that prints its rows."""
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(UsageError, match="not a regular file"):
        export(tmp_path / "a.jsonl", lines([]))
    with pytest.raises(UsageError, match="not a regular file"):
        prepare(paths_at(tmp_path / "a.jsonl"))
    prepare(paths_at(tmp_path / "a.jsonl", to_stdout=True))
    assert names(tmp_path) == {"a.jsonl"}


def test_folder_that_cannot_be_made(tmp_path):
    """A parent that is a file is a problem of the disk, told with the path and the reason."""
    (tmp_path / "out").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"out/a\.jsonl: ") as caught:
        prepare(paths_at(tmp_path / "out" / "a.jsonl"))
    assert caught.value.code == Code.DISK
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_is_not_writable(tmp_path):
    """A folder in which no file can be created is refused before anything is paid for."""
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentProblem, match="Permission denied") as caught:
        prepare(paths_at(tmp_path / "a.jsonl"))
    assert caught.value.hint == "choose a writable file with `output=PATH`"


def test_name_without_room_for_a_temporary_one(tmp_path):
    """What the folder refuses for another reason is told as early: a name that is too long beside its output."""
    with pytest.raises(EnvironmentProblem, match="File name too long"):
        prepare(paths_at(tmp_path / ("a" * 240 + ".jsonl")))
    assert names(tmp_path) == set()


@pytest.mark.parametrize("size", [10, 1000])
def test_full_disk(tmp_path, size):
    """Files change together: when the first or the last does not fit, none is replaced and nothing is left over."""
    written(tmp_path / "a.jsonl", [{"old": 1}], failed=[{"step": "x"}])
    told = program(
        f"""
        room({size})
        try:
            put(paths, rows=lines({{"a": "x" * 50}}), failed=None, run={{"long": "x" * 2000}})
        except EnvironmentProblem as error:
            print(error.code, error.message)
            print(error.hint)
        """,
        tmp_path / "a.jsonl",
    ).stdout
    full = tmp_path / ("a.jsonl" if size == 10 else "a.run.json")
    assert told == (
        f"YG610 cannot write {full}: {os.strerror(errno.EFBIG)}\n"
        "free some space, or choose a file on another disk with `output=PATH`\n"
    )
    assert names(tmp_path) == {"a.jsonl", "a.failed.jsonl", "a.run.json"}
    assert (tmp_path / "a.jsonl").read_text() == '{"old": 1}\n'


def test_rows_that_break_off(tmp_path):
    """An error in the middle of the rows leaves the output of before, and no temporary file."""
    written(tmp_path / "a.jsonl", [{"old": 1}])

    def broken():
        yield b"{}\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(paths_at(tmp_path / "a.jsonl"), rows=broken, failed=None, run=RUN)
    assert (tmp_path / "a.jsonl").read_text() == '{"old": 1}\n'
    assert names(tmp_path) == {"a.jsonl", "a.run.json"}


PUBLISH = 'put(paths, rows=lines({"a": 1}, {"a": 2}), failed=None, run={})'


@pytest.mark.parametrize(
    ("failpoint", "rows", "left"),
    [
        ("during-export:2", '{"old": 1}\n', {".a.jsonl.yamlgen-tmp"}),
        ("before-rename:1", '{"old": 1}\n', {".a.jsonl.yamlgen-tmp", ".a.run.json.yamlgen-tmp"}),
        ("after-rename:1", '{"a": 1}\n{"a": 2}\n', {".a.run.json.yamlgen-tmp"}),
        ("before-rename:2", '{"a": 1}\n{"a": 2}\n', {".a.run.json.yamlgen-tmp"}),
        ("after-rename:2", '{"a": 1}\n{"a": 2}\n', set()),
    ],
)
def test_killed_run(tmp_path, failpoint, rows, left):
    """`kill -9` at any moment leaves each output whole; the next run takes over what is left, and clears it up."""
    written(tmp_path / "a.jsonl", [{"old": 1}])
    done = program(PUBLISH, tmp_path / "a.jsonl", YAMLGEN_FAILPOINT=failpoint)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "a.jsonl").read_text() == rows
    assert names(tmp_path) == {"a.jsonl", "a.run.json"} | left
    assert written(tmp_path / "a.jsonl", [{"b": 1}]) == '{"b": 1}\n'
    assert names(tmp_path) == {"a.jsonl", "a.run.json"}


def test_leftover_is_emptied(tmp_path):
    """A longer temporary file of a killed run adds nothing to the output."""
    (tmp_path / ".a.jsonl.yamlgen-tmp").write_text("left over\n" * 100)
    export(tmp_path / "a.jsonl", lines([{"a": 1}]))
    assert (tmp_path / "a.jsonl").read_text() == '{"a": 1}\n'
    assert names(tmp_path) == {"a.jsonl"}


def test_link_in_place_of_the_temporary_file(tmp_path):
    """A link laid at the temporary file's name is not followed."""
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".a.jsonl.yamlgen-tmp").symlink_to("precious")
    with pytest.raises(EnvironmentProblem):
        export(tmp_path / "a.jsonl", lines([{"a": 1}]))
    assert (tmp_path / "precious").read_text() == "kept"


def test_second_writer(tmp_path):
    """Of two runs that write the same output the second is told so, and the first is not disturbed."""
    path = tmp_path / "a.jsonl"
    paths = paths_at(path)

    def rows():
        yield json_line({"first": 1})
        for second in (lambda: prepare(paths), lambda: export(path, lines([{"second": 1}]))):
            with pytest.raises(EnvironmentProblem, match=r"a\.jsonl: another run is writing it") as caught:
                second()
            assert caught.value.code == Code.BUSY
            assert "`output=PATH`" in caught.value.hint
        yield json_line({"first": 2})

    put(paths, rows=rows, failed=None, run=RUN)
    assert path.read_text() == '{"first": 1}\n{"first": 2}\n'
    assert names(tmp_path) == {"a.jsonl", "a.run.json"}


def test_temporary_file_that_moves_while_it_is_locked(tmp_path, monkeypatch):
    """A writer that locks what another has just put in its place does not touch it, and takes a file of its own."""
    temporary = tmp_path / ".a.jsonl.yamlgen-tmp"
    temporary.write_text("of another run")
    lock, moved = fcntl.flock, []

    def late(descriptor, how):
        if not moved:
            moved.append(temporary.rename(tmp_path / "other"))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    export(tmp_path / "a.jsonl", lines([{"a": 1}]))
    assert (tmp_path / "other").read_text() == "of another run"
    assert (tmp_path / "a.jsonl").read_text() == '{"a": 1}\n'


def test_file_system_without_locks(tmp_path, monkeypatch):
    """Where the file system has no locks, outputs are written all the same."""

    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "no locks here")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert written(tmp_path / "a.jsonl", [{"a": 1}]) == '{"a": 1}\n'


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


def test_a_nul_is_replaced_in_csv_and_told(tmp_path):
    """What ends a text for many readers of CSV becomes U+FFFD, with how many and where; JSON holds it."""
    records = [{"a": "x"}, {"a": "\0y\0", "n": ["\0"]}, {"a": "\0"}]
    told = export(tmp_path / "a.csv", lines(records))
    assert (tmp_path / "a.csv").read_text() == 'a,n\nx,\n\ufffdy\ufffd,"[""\\u0000""]"\n\ufffd,\n'
    assert told == ["CSV cannot contain NUL characters: 3 became U+FFFD, the first in row 2 of the output"]
    assert export(tmp_path / "b.csv", lines([{"a\0": 1}]))[0].endswith("the first in the header")
    assert export(tmp_path / "a.jsonl", lines(records)) == []
    assert export(tmp_path / "c.csv", lines(records[:1])) == []
