"""`yamlgen report`: where its page goes, what it may replace, which run it shows; and the page at the end of a run."""

import json
import re

import pytest

import yamlgen
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.report_place import report_file
from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.store import row_scan
from yamlgen.store.run_session import open_runs

FAULTY = ("--simulate", "--fault", "refusal=0.5")


@pytest.fixture
def ran(small, call):
    """A folder in which a simulated run has finished, some rows of which failed."""
    assert call("run", "small.yaml", *FAULTY, "-q").code == 1
    return small


@pytest.mark.usefixtures("ran")
def test_the_page_is_beside_the_record(call):
    """It says where and how large; a second one replaces it; failed rows are no failure of the report."""
    for _ in range(2):
        done = call("report", "small.yaml")
        assert done.code == 0
        assert re.match(r"small: \d of 8 rows", done.out)
        found = re.search(r"^wrote the report of simulated run \S+ to (\S+) \(\d+ kB\)$", done.err, re.MULTILINE)
        assert found[1] == "out/notes.simulated.report.html"
    page = yamlgen.report("small.yaml")
    assert "version" not in page


def test_each_sort_of_run_has_a_page_of_its_own(ran, call):
    """Limited, printed, and written elsewhere; a store elsewhere is found again by the name of the pipeline."""
    for words in (["--limit", "2"], ["-o", "-"], ["-o", "elsewhere/rows.csv"], ["--store", "s"]):
        assert call("run", "small.yaml", "--simulate", "-q", *words).code == 0
        assert call("report", "small.yaml", *(words if "--store" in words else [])).code == 0
    pages = {str(path.relative_to(ran)) for path in ran.rglob("*.report.html")}
    assert pages == {
        "out/notes.simulated.limit-2.report.html",
        "out/notes.simulated.stdout.report.html",
        "elsewhere/rows.report.html",
        "out/notes.simulated.report.html",
    }


PROTECTED = (
    "small.yaml",
    "rows.jsonl",
    "out/notes.simulated.jsonl",
    "out/notes.jsonl",
    "out/notes.simulated.run.json",
    ".yamlgen/small.yaml.simulated.db",
    ".yamlgen/small.yaml.lock",
    "other.html",
    "folder",
    "-",
    f"{'x' * 300}.html",
)


def test_nothing_but_an_earlier_report_is_replaced(ran, call):
    """Not an input, an output (also one that a run has yet to write), the record, the store, a foreign file."""
    (ran / "other.html").write_text("<!doctype html>mine")
    (ran / "folder").mkdir()

    def contents():
        files = (each for each in ran.rglob("*") if each.is_file())
        return {each: each.read_bytes() for each in files if not each.name.endswith(("-shm", "-wal"))}

    before = contents()
    for path in PROTECTED:
        done = call("report", "small.yaml", "-o", path)
        assert (done.code, done.out) == (2, ""), path
        assert "error[YG316]: cannot write " in done.err
        assert "choose another file with `-o PATH`" in done.err
    assert contents() == before
    with pytest.raises(UsageError, match="choose another file with `path=PATH`"):
        yamlgen.report("small.yaml", path="rows.jsonl")
    done = call("report", "small.yaml", "-o", "other.html/page.html")
    assert done.code == 3
    assert "error[YG610]: cannot write other.html/page.html: " in done.err
    assert "or choose another file with `-o PATH`" in done.err


UNKNOWN = (
    (["small.yaml", "1999"], "YG617", "there is no run `1999`"),
    (["small.yaml", "2"], "YG617", "the names of 2 runs begin with `2`"),
    (["other.yaml"], "YG617", "other.yaml does not exist"),
    ([f"{'x' * 300}.yaml"], "YG617", f"`{'x' * 40}...` is too long for a path"),
    (["rows.jsonl"], "YG617", "rows.jsonl has no store of past runs"),
    (["small.yaml", "--output", "train"], "YG402", "the pipeline has no output `train`"),
)


def test_a_run_that_is_not_found(ran, call):
    """Unknown or ambiguous, no store, no such output: fact and fix, as text and as JSON."""
    assert call("run", "small.yaml", *FAULTY, "-q").code == 1
    for words, code, told in UNKNOWN:
        done = call("report", *words)
        assert (done.code, done.out) == (2, "")
        assert f"error[{code}]: {told}" in done.err
        assert "\n  = " in done.err
        error = json.loads(call("report", *words, "--output-format", "json").out)["error"]
        assert (error["code"], error["message"]) == (code, told)
    assert not list(ran.rglob("*.report.html"))


@pytest.mark.usefixtures("small")
def test_wrong_options(call):
    """A number of rows that is none, two runs."""
    assert "`many` is not a number of rows; write one such as 200, or all" in call("report", "--rows", "many").err
    assert "takes one run, not 2: a, b" in call("report", "a", "b").err
    with pytest.raises(UsageError, match="`rows` is -1, which is not a number of rows"):
        yamlgen.report("small.yaml", rows=-1)


def test_the_numbers_are_printed_without_a_page(ran, call):
    """With `-o`, the page is written, too. Python gets the same numbers."""
    done = call("report", "--output-format", "json")
    assert (done.code, done.err) == (0, "")
    numbers = json.loads(done.out)
    assert numbers.pop("version") == 1
    assert numbers["headline"]["finished"] + numbers["headline"]["failed"] == 8
    assert not list(ran.rglob("*.report.html"))
    assert json.loads(call("report", "--output-format", "json", "-o", "page.html").out)["headline"]
    assert (ran / "page.html").read_bytes().startswith(b"<!doctype html>")
    found = json.loads(json.dumps(yamlgen.report(path="page.html")))
    assert found.keys() == numbers.keys()
    assert found["headline"] == numbers["headline"]


def test_a_run_ends_with_its_report(small, call):
    """Also if rows failed; text and JSON name the page, and so does the result in Python."""
    done = call("run", "small.yaml", *FAULTY, "--report")
    assert done.code == 1
    assert re.search(r"^  report  out/notes.simulated.report.html \(\d+ kB\)$", done.err, re.MULTILINE)
    told = json.loads(call("retry", "small.yaml", "--simulate", "--report", "--output-format", "json").out)["report"]
    page = small / "out/notes.simulated.report.html"
    assert told == {"file": str(page), "written": True, "bytes": page.stat().st_size, "note": None}
    assert yamlgen.run("small.yaml", simulate=True, report=True).page == page


def test_a_run_that_is_stopped_leaves_its_report(small, call):
    """Of what it did until then."""
    done = call("run", "small.yaml", "--simulate", "--max-requests", "3", "--report")
    assert done.code == 4
    assert "  report  out/notes.simulated.report.html (" in done.err
    done = call("run", "small.yaml", "--simulate", "--max-requests", "3", "--report", "--output-format", "json")
    assert json.loads(done.out)["report"]["written"]
    assert (small / "out/notes.simulated.report.html").exists()


def test_a_page_that_cannot_be_written_is_found_before_the_run(small, call):
    """Nothing is sent, and nothing changes."""
    (small / "out").mkdir()
    page = small / "out/notes.simulated.report.html"
    page.write_text("mine")
    done = call("run", "small.yaml", "--simulate", "--report")
    assert done.code == 2
    assert "it exists, and it is not the page of a report" in done.err
    assert "make the report after the run with `yamlgen report -o PATH`" in done.err
    assert page.read_text() == "mine"
    assert not (small / "out/notes.simulated.jsonl").exists()
    assert "there is no run yet" in call("report", "small.yaml").err


def test_an_error_of_the_run_keeps_its_own_hint(ran):
    """While its page is reserved; a second report of the same page is told to wait, or to go elsewhere."""
    file = report_file(find_run(store_locations([ran / "small.yaml"], None), None))
    full = EnvironmentProblem("the output cannot be written", code=Code.DISK, hint="own hint")
    with pytest.raises(EnvironmentProblem, match="own hint"), file.reserved("a run"):
        raise full
    busy = pytest.raises(EnvironmentProblem, match="wait until it ends; or choose another file with `path=PATH`")
    with file.reserved("a run"), busy:
        yamlgen.report("small.yaml", path=file.path)


def test_a_finished_run_is_not_lost_with_its_page(small, call, monkeypatch):
    """If a file is made in the place of the page meanwhile, the rows are written, and the exit code says so."""
    from yamlgen.api import run_reports  # noqa: PLC0415 - only here

    page = small / "out/notes.simulated.report.html"
    whole = run_reports.profiled

    def slow(*arguments):
        page.write_text("mine")
        return whole(*arguments)

    monkeypatch.setattr(run_reports, "profiled", slow)
    done = call("run", "small.yaml", "--simulate", "--report")
    assert done.code == 2
    assert "small: 8 rows finished, 0 failed" in done.err
    assert "error[YG316]: cannot write out/notes.simulated.report.html: it exists" in done.err
    assert page.read_text() == "mine"
    assert (small / "out/notes.simulated.jsonl").exists()


def test_a_run_is_read_as_it_was_when_it_is_deleted_meanwhile(ran, call, monkeypatch):
    """The store is not said to be damaged; afterwards, there is no such run."""
    monkeypatch.setattr(row_scan, "_TOGETHER", 2)
    run = find_run(store_locations([ran / "small.yaml"], None), None)
    with open_runs(run.place, snapshot=True) as run_reader:
        rows = row_scan.RowScan(run_reader, run.entry).rows()
        read = [next(rows)]
        assert call("runs", "prune", "small.yaml", "--keep", "0", "-y").code == 0
        read += rows
        assert all(row.columns and [step.value for step in row.steps.values()] for row in read)
    assert len(read) == 8
    assert "there is no run yet" in call("report", "small.yaml").err


PRIVATE = """\
version: 1
input: {rows: [{id: secret-1, note: "secret-2 of a row"}, {id: secret-3, note: "secret-4"}], id: id}
steps:
  said:
    model: claude-haiku-5-5
    max_tokens: 99
    prompt: "secret-5 {{ row.note }}"
    check: [{expression: "row.id != 'secret-3'", message: "not {{ row.id }}"}]
  seen:
    kind: compute
    values: {text: "'secret-6 ' ~ row.note", again: "'secret-7'"}
output: {path: out/p.jsonl}
"""


def test_numbers_without_text(tmp_path, monkeypatch, call):
    """With `--no-text`, nothing that a row or an answer says is in the JSON nor on the page; the keys are the same."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(PRIVATE)
    call("run", "p.yaml", "--simulate", "-q")
    whole = call("report", "p.yaml", "--output-format", "json").out
    bare = call("report", "p.yaml", "--output-format", "json", "--no-text", "-o", "page.html").out
    assert "secret" in whole
    assert "secret" not in bare + (tmp_path / "page.html").read_text("utf-8")
    assert json.loads(whole).keys() == json.loads(bare).keys()
