"""`llms.txt` and `llms-full.txt` are those of the pages, and have the form that llmstxt.org describes."""

import re

from manual_pages import DOCS
from yamlgen.api.manual_index import INDEX, WHOLE, generate
from yamlgen.manual import topics

MADE = generate()


def test_the_files_are_those_of_the_pages():
    """The committed files are what the pages make."""
    for name, text in MADE.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, "run `python -m yamlgen.api.manual_index`"


def test_the_index_has_its_form():
    """A title, a summary, then sections of links, each with a line of text; each link leads to a file."""
    title, summary, *_ = MADE[INDEX].split("\n\n")
    assert title == "# yamlgen"
    assert all(line.startswith("> ") for line in summary.splitlines())
    sections = MADE[INDEX].split("\n## ")[1:]
    assert [each.partition("\n")[0] for each in sections] == ["Start", "Guides", "Cookbook", "Reference", "Optional"]
    for section in sections:
        lines = section.strip().splitlines()[2:]
        assert lines
        for line in lines:
            assert (DOCS / re.fullmatch(r"- \[[^\]]+\]\(([\w/.-]+)\): \S.+", line)[1]).is_file()


def test_the_index_leaves_no_guide_out():
    """Each page of guides and of the cookbook has its line."""
    for folder in ("guides", "cookbook"):
        for page in (DOCS / folder).glob("*.md"):
            assert f"({folder}/{page.name})" in MADE[INDEX]


def test_the_whole_has_every_page_for_users():
    """Each page is there as it is, those of error codes too, and none for people who change yamlgen."""
    for page in DOCS.rglob("*.md"):
        is_there = page.read_text(encoding="utf-8").strip() in MADE[WHOLE]
        assert is_there == (page.name not in {"architecture.md", "contributing.md", "performance.md"}), page


def test_the_files_are_no_pages():
    """`yamlgen docs` lists neither of them."""
    assert not [topic for topic in topics() if "llms" in topic]
