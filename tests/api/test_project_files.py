"""What `init`, `schema` and `simulate` do for Python users, and what `init` says on the command line."""

import asyncio
import json
import urllib.request

import pytest

import yamlgen
from yamlgen.errors import UsageError
from yamlgen.pipeline.json_schema import committed

FILES = [
    "pipeline.yaml",
    "data/reviews.csv",
    "schemas/facts.json",
    "pipeline.test.yaml",
    "pipeline.answers.jsonl",
    "pipeline.schema.json",
    "test.schema.json",
    ".gitignore",
]


def test_init_writes_a_pipeline_that_runs(tmp_path):
    """The files of `yamlgen init`, a `.gitignore` among them; a second time nothing is overwritten."""
    paths = yamlgen.init(tmp_path)
    assert paths == [tmp_path / name for name in FILES]
    assert (tmp_path / ".gitignore").read_text("utf-8") == ".yamlgen/\nout/\n.env\n"
    assert yamlgen.run(tmp_path / "pipeline.yaml", simulate=True).rows()
    with pytest.raises(UsageError, match=r"already exist; nothing was written \(specify another folder\)"):
        yamlgen.init(tmp_path)


def test_an_existing_git_ignore_is_kept(tmp_path, call, monkeypatch):
    """It is left as it is, which is said, and is no error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gitignore").write_text("mine\n")
    told = call("init")
    assert told.code == 0
    assert [line.split()[1] for line in told.err.splitlines() if line.startswith("wrote")] == FILES[:-1]
    assert "kept .gitignore, which exists; add `.yamlgen/`, `out/` and `.env` if they are missing\n" in told.err
    assert told.err.endswith("\nnext: yamlgen run pipeline.yaml --simulate\n      yamlgen test\n")
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_the_next_commands_quote_the_folder(tmp_path, call, monkeypatch):
    """A folder with a blank."""
    monkeypatch.chdir(tmp_path)
    told = call("init", "my pipes").err
    assert told.endswith("\nnext: yamlgen run 'my pipes/pipeline.yaml' --simulate\n      yamlgen test 'my pipes'\n")


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
