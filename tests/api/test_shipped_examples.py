"""The shipped pipelines that `init` writes: each with all that it needs, and nothing else."""

import tomllib
from pathlib import Path

import pytest

import yamlgen
from shipped_pipelines import PIPELINES
from yamlgen.api.examples import _folder
from yamlgen.api.loading import check
from yamlgen.errors import UsageError

ROOT = Path(__file__).parents[2]
OF_NO_PIPELINE = {".gitignore", "pipeline.schema.json", "test.schema.json"}
OF_TESTS = {
    "preferences": {
        "preferences.yamlgen.test.yaml",
        "preferences.yamlgen.answers.jsonl",
        "golden/preferences.jsonl",
    },
    "ticket_triage": {
        "ticket_triage.yamlgen.test.yaml",
        "ticket_triage.yamlgen.answers.jsonl",
        "data/labelled_tickets.csv",
    },
}
"""What the tests of pipelines read."""


def test_the_list_says_what_each_is_for(call):
    """A line for each shipped pipeline, with the description in its file."""
    listed = yamlgen.examples()
    assert listed == {path.stem: yamlgen.load(path).parsed.pipeline.description for path in PIPELINES}
    told = call("init", "--list")
    assert (told.code, told.err) == (0, "")
    assert [tuple(line.split(maxsplit=1)) for line in told.out.splitlines()] == [*listed.items()]


@pytest.mark.parametrize("name", [path.stem for path in PIPELINES])
def test_an_example_has_all_that_it_needs(name, tmp_path, call):
    """In an empty folder it validates and runs, its test passes, and each of its files is read."""
    paths = yamlgen.init(tmp_path, example=name)
    assert paths[0] == tmp_path / f"{name}.yamlgen.yaml"
    assert not yamlgen.validate(paths[0])
    result = yamlgen.run(paths[0], simulate=True, limit=1)
    assert result.rows()
    assert not result.failures
    tests = [path for path in paths if path.name.endswith(".test.yaml")]
    assert all(call("test", path).code == 0 for path in tests)
    pipelines = [check(path)[0] for path in paths if path.name.endswith(".yamlgen.yaml")]
    read = {path.resolve() for pipeline in pipelines for path in pipeline.compiled.files}
    others = {path.relative_to(tmp_path).as_posix() for path in paths if path.resolve() not in read} - OF_NO_PIPELINE
    assert others == OF_TESTS.get(name, set())


@pytest.mark.parametrize("name", ["ticket_triage", "ticket-triage", "Ticket_Triage.yaml"])
def test_an_example_may_be_spelt_as_its_pipeline(name, tmp_path):
    """As its file, or as its name."""
    assert yamlgen.init(tmp_path, example=name)[0].name == "ticket_triage.yamlgen.yaml"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("tiket_triage", "did you mean `ticket_triage`?"), ("zzz", "lists them: `best_of_three`"), ("../x", "lists them")],
)
def test_an_unknown_example_is_told_with_the_known_ones(name, hint, tmp_path):
    """And nothing is written."""
    with pytest.raises(UsageError, match="there is no example") as caught:
        yamlgen.init(tmp_path / "new", example=name)
    assert hint in caught.value.hint
    assert not (tmp_path / "new").exists()


def test_a_wheel_has_the_examples():
    """The build puts the shipped pipelines where an installed package looks for them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert settings["force-include"]["pipelines"] == "yamlgen/shipped"
    assert _folder() in (Path(yamlgen.__file__).parent / "shipped", ROOT / "pipelines")
