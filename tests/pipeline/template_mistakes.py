"""Single mistakes in templates and in expressions."""

import re
from collections.abc import Iterator

from planting import Ground, Mistake

REFERENCE = re.compile(r"\b(row|params|steps|item|output|matrix)\.(\w+)(?:\.(\w+))?")
TAG = re.compile(r"\{%-? *(if|for|endif|endfor|set|else|elif|macro|endmacro)\b.*?%\}", re.DOTALL)
CALL = re.compile(r"\.(items|split|strip|lower|upper|get|startswith|endswith)\(")
SIGNS = {
    "==": ("=", "===", "eq"),
    "!=": ("=!", "<>", "!=="),
    " and ": (" && ", " & ", " AND "),
    " or ": (" || ", " OR "),
    " not ": (" ! ",),
    "<=": ("=<",),
    ">=": ("=>",),
    " ~ ": (" ~~ ", " . "),
    " is defined": (" is definde", " exists", " is not None"),
    " is not ": (" isnt ",),
    " in ": (" contains ",),
    " if ": (" when ", " ? "),
    " else ": (" otherwise ", " : "),
}
"""Signs and words as other languages have them."""


def in_template(ground: Ground, start: int, end: int) -> Iterator[Mistake]:
    """The mistakes in a template, which stands in a part of a text."""
    text = ground.text
    for found in re.finditer(r"\{\{(.*?)\}\}", text[start:end]):
        first, last = start + found.start(), start + found.end()
        yield ground.put("template: one brace behind", last - 1, last, "", "}}", "{{")
        yield ground.put("template: no end", last - 2, last, "", "}}", "{{")
        yield ground.put("template: wrong end", last - 2, last, "%}", "%}", "}}", "{{")
        yield ground.put("template: round end", last - 2, last, "))", "))", "}}", "{{", ")")
        yield ground.put("template: third brace", last, last, "}", "}}}", sure=False)
        yield ground.put("template: one brace before", first, first + 1, "", "{{", sure=False)
        yield ground.put("template: single braces", first, last, text[first + 1 : last - 1], "{", sure=False)
        yield ground.put("template: dollar", first, last, "$" + text[first + 1 : last - 1], "{", sure=False)
        yield ground.put("template: no value", first + 2, last - 2, " ", "{{")
        yield ground.put("template: pipe", last - 2, last - 2, "| ", "|")
        yield ground.put("template: filter", last - 2, last - 2, "| uper ", "uper")
        yield ground.put("template: filter of another", last - 2, last - 2, "| toJSON ", "toJSON")
        yield ground.put("template: function", first + 2, last - 2, f" lenght({found[1]}) ", "lenght")
        yield ground.put("template: paren", last - 2, last - 2, ") ", ")")
        yield ground.put("template: semicolon", last - 2, last - 2, "; ", ";")
        yield ground.put("template: quote", last - 2, last - 2, "' ", "'")
        yield from in_code(ground, first, last)
    for found in TAG.finditer(text[start:end]):
        first, last = start + found.start(), start + found.end()
        loops = ("endif", "endfor", "if", "for", "loop", "else", "elif", "macro", found[1])
        yield ground.put(
            "template: tag left out", first, last, "", *loops, sure=found[1] not in ("set", "else", "elif")
        )
        yield ground.put("template: tag without end", last - 2, last, "", "%}", found[1])
        yield ground.put("template: tag with a wrong end", last - 2, last, "}}", "%}", "}}", found[1])
        yield ground.put("template: tag with braces", first, last, f"{{{{{found[0][2:-2]}}}}}", *loops)
        yield ground.put("template: tag twice", last, last, found[0], *loops, sure=found[1] not in ("set", "else"))
        at = first + found[0].index(found[1])
        for how, new in ground.typos(found[1])[:2]:
            yield ground.put(f"template: tag {how}", at, at + len(found[1]), new, new, found[1])
        yield from in_code(ground, first, last)


def in_expression(ground: Ground, start: int, end: int) -> Iterator[Mistake]:
    """The mistakes in an expression, which is a part of a text."""
    text = ground.text
    if text[start] in "|>":
        start = text.index("\n", start) + 1
    quoted = text[start] in "'\""
    first, last = start + quoted, len(text[:end].rstrip()) - quoted
    yield ground.put("expression: end", last, last, " and", "and")
    yield ground.put("expression: paren", last, last, ")", ")")
    yield ground.put("expression: filter", last, last, " | lenght", "lenght")
    yield ground.put("expression: braces behind", last, last, " }}", "}}", "}")
    yield ground.put("expression: two", last, last, " steps", "steps")
    if quoted:
        yield ground.put("expression: braces around", first, last, f"{{{{ {text[first:last]} }}}}", "{{", "}}")
    yield from in_code(ground, start, end)


def in_code(  # noqa: C901 - one branch for each kind of word
    ground: Ground, start: int, end: int
) -> Iterator[Mistake]:
    """The mistakes of the words and signs of the language that templates and expressions share."""
    text = ground.text[start:end]
    for sign, others in SIGNS.items():
        at = text.find(sign)
        for new in others if at >= 0 else ():
            place = start + at, start + at + len(sign)
            sure = new.strip() not in ("is not None", "AND", "OR")
            yield ground.put(f"sign: {sign.strip()}", *place, new, sign.strip(), new.strip(), sure=sure)
    for found in re.finditer(r"\| *(\w{4,})", text):
        for how, new in ground.typos(found[1])[:2]:
            yield ground.put(f"filter: {how}", start + found.start(1), start + found.end(1), new, found[1], new)
    for found in re.finditer(r"\bis (?:not )?(\w{4,})", text):
        for how, new in ground.typos(found[1])[:1]:
            yield ground.put(f"test: {how}", start + found.start(1), start + found.end(1), new, found[1], new)
    for found in CALL.finditer(text):
        for how, new in ground.typos(found[1])[:1]:
            yield ground.put(f"method: {how}", start + found.start(1), start + found.end(1), new, found[1], new)
        yield ground.put(
            "method: not closed", start + found.end(), start + found.end() + 1, "", ")", found[1], sure=False
        )
    for bracket in "()[]":
        at = text.find(bracket)
        if at >= 0:
            words = (*"()[]", "}}", "{{")
            yield ground.put("bracket left out", start + at, start + at + 1, "", *words)
    for found in REFERENCE.finditer(text):
        for group in (1, 2, 3):
            if found[group] is None or (group == 3 and found[1] == "row"):
                continue
            at = start + found.start(group), start + found.end(group)
            for how, new in ground.typos(found[group])[:2]:
                yield ground.put(f"reference: {how}", *at, new, found[group], new)
            if group < 3:
                yield ground.put("reference: case", *at, found[group].title(), found[group], found[group].title())
                yield ground.put("reference: plural", *at, _numbered(found[group]), found[group])
        name = start + found.start(2)
        yield ground.put("reference: no dot", name - 1, name, "", found[1], found[2])
        yield ground.put("reference: two dots", name, name, ".", found[1], found[2], ".")
        yield ground.put("reference: bare", start + found.start(), name, "", found[2], sure=False)


def _numbered(name: str) -> str:
    return name.removesuffix("s") if name.endswith("s") else f"{name}s"
