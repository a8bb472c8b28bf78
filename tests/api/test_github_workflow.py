"""What is offered to reviewers: hooks, an action, and the workflow that `init --ci github` writes."""

import json
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest
import yaml

import yamlgen
from yamlgen.api import github_workflow
from yamlgen.api.github_workflow import installed_requirement
from yamlgen.cli import _COMMANDS
from yamlgen.errors import UsageError

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "src" / "yamlgen" / "api" / "github"
PUBLISHED = Path(__file__).parent / "published"
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")


def check(text, schema):
    """Hold a YAML file of GitHub against its published schema."""
    value = yaml.safe_load(text)
    value = {"on" if key is True else key: each for key, each in value.items()}  # YAML 1.1 reads `on` as true
    jsonschema.Draft7Validator(json.loads((PUBLISHED / schema).read_text(encoding="utf-8"))).validate(value)
    return value


def commands():
    """Every call of yamlgen in the hooks and in the scripts: its command and its options with their values."""
    for hook in HOOKS:
        yield shlex.split(f"{hook['entry']} {shlex.join(hook['args'])}")[1:]
    for script in sorted(SCRIPTS.glob("*.sh")):
        for line in script.read_text(encoding="utf-8").splitlines():
            if call := re.search(r"^(?:\s|\w+=\$\()*yamlgen (\w+ [^>|)]*)", line):
                yield shlex.split(call[1])


@pytest.mark.parametrize("call", [*commands()], ids=" ".join)
def test_what_is_called_exists(call):
    """Hooks and scripts call commands that exist, with options that exist, and values that they take."""
    name, *words = call
    assert name in _COMMANDS
    known = {opt: option for option in import_module(f"yamlgen.cli.{name}").command.params for opt in option.opts}
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--") and word != "--":
            assert word in known
            choices = getattr(known[word].type, "choices", [value])
            assert value in choices or value.startswith("$")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_once_for_all_that_a_pipeline_is_made_of(hook):
    """pre-commit passes no file names, and starts the hook for each kind of file."""
    assert hook.keys() == {"id", "name", "description", "entry", "args", "language", "pass_filenames", "files"}
    assert (hook["language"], hook["pass_filenames"], hook["args"]) == ("python", False, ["."])
    for name in ("a.yaml", "b/c.yml", "prompts/größe x.md", "schema.json", "rows.py"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "image.png")


def test_the_hooks_are_three():
    """Their ids are what a configuration names."""
    assert [hook["id"] for hook in HOOKS] == ["yamlgen-validate", "yamlgen-status", "yamlgen-test"]


def test_the_action_is_one_of_github():
    """It fits the published schema, and runs scripts that exist."""
    steps = check(ACTION, "github-action.json")["runs"]["steps"]
    called = re.findall(r'"\$GITHUB_ACTION_PATH/(src/[^"]+)"', ACTION)
    assert len(called) == 4
    assert all((ROOT / path).is_file() for path in called)
    assert all(step["shell"] == "bash" for step in steps if "run" in step)


def test_every_input_is_on_the_page():
    """The table of inputs is that of the action."""
    page = (ROOT / "docs" / "guides" / "ci.md").read_text(encoding="utf-8")
    table = page.partition("| input | is |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE) == [*yaml.safe_load(ACTION)["inputs"]]


def test_nothing_of_a_pull_request_becomes_shell(tmp_path):
    """Inputs and the event reach the shell by the environment alone, never as a part of a script."""
    yamlgen.init(tmp_path, ci="github")
    workflow = (tmp_path / github_workflow.WORKFLOW).read_text(encoding="utf-8")
    jobs = check(workflow, "github-workflow.json")["jobs"]
    steps = [*yaml.safe_load(ACTION)["runs"]["steps"], *jobs["pipelines"]["steps"]]
    assert not [step for step in steps if "${{" in step.get("run", "")]
    assert not [script for script in SCRIPTS.glob("*.sh") if "${{" in script.read_text(encoding="utf-8")]
    assert "pull_request_target" not in workflow + ACTION


def test_the_workflow_runs_the_scripts_of_the_action(tmp_path):
    """It checks pull requests with few rights and the whole history, by the lines of the scripts."""
    paths = yamlgen.init(tmp_path, ci="github")
    assert paths[0] == tmp_path / "reviews.yamlgen.yaml"
    assert paths[-1] == tmp_path / ".github" / "workflows" / "yamlgen.yml"
    workflow = check(paths[-1].read_text(encoding="utf-8"), "github-workflow.json")
    assert workflow["on"] == "pull_request"
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    steps = workflow["jobs"]["pipelines"]["steps"]
    assert steps[0]["with"] == {"fetch-depth": 0, "persist-credentials": False}
    written = [step["run"].rstrip("\n") for step in steps if "run" in step]
    names = ("install", "validate", "diff", "comment", "test")
    scripts = [(SCRIPTS / f"{name}.sh").read_text(encoding="utf-8").partition("\n")[2].rstrip("\n") for name in names]
    assert written == scripts
    needed = {f"YAMLGEN_{word}" for word in re.findall(r"YAMLGEN_(\w+)", "".join(scripts))}
    optional = {"YAMLGEN_BASE", "YAMLGEN_FAIL_ON", "YAMLGEN_WHY", "YAMLGEN_JUNIT"}
    given = workflow["env"].keys() | {key for step in steps for key in step.get("env", ())}
    assert given == needed - optional | {"YAMLGEN"}


def test_a_project_gets_the_workflow_alone(tmp_path, call, monkeypatch):
    """A folder with pipelines keeps its files; the workflow is written where GitHub looks for it, with their path."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True, timeout=30)
    folder = tmp_path / "meine pipelines" / "größe"
    yamlgen.init(folder)
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder.parent)
    told = call("init", "größe", "--ci", "github")
    assert told.code == 0
    assert told.err.splitlines()[0] == "wrote ../.github/workflows/yamlgen.yml"
    assert "next:" not in told.err
    assert sorted(folder.rglob("*")) == before
    workflow = yaml.safe_load((tmp_path / github_workflow.WORKFLOW).read_text(encoding="utf-8"))
    assert workflow["env"]["YAMLGEN_PATHS"] == "meine pipelines/größe"


def test_a_workflow_is_not_overwritten(tmp_path, call):
    """One that is there is kept, and nothing else is written."""
    workflow = tmp_path / github_workflow.WORKFLOW
    workflow.parent.mkdir(parents=True)
    workflow.write_text("mine", encoding="utf-8")
    told = call("init", tmp_path, "--ci", "github")
    assert told.code == 2
    assert f"{workflow} exists; nothing was written" in told.err
    assert workflow.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "reviews.yamlgen.yaml").exists()


def test_the_starter_keeps_what_is_there(tmp_path):
    """Without a pipeline the starter is written too, and where one of its files is taken, nothing is."""
    (tmp_path / "data").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="already exists; nothing was written"):
        yamlgen.init(tmp_path, ci="github")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_another_ci_is_unknown(tmp_path):
    """Python users hear what there is."""
    with pytest.raises(UsageError, match="`ci` is 'gitlab'"):
        yamlgen.init(tmp_path, ci="gitlab")


COMMIT = "4f1c2a9" + "0" * 33


@pytest.mark.parametrize(
    ("url", "requirement"),
    [
        ("https://example.org/me/yamlgen.git", "git+https://example.org/me/yamlgen.git@"),
        ("https://user:secret@example.org/me/yamlgen", "git+https://example.org/me/yamlgen@"),
        ("ssh://git@example.org/me/yamlgen.git", "git+ssh://git@example.org/me/yamlgen.git@"),
        ("file:///home/me/yamlgen", ""),
    ],
)
def test_the_workflow_installs_what_is_installed_here(url, requirement, monkeypatch, tmp_path, call):
    """Pip remembers the address and the commit; a folder of this machine is none."""

    class Installed:
        def read_text(self, name):
            assert name == "direct_url.json"
            return json.dumps({"url": url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}})

    monkeypatch.setattr(github_workflow, "distribution", lambda _: Installed())
    expected = f"{requirement}{COMMIT}" if requirement else ""
    assert installed_requirement() == expected
    told = call("init", tmp_path, "--ci", "github").err
    assert ("set YAMLGEN in" in told) is (not requirement)
    text = (tmp_path / github_workflow.WORKFLOW).read_text(encoding="utf-8")
    assert yaml.safe_load(text)["env"]["YAMLGEN"] == expected
