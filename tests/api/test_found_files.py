"""Which files of a folder are pipelines and tests, among other YAML files."""

import os
from pathlib import Path

import pytest

from yamlgen.api.found_files import pipelines_in

PIPELINE = "version: 1\ninput: {path: rows.jsonl}\nsteps: {a: {value: 1}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    return Path()


def written(path, text=PIPELINE):
    """A file in a folder that need not exist."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        PIPELINE,
        "steps: {}\noutput: {}\n",
        "steps: {}\noutputs: {}\n",
        "{'steps': {}, \"output\": {}}",
        "? steps\n: {}\n? input\n: {}\n",
        "input: !custom {}\nsteps: {}\n",
        "steps:\n  a: [\n",  # not YAML from here on
        "input: {}\nsteps:\n  a: \tb: c\n",
        "input: {}\r\nsteps:\r\n  a: [\r\n",
        b"input: \xff\nsteps: {}\n",
        PIPELINE.encode("utf-16"),
        PIPELINE + "#" * (1 << 20),  # more than a pipeline may have
    ],
)
def test_a_mapping_with_steps_and_input_or_output_is_a_pipeline(folder, text):
    """And a file that is not YAML, if a line begins with `steps:`: its author must see the error."""
    path = written("a.yml", text)
    assert pipelines_in(folder).pipelines == (path,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "services: {web: {image: nginx}}\n",
        "on: push\njobs: {a: {runs-on: x, steps: [{run: ls}]}}\n",  # a workflow of GitHub
        "inputs: {}\noutputs: {}\nruns: {using: composite, steps: []}\n",  # an action of GitHub
        "steps: [{script: make}]\n",  # Azure Pipelines
        "apiVersion: v1\n---\napiVersion: v1\nkind: steps\n",
        "- steps\n- input\n",
        "input: {}\n# steps:\n",
        "input: [\n  steps:\n",
        b"\x00\xff\xfe",
    ],
)
def test_other_yaml_is_passed_over(folder, text):
    """Whatever else a repository contains."""
    path = written("a.yaml", text)
    found = pipelines_in(folder)
    assert (found.pipelines, found.passed_over) == ((), (path,))


def test_all_folders_below_are_searched_in_order(folder):
    """Test files are told by their extension, and are never passed over."""
    below, here = written("b/c/x.yaml"), written("a.yml")
    tests = (written("b/x.test.yaml", "[broken"), written("z.test.yml", "cases: {}"))
    others = (written("b/compose.yaml", "services: {}"), written("k8s.yml", "kind: Pod"))
    written("b/rows.json", PIPELINE)
    found = pipelines_in(folder)
    assert (found.pipelines, found.tests, found.passed_over) == ((here, below), tests, others)


@pytest.mark.parametrize(
    "place", [".git/a.yaml", ".github/a.yaml", "node_modules/x/a.yaml", "venv/lib/a.yaml", ".a.yaml"]
)
def test_hidden_files_and_packages_are_left_out(folder, place):
    """They are not pipelines of the project."""
    written(place)
    written("venv/pyvenv.cfg", "")
    assert pipelines_in(folder).pipelines == pipelines_in(folder).passed_over == ()


def test_links_are_files_but_not_folders(folder):
    """So that a loop of links ends; a broken link, a folder and a pipe are no files."""
    path, link = written("b/a.yaml"), Path("link.yaml")
    link.symlink_to("b/a.yaml")
    Path("broken.yaml").symlink_to("nowhere")
    Path("b/loop").symlink_to("..")
    Path("folder.yaml").mkdir()
    os.mkfifo("pipe.yaml")
    found = pipelines_in(folder)
    assert (found.pipelines, found.passed_over) == ((path, link), ())


def test_a_file_that_is_gone_or_unreadable_is_told_by_its_check(folder, monkeypatch):
    """Nothing says that it is no pipeline."""
    path = written("a.yaml")

    def refused(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert pipelines_in(folder).pipelines == (path,)
