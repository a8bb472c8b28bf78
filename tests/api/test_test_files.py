"""Which test files `yamlgen test` finds in a folder."""

import venv
from pathlib import Path

import pytest

import yamlgen
from yamlgen.api.test_files import find_test_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new project with the files of `init`, whose only test file is `pipeline.test.yaml`."""
    yamlgen.init(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(folder, place):
    """A copy of the test file of a project in another folder."""
    path = folder / place / "other.test.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((folder / "pipeline.test.yaml").read_text("utf-8"), "utf-8")
    return path


@pytest.mark.parametrize("name", ["venv", "env"])
def test_tests_in_a_virtual_environment_are_left_out(name, folder):
    """The starter of an installed yamlgen has a test, which is not one of the project; by its name it is run."""
    venv.create(name, with_pip=False)
    inside = copied(folder, f"{name}/lib/site-packages/yamlgen")
    assert find_test_files([]) == [Path("pipeline.test.yaml")]
    assert find_test_files([inside]) == [inside]


@pytest.mark.parametrize("place", ["node_modules/package", ".hidden/below"])
def test_tests_in_packages_and_hidden_folders_are_left_out(place, folder):
    """They are not of the project; a folder that is named is searched."""
    inside = copied(folder, place)
    assert find_test_files([]) == [Path("pipeline.test.yaml")]
    assert find_test_files([inside.parent]) == [inside]


def test_tests_in_folders_below_are_found_once_and_in_order(folder):
    """However often a folder is named."""
    below = copied(folder, "a/b")
    assert find_test_files([folder, folder / "a"]) == [below, folder / "pipeline.test.yaml"]
