"""What a coding agent has to know to write a pipeline: one page, and one for each part of the language.

The pages are cut from the reference, which is generated from the models of the language: a new key is in them without
an edit here. The sentences and examples of the one page are in `agents/context.md`; tests validate and run them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.metadata import version
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template
from typing import Final

from yamlgen.errors import Code, UsageError
from yamlgen.exit_codes import MEANINGS
from yamlgen.manual import page
from yamlgen.suggestions import listing, suggestion

_ROW: Final = re.compile(
    r"^\| (?:\[`(?P<linked>\w+)`\]\(.*?\)|`(?P<plain>\w+)`) \| .*? \| .*?\| (?P<meaning>.+) \|$",
    re.MULTILINE,
)
"""A row of a table of keys: key, type, default, meaning."""

_HEADING: Final = re.compile(r"^(#{2,3}) (?:`(\w+)`|Every step)$", re.MULTILINE)
_KIND: Final = re.compile(r"^\| `(\w+)` \| ([^|]*) \| [^|]* \|$", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")
_FIRST: Final = re.compile(r"(?:An expression[^.]*?: )?.*?(?=: |\. |\.$)")
"""What a meaning says before its details."""

_EVERY: Final = ""
"""The name of the section about the keys of every step."""

_ANCHOR: Final = "every-step"
_TESTS: Final = "tests"
_ABOUT: Final = """\
Examples show the top-level keys that matter. If one has no `version`, `input` or `output`, assume `version: 1`,
`output: {path: out.jsonl}`, and rows with the columns `topic` and `text`. Files that an example uses are before it.
"""


def context(kind: str | None = None) -> str:
    """Return the page for a coding agent, of at most 8,000 bytes, or the page of one part of the language.

    Args:
        kind: a kind of step, a top-level key such as `input`, or `tests`.

    Raises:
        UsageError: there is no such part.
    """
    sections = _sections(page("reference"))
    if kind is None:
        return _whole(sections)
    known = _named(sections)
    if kind not in known:
        parts = [name or "steps" for name, text in sections.items() if kind in _names(text).split(", ")]
        near = f"it is a key of {listing(parts)}." if parts else suggestion(kind, known, "kinds", len(known)) or ""
        hint = near if near.startswith("kinds") else f"{near} Kinds: {listing(known, len(known))}"
        raise UsageError(f"there is no kind `{kind}`", code=Code.UNKNOWN_KEY, hint=hint)
    if kind == _TESTS:
        return _unlinked(page("test_reference"))
    if kind == "steps":
        more = f"\n\n{sections[_EVERY]}"
    elif kind in _kinds(sections):
        more = f"\n\nEvery step also has the keys {_names(sections[_EVERY])}: [more](#steps)."
    else:
        more = ""
    return f"# yamlgen: `{kind}`\n\n{_ABOUT}\n{_unlinked(sections[kind] + more, {*sections} - {kind})}".strip() + "\n"


def kinds() -> list[str]:
    """Return the parts of the language that have a page of their own."""
    return _named(_sections(page("reference")))


def _named(sections: dict[str, str]) -> list[str]:
    return [*(name for name in sections if name != _EVERY), _TESTS]


def _sections(reference: str) -> dict[str, str]:
    """Return the parts of the reference by name: kinds of steps first, then top-level keys."""
    found = list(_HEADING.finditer(reference))
    ends = [each.start() for each in found[1:]] + [reference.index("\n## What each model takes")]
    cut = [(each[1], each[2] or _EVERY, reference[each.end() : end]) for each, end in zip(found, ends, strict=True)]
    return {name: text.strip() for _, name, text in sorted(cut, key=lambda each: each[0] == "##")}


def _whole(sections: dict[str, str]) -> str:
    values = {f"keys_{name}": _names(text) for name, text in sections.items()}
    values |= {f"does_{kind}": does for kind, does in _kinds(sections).items()}
    template = files("yamlgen.api").joinpath("agents", "context.md").read_text(encoding="utf-8")
    filled = Template(template).substitute(
        values,
        version=version("yamlgen"),
        top=_lines(page("reference").partition("\n## `params`")[0]),
        every=_lines(sections[_EVERY]),
        exits="; ".join(f"{int(code)} {meaning}" for code, meaning in MEANINGS.items()),
    )
    return _unlinked(filled).strip() + "\n"


def _kinds(sections: dict[str, str]) -> dict[str, str]:
    """Return what each kind of step does, by name."""
    return dict(_KIND.findall(sections["steps"]))


def _rows(section: str) -> list[re.Match[str]]:
    """Return the rows of the first table of keys in a section."""
    table = section.partition("| key |")[2].partition("\n\n")[0]
    return list(_ROW.finditer(table))


def _names(section: str) -> str:
    return ", ".join(row["linked"] or row["plain"] for row in _rows(section))


def _lines(section: str) -> str:
    """Return a line for each key, with the first sentence of its meaning."""
    said = [(row["linked"] or row["plain"], _FIRST.match(row["meaning"])) for row in _rows(section)]
    return "\n".join(f"- {name}: {said[0][:1].lower()}{said[0][1:]}" for name, said in said if said)


def _unlinked(text: str, others: Collection[str] = ()) -> str:
    """Return a text with its links as words, and with the command that prints what they lead to."""
    return _LINK.sub(lambda link: link[1] + _command(link[2], others), text)


def _command(address: str, others: Collection[str]) -> str:
    """Return the command that prints what a link leads to, in brackets, or nothing if it leads to the same page."""
    there, _, part = address.partition("#")
    part = "steps" if part == _ANCHOR else part
    command = f" (`yamlgen docs {PurePosixPath(there).stem}`)"
    if not there:
        command = f" (`yamlgen context {part}`)" if part in others else ""
    return command
