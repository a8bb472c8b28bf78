"""What a pipeline may read as a part of itself: what its paths say, and nothing that a link makes of them."""

import json
from pathlib import Path

import pytest

from yamlgen.api.loading import check
from yamlgen.errors import Code
from yamlgen.parsing import project_folder, yaml_parser
from yamlgen.steps.python import signatures

STEPS = {
    "text": "s: {{model: m, prompt: {{file: {}}}}}",
    "system": "s: {{model: m, prompt: x, system: {{file: {}}}}}",
    "message": "s: {{model: m, messages: [{{role: user, content: {{file: {}}}}}]}}",
    "schema": "s: {{model: m, prompt: x, output: {{schema: {}}}}}",
}
FILES = {"text": "shared.md", "system": "shared.md", "message": "shared.md", "schema": "shared.json"}


@pytest.fixture
def found(tmp_path):
    """Write a pipeline with one step in a folder beside a shared one, and return what is wrong with it."""
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shared.md").write_text("Say it.")
    (tmp_path / "out" / "shared.json").write_text("{}")
    (tmp_path / "out" / "shared.py").write_text("def tell(): return 1\n")
    (inside / "linked").symlink_to("../out")
    for name in ("shared.md", "shared.json", "shared.py"):
        (inside / name).symlink_to(f"linked/{name}")

    def write(step, data="rows: [{}]", output="o.jsonl"):
        text = f"version: 1\ninput: {{{data}}}\nsteps:\n  {step}\noutput: {{path: {output}}}\n"
        (inside / "p.yaml").write_text(text)
        return check(inside / "p.yaml")[1]

    return write


@pytest.mark.parametrize("way", ["{}", "linked/{}", "linked/../out/{}", "./{}"])
@pytest.mark.parametrize("kind", STEPS)
def test_a_link_out_of_the_folder_is_an_error(kind, way, found):
    """The file, or a folder on its way, is a link that leads out: told where the path stands, with the way out."""
    path = way.format(FILES[kind])
    (told,) = found(STEPS[kind].format(path))
    assert told.code is Code.OUTSIDE_FOLDER
    assert told.message.endswith(
        f"{path.removeprefix('./')} leaves the pipeline's folder through a link, to ../out/{FILES[kind]}"
    )
    assert told.hint == f"write the path without the link: `../out/{FILES[kind]}`"
    assert told.mark.line == 4
    assert found(STEPS[kind].format(f"../out/{FILES[kind]}")) == ()


@pytest.mark.parametrize("call", ["shared:tell", "linked.shared:tell"])
def test_a_function_behind_a_link_out_of_the_folder_is_an_error(call, found):
    """A module has no other path, so it is to be copied, or imported."""
    (told,) = found(f's: {{kind: python, call: "{call}"}}')
    assert told.code is Code.OUTSIDE_FOLDER
    assert "import the function in a module of the folder" in told.hint


@pytest.mark.parametrize("kind", STEPS)
def test_what_is_written_is_the_way_out(kind, found, tmp_path):
    """A path that leaves the folder by its own words may lead over links, and so may an absolute one."""
    for path in (f"../in/linked/{FILES[kind]}", f"{tmp_path}/in/{FILES[kind]}"):
        assert found(STEPS[kind].format(path)) == ()


@pytest.mark.parametrize("kind", STEPS)
def test_links_inside_the_folder_are_followed(kind, found, tmp_path):
    """A link is no mistake, nor is one to the folder or to the pipeline."""
    here = tmp_path / "in"
    (here / "parts").mkdir()
    (here / "parts" / "own").write_bytes((tmp_path / "out" / FILES[kind]).read_bytes())
    own = here / f"own{Path(FILES[kind]).suffix}"
    own.symlink_to("parts/own")
    assert found(STEPS[kind].format(own.name)) == ()
    (tmp_path / "alias").symlink_to("in")
    (here / "other.yaml").symlink_to("p.yaml")
    assert check(tmp_path / "alias" / "other.yaml")[1] == ()


def test_the_folder_is_where_the_pipeline_was_named(found, tmp_path):
    """A pipeline that is a link itself reads what stands beside the link, and no link out from there."""
    found("s: {model: m, prompt: {file: own.md}}")
    (tmp_path / "link.yaml").symlink_to("in/p.yaml")
    (tmp_path / "own.md").write_text("beside the link")
    assert check(tmp_path / "link.yaml")[1] == ()


def test_data_may_be_links(found, tmp_path):
    """Input, output, and the files of draws and of `reads` stand elsewhere where data tools put them."""
    here, rows = tmp_path / "in", tmp_path / "out" / "rows.jsonl"
    rows.write_text('{"a": 1}\n')
    (here / "rows.jsonl").symlink_to("../out/rows.jsonl")
    (here / "out.jsonl").symlink_to("../out/result.jsonl")
    (here / "own.py").write_text("def tell(): return open('rows.jsonl').read()\n")
    draw = "d: {kind: draw, draws: {x: {path: rows.jsonl, column: a}}}"
    python = "p: {kind: python, call: 'own:tell', keep: true, reads: [rows.jsonl]}"
    assert found(f"{draw}\n  {python}", "path: rows.jsonl", "out.jsonl") == ()


@pytest.mark.parametrize("target", ["gone", "../out/gone", "loop"])
@pytest.mark.parametrize("kind", STEPS)
def test_a_link_that_leads_nowhere_is_called_one(kind, target, found, tmp_path):
    """It is there, and what it stands for is not."""
    (tmp_path / "in" / "loop").symlink_to(target)
    (told,) = found(STEPS[kind].format("loop"))
    assert (told.code, told.message.rpartition("/")[2]) == (Code.MISSING_FILE, "loop is a broken link")


@pytest.mark.parametrize("ref", ["loop.json", "a\0b", "linked/shared.json", "../out/shared.json", "/etc/hosts"])
def test_a_reference_of_a_schema_stays_inside(ref, found, tmp_path):
    """Neither words nor links lead out, and what leads nowhere is told and breaks nothing."""
    (tmp_path / "in" / "loop.json").symlink_to("loop.json")
    told = found(f"s: {{model: m, prompt: x, output: {{schema: {{$ref: {json.dumps(ref)}}}}}}}")
    assert {each.code for each in told} & {Code.OUTSIDE_FOLDER, Code.MISSING_FILE}


@pytest.mark.parametrize("kind", [*STEPS, "call"])
def test_what_was_checked_is_what_is_read(kind, found, tmp_path, monkeypatch):
    """A link that takes a folder's place between the look and the reading is not followed."""
    here = tmp_path / "in"
    (here / "parts").mkdir()
    for name in ("shared.md", "shared.json", "shared.py"):
        (here / "parts" / name).write_bytes((tmp_path / "out" / name).read_bytes())
    opened = project_folder.open_inside

    def swapped(*arguments):
        """Lets the look see the folder, and the opening a link."""
        resolve = project_folder.real

        def then_swap(path):
            place = resolve(path)
            if path != here:
                (here / "parts").rename(here / "before")
                (here / "parts").symlink_to("../out")
            return place

        monkeypatch.setattr(project_folder, "real", then_swap)
        try:
            return opened(*arguments)
        finally:
            monkeypatch.setattr(project_folder, "real", resolve)

    monkeypatch.setattr(yaml_parser, "open_inside", swapped)
    monkeypatch.setattr(signatures, "open_inside", swapped)
    step = (
        's: {kind: python, call: "parts.shared:tell"}' if kind == "call" else STEPS[kind].format(f"parts/{FILES[kind]}")
    )
    (told,) = found(step)
    assert told.message.startswith("cannot read ")
    assert (here / "parts").is_symlink()


@pytest.mark.parametrize("git", ["folder", "file", "broken link"])
def test_the_repository_of_a_path_is_its_next_folder_with_git(git, tmp_path):
    """A worktree and a submodule have a file; the path need not exist, and its links and `..` are resolved."""
    (tmp_path / "out" / ".git").mkdir(parents=True)
    top = tmp_path / "out" / "top"
    (top / "below").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(top / "below")
    (top / "loop").symlink_to("loop")
    if git == "folder":
        (top / ".git").mkdir()
    elif git == "file":
        (top / ".git").write_text("gitdir: ../.git/modules/top\n")
    else:
        (top / ".git").symlink_to("nowhere")  # git does not take it for a repository either
        top = top.parent
    for path in (top, tmp_path / "linked" / "a.yaml", tmp_path / "out" / "top" / "below" / ".." / "no" / "no"):
        assert project_folder.repository_of(path) == top
    assert project_folder.repository_of(tmp_path / "out" / "top" / "loop") == top
    assert project_folder.repository_of(tmp_path / "out" / "..") is None
