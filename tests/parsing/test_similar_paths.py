"""The file that a mistyped path was meant to name."""

import pytest

from yamlgen.parsing.similar_paths import neighbour


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Some pipelines, seen from their folder."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "old").mkdir()
    (tmp_path / "pipelines" / "old" / "first.md").touch()
    (tmp_path / "pipelines" / "gone.yaml").symlink_to("nowhere.yaml")
    for name in (
        "hello.yaml",
        "articles.yaml",
        "articles.md",
        "not.json",
        ".hidden.yaml",
        "tea.yamlgen.yaml",
        "tea.csv",
    ):
        (tmp_path / "pipelines" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("shown", "near"),
    [
        ("pipelines/helo.yaml", "pipelines/hello.yaml"),
        ("pipelines/Hello.yaml", "pipelines/hello.yaml"),
        ("pipelines/hello.yml", "pipelines/hello.yaml"),
        ("pipelines/hello", "pipelines/hello.yaml"),
        ("pipeline/hello.yaml", "pipelines/hello.yaml"),
        ("./pipelines/article.yaml", "pipelines/articles.yaml"),
        ("Pipelines/Hello.yaml", "pipelines/hello.yaml"),
        ("pipelines/tea", "pipelines/tea.yamlgen.yaml"),
        ("pipelines/tea.yaml", "pipelines/tea.yamlgen.yaml"),
        ("pipelines/first.md", "pipelines/old/first.md"),
        ("pipelines/gone.yaml", None),
        ("Hello.yaml", "pipelines/hello.yaml"),
        ("pipelines/articles", None),
        ("pipelines/nothing.json", None),
        ("pipelines/hidden.yaml", None),
        ("pipelines/banana.yaml", None),
        ("elsewhere/deep/hello.yaml", None),
        ("pipelines/hello.yaml", None),
        ("pipelines/hello.yaml/x", None),
        ("pipelines/" + "x" * 300, None),
        ("pipelines/\0", None),
    ],
)
def test_the_neighbour_is_a_file_that_is_there(folder, shown, near):
    """By its letters, by its ending, or by its folder; the hint names it as it was typed."""
    assert neighbour(folder / shown, shown) == (f"did you mean `{near}`?" if near else "")


def test_a_folder_is_no_file(folder):
    """It is told as what it is."""
    assert neighbour(folder / "pipelines", "pipelines") == "it is a folder: write the path of a file in it"
