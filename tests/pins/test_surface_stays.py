"""What a user types and reads stays as it is: help, requests, keys, JSON, and a store that an earlier commit made."""

import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import click
import pytest

from shipped_pipelines import PIPELINES
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.cli import group
from yamlgen.interfaces import UNOBSERVED
from yamlgen.store.location import location_of
from yamlgen.store.run_session import migrate

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SHIPPED = [path.name for path in PIPELINES]
VALID = [path.name for path in sorted((ROOT / "tests" / "cases" / "valid").glob("*.yaml"))]
CHANGING = [
    (re.compile(r"\d{8}T\d{6}-[0-9a-f]+"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)?"), "TIME"),
    (re.compile(r'("timeline": )\{[^}]*\}'), r"\1..."),
    (
        re.compile(
            r'("(?:seconds|most_in_flight|rate|yamlgen|anthropic|instructor|python|commit|simulator)": )[^,}\]]+'
        ),
        r"\1...",
    ),
    (re.compile(r"\b\d+(\.\d+)? (m?s|seconds)\b"), "SECONDS"),
    (re.compile(r"^[1-9]\d*/\d+ rows, .* in flight of \d+\n", re.MULTILINE), ""),  # told if a run takes seconds
]
"""What differs from one run to the next, and what stands for it."""


def steady(text: str, folder: Path) -> str:
    """A text without what differs from one run to the next."""
    text = text.replace(str(folder), "FOLDER")
    for pattern, instead in CHANGING:
        text = pattern.sub(instead, text)
    return text


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Each command, with those below it."""
    found = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += commands(below, (*path, name))
    return found


def values_in(text: str) -> list[dict[str, dict[str, object]]]:
    """The JSON values that follow one another in a text."""
    found, at = [], 0
    while text[at:].strip():
        value, at = json.JSONDecoder().raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))
        found.append(value)
    return found


def keys(body: dict[str, object]) -> str:
    """The keys under which the answer to a request is kept."""
    made = AnswerKeys("https://api.anthropic.com", "2026-10-21", betas=("context-1m",))
    asker = replace(UNOBSERVED, identity='"a row"', sample=2)
    return " ".join(key.hex()[:24] for key in (*made.keys(body, asker), made.setup(body)))


@pytest.fixture
def every(tmp_path, monkeypatch):
    """The folder of the pipeline with each kind of step, with the store that an earlier commit made, migrated."""
    shutil.copytree(HERE / "every", tmp_path / "every")
    monkeypatch.chdir(tmp_path / "every")
    Path(".yamlgen").mkdir(mode=0o700)
    for path in Path().glob("*.db.gz"):
        (Path(".yamlgen") / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        migrate(location_of(Path(path.name.removesuffix(".db.gz"))))  # only a run migrates a store by itself
    return tmp_path / "every"


def test_each_help_page_stays(call, pinned):
    """Every command says of itself what it said."""
    pages = [f"$ yamlgen {' '.join(path)}\n{call(*path, '--help').out}" for path in commands(group)]
    pinned("help.txt", "\n".join(pages))


def test_the_rows_of_the_shipped_pipelines_stay(call, pinned, tmp_path, monkeypatch):
    """The simulator makes of the first rows of each shipped pipeline what it made."""
    monkeypatch.chdir(shutil.copytree(ROOT / "pipelines", tmp_path / "p", ignore=shutil.ignore_patterns("out", ".*")))
    lines = []
    for name in SHIPPED:
        assert call("run", name, "--simulate", "--limit", 3, "-q").code == 0
        outputs = sorted({*Path("out").iterdir()} - {*Path("out").glob("*.run.json")})
        lines.append(f"{name} {hashlib.sha256(b''.join(path.read_bytes() for path in outputs)).hexdigest()}\n")
        shutil.rmtree("out")
    pinned("rows.txt", "".join(lines))


def test_the_wire_bodies_of_first_rows_and_their_keys_stay(call, pinned, tmp_path, monkeypatch):
    """What each shipped pipeline, and each right one of the tests, asks for its first row stays to the byte."""
    shown = []
    for folder, names in ((ROOT / "pipelines", SHIPPED), (ROOT / "tests" / "cases" / "valid", VALID)):
        monkeypatch.chdir(shutil.copytree(folder, tmp_path / folder.name))
        if "themes.yaml" in names:  # its rows are those of another pipeline
            call("run", "extract.yaml", "--simulate", "-q", "-o", "out/extract.jsonl")
        for name in names:
            said = call("render", name, "--row", "1")
            shown.append(f"# {name} {said.code}\n{said.out}{said.err}")
            shown += [f"{keys(each['request'])}\n" for each in values_in(said.out)]
    pinned("bodies.txt", steady("".join(shown), tmp_path))


def test_what_a_run_writes_for_programs_stays(call, pinned, every):
    """The JSON of plan, run, retry, and of all that is told of past runs."""
    lines = []
    for words in (
        "validate every.yaml",
        "validate every.yaml --output-format json",
        "render every.yaml",
        "render every.yaml --graph",
        "plan every.yaml --output-format json",
        "plan every.yaml",
        "runs ls --json",
        "runs ls",
        "runs show every.yaml --json",
        "runs show every.yaml",
        "runs show every.yaml --row 1 --json",
        "runs show every.yaml --row 1",
        "runs failed every.yaml --json",
        "runs failed every.yaml",
        "runs export every.yaml",
        "run every.yaml --offline --output-format json",
        "run every.yaml --offline --progress plain",
        "run every.yaml --simulate --output-format json --max-concurrency 1",
    ):
        said = call(*words.split())
        lines.append(f"$ yamlgen {words}\n{said.out}{said.err}[{said.code}]\n")
    pinned("programs.txt", steady("\n".join(lines), every))


@pytest.mark.parametrize("name", ["every", "plain"])
def test_what_was_paid_for_before_the_rebuilding_is_found(name, call, every):
    """A store of the commit before answers what it answered: nothing is missing, and the rows are the same."""
    said = call("run", f"{name}.yaml", "--offline", "--output-format", "json")
    report = json.loads(said.out)
    assert {step["sent"] for step in report["steps"].values()} == {0}
    assert report["rows"]["missing"] == 0
    for path in every.glob(f"{name}*.jsonl"):
        assert steady(path.read_text(), every) == steady((HERE / "every" / path.name).read_text(), every)
