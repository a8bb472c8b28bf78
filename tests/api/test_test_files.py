"""Which test files `yamlgen test` finds in a folder."""

import venv
from pathlib import Path

import pytest

import yamlgen
from yamlgen.api.test_files import find_test_files, open_suites
from yamlgen.errors import Code, UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new project with the files of `init`, whose only test file is `reviews.yamlgen.test.yaml`."""
    yamlgen.init(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(folder, place):
    """A copy of the test file of a project in another folder."""
    path = folder / place / "other.test.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((folder / "reviews.yamlgen.test.yaml").read_text("utf-8"), "utf-8")
    return path


@pytest.mark.parametrize("name", ["venv", "env"])
def test_tests_in_a_virtual_environment_are_left_out(name, folder):
    """The starter of an installed yamlgen has a test, which is not one of the project; by its name it is run."""
    venv.create(name, with_pip=False)
    inside = copied(folder, f"{name}/lib/site-packages/yamlgen")
    assert find_test_files([]) == [Path("reviews.yamlgen.test.yaml")]
    assert find_test_files([inside]) == [inside]


@pytest.mark.parametrize("place", ["node_modules/package", ".hidden/below"])
def test_tests_in_packages_and_hidden_folders_are_left_out(place, folder):
    """They are not of the project; a folder that is named is searched."""
    inside = copied(folder, place)
    assert find_test_files([]) == [Path("reviews.yamlgen.test.yaml")]
    assert find_test_files([inside.parent]) == [inside]


def test_tests_in_folders_below_are_found_once_and_in_order(folder):
    """However often a folder is named."""
    below = copied(folder, "a/b")
    assert find_test_files([folder, folder / "a"]) == [below, folder / "reviews.yamlgen.test.yaml"]


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("nofolder", "nofolder does not exist", "write the path of a test file, or of a folder of them"),
        ("scheams", "scheams does not exist", "did you mean `schemas`?"),
        ("review.yaml", "review.yaml does not exist", "did you mean `reviews.yamlgen.test.yaml`?"),
        ("reviews", "reviews does not exist", "did you mean `reviews.yamlgen.test.yaml`?"),
        (
            "reviews.yamlgen.yaml",
            "reviews.yamlgen.yaml is not a test file",
            "did you mean `reviews.yamlgen.test.yaml`?",
        ),
        (
            "reviews.yamlgen.answers.jsonl",
            "reviews.yamlgen.answers.jsonl is not a test file",
            "did you mean `reviews.yamlgen.test.yaml`?",
        ),
        ("data/reviews.csv", "data/reviews.csv is not a test file", "its name must end with .test.yaml"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_path_that_is_no_test_file_is_told_with_the_one_that_was_meant(path, message, hint):
    """What does not exist is told as missing, whatever its extension."""
    with pytest.raises(UsageError) as caught:
        find_test_files([path])
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.code is (Code.UNKNOWN_FORMAT if "is not" in message else Code.MISSING_FILE)


def test_a_pipeline_without_tests_is_told_how_to_get_one(folder):
    """Its first cases come from a run."""
    (folder / "reviews.yamlgen.test.yaml").unlink()
    with pytest.raises(UsageError, match="is not a test file") as caught:
        find_test_files(["reviews.yamlgen.yaml"])
    assert caught.value.hint.startswith("its name must end with .test.yaml")


def chosen(word):
    """The cases that a word chooses."""
    return [case.name for suite in open_suites(find_test_files([]), word)[0] for case in suite.cases]


def test_a_word_is_searched_in_names_and_in_the_name_of_the_file(folder):
    """In any case of letters; a part of the extension is none of the name."""
    every = chosen(None)
    assert chosen("YAMLGEN") == every
    assert chosen(every[0][2:].upper()) == every[:1]
    with pytest.raises(UsageError):
        chosen(".test.yaml")
    (folder / "contest.test.yaml").write_text((folder / "reviews.yamlgen.test.yaml").read_text("utf-8"), "utf-8")
    assert chosen("test") == every


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("word", "hint"), [("reviews.yamlgn", "did you mean `reviews.yamlgen`?"), ("zzz", "cases: `")])
def test_a_word_that_chooses_nothing_is_an_error_with_near_names(word, hint):
    """Names of cases and of files, and the words of names."""
    with pytest.raises(UsageError, match=f"no case has `{word}` in its name or in the name of its file") as caught:
        chosen(word)
    assert caught.value.hint.startswith(hint)


@pytest.mark.usefixtures("folder")
def test_a_word_of_a_name_is_near(folder):
    """A slip in one word of a long name."""
    path = folder / "reviews.yamlgen.test.yaml"
    path.write_text(path.read_text("utf-8").replace(chosen(None)[0], "a complaint is negative"), "utf-8")
    with pytest.raises(UsageError) as caught:
        chosen("complant")
    assert caught.value.hint == "did you mean `complaint`?"
