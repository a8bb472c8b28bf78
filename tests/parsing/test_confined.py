"""Reading that is confined to a folder: what is outside has no status, no text and no neighbours."""

import pytest

from yamlgen.parsing.file_patterns import matching
from yamlgen.parsing.project_folder import BEYOND, confined, is_beyond, status, unusable
from yamlgen.parsing.similar_paths import neighbour
from yamlgen.parsing.yaml_parser import absence, read


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, and a link to a file beside it."""
    made = tmp_path / "project"
    made.mkdir()
    (made / "own.csv").write_text("a", encoding="utf-8")
    (tmp_path / "other.csv").write_text("b", encoding="utf-8")
    (made / "link.csv").symlink_to(tmp_path / "other.csv")
    return made


@pytest.mark.parametrize("reference", ["../other.csv", "link.csv", "/etc/hostname", "../nothing.csv"])
def test_what_is_outside_is_not_looked_up(folder, reference):
    """Neither by its path nor through a link, and whether or not it exists."""
    path = folder / reference
    with confined(folder):
        assert is_beyond(path)
        assert status(path) is None
        assert BEYOND in unusable(path, reference)
        assert BEYOND in absence(path, reference, "the pipeline file")[0]
        text, (told,) = read(path, reference)
    assert text is None
    assert told.message.startswith(f"cannot read {reference}")
    assert not is_beyond(path)


def test_what_is_inside_is_read(folder):
    """The border stops nothing else."""
    with confined(folder):
        assert read(folder / "own.csv", "own.csv")[0].text == "a"
        assert unusable(folder / "own.csv", "own.csv") is None


def test_a_pattern_lists_nothing_outside(folder):
    """A link out of the folder is still one of its files: that it is not read does not mean that there is none."""
    with confined(folder):
        assert matching(folder, "../*.csv") == []
        assert matching(folder, "*.csv") == ["link.csv", "own.csv"]


def test_no_name_outside_is_suggested(folder):
    """To find a similar name, the files outside would have to be listed."""
    assert "other.csv" in neighbour(folder.parent / "othr.csv", "othr.csv")
    with confined(folder):
        assert neighbour(folder.parent / "othr.csv", "othr.csv") == ""
