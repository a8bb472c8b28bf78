"""Files that were renamed are found by their content."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from yamlgen.revisions.renames import renamed


def pairs(before, after):
    """The pairs of names of two sets of files."""
    found = renamed(
        [Path(name) for name in before],
        [Path(name) for name in after],
        lambda path: before[str(path)],
        lambda path: after[str(path)],
    )
    return [(str(old), str(new)) for old, new in found]


def test_a_moved_file_is_paired():
    """With its content as it was."""
    assert pairs({"a.yaml": "x\ny\n"}, {"b/a.yaml": "x\ny\n"}) == [("a.yaml", "b/a.yaml")]


def test_half_of_the_lines_are_enough():
    """A file that was renamed and changed; one with less in common is another file."""
    text = "a\nb\nc\nd\n"
    assert pairs({"old": text}, {"new": "a\nb\ny\nz\n"}) == [("old", "new")]
    assert pairs({"old": text}, {"new": "a\nx\ny\nz\n"}) == []


def test_the_most_similar_are_paired_first():
    """Not the first that is similar enough."""
    before = {"a": "1\n2\n3\n", "b": "1\n2\n4\n"}
    assert pairs(before, {"c": "1\n2\n4\n", "d": "1\n2\n9\n"}) == [("b", "c"), ("a", "d")]


def test_among_equal_files_the_name_decides():
    """Two copies that moved to another folder keep their names."""
    before = {"x/a.yaml": "1\n", "x/b.yaml": "1\n"}
    after = {"y/b.yaml": "1\n", "y/a.yaml": "1\n"}
    assert set(pairs(before, after)) == {("x/a.yaml", "y/a.yaml"), ("x/b.yaml", "y/b.yaml")}


def test_indentation_and_line_ends_do_not_count():
    """A file from another system is the same file."""
    assert pairs({"a": "x:\n  y: 1\n"}, {"b": "x:\r\n    y: 1\r\n"}) == [("a", "b")]


FILES = st.dictionaries(st.sampled_from("abcdef"), st.text("xyz\n", max_size=12), max_size=5)


@given(FILES, FILES)
def test_no_file_is_in_two_pairs(before, after):
    """Each old and each new file once at most, and empty files never."""
    found = pairs(before, after)
    assert len({old for old, _ in found}) == len({new for _, new in found}) == len(found)
    assert all(before[old].strip() and after[new].strip() for old, new in found)
