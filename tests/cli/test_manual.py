"""The manual at the terminal: `docs`, `explain`, `completion`, and the page that each help ends with."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from yamlgen.cli import group
from yamlgen.manual import folder, topics

ROOT = Path(__file__).parent.parent.parent


def commands(command=group, path=()):
    """Each command with its words."""
    found = {path: command}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found |= commands(command.get_command(context, name), (*path, name))
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_help_ends_with_its_page(words, call):
    """The last line of a help text is a command that prints a page of the manual."""
    last = call(*words, "--help").out.splitlines()[-1].strip()
    assert last.startswith("Manual: yamlgen docs")
    topic = last.removeprefix("Manual: yamlgen docs").strip()
    assert (topic or "manual") in topics()
    assert call("docs", *([topic] if topic else [])).code == 0


@pytest.mark.parametrize("words", [words for words, command in commands().items() if hasattr(command, "commands")])
def test_no_short_help_is_cut(words, call):
    """The list of a group's commands has a whole sentence for each."""
    lines = call(*words, "--help").out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(lines) >= 5
    assert [line for line in lines if not line.endswith(".") or line.endswith("...")] == []


def test_a_page_is_printed(call):
    """`docs TOPIC` prints the page as it is; without a topic, the table of contents."""
    told = call("docs", "cost")
    assert (told.code, told.out, told.err) == (0, (folder() / "guides" / "cost.md").read_text("utf-8"), "")
    use, _, contents = call("docs").out.partition("\n\n")
    assert use == "To read a page: `yamlgen docs steps`. All pages: `yamlgen docs --list`."
    assert contents == (folder() / "README.md").read_text("utf-8")
    assert call("docs", "Cost").out == told.out


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("guides/steps.md", "# Steps and fan-out"),
        ("steps.md", "# Steps and fan-out"),
        ("../guides/steps.md#fan-out", "# Steps and fan-out"),
        ("guides/steps", "# Steps and fan-out"),
        ("docs/tutorial.md", "# Tutorial: from your file to checked rows"),
        ("errors/YG205.md", "# YG205: Unknown field"),
        ("errors/README.md", "# Error codes"),
        ("README.md", "# The yamlgen manual"),
    ],
)
def test_a_page_is_printed_by_its_path(path, title, call):
    """As the index and the links of the pages show it."""
    assert call("docs", path).out.splitlines()[0] == title


def test_the_topics_are_listed(call):
    """`docs --list` has a line with the title of each page, but for those of the error codes."""
    lines = call("docs", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(topics())
    assert any(line.split(None, 1) == ["cost", "Cost and limits"] for line in lines)
    assert not any(line.startswith("YG") for line in lines)
    order = ["manual", "tutorial", "answers", "troubleshooting", "best_of_three", "reference", "json", "errors"]
    listed = [line.split()[0] for line in lines]
    assert [topic for topic in listed if topic in {*order, "performance"}] == [*order, "performance"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["docs", "tutoral"], "the manual has no page `tutoral`; did you mean `tutorial`?"),
        (["docs", "for_each"], "the manual has no page `for_each`; it is described in `steps` and `reference`"),
        (["docs", "null"], "the manual has no page `null`; it is described in `templates`"),
        (
            ["docs", "models"],
            "the manual has no page `models`; it is described in `api`, `pipeline`, `reference` and `json`",
        ),
        (["docs", "cookbook/steps.md"], "no page `cookbook/steps.md`; `yamlgen docs --list` lists the topics"),
        (["docs", ""], "the manual has no page ``; `yamlgen docs --list` lists the topics"),
        (["docs", "zzz"], "the manual has no page `zzz`; `yamlgen docs --list` lists the topics"),
        (["explain", "YG998"], "there is no error code `YG998`; list all codes with `yamlgen docs errors`"),
        (["explain", "YG205", "cost"], "there is no error code `cost`; list all codes with `yamlgen docs errors`"),
        (["explain"], "Missing argument 'CODE...'"),
        (["completion", "csh"], "'csh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_what_is_not_in_the_manual(words, said, call):
    """An unknown topic, code or shell is exit 2, with what is known."""
    told = call(*words)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


@pytest.mark.parametrize("code", ["YG205", "yg205", "205", "error[YG205]"])
def test_a_code_is_explained(code, call):
    """`explain` accepts a code in each form in which a user may copy or type it."""
    told = call("explain", code)
    assert (told.code, told.err) == (0, "")
    assert told.out == (folder() / "errors" / "YG205.md").read_text("utf-8")


def test_several_codes_are_explained(call):
    """Several codes are explained in their order, each once."""
    told = call("explain", "YG205", "YG101", "205")
    assert [line[:7] for line in told.out.splitlines() if line.startswith("# YG")] == ["# YG205", "# YG101"]


def test_pages_are_paged_at_a_terminal_only(program, tmp_path):
    """At a terminal a page goes through the user's pager; into a pipe it goes as it is."""
    pager = tmp_path / "pager"
    pager.write_text('#!/bin/sh\ncat > "$SEEN"\n')
    pager.chmod(0o700)
    environment = {**os.environ, "PAGER": str(pager), "SEEN": str(tmp_path / "seen"), "TERM": "xterm"}
    ours, theirs = os.openpty()
    subprocess.run([program, "docs", "cost"], stdin=theirs, stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    os.close(ours)
    assert (tmp_path / "seen").read_text("utf-8").startswith("# Cost and limits\n")
    (tmp_path / "seen").unlink()
    piped = subprocess.run(
        [program, "docs", "cost"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, check=True
    )
    assert piped.stdout.startswith(b"# Cost and limits\n")
    assert not (tmp_path / "seen").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell, call):
    """The script of each shell calls the program by its name; the shell itself can read it."""
    told = call("completion", shell)
    assert (told.code, told.err) == (0, "")
    assert f"_YAMLGEN_COMPLETE={shell}_complete" in told.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=told.out, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("yamlgen ru", {"run", "runs"}),
        ("yamlgen runs f", {"failed"}),
        ("yamlgen run --sim", {"--simulate"}),
        ("yamlgen run --progress l", {"live"}),
        ("yamlgen completion z", {"zsh"}),
    ],
)
def test_words_are_completed(words, completed, program):
    """The program completes commands, options and values for the script."""
    count = str(len(words.split()) - 1)
    environment = {**os.environ, "_YAMLGEN_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == completed


def test_a_wheel_has_the_manual():
    """The build puts the whole of `docs/` where an installed package looks for its pages."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert settings["force-include"]["docs"] == "yamlgen/manual"
    assert settings["packages"] == ["src/yamlgen"]
    assert folder() == ROOT / "docs"


def test_an_installed_package_reads_its_own_pages(tmp_path, monkeypatch):
    """As in a wheel, where the pages are next to the modules."""
    monkeypatch.setattr("yamlgen.manual._HERE", tmp_path)
    (tmp_path / "manual").mkdir()
    assert folder() == tmp_path / "manual"
