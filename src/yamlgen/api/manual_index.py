"""The manual for language models: `llms.txt`, its index in the format of llmstxt.org, and `llms-full.txt`, its text.

Both are made of the pages: the index of the manual names them and says what each is for. They are in `docs/` of a
checkout, and no pages of the manual themselves. A test fails if they differ from the pages.
`python -m yamlgen.api.manual_index` rewrites them.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

from yamlgen import manual

INDEX: Final = "llms.txt"
WHOLE: Final = "llms-full.txt"

_ROW: Final = re.compile(r"^\| \[([^\]]+)\]\(([\w/.-]+\.md)\) \| (.+) \|$", re.MULTILINE)
_ENTRY: Final = re.compile(r"^- \[([^\]]+)\]\(([\w/.-]+\.md)\): (.+?)(?=^- |\Z)", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_BUILDERS: Final = frozenset({"architecture.md", "contributing.md", "performance.md"})
"""The pages for people who change yamlgen."""

_RULE: Final = "\n\n" + "=" * 80 + "\n\n"


def generate() -> dict[str, str]:
    """Return the text of each file by its name."""
    contents = (manual.folder() / "README.md").read_text(encoding="utf-8")
    head = files("yamlgen.api").joinpath("agents", "llms.md").read_text(encoding="utf-8")
    lines = [f"{head}\n## Start\n", _line("Tutorial", "tutorial.md", "from your file to checked rows, in five minutes")]
    for part in ("Guides", "Cookbook", "Reference"):
        text = contents.partition(f"\n## {part}\n")[2].partition("\n## ")[0]
        found = [*_ROW.findall(text), *_ENTRY.findall(text)]
        lines += [f"\n## {part}\n", *(_line(*each) for each in found if each[1] not in _BUILDERS)]
    lines += ["\n## Optional\n", _line("The whole manual", WHOLE, "all pages, with those of the error codes")]
    return {INDEX: "\n".join(lines) + "\n", WHOLE: _RULE.join(_pages()) + "\n"}


def write() -> None:
    """Write both files next to the pages."""
    for name, text in generate().items():
        (manual.folder() / name).write_text(text, encoding="utf-8")


def _line(title: str, path: str, text: str) -> str:
    words = " ".join(_LINK.sub(r"\1", text).split()).rstrip(".")
    return f"- [{title}]({path}): {words}"


def _pages() -> list[str]:
    """Return the pages for users in the order of the manual, each with its path above it."""
    folder = manual.folder()
    named = {path.relative_to(folder).as_posix(): path for path in manual.paths()}
    texts = {name: path.read_text(encoding="utf-8").strip() for name, path in named.items() if name not in _BUILDERS}
    return [f"docs/{name}\n\n{text}" for name, text in texts.items()]


if __name__ == "__main__":
    write()
