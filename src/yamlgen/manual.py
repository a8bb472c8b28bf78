"""The manual: pages of Markdown, which are part of the package, and are in `docs/` of a checkout."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from yamlgen.errors import Code, UsageError
from yamlgen.suggestions import listing, nearest

_HERE: Final = Path(__file__).parent

_ORDER: Final = (
    "README.md",
    "tutorial.md",
    "guides",
    "cookbook",
    "reference.md",
    "test_reference.md",
    "api_coverage.md",
    "json.md",
    "errors",
)
"""The order of the pages and folders; any others follow."""

_CODE: Final = re.compile(r"(?:error\[|warning\[)?(?:yg)?(\d{3})\]?", re.IGNORECASE)


def folder() -> Path:
    """Return the folder of the pages: in the installed package, or in a checkout."""
    installed = _HERE / "manual"
    return installed if installed.is_dir() else _HERE.parents[1] / "docs"


def paths() -> list[Path]:
    """Return the files of all pages, in the order of the manual."""
    return list(_pages().values())


def topics() -> dict[str, str]:
    """Return the titles of the pages by topic, without the pages of error codes."""
    pages = {topic: path for topic, path in _pages().items() if not _is_code(topic)}
    return {topic: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for topic, path in pages.items()}


def page(topic: str) -> str:
    """Return a page as Markdown. A topic is the name of a page, such as `tutorial` or `YG205`, or its path.

    Raises:
        UsageError: there is no such page.
    """
    path = _named(topic) or _at(topic)
    if path is None:
        near = nearest(topic, [each for each in _pages() if not _is_code(each)])
        hint = f"did you mean `{near}`?" if near else "`yamlgen docs --list` lists the topics"
        describing = _describing(topic)
        if describing:
            hint = f"it is described in {listing(describing)}"
        raise UsageError(f"the manual has no page `{topic}`", code=Code.UNKNOWN_KEY, hint=hint)
    return path.read_text(encoding="utf-8")


def _named(topic: str) -> Path | None:
    return _pages().get(topic) or _pages().get(topic.lower()) or _pages().get(_code(topic))


def _at(link: str) -> Path | None:
    """Return the page at a path as the pages show it in links, such as `guides/steps.md`."""
    shown = PurePosixPath(link.partition("#")[0].removesuffix(".md"))
    parts = tuple(part for part in shown.parts if part not in ("..", "docs"))
    path = _named(_topic(folder().joinpath(*parts), folder())) if parts else None
    return path if path is not None and path.with_suffix("").parts[-len(parts) :] == parts else None


def _describing(word: str) -> list[str]:
    """Return the pages that have a word as a heading, or as a name in a heading or in the first cell of a table."""
    name = rf"`(?:yamlgen |--)?{re.escape(word)}:?(?: [^`]*)?`"
    place = re.compile(rf"^(?:#+ {re.escape(word)}$|(?:#|\|)[^|\n]*?{name})", re.IGNORECASE | re.MULTILINE)
    pages = [(topic, path) for topic, path in _pages().items() if word and not _is_code(topic)]
    pages = [(topic, path) for topic, path in pages if _rank(path, folder())[0] < len(_ORDER)]  # those for users
    return [topic for topic, path in pages if place.search(path.read_text(encoding="utf-8"))]


def explanation(code: str) -> str:
    """Return the page of an error code, as Markdown. `YG205`, `yg205`, `205` and `error[YG205]` are the same code.

    Raises:
        UsageError: there is no such code.
    """
    name = _code(code)
    if not _is_code(name) or name not in _pages():
        hint = "list all codes with `yamlgen docs errors`"
        raise UsageError(f"there is no error code `{code}`", code=Code.UNKNOWN_KEY, hint=hint)
    return page(name)


def _code(text: str) -> str:
    """Return a code in its usual form, and any other string itself."""
    found = _CODE.fullmatch(text.strip())
    return f"YG{found[1]}" if found else text


def _is_code(topic: str) -> bool:
    return re.fullmatch(r"YG\d{3}", topic) is not None


@cache
def _pages() -> dict[str, Path]:
    """Return every page by its topic: the name of its file, or for the index of a folder, the name of the folder."""
    whole = folder()
    return {_topic(path, whole): path for path in sorted(whole.rglob("*.md"), key=lambda path: _rank(path, whole))}


def _rank(path: Path, whole: Path) -> tuple[int, Path]:
    first = path.relative_to(whole).parts[0]
    return _ORDER.index(first) if first in _ORDER else len(_ORDER), path


def _topic(path: Path, whole: Path) -> str:
    if path.stem != "README":
        return path.stem
    return "manual" if path.parent == whole else path.parent.name
