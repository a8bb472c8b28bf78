"""`init --agents`: what is ours is written and updated, and nothing of the authors is touched."""

import os
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from yamlgen.api import agent_files
from yamlgen.api.agent_files import AGENTS, SKILL, _with_part, write_agent_files
from yamlgen.errors import EnvironmentProblem, UsageError


def test_the_files_of_a_new_folder(tmp_path):
    """A section of AGENTS.md and a skill with its frontmatter are written, each once."""
    assert write_agent_files(tmp_path / "new") == [tmp_path / "new" / AGENTS, tmp_path / "new" / SKILL]
    skill = (tmp_path / "new" / SKILL).read_text(encoding="utf-8")
    front = yaml.safe_load(skill.split("---\n")[1])
    assert set(front) == {"name", "description"}
    assert front["name"] == "yamlgen"
    assert len(front["description"]) <= 1024
    assert len(skill.splitlines()) < 80
    assert "yamlgen context" in (tmp_path / "new" / AGENTS).read_text(encoding="utf-8")
    assert write_agent_files(tmp_path / "new") == []


def test_the_skill_has_the_steps_in_order(tmp_path):
    """Context, write, validate, simulate, plan, ask the person, a few rows, look."""
    write_agent_files(tmp_path)
    skill = (tmp_path / SKILL).read_text(encoding="utf-8")
    steps = re.findall(r"^\d+\. \*\*([\w ]+)", skill, re.MULTILINE)
    wanted = ["Context", "Write", "Validate", "Simulate", "Plan", "Ask the person", "A few rows", "Look"]
    assert [each for each in steps if each in wanted] == wanted


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("own", ["", "# Our rules\n\nBe kind.", "# Our rules\n", "\ufeff# Ours\n\n\n"])
def test_an_existing_file_is_kept(tmp_path, own, line):
    """The text of the authors stays, with its line ends, and ours follows in the same line ends."""
    before = own.replace("\n", line).encode()
    (tmp_path / AGENTS).write_bytes(before)
    write_agent_files(tmp_path)
    after = (tmp_path / AGENTS).read_bytes()
    assert after.startswith(before)
    assert b"yamlgen context" in after
    if line == "\r\n" and own.count("\n"):
        assert after.count(b"\n") == after.count(b"\r\n")
    assert write_agent_files(tmp_path) == []


@settings(max_examples=50)
@given(above=st.text(max_size=40), below=st.text(max_size=40), line=st.sampled_from(["\n", "\r\n"]))
def test_only_our_part_is_replaced(tmp_path_factory, above, below, line):
    """Whatever is above and below our part stays, byte by byte, when a newer version writes it again."""
    path = tmp_path_factory.mktemp("agents") / "A.md"
    part = line.join(["", agent_files._BEGIN, "old", agent_files._END, ""])
    path.write_bytes((above + part + below).encode())
    _, after = _with_part(path, "", "new")
    start, end = f"{above}{line}".encode(), f"{line}{below}".encode()
    assert after.startswith(start)
    assert after.endswith(end)
    assert b"old" not in after[len(start) : len(after) - len(end)]
    path.write_bytes(after)
    assert _with_part(path, "", "new")[1] == after


def test_a_newer_version_updates_its_part(tmp_path, monkeypatch):
    """The version is in our part, so another yamlgen writes it again; our own words stay."""
    write_agent_files(tmp_path)
    path = tmp_path / AGENTS
    path.write_text("Ours.\n" + path.read_text(encoding="utf-8") + "Below.\n", encoding="utf-8")
    monkeypatch.setattr(agent_files, "version", lambda name: f"99 of {name}")
    assert write_agent_files(tmp_path) == [path, tmp_path / SKILL]
    text = path.read_text(encoding="utf-8")
    assert text.startswith("Ours.\n<!-- yamlgen: begin")
    assert text.endswith("yamlgen: end -->\nBelow.\n")
    assert text.count("99 of yamlgen") == 1


@pytest.mark.parametrize(
    "text",
    [
        agent_files._BEGIN,
        agent_files._END,
        f"{agent_files._END}\n{agent_files._BEGIN}",
        f"{agent_files._BEGIN}\n{agent_files._BEGIN}\n{agent_files._END}",
    ],
)
def test_torn_markers_are_refused(tmp_path, text):
    """Markers that do not make one pair are an error, and no file is written."""
    (tmp_path / AGENTS).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="does not have the two markers"):
        write_agent_files(tmp_path)
    assert (tmp_path / AGENTS).read_text(encoding="utf-8") == text
    assert not (tmp_path / SKILL).exists()


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    """Bytes that we cannot read are left as they are."""
    (tmp_path / AGENTS).write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError):
        write_agent_files(tmp_path)
    assert (tmp_path / AGENTS).read_bytes() == b"\xff\xfe"


def test_a_folder_in_the_way_is_refused(tmp_path):
    """A file where a folder is needed is an error, and nothing is written."""
    (tmp_path / "skills").write_text("x", encoding="utf-8")
    with pytest.raises(EnvironmentProblem):
        write_agent_files(tmp_path)
    assert not (tmp_path / AGENTS).exists()


def test_a_pipe_is_refused(tmp_path):
    """It is not waited for."""
    os.mkfifo(tmp_path / AGENTS)
    with pytest.raises(EnvironmentProblem, match=r"AGENTS\.md: it is not a file; nothing was written"):
        write_agent_files(tmp_path)


def test_a_link_stays(tmp_path):
    """If AGENTS.md is a link, such as to CLAUDE.md, the file that it leads to is changed."""
    (tmp_path / "CLAUDE.md").write_text("Ours.\n", encoding="utf-8")
    (tmp_path / AGENTS).symlink_to("CLAUDE.md")
    write_agent_files(tmp_path)
    assert (tmp_path / AGENTS).is_symlink()
    assert (tmp_path / "CLAUDE.md").read_text(encoding="utf-8").startswith("Ours.\n\n<!-- yamlgen: begin")


def test_the_command_writes_only_these(tmp_path, call):
    """`init --agents` writes no pipeline, tells what it wrote, and can be repeated."""
    told = call("init", tmp_path, "--agents")
    assert told.code == 0
    assert told.err.count("wrote ") == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == [AGENTS, "skills"]
    assert call("init", tmp_path, "--agents").err == "nothing to write: AGENTS.md and the skill are up to date\n"
    assert call("init", tmp_path, "--agents", "--ci", "github").code == 2
