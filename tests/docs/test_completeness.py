"""Nothing is left out of the manual: every command, option, key, code and exit code is in it."""

import re

import pytest

from manual_pages import DOCS, pages
from yamlgen.cli import _COMMANDS, group
from yamlgen.exit_codes import ExitCode
from yamlgen.manual import folder, page, topics

TEXT = "\n".join(path.read_text(encoding="utf-8") for path in pages())


def commands():
    """Every command with its name as it is typed."""
    for name in _COMMANDS:
        command = group.get_command(None, name)
        yield name, command
        for inner, each in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", each


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_in_the_manual(name):
    """A command is named with the program."""
    outer, _, inner = name.partition(" ")
    assert f"yamlgen {name}" in TEXT or re.search(rf"yamlgen {outer} [^\n]*`{inner}`", TEXT)


@pytest.mark.parametrize(
    ("name", "option"), [(n, o.opts[-1]) for n, c in commands() for o in c.params if o.opts[-1][0] == "-"]
)
def test_every_option_is_in_the_manual(name, option):
    """An option of any command is described somewhere."""
    assert re.search(rf"`(?:[^`\n]* )?{option}\b", TEXT), f"{option} of {name}"


def test_every_option_of_the_manual_exists():
    """What the manual shows as an option of yamlgen is one."""
    options = [each for _, command in commands() for each in command.params]
    known = {"-h", "--help", "--version"}.union(*((*each.opts, *each.secondary_opts) for each in options))
    shown = set()
    for line in re.findall(r"\byamlgen [^`\n]*", TEXT):
        shown |= set(re.findall(r"(?<=\s)(--?[a-z][a-z-]*)(?=[\s=,)\]]|$)", line.partition("#")[0]))
    assert shown > {"--simulate", "--row", "--limit"}
    assert shown <= known


def test_every_exit_code_is_in_the_table():
    """The table of exit codes has each of them."""
    text = (DOCS / "guides" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == {int(code) for code in ExitCode}


def test_the_manual_is_found_by_topic():
    """Each topic has a title and a page, and no two pages share one."""
    assert {"manual", "tutorial", "reference", "errors", "steps", "command-line"} <= set(topics())
    assert all(title and page(topic).startswith("# ") for topic, title in topics().items())
    assert len(list(folder().rglob("*.md"))) == len(topics()) + len(list(folder().glob("errors/YG*.md")))
