"""The outputs of a pipeline on the command line: how `-o` names them, and how messages do."""

import json
import shlex
from pathlib import Path

import pytest

import yamlgen
from yamlgen.errors import Code, UsageError

STEPS = "steps: {step: {kind: compute, value: 6 // row.n}}\n"
ONE = f"version: 1\n{STEPS}output: {{path: out.jsonl}}\n"
TWO = f"""\
version: 1
{STEPS}outputs:
  train: {{path: t.jsonl, split: {{a: 0.5, b: 0.5}}}}
  review: {{path: r.csv}}
"""
ROWS = [{"n": n, "s": s} for n, s in ((1, "a"), (2, "x\0\ud83d"), (3, "\0"))]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with both pipelines and their rows."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("one", ONE), ("two", TWO)):
        Path(f"{name}.yaml").write_text(text, "utf-8")
    give(ROWS)
    return tmp_path


def give(rows):
    """Write the rows."""
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def run(call, name, *words):
    """Run one of the pipelines."""
    return call("run", f"{name}.yaml", "--input", "rows.jsonl", *words)


@pytest.mark.parametrize("words", [["run", "--input", "rows.jsonl"], ["runs", "export"]], ids=["run", "export"])
def test_an_output_without_a_name_has_none(words, call):
    """A name that the only output lacks is refused with both of its meanings; `output` is what counts call it."""
    assert run(call, "one").code == 0
    files = set(Path().iterdir())
    command, *rest = words
    call_with = [*words, "one.yaml"] if command == "runs" else ["run", "one.yaml", *rest]
    told = call(*call_with, "-o", "train=x.jsonl")
    assert (told.code, "one output, without a name: `train=x.jsonl` names one" in told.err) == (2, True)
    assert "write `-o x.jsonl`, or `-o ./train=x.jsonl` for a file with this name" in told.err
    assert set(Path().iterdir()) == files
    for path, written in (("output=x.jsonl", "x.jsonl"), ("./train=x.jsonl", "train=x.jsonl")):
        assert call(*call_with, "-o", path).code == 0
        assert Path(written).read_bytes() == Path("out.jsonl").read_bytes()
    assert call(*call_with, "-o", "output=-").out.encode() == Path("out.jsonl").read_bytes()


def test_python_names_the_only_output_as_counts_do():
    """`output` is the only output, a path is a path whatever its name, and a name in a string is refused."""
    done = yamlgen.run("one.yaml", rows=ROWS, output=Path("a=b.jsonl"))
    assert done.output == Path("a=b.jsonl").absolute()
    assert done.rows("output") == done.rows() == yamlgen.rows("one.yaml", output="output")
    with pytest.raises(UsageError, match=r"without a name: `a=b\.jsonl` names one") as caught:
        yamlgen.export("one.yaml", output="a=b.jsonl")
    assert caught.value.hint == "write `output='b.jsonl'`, or `output='./a=b.jsonl'` for a file with this name"


def test_failed_rows_are_of_no_output(call):
    """They are one file, so that a name before its path is refused; a file name with an equals sign is not."""
    give([*ROWS, {"n": 0, "s": ""}])
    assert run(call, "two").code == 1
    told = call("runs", "export", "two.yaml", "--failed", "-o", "train=f.jsonl")
    assert (told.code, "the failed rows of all outputs are one file" in told.err) == (2, True)
    with pytest.raises(UsageError) as caught:
        yamlgen.export("two.yaml", output={"train": "f.jsonl"}, failed=True)
    assert caught.value.hint == "the failed rows of all outputs are one file, without a name"
    assert call("runs", "export", "two.yaml", "--failed", "-o", "./train=f.jsonl").code == 0
    assert [path.name for path in Path().glob("*f.jsonl")] == ["train=f.jsonl"]


def test_a_missing_name_is_proposed_where_it_is_written(call):
    """The hint has the path that was given, and is a call that works."""
    assert run(call, "two").code == 0
    for words, proposed in (([], "-o train=-"), (["-o", "x.csv"], "-o train=x.csv")):
        told = call("runs", "export", "two.yaml", *words)
        assert (told.code, f"as in `{proposed}`" in told.err) == (2, True)
        assert call("runs", "export", "two.yaml", *proposed.split()).code == 0
    done = yamlgen.run("two.yaml", rows=ROWS)
    for read, way in (
        (done.rows, "`output='train'`"),
        (done.to_pandas, "`output='train'`"),
        (lambda: yamlgen.run("two.yaml", rows=ROWS, output="x.csv"), "`output={'train': 'x.csv'}`"),
    ):
        with pytest.raises(UsageError) as caught:
            read()
        assert caught.value.hint == f"write the name of one, as in {way}"


def test_a_stopped_run_of_several_outputs_leads_to_its_rows(small, call):
    """The command that prints its finished rows names the first output."""
    text = (small / "small.yaml").read_text().replace("output: {path: out/notes.jsonl}", "")
    Path("small.yaml").write_text(f"{text}outputs: {{a: {{path: a.jsonl}}, b: {{path: b.jsonl}}}}\n")
    told = call("run", "small.yaml", "--simulate", "--max-requests", "3")
    export = shlex.split(told.err.partition("next: ")[2].splitlines()[1])
    assert export[-2:] == ["-o", "a=-"]
    assert call(*export[1:]).out.count("\n") == 3


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("t.run.json", "the output `review` and the record of the run"),
        ("t.failed.jsonl", "the output `review` and the failed rows"),
        ("t.b.jsonl", "the part `b` of the output `train` and the output `review`"),
    ],
)
def test_a_path_of_two_files_is_told_with_both(path, what, call):
    """The error says which files of the run would be one."""
    told = run(call, "two", "-o", f"review={path}")
    assert told.code == 2
    assert f"error[{Code.OUTPUT_PATH}]: cannot write {path}: it would contain both {what}\n" in told.err


def test_messages_about_several_files_name_each(call):
    """Warnings and counts are of one file each; a file alone needs no name."""
    told = run(call, "two")
    nul = "CSV cannot contain NUL characters: 2 became U+FFFD, the first in row 2 of the output"
    assert f"  warning  r.csv: {nul}\n" in told.err
    assert "some JSON readers refuse or drop lone surrogates: 1 became escapes, the first in row " in told.err
    told = call("runs", "export", "two.yaml", "-o", "train=x/t.jsonl", "-o", "review=x/r.csv")
    counts = [len(Path(f"x/t.{part}.jsonl").read_bytes().splitlines()) for part in "ab"]
    files = [f"x/t.{part}.jsonl ({n} row{'s' * (n != 1)})" for part, n in zip("ab", counts, strict=True)]
    assert f" to {', '.join(files)}, x/r.csv (3 rows)\n" in told.err
    assert f"  warning  x/r.csv: {nul}\n" in told.err
    told = call("runs", "export", "two.yaml", "-o", "review=y.csv")
    assert " to y.csv\n" in told.err
    assert f"  warning  {nul}\n" in told.err


def test_the_summary_tells_which_files_stayed(call):
    """If no row finishes, a file that exists stays, and another is written without rows."""
    assert run(call, "two").code == 0
    before = Path("r.csv").read_bytes()
    Path("t.a.jsonl").unlink()
    give([{"n": 0, "s": ""}])
    told = run(call, "two").err
    assert "  output  t.a.jsonl (0 rows), t.b.jsonl (unchanged), no row finished\n" in told
    assert "  output  r.csv (unchanged), no row finished\n" in told
    assert (Path("t.a.jsonl").read_bytes(), Path("r.csv").read_bytes()) == (b"", before)
    assert "  output  one.csv, 0 rows\n" in run(call, "one", "-o", "one.csv").err


def test_an_unknown_number_of_rows_is_told_as_such(call):
    """A plan does not say that there are at least none."""
    listed = TWO.replace("{path: r.csv", "{path: r.csv, for_each: row.tags")
    Path("two.yaml").write_text(listed, "utf-8")
    give([{**row, "tags": ["a"]} for row in ROWS])
    told = call("plan", "two.yaml", "--input", "rows.jsonl").err
    assert "  review: the number of rows is unknown\n" in told
    assert "  train: 3 rows, if no row fails\n" in told
