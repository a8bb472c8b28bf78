"""Messages name what their reader can do: options on the command line, arguments in Python."""

import ast
import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest

import yamlgen
from yamlgen.api.failed_rows import repeat
from yamlgen.api.history import find_run, store_locations
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import YamlgenError
from yamlgen.option_names import by_surface, cli_option_names, is_option, option, override, parameter
from yamlgen.store.run_reader import RunEntry

SHELL = re.compile(r"(?<![\w-])--?[a-z]|\byamlgen [a-z]+ |\bcommand\b")
"""What only a shell takes."""

IN_CODE_MARKS = re.compile(r"`--?[a-z]|`yamlgen [a-z]|same command")


def test_an_option_has_two_names():
    """A switch, a value, a placeholder; the command line's for as long as it has the process."""
    assert [option("yes"), option("store", "PATH"), option("max_unusable", "none")] == [
        "`yes=True`",
        "`store=PATH`",
        "`max_unusable='none'`",
    ]
    assert override("a.b", "c") == "overrides={'a.b': 'c'}"
    assert by_surface(command="x", python="y") == "y"
    with cli_option_names():
        assert [option("yes"), option("store", "PATH"), option("max_unusable", "none")] == [
            "`--yes`",
            "`--store PATH`",
            "`--max-unusable none`",
        ]
        assert override("a.b", "c") == "--set a.b=c"
        assert by_surface(command="x", python="y") == "x"
    assert option("yes") == "`yes=True`"


def test_the_place_of_an_option_is_told_from_a_file():
    """In both spellings."""
    for names in (nullcontext(), cli_option_names()):
        with names:
            assert is_option(override("a.b", "c"))
            assert is_option(parameter("a", "b"))
    assert not is_option("-pipeline.yaml")
    assert not is_option("params/a.yaml")


def shell_words(path):
    """The lines of a module that hold words of the shell anywhere but in what `by_surface` takes as `command`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spared = set()
    for node in ast.walk(tree):
        is_command = isinstance(node, ast.keyword) and node.arg == "command"
        is_command |= isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "command"
        if is_command or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):  # a docstring
            spared |= {id(each) for each in ast.walk(node)}
    texts = [each for each in ast.walk(tree) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return [each.lineno for each in texts if id(each) not in spared and IN_CODE_MARKS.search(each.value)]


HOME = Path(yamlgen.__file__).parent
ROOMS = sorted(path.parent.name for path in HOME.glob("*/__init__.py") if path.parent.name != "cli")


@pytest.mark.parametrize("room", ROOMS)
def test_no_message_is_for_the_command_line_alone(room):
    """Below the command line what a shell takes is written as one of two, or by `option`."""
    found = {str(path.relative_to(HOME)): lines for path in (HOME / room).rglob("*.py") if (lines := shell_words(path))}
    assert found == {}


def an_input_is_missing():
    """An input is missing."""
    Path("rows.jsonl").unlink()
    yamlgen.run("small.yaml", simulate=True)


def a_row_is_broken():
    """A row is broken."""
    Path("rows.jsonl").write_text("a,b\n1,2\n", encoding="utf-8")
    yamlgen.run("small.yaml", simulate=True)


def an_override_is_wrong():
    """An override is wrong."""
    yamlgen.load("small.yaml", overrides={"steps.note.max_tokens": "[1"})


def an_override_meets_nothing():
    """An override meets nothing."""
    yamlgen.load("small.yaml", overrides={"steps.nota.max_tokens": 1})


def an_input_is_no_file():
    """An input is no file."""
    yamlgen.run("small.yaml", input=".", simulate=True)


def a_file_is_empty():
    """A file is empty."""
    Path("small.yaml").write_text("", encoding="utf-8")
    yamlgen.load("small.yaml")


def a_run_is_confirmed_by_none():
    """A run is confirmed by none."""
    yamlgen.run("small.yaml", simulate=True, confirm_above_usd=0)


def a_run_may_not_ask():
    """A run may not ask."""
    yamlgen.run("small.yaml", simulate=True, offline=True)


def a_run_comes_to_its_limit():
    """A run comes to its limit."""
    yamlgen.run("small.yaml", simulate=True, max_requests=2)


def a_fresh_run_comes_to_its_limit():
    """A fresh run comes to its limit."""
    yamlgen.run("small.yaml", simulate=True, max_requests=2, fresh=True)


def a_key_is_missing():
    """A key is missing."""
    yamlgen.run("small.yaml")


def a_store_is_a_file():
    """A store is a file."""
    Path("store").write_text("", encoding="utf-8")
    yamlgen.run("small.yaml", simulate=True, store=Path("store"))


def a_store_is_none_of_ours():
    """A store is none of ours."""
    yamlgen.run("small.yaml", simulate=True)
    (found,) = Path(".yamlgen").glob("*.db")
    found.write_bytes(b"no store" * 1000)
    yamlgen.run("small.yaml", simulate=True)


def there_is_no_store():
    """There is no store."""
    store_locations([Path("small.yaml")])


def there_is_no_such_run():
    """There is no such run."""
    yamlgen.run("small.yaml", simulate=True)
    find_run(store_locations([Path("small.yaml")]), "1999")


def all_runs_are_simulated():
    """All runs are simulated."""
    yamlgen.run("small.yaml", simulate=True)
    yamlgen.retry("small.yaml")


def a_retry_is_of_another_sort():
    """A retry is of another sort."""
    yamlgen.retry("small.yaml", yamlgen.run("small.yaml", simulate=True).report.run)


def nothing_is_said_of_what_goes():
    """Nothing is said of what goes."""
    yamlgen.prune("small.yaml")


def an_age_is_none():
    """An age is none."""
    yamlgen.prune("small.yaml", older="soon")


def an_export_has_no_format():
    """An export has no format."""
    yamlgen.run("small.yaml", simulate=True)
    yamlgen.export("small.yaml", output="rows.txt")


def a_row_is_not_there():
    """A row is not there."""
    yamlgen.run("small.yaml", simulate=True)
    yamlgen.show("small.yaml", row="Oslo")


def a_retry_names_no_run():
    """A retry names no run."""
    yamlgen.run("small.yaml", simulate=True, retry="1999")


def rows_came_from_a_pipe():
    """Rows came from a pipe."""
    about = {"options": {"input": "-"}}
    repeat(RunEntry(**{**dict.fromkeys(RunEntry.__dataclass_fields__), "name": "r", "about": about}))


def an_output_is_a_folder():
    """An output is a folder."""
    Path("out.jsonl").mkdir()
    yamlgen.run("small.yaml", simulate=True, output="out.jsonl")


def an_output_is_an_input():
    """An output is an input."""
    yamlgen.run("small.yaml", simulate=True, output="rows.jsonl")


def a_parameter_is_missing():
    """A parameter is missing."""
    text = Path("small.yaml").read_text(encoding="utf-8")
    Path("small.yaml").write_text(text + "params: {tone: {type: string}}\n", encoding="utf-8")
    yamlgen.run("small.yaml", simulate=True)


FAILURES = [
    an_input_is_missing,
    a_row_is_broken,
    an_override_is_wrong,
    an_override_meets_nothing,
    an_input_is_no_file,
    a_file_is_empty,
    a_run_is_confirmed_by_none,
    a_run_may_not_ask,
    a_run_comes_to_its_limit,
    a_fresh_run_comes_to_its_limit,
    a_key_is_missing,
    a_store_is_a_file,
    a_store_is_none_of_ours,
    there_is_no_store,
    there_is_no_such_run,
    all_runs_are_simulated,
    a_retry_is_of_another_sort,
    nothing_is_said_of_what_goes,
    an_age_is_none,
    an_export_has_no_format,
    a_row_is_not_there,
    a_retry_names_no_run,
    rows_came_from_a_pipe,
    an_output_is_a_folder,
    an_output_is_an_input,
    a_parameter_is_missing,
]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
def test_python_is_told_in_pythons_words(fail):
    """Whatever a call raises, its text has the hint in it, and no option of the command line."""
    with pytest.raises(YamlgenError) as caught:
        fail()
    error = caught.value
    assert not SHELL.search(str(error)), str(error)
    assert error.hint
    assert error.hint in str(error)
    if isinstance(error, InvalidPipeline):
        assert not SHELL.search(json.dumps([each.as_json() for each in error.diagnostics]))


def test_the_missing_key_of_a_run_is_a_value_error(small):
    """As that of a model by itself."""
    with pytest.raises(ValueError, match=r"no API key.*simulate=True"):
        yamlgen.run(small / "small.yaml")


@pytest.mark.usefixtures("small")
def test_a_command_is_told_in_its_own_words(call):
    """The same facts by the command line: each hint once, with options."""
    told = call("run", "small.yaml")
    assert told.code == 3
    assert told.err.count("`--env-file .env`") == told.err.count("`--simulate`") == told.err.count("no API key") == 1
    told = call("run", "small.yaml", "--simulate", "--offline", "--output-format", "json")
    error = json.loads(told.out)["error"]
    assert "`yamlgen run --simulate` sends their requests" in error["hint"]
    assert error["hint"] not in error["message"]
    Path("rows.jsonl").unlink()
    assert "`--input PATH`" in call("run", "small.yaml", "--simulate").err
    with pytest.raises(YamlgenError, match="`input=PATH`"):
        yamlgen.run("small.yaml", simulate=True)
