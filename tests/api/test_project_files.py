"""What `init`, `schema` and `simulate` do for Python users, and what `init` says on the command line."""

import asyncio
import json
import resource
import shlex
import urllib.request
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import yamlgen
from yamlgen.errors import UsageError
from yamlgen.pipeline.json_schema import committed

FILES = [
    "reviews.yamlgen.yaml",
    "data/reviews.csv",
    "schemas/facts.json",
    "reviews.yamlgen.test.yaml",
    "reviews.yamlgen.answers.jsonl",
    "pipeline.schema.json",
    "test.schema.json",
    ".gitignore",
]


def test_init_writes_a_pipeline_that_runs(tmp_path):
    """The files of `yamlgen init`, a `.gitignore` among them; a second time nothing is overwritten."""
    paths = yamlgen.init(tmp_path)
    assert paths == [tmp_path / name for name in FILES]
    assert (tmp_path / ".gitignore").read_text("utf-8") == ".yamlgen/\nout/\n.env\n"
    assert yamlgen.run(tmp_path / "reviews.yamlgen.yaml", simulate=True).rows()
    with pytest.raises(UsageError, match=r"already exist; nothing was written \(specify another folder\)"):
        yamlgen.init(tmp_path)


def test_an_existing_git_ignore_is_kept(tmp_path, call, monkeypatch):
    """It is left as it is; what it lacks is said, and is no error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gitignore").write_text("mine\n/out\n")
    told = call("init")
    assert told.code == 0
    assert [line.split()[1] for line in told.err.splitlines() if line.startswith("wrote")] == FILES[:-1]
    assert "kept .gitignore: add `.yamlgen/` and `.env` to it, which git should ignore\n" in told.err
    assert told.err.endswith("\n      yamlgen plan reviews.yamlgen.yaml\n")
    assert (tmp_path / ".gitignore").read_text() == "mine\n/out\n"
    (tmp_path / ".gitignore").write_text("out/\n.yamlgen\n.env\n")
    assert ".gitignore" not in call("init", "--example", "hello").err


def test_the_next_commands_quote_the_folder(tmp_path, call, monkeypatch):
    """A folder with a blank."""
    monkeypatch.chdir(tmp_path)
    path = "'my pipes/reviews.yamlgen.yaml'"
    commands = f"\nnext: yamlgen validate {path}\n      yamlgen run {path} --simulate\n      yamlgen plan {path}\n"
    assert call("init", "my pipes").err.endswith(commands)


def test_the_next_commands_work_when_pasted(tmp_path, call, monkeypatch):
    """From where the author stands, whatever the names are; the second pipeline of a folder keeps its schema."""
    monkeypatch.chdir(tmp_path)
    for name in ("my rows.csv", "-others.csv"):
        (tmp_path / name).write_text("id,text\n1,a\n2,b\n", "utf-8")
        told = call("init", f"--input={name}", "--", "-my 'pipes'")
        assert told.code == 0
        commands = [shlex.split(line.partition("yamlgen ")[2]) for line in told.err.splitlines()[-3:]]
        assert [words[0] for words in commands] == ["validate", "run", "plan"]
        assert {call(*words).code for words in commands} == {0}
    assert "wrote -my 'pipes'/pipeline.schema.json" not in told.err
    assert (tmp_path / "my rows.csv").read_text("utf-8") == "id,text\n1,a\n2,b\n"


def test_what_exists_is_not_overwritten_by_a_pipeline_for_rows(tmp_path, monkeypatch):
    """A pipeline of the same name, and a file in the place of the schema; other files do not matter."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n", "utf-8")
    for name in ("rows.yamlgen.yaml", "pipeline.schema.json"):
        (tmp_path / name).write_text("mine", "utf-8")
        with pytest.raises(UsageError, match=f"`{name}` already exists; nothing was written"):
            yamlgen.init(input="rows.csv")
        assert (tmp_path / name).read_text("utf-8") == "mine"
        (tmp_path / name).unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path, call, monkeypatch):
    """A file in its place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n", "utf-8")
    assert "is a file, but DIR is the folder to write into; for a pipeline with its columns: --input rows.csv" in (
        call("init", "rows.csv").err
    )
    with pytest.raises(UsageError, match=r"`rows\.csv` already exists"):
        yamlgen.init("rows.csv", input="rows.csv")
    told = call("init", "--input", "rows.csv", "/proc/new")
    assert told.code == 3
    assert "cannot write /proc/new/rows.yamlgen.yaml" in told.err


@pytest.mark.parametrize("link", ["rows.yamlgen.yaml", "pipeline.schema.json", "new", ".github/workflows/yamlgen.yml"])
def test_a_link_to_nothing_is_not_followed(link, tmp_path, monkeypatch):
    """It is a name that is taken, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n", "utf-8")
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to("elsewhere")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="exists; nothing was written"):
        yamlgen.init("new" if link == "new" else ".", input="rows.csv", ci="github")
    assert set(tmp_path.rglob("*")) == before


def test_a_git_ignore_that_leads_to_nothing_is_kept(tmp_path):
    """The rest of the project is written, and nothing through the link."""
    (tmp_path / ".gitignore").symlink_to("elsewhere")
    assert [path.name for path in yamlgen.init(tmp_path, example="hello")] == [
        "hello.yamlgen.yaml",
        "pipeline.schema.json",
    ]
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_cannot_be_written_leaves_no_others(tmp_path, call):
    """On a disk that is full in the middle; the folders that were made are removed too."""
    (tmp_path / "mine").mkdir()
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, size[1]))
    try:
        told = call("init", tmp_path / "mine/new/folder")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
    assert told.code == 3
    assert "File too large; nothing was written" in told.err
    assert "on a disk with free space" in told.err
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def test_options_that_exclude_each_other_are_refused(tmp_path, call, monkeypatch):
    """Two pipelines, and a list with anything else."""
    monkeypatch.chdir(tmp_path)
    assert (
        "`--input PATH` and `--example NAME` each write a pipeline"
        in call("init", "--input", "x.csv", "--example", "hello").err
    )
    assert call("init", "--list", "--ci", "github").code == 2
    assert call("init", "--list", "hello").code == 2
    assert not list(tmp_path.iterdir())


def test_the_workflow_is_written_beside_a_pipeline_for_rows(tmp_path, monkeypatch):
    """Also in a folder with pipelines."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n", "utf-8")
    yamlgen.init()
    names = [path.name for path in yamlgen.init(input="rows.csv", ci="github")]
    assert names == ["rows.yamlgen.yaml", "yamlgen.yml"]


def test_files_beside_a_pipeline_have_its_name(tmp_path, call, monkeypatch):
    """Its lock, its test and its recorded answers, as `*.yamlgen.*`; its outputs as `init` names them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,text\n1,a\n", "utf-8")
    path = str(yamlgen.init(input="rows.csv")[0])
    assert call("run", path, "--simulate", "-q").code == 0
    assert call("lock", path).code == 0
    assert call("test", path, "--from-run", "latest", "--simulate").code == 0
    assert {each.name for each in tmp_path.iterdir() if each.name.startswith("rows.yamlgen.")} == {
        "rows.yamlgen.yaml",
        "rows.yamlgen.lock.json",
        "rows.yamlgen.test.yaml",
        "rows.yamlgen.answers.jsonl",
    }
    assert (tmp_path / "out/rows.simulated.jsonl").exists()
    assert call("test").code == 0


def test_the_schema_is_returned_and_written(tmp_path):
    """The schema that the command prints, and a file of it on demand."""
    assert yamlgen.schema() == json.loads(committed())
    assert not list(tmp_path.iterdir())
    yamlgen.schema(write=tmp_path)
    assert (tmp_path / "pipeline.schema.json").read_text("utf-8") == committed()


def test_the_simulator_serves_for_as_long_as_the_context():
    """A client reaches the address within the context, and no longer after it."""

    def models(base_url):
        headers = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
        request = urllib.request.Request(f"{base_url}/v1/models", headers=headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)["data"]

    async def serve():
        async with yamlgen.simulate() as base_url:
            assert await asyncio.to_thread(models, base_url)
        return base_url

    with pytest.raises(OSError, match="refused"):
        models(asyncio.run(serve()))


@pytest.mark.parametrize(("name", "number"), [("a.yamlgen.yaml", 0), ("a.yamlgen.test.yaml", 1)])
def test_the_entries_of_schemastore_fit_the_names_that_are_written(name, number):
    """One pattern is that of pipelines, one that of tests."""
    entries = json.loads((Path(__file__).parents[2] / "docs/schemastore.json").read_text("utf-8"))
    fitting = [entry for entry in entries if any(fnmatchcase(name, pattern) for pattern in entry["fileMatch"])]
    assert fitting == [entries[number]]
    assert all(entry.keys() == {"name", "description", "fileMatch", "url"} for entry in entries)
