"""The house rules that a machine can check: floors, rooms, names, sizes, what an import costs."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions, version
from itertools import accumulate, combinations
from pathlib import Path

import pytest

import yamlgen
from shipped_pipelines import PIPELINES, TEST_FILES
from yamlgen.cli import _COMMANDS
from yamlgen.errors import Code
from yamlgen.pipeline.json_schema import FILE_NAME, committed, generate
from yamlgen.steps.step_kinds import KINDS
from yamlgen.testing import suite_schema

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "yamlgen"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

FLOORS = [
    {
        "errors",
        "diagnostics",
        "exit_codes",
        "collector",
        "events",
        "forecast",
        "interfaces",
        "value_objects",
        "row_result",
        "cancellation",
        "sync_bridge",
        "deadline",
        "excerpts",
        "redaction",
        "canonical_json",
        "file_descriptors",
        "environment",
        "failpoint",
        "system_limits",
        "option_names",
        "suggestions",
        "manual",
        "program_start",
        "visible_text",
        "decimal_fractions",
    },
    {"model_capabilities"},
    {"parsing", "token_estimate"},
    {"formats", "prompt_prefixes", "revisions"},
    {"schemas"},
    {"expressions"},
    {"steps"},
    {"shaping"},
    {"pipeline"},
    {"planning"},
    {"batches", "simulator", "pacing"},
    {"claude", "data", "store"},
    {"llm", "engine"},
    {"output", "reports"},
    {"profiles", "testing"},
    {"comparison", "html"},
    {"api"},
    {"language_server"},
    {"cli"},
    {"__main__"},
]
GROUND = "the ground floor"

NETWORK = {"anthropic", "instructor", "openai", "httpx", "httpx2", "aiohttp", "requests", "urllib3", "websockets"}
NETWORK |= {"genai_prices"}
NETWORK |= {"urllib.request", "http.client", "socket", "ssl", "ftplib", "smtplib", "xmlrpc"}
ENDINGS = ("", "able", "d", "e", "ed", "er", "ers", "ing", "ings", "ion", "ions", "ive", "or", "ors", "r", "s", "es")
ALIKE_MODULES = {
    ("api.tests", "testing"): "the functions for Python users, and the room",
    ("formats", "formats.format"): "the room of it",
    ("llm", "llm.llm"): "the room's one class, whose place is in the dumps of users",
    ("llm.generations", "steps.generate"): "what a call of an LLM gives, and a kind of step",
    ("reports", "reports.report"): "the room of it",
}
ALIKE_CLASSES = {
    ("Limiter", "Limits"): "who lets requests go, and the key of the YAML",
}
"""What may be named alike, and what each is."""
PLUGIN = "yamlgen.api.pytest_plugin"
"""Only pytest loads it, so that pytest is no dependency."""
PARTS_OF_A_KIND = ("config", "declaration", "plan_step", "execution")
"""What each folder of a kind of step holds, under the same names."""
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "manager", "base", "misc", "shared"}


def room(module):
    """The room and the floor of a module, `None` for the package's root."""
    parts = module.split(".")
    if len(parts) == 1:
        return None
    floor = next((number for number, rooms in enumerate(FLOORS) if parts[1] in rooms), None)
    assert floor is not None, f"{module} is in no room of the house"
    return (GROUND if floor == 0 else parts[1]), floor


@cache
def tree(path):
    """The syntax of a module, which many rules read."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path):
    """All of its parts."""
    return tuple(ast.walk(tree(path)))


@pytest.fixture(scope="module", autouse=True)
def _forgotten():
    """Do not keep the syntax of all modules for the rest of the run."""
    yield
    for each in (tree, nodes, imports):
        each.cache_clear()


@cache
def imports(path):
    """Every absolute name that a module imports anywhere in it, with the line; relative imports are none of ours."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not getattr(node, "level", 0), f"{path}:{node.lineno}: a relative import"
            found += imported(node)
    return found


def imported(node):
    """The names that one statement imports, with its line."""
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [whole if (whole := f"{node.module}.{name}") in MODULES else node.module for name in names]
    return [(node.lineno, name) for name in names]


def rooms_with(packages):
    """The rooms in which one of these packages is imported."""
    wanted = re.compile(rf"({'|'.join(map(re.escape, sorted(packages)))})(\..*)?")
    return {room(module)[0] for module, path in MODULES.items() if any(wanted.fullmatch(n) for _, n in imports(path))}


@pytest.mark.parametrize("here", sorted({room(name)[0] for name in MODULES if name != "yamlgen"}))
def test_imports_go_straight_down(here):
    """A module imports from its own room and from the floors below it, never sideways, up, or from the root."""
    wrong = []
    for module in MODULES.keys() - {"yamlgen"}:
        name, floor = room(module)
        if name == here:
            wrong += [(module, *each) for each in not_down(MODULES[module], here, floor)]
    assert not wrong


def not_down(path, here, floor):
    """The lines of a module that import from no lower floor, and what they import."""
    for line, name in imports(path):
        if name.partition(".")[0] == "yamlgen":
            there = room(name)
            if there is None:
                yield line, "the package's root"
            elif there[0] != here and there[1] >= floor:
                yield line, f"{name}, on floor {there[1]}"


def test_the_command_line_speaks_to_the_api_alone():
    """The command line imports from `api`, from the ground floor and from itself, so that Python users lack nothing."""
    found = set()
    for module, path in MODULES.items():
        if module != "yamlgen" and room(module)[0] == "cli":
            names = {name for _, name in imports(path) if name.partition(".")[0] == "yamlgen"}
            found |= {
                (module, name) for name in names if room(name)[0] not in {"cli", "api", "language_server", GROUND}
            }
    assert not found


def test_no_module_leads_back_to_itself():
    """Who reads a module, and all that it imports, for types too, has an end."""
    needs = {module: {name for _, name in imports(path)} & MODULES.keys() for module, path in MODULES.items()}
    TopologicalSorter(needs).prepare()  # it raises a CycleError, which names the modules


def alike(names):
    """The pairs of names that are equal, or differ by an ending."""

    def stems(name):
        word = name.rpartition(".")[2].lower()
        return {stem for ending in ENDINGS if len(stem := word.removesuffix(ending)) > 2}

    return {(one, other) for one, other in combinations(sorted(names), 2) if stems(one) & stems(other)}


def test_no_two_modules_are_named_alike():
    """A name that is searched for leads to one module; those of commands are the words that users type."""
    commands = {f"yamlgen.cli.{name}" for name in _COMMANDS}
    kinds = {f"yamlgen.steps.{kind}.{part}" for kind in KINDS for part in PARTS_OF_A_KIND}
    names = {name.removeprefix("yamlgen.") for name in MODULES.keys() - commands - kinds}
    assert alike(names) == ALIKE_MODULES.keys()


def test_no_two_classes_are_named_alike():
    """No two have one name, whether or not it begins with an underscore; nor do public ones differ by an ending."""
    names = [node.name for path in MODULES.values() for node in nodes(path) if isinstance(node, ast.ClassDef)]
    assert not [name for name, count in Counter(name.strip("_") for name in names).items() if count > 1]
    assert alike(name for name in names if not name.startswith("_")) == ALIKE_CLASSES.keys()


def runtime_imports(path):
    """The names that a module imports when it is loaded, and those that its functions do, with their lines."""
    first, later = set(), set()

    def walk(node, found):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found |= set(imported(child))
            elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
                walk(child, later if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else found)

    walk(tree(path), first)
    return {name for _, name in first}, later


def test_an_import_in_a_function_keeps_a_start_quick():
    """What a module loads in any case is imported at its top."""
    first, later = {}, {}
    for module, path in MODULES.items():
        first[module], later[module] = runtime_imports(path)

    def load(module, seen):
        for name in {module, *accumulate(module.split("."), "{}.{}".format)} - seen:
            seen.add(name)
            for needed in first.get(name, ()):
                load(needed, seen)
        return seen

    idle = {module: [each for each in later[module] if each[1] in load(module, set())] for module in MODULES}
    assert not {module: found for module, found in idle.items() if found}


def test_only_the_command_line_knows_click_and_rich():
    """How things are shown is one room's business."""
    assert rooms_with({"click", "rich"}) == {"cli"}


def test_nothing_goes_around_the_guard_of_the_terminal():
    """The streams beneath the guarded ones, and the terminal itself, are for the live display and the cards alone."""
    around = {"__stdout__", "__stderr__", "beneath", "fdopen", "FileIO", "secho", "Console", "/dev/tty", "writev"}
    found = set()
    for module in (each for each in MODULES if room(each) and room(each)[0] == "cli"):
        for node in nodes(MODULES[module]):
            name = getattr(node, "attr", getattr(node, "id", getattr(node, "value", None)))
            if isinstance(name, str) and name in around:
                found.add((module, name))
    mine = {("yamlgen.cli.terminal", "beneath")}
    assert found - mine == {
        (f"yamlgen.cli.{name}", word) for name in ("bars", "cards") for word in ("Console", "beneath")
    }


def test_only_three_rooms_reach_the_network():
    """The SDK, instructor and every library that can open a connection are imported in three rooms.

    A worker process has a pair of sockets with the run, which the system makes: no address is involved.
    """
    assert rooms_with(NETWORK - {"socket"}) == {"claude", "llm", "simulator"}
    assert rooms_with({"socket"}) == {"steps"}
    paired = [module for module, path in MODULES.items() if ("socket" in {name for _, name in imports(path)})]
    assert paired == ["yamlgen.steps.python.worker_main", "yamlgen.steps.python.worker_process"]
    assert not [module for module in paired if re.search(r"\b(connect|bind)\b", MODULES[module].read_text())]


def test_one_module_reads_the_environment():
    """Everybody asks `environment.variable`, so that an empty variable is unset everywhere."""
    looks = re.compile(r"\b(environb?|getenvb?|putenv|unsetenv)\b")
    readers = set()
    for module, path in MODULES.items():
        for node in nodes(path):
            names = [node.attr] if isinstance(node, ast.Attribute) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            readers |= {module for name in names if looks.fullmatch(name)}
    assert readers == {"yamlgen.environment"}


def test_what_is_imported_is_declared():
    """Every package that a module imports is a dependency of the project itself, and not only of another package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [
        *project["dependencies"],
        *project["optional-dependencies"]["sql"],
        *project["optional-dependencies"]["lsp"],
    ]
    declared = {re.sub(r"[_.]", "-", re.match(r"[\w.-]+", requirement)[0]) for requirement in required}
    paths = [path for name, path in MODULES.items() if name != PLUGIN]
    names = {name.partition(".")[0] for path in paths for _, name in imports(path)}
    foreign = names - sys.stdlib_module_names - {"yamlgen", "_typeshed", "compression"}  # of Python 3.14
    packages = packages_distributions()
    assert {re.sub(r"[_.]", "-", packages[name][0]).lower() for name in foreign} == declared


def test_files_are_short():
    """No module is longer than 400 lines."""
    long = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: lines for name, lines in long.items() if lines > 400}


def test_names_say_something():
    """No module is called by a word that could hold anything."""
    assert not [name for name in MODULES if set(name.split(".")) & EMPTY_NAMES]


def test_every_module_says_what_it_owns():
    """Every module begins with a docstring."""
    assert not [name for name, path in MODULES.items() if not ast.get_docstring(tree(path))]


def test_what_is_exported_exists():
    """Each name of `__all__` resolves, in the package and in its modules, and the package lists no other."""
    for name in MODULES:
        module = importlib.import_module(name)
        assert not [word for word in getattr(module, "__all__", ()) if not hasattr(module, word)], name
    assert yamlgen.__all__ == sorted(yamlgen._HOMES)
    assert set(yamlgen.__all__) <= set(dir(yamlgen))
    assert all(getattr(yamlgen, name).__module__.startswith("yamlgen.") for name in yamlgen.__all__)


def test_what_is_imported_for_types_is_what_is_exported():
    """A type checker sees the same public names as Python does, from the same places."""
    guarded = next(node for node in tree(PACKAGE / "__init__.py").body if isinstance(node, ast.If))
    homes = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert homes == yamlgen._HOMES


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    """A name that does not exist fails as it would in any module."""
    with pytest.raises(AttributeError, match="no attribute 'pipelines'"):
        _ = yamlgen.pipelines


def test_no_public_name_is_that_of_a_module():
    """The first import of a room binds its name in the package, whatever stood there."""
    assert not {f"yamlgen.{name}" for name in yamlgen.__all__} & MODULES.keys()


def loaded(code, *arguments, expected=0):
    """The top-level modules that a piece of Python has loaded at its end, in a process of its own."""
    tell = "import sys, atexit; atexit.register(lambda: print('\\n@', *{m.partition('.')[0] for m in sys.modules}))"
    command = [sys.executable, "-c", f"{tell}\n{code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    return set(done.stdout.rpartition("\n@ ")[2].split())


MAIN = "from yamlgen.cli import main; main()"


def test_the_package_itself_is_light():
    """`import yamlgen` loads neither the SDK nor instructor nor pydantic."""
    assert not loaded("import yamlgen") & {"anthropic", "instructor", "pydantic", "yaml", "click"}


def test_the_version_is_that_of_the_installed_package():
    """`yamlgen.__version__` is what pip says, and is looked up when it is asked for."""
    assert yamlgen.__version__ == version("yamlgen")
    assert "__version__" in dir(yamlgen)
    assert "email" not in loaded("import yamlgen")


def test_the_package_runs_as_a_module():
    """`python -m yamlgen` is the command line, under its own name."""
    done = subprocess.run([sys.executable, "-m", "yamlgen", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"yamlgen {version('yamlgen')}\n"


def test_asking_the_api_loads_no_simulator():
    """A run that asks the API waits neither for a server nor for the list of made-up names."""
    assert "faker" not in loaded("import yamlgen.api.run_execution, yamlgen.llm.llm")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_is_light(arguments):
    """The help of the command line loads click and nothing that is slow."""
    slow = {"anthropic", "instructor", "pydantic", "yaml", "jsonschema", "jsonschema_rs", "jinja2", "rich"}
    assert not loaded(MAIN, *arguments) & slow


@pytest.mark.parametrize(
    ("words", "also_slow"),
    [
        ([""], {"yaml"}),
        (["init", "--"], {"yaml"}),
        (["schema", "--"], {"yaml"}),
        (["run", "--lim"], {"yaml"}),
        (["run", str(ROOT / "pipelines" / "hello.yaml"), "-p", ""], set()),
        (["run", str(ROOT / "pipelines" / "hello.yaml"), "--set", "steps."], set()),
        (["retry", str(ROOT / "pipelines" / "hello.yaml"), ""], {"yaml"}),
    ],
)
def test_completion_is_light(words, also_slow, monkeypatch):
    """Shell completion loads the YAML parser at most, and nothing of the language."""
    monkeypatch.setenv("_YAMLGEN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["yamlgen", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    slow = {"anthropic", "instructor", "pydantic", "jsonschema", "jsonschema_rs", "jinja2", "rich", "asyncio"}
    assert not loaded(MAIN) & (slow | also_slow)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--help"],
        ["simulate", "--help"],
        ["schema"],
        ["init", "new"],
        ["validate", str(ROOT / "pipelines")],
        ["render", str(ROOT / "pipelines" / "hello.yaml")],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_no_model_loads_none(arguments, tmp_path, monkeypatch):
    """Commands that send nothing load neither the SDK nor instructor nor a server."""
    monkeypatch.chdir(tmp_path)
    assert not loaded(MAIN, *arguments) & {"anthropic", "instructor", "openai", "httpx2", "aiohttp"}


def test_a_mistake_is_told_before_a_model_is_loaded():
    """`run` with a wrong parameter says so without waiting for the SDK."""
    pipeline = str(ROOT / "pipelines" / "hello.yaml")
    assert "anthropic" not in loaded(MAIN, "run", pipeline, "-p", "x=1", "--simulate", expected=2)


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_table_of_commands_repeats_their_first_sentences(name):
    """The list in `--help`, which imports no command, says what each command says of itself."""
    command = importlib.import_module(f"yamlgen.cli.{name}").command
    assert command.name == name
    assert command.help.partition("\n")[0] == _COMMANDS[name]


def test_every_code_is_used():
    """A code of `errors.Code` that nothing raises is no promise."""
    text = "".join(path.read_text(encoding="utf-8") for name, path in MODULES.items() if name != "yamlgen.errors")
    assert len({code.value for code in Code}) == len(Code.__members__)
    assert not Code.__members__.keys() - set(re.findall(r"\bCode\.(\w+)", text))


def test_the_schema_is_the_one_of_the_models():
    """The committed JSON Schema is what the models generate, and the one beside the shipped pipelines too."""
    assert committed() == generate(), "run `python -m yamlgen.pipeline.json_schema`"
    beside = ROOT / "pipelines" / FILE_NAME
    assert beside.read_text(encoding="utf-8") == committed(), "run `yamlgen schema --write pipelines`"
    beside = ROOT / "pipelines" / suite_schema.FILE_NAME
    assert beside.read_text(encoding="utf-8") == suite_schema.committed(), "run `yamlgen schema --write pipelines`"
    json.loads(committed())


@pytest.mark.parametrize("path", [*PIPELINES, PACKAGE / "api/starter/reviews.yamlgen.yaml"], ids=str)
def test_shipped_pipelines_name_their_schema(path):
    """The first line of each shipped pipeline tells editors where the schema is."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"# yaml-language-server: $schema=./{FILE_NAME}"


@pytest.mark.parametrize("path", TEST_FILES, ids=str)
def test_shipped_test_files_name_their_schema(path):
    """Their first line tells editors where the schema of test files is."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"# yaml-language-server: $schema=./{suite_schema.FILE_NAME}"


def test_a_pipeline_of_texts_loads_no_instructor(tmp_path):
    """What asks for no structured output does not wait for instructor."""
    pipeline = tmp_path / "texts.yaml"
    steps = "steps: {note: {model: claude-haiku-5-5, prompt: 'Say {{ row.n }}'}}"
    pipeline.write_text(f"version: 1\ninput: {{rows: [{{n: 1}}]}}\n{steps}\noutput: {{path: out.jsonl}}\n", "utf-8")
    found = loaded(MAIN, "run", str(pipeline), "--simulate", "-q")
    assert "anthropic" in found
    assert not found & {"instructor", "openai"}
