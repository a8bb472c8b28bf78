"""The guides keep their word: what the pages about steps and Python show is what happens."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest

from manual_pages import DOCS, ROOT, blocks, completed
from threaded_simulator import CountingSimulator, serving

STEPS = DOCS / "guides" / "steps.md"
OUTPUT = DOCS / "guides" / "outputs.md"
OUTPUTS = [
    (completed(example.text, example.whole), shown.text)
    for example in blocks(OUTPUT, "yaml")
    for shown in blocks(OUTPUT, "json")
    if shown.line == example.line + example.text.count("\n") + 3
]
PYTHON = [block.text for block in blocks(DOCS / "guides" / "python.md", "python")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A copy of `pipelines/`, in a folder where the test stands as a reader does in the project."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns("out", ".yamlgen"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_complete_example_of_steps_runs(place, call):
    """The pipeline of all kinds of fan-out gives the values that the guide describes."""
    text = next(block.text for block in blocks(STEPS, "yaml") if block.text.startswith("version:"))
    (place / "guides.yaml").write_text(text, encoding="utf-8")
    told = call("run", "guides.yaml", "--simulate", "-q", "-o", "-")
    assert told.code == 0, told.err
    for row in map(json.loads, told.out.splitlines()):
        assert len(row["section"]) == len(row["outline"]["sections"])
        assert len(row["title"]) == 3
        assert (row["advice"] is None) == (row["reader"]["level"] != "first-timer")
        assert row["guide"]["text"] == "\n\n".join(row["section"])


def form(value):
    """The names in a value, in order; the first item stands for a list."""
    if isinstance(value, dict):
        return [(name, form(each)) for name, each in value.items()]
    return [form(value[0])] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(("example", "shown"), OUTPUTS)
def test_the_outputs_have_the_columns_that_are_shown(example, shown, place, call):
    """The rows that the guide shows under an output have the names of the rows that it writes, in their order."""
    (place / "guide.yaml").write_text(example, encoding="utf-8")
    told = call("run", "guide.yaml", "--simulate", "-q", "-o", "-")
    assert told.code == 0, told.err
    written = {str(form(json.loads(line))) for line in told.out.splitlines()}
    assert {str(form(json.loads(line))) for line in shown.splitlines()} == written


def test_the_outputs_are_written_to_the_files_that_are_named(place, call):
    """The last output of the guide is two outputs, whose files and records are where the page says."""
    example = next(block for block in blocks(OUTPUT, "yaml") if block.text.startswith("outputs:"))
    (place / "guide.yaml").write_text(completed(example.text, example.whole), encoding="utf-8")
    told = call("run", "guide.yaml", "--simulate", "-q", "--seed", "3", "-o", "review=elsewhere.csv")
    assert told.code == 0, told.err
    assert {path.name for path in Path("out").iterdir()} == {"en.simulated.jsonl", "en.simulated.run.json"}
    header, *rows = Path("elsewhere.csv").read_text(encoding="utf-8").splitlines()
    assert header == "id;question;answer;score;keep"
    assert rows


def run_block(code):
    """Run a Python block, and return what its last line is worth if that is an expression, and what it left."""
    tree, scope, value = ast.parse(code), {}, None
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "python.md", "exec"), scope)  # noqa: S102 - our own page
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "python.md", "eval"), scope)  # noqa: S307
    return value, scope


@pytest.mark.usefixtures("place")
def test_the_blocks_of_python_run(capsys):
    """The blocks about pipelines run one after the other, and see each other's runs."""
    for code in PYTHON[:-1]:
        run_block(code)
    assert " finished True " in capsys.readouterr().out
    assert Path("pipelines/out/hello.simulated.jsonl").exists()


def test_the_model_from_python(monkeypatch):
    """The page's `AnthropicLLM` gives one generation, valid under the class that it names."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    with serving(CountingSimulator()) as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
        (made,), scope = run_block(PYTHON[-1])
        assert simulator.requests["/v1/messages", 200] == 1
    assert set(made) == {"generations", "statistics"}
    user = scope["User"].model_validate_json(made["generations"][0])
    assert user.name
    assert set(made["statistics"]) == {"input_tokens", "output_tokens"}


def test_every_function_of_python_is_named():
    """Each public name of the package is on the page, or is an error or a type that a function returns."""
    import yamlgen  # noqa: PLC0415

    text = (DOCS / "guides" / "python.md").read_text(encoding="utf-8")
    functions = [name for name in yamlgen.__all__ if name.islower() and not name.startswith("_")]
    assert functions
    assert [name for name in functions if not re.search(rf"\b{name}\b", text)] == []


def test_the_example_of_tests_runs(tmp_path, call):
    """The test file that the guide shows is valid for the pipeline of `init`, and its cases can be recorded."""
    call("init", tmp_path)
    (example,) = (block.text for block in blocks(DOCS / "guides" / "tests.md", "yaml") if "cases:" in block.text)
    (tmp_path / "reviews.yamlgen.test.yaml").write_text(example, encoding="utf-8")
    assert "reviews.yamlgen.test.yaml: ok (2 cases)" in call("validate", tmp_path / "reviews.yamlgen.test.yaml").err
    report = json.loads(call("test", tmp_path, "--record", "--simulate", "--output-format", "json").out)
    assert report["not_recorded"] == 0
    assert report["cases"][1]["verdict"] == "passed"
