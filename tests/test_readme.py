"""The README keeps its word: its commands run, its files validate, its examples work, what it quotes is printed."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from yamlgen.cli import _COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def shell_lines():
    """The commands of the shell blocks that call `yamlgen`, without what stands before `&&`."""
    lines = [part.strip() for block in blocks("sh") for line in block.splitlines() for part in line.split("&&")]
    return [line for line in lines if line.startswith("yamlgen ")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A copy of `pipelines/`, in a folder where the test stands as a reader of the README stands in the project."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("out", ".yamlgen"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", shell_lines())
def test_the_shell_commands_run(line, place, call):
    """A command of the README does what it says, from the project's folder."""
    told = call(*shlex.split(line)[1:])
    assert told.code == 0, told.err
    assert list(place.glob("pipelines/out/*.simulated.jsonl"))
    assert "44 rows finished, 0 failed" in told.err
    assert "output  pipelines/out/" in told.err


def example():
    """The README's pipeline."""
    (found,) = blocks("yaml")
    return found


def test_it_is_one_page():
    """The README is short, and its first two blocks are the commands that set up a run and the tests."""
    assert len(README.splitlines()) <= 130
    assert blocks("sh")[0].startswith("pip install -e . && yamlgen run ")
    assert blocks("sh")[1] == "pip install -e '.[test]' && pytest\n"
    assert README.index("```sh") < README.index("## ")


def test_the_example_is_a_pipeline(place, call):
    """The README's pipeline has some twenty lines, and validates without a warning beside the files that it names."""
    assert len(example().splitlines()) <= 22
    (place / "pipelines" / "example.yaml").write_text(example(), encoding="utf-8")
    told = call("validate", "pipelines/example.yaml")
    assert (told.code, told.err) == (0, "pipelines/example.yaml: ok (2 steps)\n")


def test_the_example_writes_what_is_shown(place, call):
    """A row of the example's output has the columns that the README shows."""
    (place / "pipelines" / "example.yaml").write_text(example(), encoding="utf-8")
    shown = json.loads(blocks("json")[0])
    told = call("run", "pipelines/example.yaml", "--simulate", "--limit", "2", "-q", "-o", "-")
    first, second = map(json.loads, told.out.splitlines())
    assert set(shown) <= set(first) == set(second)
    assert list(first)[-2:] == list(shown)[-2:]
    assert set(first["believable"]) == set(shown["believable"])


def test_the_diagnostic_is_printed_literally(place, call, monkeypatch):
    """The mistake that the README shows is reported in the README's words."""
    said = blocks("text")[0]
    wrong = re.search(r"^\d+ \| +(prompt: .*)$", said, re.MULTILINE)[1]
    text = re.sub(r'prompt: "How believable.*', lambda _: wrong, example())
    monkeypatch.chdir(place / "pipelines")
    Path("qa.yaml").write_text(text, encoding="utf-8")
    told = call("validate", "qa.yaml")
    assert told.code == 1
    assert told.err.startswith(f"{said}\n1 error, 0 warnings\n")


def test_the_call_from_python_works(place, capsys):
    """The README's `yamlgen.run` returns rows, failures, usage and cost, and writes the file."""
    scope = {}
    exec(blocks("python")[0], scope)  # noqa: S102 - our own README
    result = scope["result"]
    said = capsys.readouterr().out
    assert said == f"{result.rows()[0]['greeting']} [] {result.usage.output_tokens} {result.cost_usd}\n"
    assert result.usage.output_tokens > 0
    assert result.cost_usd > 0
    assert (place / "pipelines/out/hello.simulated.jsonl").exists()


def test_the_commands_are_all_named():
    """The README's table of commands has each of them, in the order of `--help`, and no other."""
    table = README[README.index("| `yamlgen init") :]
    assert re.findall(r"^\| `yamlgen (\w+)", table, re.MULTILINE) == list(_COMMANDS)


def test_the_picture_is_of_a_run():
    """The picture shows the command that the README begins with, and its end."""
    picture = (ROOT / "docs" / "run.svg").read_text(encoding="utf-8")
    assert "yamlgen run pipelines/marathon_runners.yaml --simulate" in picture
    assert "44 rows finished, 0 failed" in picture
