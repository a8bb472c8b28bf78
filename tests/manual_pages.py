"""The pages of the manual for tests: their code blocks and links, and examples completed to files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_REST = {
    "version": 1,
    "input": {"rows": [{"topic": "tea", "text": "The kettle leaks.", "stars": 2}]},
    "output": {"path": "out.jsonl"},
}
"""What an example leaves out of a pipeline file."""

_TOP = {*_REST, "outputs", "name", "params", "models", "model", "runtime", "limits", "steps"}
_OUTPUTS = {"output", "outputs"}


@dataclass(frozen=True)
class Block:
    """A fenced block: the page that it is on, its line there, its language, its text, and the line of prose above.

    Attributes:
        whole: the last example above it that is a whole pipeline file; empty if there is none.
    """

    page: Path
    line: int
    language: str
    text: str
    above: str
    whole: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page of the manual, including generated pages, and the README."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path, language: str) -> list[Block]:
    """Return the code blocks of a page in one language."""
    text = page.read_text(encoding="utf-8")
    found, whole = [], ""
    for match in _BLOCK.finditer(text):
        above = text[: match.start()].rstrip().rpartition("\n")[2]
        if match[2] == language:
            found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, match[3], above, whole))
        if match[3].startswith("version:"):
            whole = match[3]
    return found


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def completed(example: str, whole: str = "") -> str | None:
    """An example as a whole pipeline file; None where it is none: a comment, a test file, or a file of another tool.

    An example is whole top-level keys, of which the rest is filled in, or the keys of one step. An example of outputs
    alone is an output of `whole`, the pipeline above it, if there is one.
    """
    given = yaml.load(example, LOADER)  # noqa: S506 - the safe one, in C
    if not isinstance(given, dict) or not given.keys().isdisjoint((True, "cases", "repos")):
        return None
    if whole and given.keys() <= _OUTPUTS:
        above = yaml.load(whole, LOADER)  # noqa: S506
        rest = {key: value for key, value in above.items() if key not in _OUTPUTS}
        return example + yaml.safe_dump(rest, sort_keys=False)
    model = next(iter(given.get("models", ())), "claude-haiku-5-5")
    if not any(key in _TOP or str(key).startswith("x-") for key in given):
        given = {"steps": {"answer": {"model": model, "prompt": "About {{ row.topic }}.", **given}}}
        return yaml.safe_dump({**_REST, **given}, sort_keys=False)
    step = {"prompt": "A haiku about {{ row.topic }}."}
    rest = {**_REST, "steps": {"haiku": step if "model" in given else {"model": model, **step}}}
    left_out = {key: value for key, value in rest.items() if key not in given}
    if "outputs" in given:
        left_out.pop("output", None)
    return example + (yaml.safe_dump(left_out, sort_keys=False) if left_out else "")
