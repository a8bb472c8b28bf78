"""Single mistakes that are made by lines and signs, whatever the text means."""

import re
from collections.abc import Iterator

from planting import Ground, Mistake


def in_lines(ground: Ground) -> Iterator[Mistake]:
    """The mistakes of each line of a YAML text."""
    at = 0
    lines = ground.text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        words = re.findall(r"\w{2,}", line)
        if words and not line.lstrip().startswith("#"):
            behind = lines[number + 1] if number + 1 < len(lines) else ""
            yield from _in_line(ground, at, line, behind, words)
        at += len(line)


def _in_line(ground: Ground, at: int, line: str, behind: str, words: list[str]) -> Iterator[Mistake]:
    text = line.rstrip("\n")
    begin, end = at + len(line) - len(line.lstrip()), at + len(text)
    also = [*words, *re.findall(r"\w{2,}", behind)]

    def put(kind: str, start: int, last: int, new: str, *, sure: bool = False) -> Mistake:
        return ground.put(f"line: {kind}", start, last, new, *also, sure=sure)

    yield put("deleted", at, at + len(line), "")
    yield put("twice", at, at, line)
    if behind.strip():
        yield put("swapped", at, at + len(line) + len(behind), f"{behind}{line}")
        yield put("joined", end, end + 1 + len(behind) - len(behind.lstrip()), " ")
    yield put("in by one", at, at, " ")
    yield put("in by two", at, at, "  ")
    if line.startswith(" "):
        yield put("out by one", at, at + 1, "")
        yield put("out by two", at, at + 2, "")
        yield put("out to the margin", at, begin, "")
        yield put("tabs", at, begin, "\t" * max((begin - at) // 2, 1))
    for sign, kind in (
        (":", "colon"),
        (",", "comma"),
        ("]", "bracket"),
        ("{", "brace"),
        ("}", "brace"),
        ('"', "quote"),
    ):
        for found in list(re.finditer(re.escape(sign), text))[:2]:
            yield put(f"no {kind}", at + found.start(), at + found.end(), "")
    colon = re.search(r"(?<=\w): ", text)
    if colon:
        place = at + colon.start()
        yield put("space before the colon", place, place, " ")
        yield put("no space behind the colon", place + 1, place + 2, "")
        yield put("two colons", place, place, ":")
        yield put("equals", place, place + 2, "=")
        yield put("semicolon", place, place + 1, ";")
    if line.lstrip().startswith("- "):
        yield put("no dash", begin, begin + 2, "")
        yield put("no space behind the dash", begin + 1, begin + 2, "")
        yield put("two dashes", begin, begin, "- ")
    yield put("comma behind", end, end, ",")
    yield put("cut short", end - (end - begin) // 3, end, "")
