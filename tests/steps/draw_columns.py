"""Columns that draws draw from without a file, and rules made of plain data."""

from yamlgen.errors import Code, EnvironmentProblem, UsageError
from yamlgen.steps.draw.checks import compile_draws
from yamlgen.steps.draw.rules import DrawRule

COLUMNS = {
    ("cities.csv", "name"): ("Oslo", "Bergen", "Oslo"),
    ("cities.csv", "size"): (1, 2.5),
    ("many.jsonl", "id"): tuple(range(100)),
}


def column(path, name):
    """A column of a file that is not there, or the error that reading it ends with."""
    if path == "absent.csv":
        raise EnvironmentProblem(f"{path} does not exist", code=Code.MISSING_FILE, hint="put it there")
    if path == "gaps.csv":
        raise UsageError(f"{path}:3: `{name}` is empty", code=Code.BAD_DRAW, hint="fill it in")
    if (path, name) not in COLUMNS:
        raise UsageError(f"{path} has no column `{name}`", code=Code.UNKNOWN_COLUMN, hint="did you mean `name`?")
    return COLUMNS[path, name]


def compiled(draws):
    """The rules of draws without mistakes."""
    rules, problems = compile_draws({name: DrawRule(**rule) for name, rule in draws.items()}, column)
    assert problems == []
    return rules
