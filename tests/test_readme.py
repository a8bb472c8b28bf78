"""The README keeps its word: its commands run, its files validate, its examples work, what it quotes is printed."""

import ast
import asyncio
import json
import re
import shlex
import shutil
import threading
from pathlib import Path

import pytest

from yamlgen.cli import _COMMANDS, group
from yamlgen.simulator.server import Simulator

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


@pytest.fixture
def simulated_api(monkeypatch):
    """A simulator in a thread of its own, where the environment leads the SDK."""
    simulator, started, ended = Simulator(), threading.Event(), []

    async def serve():
        async with simulator:
            ended.extend((asyncio.get_running_loop(), asyncio.Event()))
            started.set()
            await ended[1].wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    yield simulator
    ended[0].call_soon_threadsafe(ended[1].set)
    thread.join(10)


@pytest.mark.parametrize("line", shell_lines())
def test_the_shell_commands_run(line, place, call):
    """A command of the README does what it says, from the project's folder."""
    told = call(*shlex.split(line)[1:])
    assert told.code == 0, told.err
    assert list(place.glob("pipelines/out/*.simulated.jsonl"))
    assert "44 rows finished, 0 failed" in told.err
    assert "output  pipelines/out/" in told.err


def test_the_example_is_a_pipeline(place, call):
    """The README's pipeline validates without a warning beside the files that it names."""
    (place / "pipelines" / "example.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    told = call("validate", "pipelines/example.yaml")
    assert (told.code, told.err) == (0, "pipelines/example.yaml: ok (2 steps)\n")


def test_the_runtime_block_is_right(place, call):
    """The README's `runtime`, added to its pipeline, validates too."""
    example, *parts = blocks("yaml")
    text = "".join([example, *(part for part in parts if not part.startswith("version:"))])
    (place / "pipelines" / "example.yaml").write_text(text, encoding="utf-8")
    assert call("validate", "pipelines/example.yaml").code == 0


def test_the_steps_beyond_one_prompt_run(place, call):
    """The README's second pipeline validates without a warning, and writes what its comments say."""
    (found,) = [block for block in blocks("yaml")[1:] if block.startswith("version:")]
    (place / "pipelines" / "guides.yaml").write_text(found, encoding="utf-8")
    assert call("validate", "pipelines/guides.yaml").err == "pipelines/guides.yaml: ok (6 steps)\n"
    told = call("run", "pipelines/guides.yaml", "--simulate", "-q", "-o", "-")
    assert told.code == 0, told.err
    for row in map(json.loads, told.out.splitlines()):
        assert len(row["section"]) == len(row["outline"]["sections"])
        assert len(row["title"]) == 3
        assert (row["advice"] is None) == (row["reader"]["level"] != "first-timer")
        assert row["guide"]["text"] == "\n\n".join(row["section"])


def test_the_example_writes_what_is_shown(place, call):
    """A row of the example's output has the columns that the README shows, and `-p` is taken as in its comment."""
    (place / "pipelines" / "example.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    shown = json.loads(blocks("json")[0])
    params = re.search(r"`(-p \S+)`; without a default", README)[1].split()
    told = call("run", "pipelines/example.yaml", "--simulate", "--limit", "2", "-q", "-o", "-", *params)
    first, second = map(json.loads, told.out.splitlines())
    assert set(shown) <= set(first) == set(second)
    assert list(first)[-2:] == list(shown)[-2:]
    assert set(first["believable"]) == set(shown["believable"])


def test_the_diagnostic_is_printed_literally(place, call, monkeypatch):
    """The mistake that the README describes is told in the README's words."""
    said = blocks("text")[0]
    wrong = re.search(r"prompt above `(.*)`, `validate`", README)[1]
    text = re.sub(r'prompt: "How believable.*', f"prompt: {wrong}", blocks("yaml")[0])
    monkeypatch.chdir(place / "pipelines")
    Path("qa.yaml").write_text(text, encoding="utf-8")
    told = call("validate", "qa.yaml")
    assert told.code == 1
    assert told.err.startswith(f"{said}\n1 error, 0 warnings\n")


def run_example(code):
    """Run a Python block, and return what its last line is worth if that is an expression, and what it left."""
    tree, scope, value = ast.parse(code), {}, None
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "README.md", "exec"), scope)  # noqa: S102 - our own README
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "README.md", "eval"), scope)  # noqa: S307
    return value, scope


def test_a_run_from_python(place, capsys):
    """The README's `yamlgen.run` returns rows, failures, usage and cost, and writes the file."""
    _, scope = run_example(blocks("python")[0])
    result = scope["result"]
    said = capsys.readouterr().out
    assert said == f"{result.rows[0]['greeting']} [] {result.usage.output_tokens} {result.cost_usd}\n"
    assert result.usage.output_tokens > 0
    assert result.cost_usd > 0
    assert (place / "pipelines/out/hello.simulated.jsonl").exists()


@pytest.mark.usefixtures("place")
def test_past_runs_from_python(capsys):
    """The README's plan, retry and export find the run of the example before them."""
    run_example(blocks("python")[0])
    run_example(blocks("python")[1])
    assert " finished True " in capsys.readouterr().out
    assert len(Path("hello.csv").read_text(encoding="utf-8").splitlines()) == 4


def test_the_model_from_python(simulated_api):
    """The README's `AnthropicLLM` gives one generation, valid under the class that it names."""
    (made,), scope = run_example(blocks("python")[2])
    assert set(made) == {"generations", "statistics"}
    user = scope["User"].model_validate_json(made["generations"][0])
    assert user.name
    assert set(made["statistics"]) == {"input_tokens", "output_tokens"}
    assert simulated_api.requests["/v1/messages", 200] == 1


def options():
    """Every option of every command, and of the program itself."""
    commands = [group.get_command(None, name) for name in _COMMANDS]
    commands += [command for parent in commands for command in getattr(parent, "commands", {}).values()]
    return {"-h", "--help", "--version"}.union(*(option.opts for command in commands for option in command.params))


def test_the_options_exist():
    """Every option that the README gives to `yamlgen` is one."""
    others = r"^pip .*?(&&|$)|`pytest .*?`|`python -m .*?`"
    prose = re.sub(others, "", README, flags=re.MULTILINE).replace("'.[test]'", "")
    named = set(re.findall(r"(?<=[\s`(])(--?[a-z][a-z-]*)(?=[\s=`,)\]|])", prose))
    assert {"--simulate", "-p", "-o", "--output-format", "--limit", "-q"} <= named
    assert named <= options()


def test_the_options_of_run_are_all_named():
    """No option of `run` is left out of the README; a limit stands there as the key of `limits` that it goes over."""
    (limits,) = [block for block in blocks("yaml") if block.startswith("limits:")]
    keys = {f"--{key.replace('_', '-')}" for key in re.findall(r"^  (\w+):", limits, re.MULTILINE)}
    names = {o.opts[-1] if len(o.opts[0]) > 2 else o.opts[0] for o in group.get_command(None, "run").params[1:]}
    assert not {name for name in names - keys if f"`{name}" not in README}


def test_the_commands_are_all_named():
    """The README's table of commands has each of them, in the order of `--help`, and no other."""
    table = README[README.index("| `yamlgen init") :]
    assert re.findall(r"^\| `yamlgen (\w+)", table, re.MULTILINE) == list(_COMMANDS)


def test_the_ways_to_look_at_runs_are_all_named():
    """The README's table of `yamlgen runs` has each of its commands and no other."""
    named = set(re.findall(r"^\| `yamlgen runs (\w+)[ `]", README, re.MULTILINE))
    assert named == set(group.get_command(None, "runs").commands)
