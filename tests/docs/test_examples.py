"""What the manual shows is so: examples validate, excerpts are in their pipelines, links lead somewhere."""

import gzip
import json
import re
import shutil
from itertools import chain

import pytest

from manual_pages import DOCS, ROOT, blocks, completed, pages, prose
from shipped_pipelines import PIPELINES

EXAMPLES = [
    block
    for page in pages()
    if page.parent.name not in {"cookbook", "errors"} and page.name != "reference.md" and page.parent != ROOT
    for block in blocks(page, "yaml")
    if completed(block.text)
]
EXCERPTS = [block for page in sorted(DOCS.glob("cookbook/*.md")) for block in blocks(page, "yaml")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the shipped files that examples name, in which the test stands."""
    for name in ("data", "prompts", "schemas"):
        shutil.copytree(ROOT / "pipelines" / name, tmp_path / name)
    (tmp_path / "prompts" / "style.md").write_text("Write short sentences.\n", encoding="utf-8")
    (function,) = blocks(DOCS / "guides" / "steps.md", "python")
    (tmp_path / "textstats.py").write_text(function.text, encoding="utf-8")
    shutil.copy(ROOT / "pipelines" / "extract.yaml", tmp_path)
    review = {"review_id": "r-1", "topic": "kettles", "text": "The kettle leaks.", "lang": "en"}
    lines = f"{','.join(review)}\n{','.join(review.values())}\n"
    (tmp_path / "reviews.csv.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "may.jsonl").write_text(f"{json.dumps(review)}\n", encoding="utf-8")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "lease.md").write_text("Ada lets a boat to Bea.\n", encoding="utf-8")
    starter = ROOT / "src" / "yamlgen" / "api" / "starter"
    shutil.copytree(starter, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_an_example_validates(block, folder, call):
    """Each YAML example, completed where it leaves keys out, has neither an error nor a warning."""
    (folder / "example.yaml").write_text(completed(block.text, block.whole), encoding="utf-8")
    told = call("validate", "example.yaml")
    assert told.code == 0, told.err
    assert told.err.startswith("example.yaml: ok"), told.err


@pytest.mark.parametrize("block", EXCERPTS, ids=str)
def test_an_excerpt_is_in_its_pipeline(block):
    """The lines that a page of the cookbook quotes are in its pipeline, in that order."""
    lines = iter((ROOT / "pipelines" / f"{block.page.stem}.yaml").read_text(encoding="utf-8").splitlines())
    missing = [line for line in block.text.splitlines() if not any(line == each for each in lines)]
    assert not missing


def test_each_pipeline_has_its_page():
    """The cookbook has one page for each shipped pipeline, and the index links to each; a chain has one page."""
    names = {path.stem for path in PIPELINES} - {"extract"}
    assert "pipelines/extract.yaml" in (DOCS / "cookbook" / "themes.md").read_text(encoding="utf-8")
    assert {path.stem for path in DOCS.glob("cookbook/*.md")} == names
    assert set(re.findall(r"\(cookbook/(\w+)\.md\)", (DOCS / "README.md").read_text(encoding="utf-8"))) == names


def addresses(page):
    """The addresses of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).lower()).replace(" ", "-") for title in titles
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page):
    """Each relative link leads to a file, and its fragment to a heading there."""
    for link in re.findall(r"(?<!\\)\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment:
            assert fragment in addresses(target), link


def test_every_page_is_reached():
    """Each page is linked from the index or from a page that is."""
    seen, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            links = (link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+\.md[^)]*)\)", prose(page)))
            waiting += [target for link in links if (target := (page.parent / link).resolve()).is_relative_to(DOCS)]
    assert seen >= set(chain(DOCS.rglob("*.md")))
