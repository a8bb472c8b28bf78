"""The pages of the error codes: one for each, whose wrong example gives that error and whose right one does not."""

import json
import os
import re
import shutil
import textwrap

import pytest
import yaml

from manual_pages import DOCS, ROOT, blocks, completed
from yamlgen.errors import Code

PAGES = sorted(DOCS.glob("errors/YG*.md"))
REST = (
    "version: 1\n",
    "input: {rows: [{topic: tea, text: The kettle leaks., stars: 2}]}\n",
    "output: {path: out.jsonl}\n",
)
REWRITE = "YAMLGEN_REWRITE_PAGES" in os.environ


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the pages name, in which the test stands."""
    shutil.copytree(ROOT / "src" / "yamlgen" / "api" / "starter", tmp_path, dirs_exist_ok=True)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "style.md").write_text("Write short sentences.\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("def count(text) return 1\n", encoding="utf-8")
    (tmp_path / "terms.json").write_text("{}\n", encoding="utf-8")
    words = """
        import json


        def count(text):
            return len(text.split())


        def known(text):
            with open("terms.json") as file:
                return [term for term in json.load(file) if term in text]
    """
    (tmp_path / "words.py").write_text(textwrap.dedent(words), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def section(page, title):
    """The blocks under a heading of a page, by language."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return dict(re.findall(r"^```(\w+)\n(.*?)^```$", found[1], re.DOTALL | re.MULTILINE)) if found else {}


def whole(example):
    """An example as a file; to one that is not YAML, the keys that it lacks are added as text."""
    try:
        return completed(example) or example
    except (yaml.YAMLError, TypeError):  # it is wrong on purpose, in any way
        return example + "".join(line for line in REST if not re.search(f"^{line[:5]}", example, re.MULTILINE))


def test_every_code_has_a_page():
    """No code is without its page, and no page without its code; the index lists them all, with their titles."""
    assert {page.stem for page in PAGES} == {code.value for code in Code}
    index = (DOCS / "errors" / "README.md").read_text(encoding="utf-8")
    titles = {page.stem: page.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2] for page in PAGES}
    assert dict(re.findall(r"^\| \[(YG\d+)\]\(YG\d+\.md\) \| (.*) \|$", index, re.MULTILINE)) == titles


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_fails_and_what_helps(page):
    """A page has a wrong and a right example, or what fails is shown by its message, and followed by the fix."""
    titles = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {"Wrong", "Right"} <= set(titles) or {"Message", "Fix"} <= set(titles)


@pytest.mark.parametrize("page", [page for page in PAGES if section(page, "Wrong")], ids=lambda page: page.stem)
def test_the_wrong_example_gives_the_error(page, folder, call):
    """`validate` says of the wrong example what the page shows, and all of it is of this code."""
    shown = section(page, "Wrong")
    (folder / "pipeline.yaml").write_text(whole(shown["yaml"]), encoding="utf-8")
    told = call("validate", "pipeline.yaml")
    said = told.err[: told.err.rindex("\n", 0, -1) + 1].replace("pipeline.yaml: ok (1 step)\n", "").strip("\n") + "\n"
    if REWRITE:
        old = page.read_text(encoding="utf-8")
        page.write_text(old.replace(f"```text\n{shown['text']}```", f"```text\n{said}```", 1), encoding="utf-8")
        return
    assert said == shown["text"]
    assert set(re.findall(r"^(?:error|warning)\[(YG\d+)\]", said, re.MULTILINE)) == {page.stem}


@pytest.mark.parametrize("page", [page for page in PAGES if section(page, "Right")], ids=lambda page: page.stem)
def test_the_right_example_is_right(page, folder, call):
    """The right example has no error and no warning."""
    (folder / "pipeline.yaml").write_text(completed(section(page, "Right")["yaml"]), encoding="utf-8")
    told = call("validate", "pipeline.yaml", "--output-format", "json")
    assert json.loads(told.out)["diagnostics"] == []


@pytest.mark.parametrize("page", [page for page in PAGES if section(page, "Message")], ids=lambda page: page.stem)
def test_a_message_is_of_its_code(page):
    """A page that shows only a message shows one of its code, and says how to mend it."""
    assert re.match(rf"(?:(?:error|warning)\[{page.stem}\]: |\d+ x {page.stem} in )", section(page, "Message")["text"])
    assert "## Fix" in page.read_text(encoding="utf-8")


def test_blocks_are_read():
    """The pages have examples: the other tests look at something."""
    assert sum(bool(blocks(page, "yaml")) for page in PAGES) > 50
