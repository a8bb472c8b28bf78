"""What the author wrote for each step, to the byte: to tell a change of form from no change."""

from __future__ import annotations

import hashlib
from typing import Final

from yamlgen.parsing.source_map import LINE_END, Document
from yamlgen.pipeline.parsed_file import ParsedFile

_APART: Final = ("input", "output", "outputs", "params", "steps")
"""The parts of a file whose changes are told elsewhere."""


def step_texts(parsed: ParsedFile) -> dict[str, str]:
    """Return the text of each step, by name: its lines of the pipeline, and the content of its files."""
    cuts = _cuts(parsed.document, ("steps",))
    made: dict[str, str] = {}
    for name, step in parsed.pipeline.steps.items():
        files = sorted(set(step.files(parsed.fitting)))
        made[name] = "\0".join(
            [cuts.get(name, ""), *(part for file in files for part in (file, _content(parsed, file)))]
        )
    return made


def common_lines(parsed: ParsedFile) -> list[tuple[int, str]]:
    """Return the lines outside of input, outputs, parameters and steps, which are common to all steps.

    Returns:
        The number of each line, from 1, and the line.
    """
    document = parsed.document
    lines = LINE_END.split(document.source.text)
    taken: set[int] = set()
    for start, end, name in _ranges(document, ()):
        if name in _APART:
            taken.update(range(start, end))
    return [(number, line) for number, line in enumerate(lines, 1) if number not in taken]


def _cuts(document: Document, path: tuple[str, ...]) -> dict[str, str]:
    lines = LINE_END.split(document.source.text)
    return {name: "\n".join(lines[start - 1 : end - 1]) for start, end, name in _ranges(document, path)}


def _ranges(document: Document, path: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """Return the lines of the members of a mapping, from 1, without those after it; comments belong to what follows."""
    entries = document.entries(path)
    lines = LINE_END.split(document.source.text)
    parts = [(document.mark((*path, name), key=True), document.node((*path, name)), name) for name in entries]
    own = [(mark, node, name) for mark, node, name in parts if mark.file == document.source.file]
    made = []
    for number, (mark, node, name) in enumerate(own):
        above = own[number - 1][0].line if number else 0
        start = mark.line
        while start - 1 > above and _is_apart(lines[start - 2]):
            start -= 1
        last, _ = document.source.position(max(node.end - 1, node.start))
        later = own[number + 1][0].line if number + 1 < len(own) else len(lines) + 1
        end = min(max(last, mark.line) + 1, max(later, mark.line + 1))
        made.append((start, end, name))
    return made


def _is_apart(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _content(parsed: ParsedFile, file: str) -> str:
    try:
        with (parsed.path.parent / file).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""
