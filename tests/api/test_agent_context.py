"""The page for a coding agent: it is short, nothing of the language is left out, and all that it shows is so."""

import json
import re
from importlib.metadata import version

import click
import pytest
import yaml

from yamlgen.api.agent_context import context
from yamlgen.cli import group
from yamlgen.errors import UsageError
from yamlgen.exit_codes import ExitCode
from yamlgen.model_capabilities import MODELS
from yamlgen.pipeline.input_config import Input
from yamlgen.pipeline.pipeline_model import PipelineModel
from yamlgen.shaping.output_config import Output
from yamlgen.steps.config_fields import Settings
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_kinds import KINDS

PAGE = context()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
WHOLE = yaml.safe_load(BLOCKS[0])
FILES = {
    "reviews.csv": "id,text,stars,product_id\nr-1,The kettle leaks. It is loud.,2,k-3\nr-2,Great colour!,5,k-3\n",
    "products.csv": "product_id,name\nk-3,Kettle\n",
    "style.md": "Answer briefly.\n",
    "textstats.py": "def words(text, least):\n    return sum(len(word) >= least for word in text.split())\n",
}
"""The files that the examples use."""


@pytest.fixture
def example(tmp_path):
    """Write an example as a whole file: what it leaves out is what the first one has."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def write(text):
        given = yaml.safe_load(text)
        rest = {**WHOLE, "steps": {"topic": {"prompt": "About {{ row.text }}"}}, "output": {"path": "out/x.jsonl"}}
        rest.pop("params")
        if "prompt:" not in text and "steps:" in text:  # nothing asks a model
            rest.pop("model")
        left_out = {key: value for key, value in rest.items() if key not in given}
        path = tmp_path / "example.yaml"
        path.write_text((yaml.safe_dump(left_out) if left_out else "") + text, encoding="utf-8")
        return path

    return write


def keys_after(words):
    """The names of a list of keys on the page."""
    return re.search(rf"{re.escape(words)}([\w, ]+)", PAGE)[1].rstrip(" ").split(", ")


def test_the_page_is_short():
    """The page fits into 8,000 bytes, with the version first."""
    assert len(PAGE.encode()) <= 8_000
    assert PAGE.startswith(f"# yamlgen {version('yamlgen')}\n")
    assert "$" not in PAGE


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_is_right_and_runs(text, example, call):
    """Each example validates without a warning, and runs on the simulator."""
    path = example(text)
    told = call("validate", path, "--output-format", "json")
    assert (told.code, json.loads(told.out)["diagnostics"]) == (0, [])
    told = call("run", path, "--simulate", "--limit", "2", "--output-format", "json")
    report = json.loads(told.out)
    checked = "check" in text  # words that are made up are rarely names in the text
    assert checked or (told.code, report["rows"]["finished"]) == (0, min(2, report["rows"]["input"])), told.err


def test_every_key_is_named():
    """Each key of the file and of every step has a line; those of a kind, of the input and of an output are listed."""
    for model in (PipelineModel, StepConfig):
        assert all(re.search(rf"^- {key}: [a-z].+$", PAGE, re.MULTILINE) for key in model.model_fields)
    shared = {*StepConfig.model_fields, *Settings.model_fields}
    for kind, each in KINDS.items():
        section = PAGE.partition(f"### {kind}: {each.does}\n")[2].partition("\n#")[0]
        own = {field.alias or name for name, field in each.model_fields.items()} - shared
        assert set(re.search(r"Keys: ([\w, ]+)", section)[1].split(", ")) == own
    assert keys_after("or `sql`.\nKeys: ") == list(Input.model_fields)
    assert keys_after("Keys of `output`: ") == list(Output.model_fields)


def test_every_kind_has_an_example():
    """Each kind of step is in an example."""
    steps = [step for text in BLOCKS for step in yaml.safe_load(text).get("steps", {}).values()]
    assert {step.get("kind", "generate") for step in steps} == set(KINDS)


def test_its_models_are_current():
    """The ids of models on the page are those of active models."""
    ids = set(re.findall(r"claude-[\w-]+", PAGE))
    assert ids
    assert {MODELS[each].lifecycle for each in ids} == {"active"}


def test_its_commands_exist():
    """Each command on the page has the options that it is shown with."""
    shown = re.findall(r"`yamlgen ([a-z ]+?)(?: (?:p\.yaml|KIND))?((?: -[^`]*)?)`", PAGE)
    assert {"validate", "run", "plan", "preview", "retry", "runs failed"} <= {name.strip() for name, _ in shown}
    for name, options in shown:
        command = group
        for word in name.split():
            command = command.get_command(click.Context(command), word)
        known = {option for each in command.params for option in each.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z-]+", options)) <= known, name


def test_every_exit_code_is_explained():
    """Each exit code has its number and its meaning."""
    line = re.search(r"^Exit codes: (.*)\.$", PAGE, re.MULTILINE)[1]
    assert [int(code) for code in re.findall(r"(?:^|; )(\d+) [a-z]", line)] == list(ExitCode)


def test_there_are_ten_traps():
    """The last part of the page is a list of ten."""
    assert re.findall(r"^(\d+)\. ", PAGE.partition("## Traps")[2], re.MULTILINE) == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize("kind", [*KINDS, "steps", "input", "output", "models", "limits", "tests"])
def test_a_part_has_a_page(kind):
    """The page of a part has its keys in a table, and no link that a terminal cannot follow."""
    page = context(kind)
    assert page.startswith("# ")
    assert re.search(r"^\| `?\w+`? \|", page, re.MULTILINE)
    assert not re.search(r"\]\([#\w]", page)
    assert "\n```yaml\n" in page


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_two_examples(kind):
    """The page of a kind has at least two examples of it, and the keys of every step by name."""
    page = context(kind)
    assert len(re.findall(r"^```yaml$", page, re.MULTILINE)) >= 2
    assert all(re.search(rf"\b{key}\b", page) for key in StepConfig.model_fields)


def test_an_unknown_part_is_refused():
    """The error has the nearest part, and all that exist."""
    with pytest.raises(UsageError) as refused:
        context("genrate")
    assert "did you mean `generate`?" in refused.value.hint
    assert all(f"`{each}`" in refused.value.hint for each in (*KINDS, "input", "output", "models", "tests"))


def test_a_key_is_told_with_its_part():
    """Who asks for a key learns which page has it."""
    with pytest.raises(UsageError) as refused:
        context("on_error")
    assert refused.value.hint.startswith("it is a key of `steps`. Kinds: ")


def test_the_command_prints_the_page(call):
    """`yamlgen context` prints the page and nothing else; an unknown part is a usage error."""
    told = call("context")
    assert (told.code, told.out, told.err) == (0, PAGE, "")
    told = call("context", "nothing")
    assert told.code == 2
    assert "`generate`" in told.err
