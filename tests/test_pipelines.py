"""The shipped pipelines and the starter of `init`: each is right as it stands, and runs on the simulator."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import yamlgen

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "pipelines").glob("*.yaml"))


@pytest.fixture
def copied(tmp_path):
    """A copy of the folder of shipped pipelines, without what was ever made from them."""
    return Path(
        shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("out", ".yamlgen"))
    )


def rows_of(path):
    """The rows of an output, nested values read back."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_outputs(loaded, output):
    """Every row is there, in input order, and every structured value is valid under its schema, `format` included."""
    plan, rows = loaded.plan(), rows_of(output)
    expected = [dict(given.row) for given in loaded.source.rows()]
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    for row in rows:
        for step in plan.steps:
            value = row[step.name]
            if step.schema is None:
                assert isinstance(value, str)
                assert value
                continue
            value = json.loads(value) if output.suffix == ".csv" else value
            checker = Draft202012Validator.FORMAT_CHECKER
            assert not list(Draft202012Validator(step.schema.value, format_checker=checker).iter_errors(value))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_pipeline_is_right(path, call):
    """Each shipped pipeline validates without an error or a warning."""
    told = call("validate", path, "--output-format", "json")
    assert (told.code, json.loads(told.out)) == (0, {"diagnostics": []})


@pytest.mark.parametrize("name", [path.name for path in SHIPPED])
def test_a_shipped_pipeline_runs(name, copied, call):
    """Each shipped pipeline runs on the simulator: every row, in order, valid; no failed file; a true record."""
    told = call("run", copied / name, "--simulate", "--output-format", "json")
    assert told.code == 0, told.err
    report = json.loads(told.out)
    output = Path(report["files"]["output"])
    assert ".simulated." in output.name
    check_outputs(yamlgen.load(copied / name), output)
    assert report["rows"]["failed"] == 0
    assert sorted(path.name for path in output.parent.iterdir()) == [
        f"{output.stem}{output.suffix}",
        f"{output.stem}.run.json",
    ]
    record = json.loads(Path(report["files"]["run"]).read_text(encoding="utf-8"))
    assert record["simulated"] is True
    assert record["rows"] == report["rows"]


def test_the_marathons_are_real_data():
    """The mission's example reads some forty marathons, each with a name of its own."""
    lines = (ROOT / "pipelines/data/marathons.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["name"] for line in lines}) == len(lines) >= 40


def test_a_run_says_the_same_again(copied, call):
    """The same pipeline, asked again on the simulator, writes the same bytes, and rows differ from one another."""
    first, second = copied / "first.jsonl", copied / "second.jsonl"
    for path in (first, second):
        assert call("run", copied / "hello.yaml", "--simulate", "--fresh", "-q", "-o", path).code == 0
    assert first.read_bytes() == second.read_bytes()
    assert len({row["greeting"] for row in rows_of(first)}) == 3


def test_the_starter_works(tmp_path, monkeypatch, call):
    """What `init` writes into a fresh folder validates and runs, by the command that it names."""
    monkeypatch.chdir(tmp_path)
    told = call("init", "my-pipeline")
    assert told.code == 0
    folder = tmp_path / "my-pipeline"
    names = ("pipeline.yaml", "data/reviews.csv", "schemas/facts.json", "pipeline.schema.json")
    assert [f"wrote my-pipeline/{name}" for name in names] == told.err.splitlines()[:4]
    assert call("validate", folder).err == f"{folder}/pipeline.yaml: ok (2 steps)\n"
    command = told.err.rpartition("next: yamlgen ")[2].split()
    assert command == ["run", "my-pipeline/pipeline.yaml", "--simulate"]
    assert call(*command, "-q").code == 0
    check_outputs(yamlgen.load(folder / "pipeline.yaml"), folder / "out" / "reviews.simulated.jsonl")


def test_init_goes_into_this_folder_by_default(tmp_path, monkeypatch, call):
    """Without a folder's name `init` writes where the author stands."""
    monkeypatch.chdir(tmp_path)
    assert call("init").code == 0
    assert (tmp_path / "pipeline.yaml").exists()


@pytest.mark.parametrize("taken", ["pipeline.yaml", "data/reviews.csv", "pipeline.schema.json", "schemas"])
def test_init_never_overwrites(taken, tmp_path, call):
    """When one of its files (or a file in place of a folder) is there, `init` writes nothing and names it."""
    mine = tmp_path / taken
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    told = call("init", tmp_path)
    assert told.code == 2
    assert f"`{mine}` exists already; nothing was written" in told.err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text(encoding="utf-8") == "mine"


def test_init_names_all_that_is_taken(tmp_path, call):
    """A second `init` says every file that it would have overwritten."""
    call("init", tmp_path)
    told = call("init", tmp_path)
    assert told.code == 2
    assert told.err.count(str(tmp_path)) == 4
