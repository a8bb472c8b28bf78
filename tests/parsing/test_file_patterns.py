"""Which files a pattern means."""

from glob import glob

import pytest

from yamlgen.parsing.file_patterns import matching

FILES = [
    "a.csv",
    "b.jsonl",
    ".hidden.csv",
    "data/a.csv",
    "data/b.csv.gz",
    "data/deep/c.csv",
    "data/deep/er/d.csv",
    "data/.git/e.csv",
    "data/x[1].csv",
    "old[1]/f.csv",
    "data/a b.csv",
    "data/ü.csv",
]


@pytest.fixture
def folder(tmp_path):
    """A folder with the files, and a folder that is named like a file."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "data" / "folder.csv").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    [
        "*.csv",
        "*",
        "data/*",
        "data/*.csv",
        "data/*.csv*",
        "data/**/*.csv",
        "**/*.csv",
        "**",
        "**/deep/**/*.csv",
        "*/*.csv",
        "?.csv",
        "data/[ab].csv",
        "data/[!a].csv",
        ".*.csv",
        "data/.git/*.csv",
        "data/.*/*.csv",
        "./data/*.csv",
        "data/../*.csv",
        "missing/*.csv",
        "data/*/c.csv",
        "*.CSV",
    ],
)
def test_a_pattern_matches_as_in_glob(folder, pattern):
    """Also hidden files, folders that are named like files, and `**`."""
    expected = [path for path in glob(pattern, root_dir=folder, recursive=True) if (folder / path).is_file()]  # noqa: PTH207
    assert matching(folder, pattern) == sorted(set(expected))


def test_an_absolute_pattern_matches(folder):
    """The matches are absolute too."""
    assert matching(folder, f"{folder}/data/a.*") == [f"{folder}/data/a.csv"]


def test_brackets_in_a_name_that_exists_are_no_pattern(folder):
    """Neither in the name of a file, nor in that of a folder before a pattern."""
    assert matching(folder, "data/x[1].csv") == ["data/x[1].csv"]
    assert matching(folder, "old[1]/*.csv") == ["old[1]/f.csv"]


def test_a_link_to_a_file_matches_and_a_link_to_a_folder_is_not_followed(folder):
    """So that a loop of links ends, and no file is read twice; a link with which the pattern begins is followed."""
    (folder / "data" / "loop").symlink_to(folder / "data")
    (folder / "data" / "link.csv").symlink_to(folder / "a.csv")
    (folder / "data" / "broken.csv").symlink_to(folder / "nowhere.csv")
    assert "data/link.csv" in matching(folder, "data/**/*.csv")
    assert "data/broken.csv" not in matching(folder, "data/**/*.csv")
    assert not any("loop" in path for path in matching(folder, "data/**/*.csv"))
    assert "data/loop/a.csv" in matching(folder, "data/loop/*.csv")
