"""What a command loads before it does anything, which decides how soon it is there."""

import subprocess
import sys

import pytest

SMALL = """
version: 1
model: claude-haiku-5-5
input: {rows: [{who: you}]}
steps: {greeting: {prompt: "Say hello to {{ row.who }}."}}
output: {path: out/rows.jsonl}
"""
PROBE = (
    "import sys; from yamlgen.cli import main\n"
    "sys.argv = ['yamlgen', 'validate', 'p.yaml']\n"
    "try: main()\n"
    "except SystemExit as end: assert not end.code\n"
    "print(*sys.modules)"
)

MOST = 180
"""The maximum number of modules of yamlgen that a check of a small pipeline loads. Each costs about a millisecond."""

UNNEEDED = {
    "what sends": ("aiohttp", "anthropic", "asyncio", "httpx", "yamlgen.claude", "yamlgen.pacing", "yamlgen.simulator"),
    "what stores": ("sqlite3", "yamlgen.batches", "yamlgen.forecast", "yamlgen.output", "yamlgen.store"),
    "what shows": ("rich", "yamlgen.html", "yamlgen.reports"),
    "other kinds of steps": tuple(f"yamlgen.steps.{kind}.declaration" for kind in ("compute", "draw", "python")),
    "other inputs": ("duckdb", "pyarrow", "yamlgen.api.stages", "yamlgen.data.sql_query"),
    "what explains mistakes": (
        "jsonschema",
        "yamlgen.expressions.name_hints",
        "yamlgen.expressions.syntax_errors",
        "yamlgen.parsing.yaml_errors",
        "yamlgen.pipeline.document_repair",
    ),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The modules that a check of a small pipeline loads."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "p.yaml").write_text(SMALL)
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("unneeded", UNNEEDED.values(), ids=UNNEEDED)
def test_a_check_loads_nothing_that_it_does_not_use(loaded, unneeded):
    """Neither a room nor a library that a valid file of one prompt needs only when it runs."""
    assert [each for each in loaded if any(each == name or each.startswith(f"{name}.") for name in unneeded)] == []


def test_a_check_loads_few_modules(loaded):
    """Their number is bounded, so that an import that draws in half of yamlgen is seen."""
    assert len([each for each in loaded if each.startswith("yamlgen")]) <= MOST
