"""Single mistakes in the text of a JSON Schema."""

import json
import re
from collections.abc import Iterator

from planting import Ground, Mistake

WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
KEYWORDS = {
    *("type", "properties", "required", "items", "enum", "const", "additionalProperties", "$ref", "$defs", "anyOf"),
    *("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format", "oneOf", "allOf"),
}
TYPES = {"string", "integer", "number", "boolean", "array", "object", "null"}


def in_schema(ground: Ground) -> Iterator[Mistake]:
    """The mistakes of each place of a JSON text that holds a schema."""
    yield from _in_words(ground)
    yield from _in_values(ground)
    for found in re.finditer(r"[{}\[\],:]", _blanked(ground.text)):
        yield ground.put(f"json: no {found[0]}", found.start(), found.end(), "", "JSON")
        if found[0] in "}]":
            yield ground.put("json: trailing comma", found.start(), found.start(), ",", "JSON")
        if found[0] == ":":
            yield ground.put("json: equals", found.start(), found.end(), "=", "JSON")
    end = len(ground.text.rstrip())
    yield ground.put("json: cut short", end // 2, end, "", "JSON")
    yield ground.put("json: more behind", end, end, "}", "JSON")
    yield ground.put("json: comment", 0, 0, "// the schema\n", "JSON")
    yield ground.put("json: empty", 0, end, "", "JSON")


def _in_words(ground: Ground) -> Iterator[Mistake]:
    required = _required(ground.text)
    for found in WORD.finditer(ground.text):
        start, end, word = found.start(1), found.end(1), found[1]
        yield ground.put("json: quote left open", end, end + 1, "", "JSON")
        yield ground.put("json: no quotes", start - 1, end + 1, word, "JSON")
        yield ground.put("json: single quotes", start - 1, end + 1, f"'{word}'", "JSON")
        if found[2] and word in KEYWORDS:
            for how, new in ground.typos(word):
                yield ground.put(f"keyword: {how}", start, end, new, word, new)
            yield ground.put("keyword: case", start, end, word.title(), word, word.title())
        elif found[2] and word in required:
            for how, new in ground.typos(word)[:2]:
                yield ground.put(f"property: {how}", start, end, new, word, new)
        elif not found[2] and word in TYPES:
            for how, new in ground.typos(word)[:2]:
                yield ground.put(f"type: {how}", start, end, new, word, new)
            yield ground.put("type: of Python", start, end, {"string": "str", "integer": "int"}.get(word, "any"), word)
            yield ground.put("type: case", start, end, word.title(), word, word.title())
        elif not found[2] and word.startswith(("#/", "http", "./")):
            for how, new in ground.typos(word):
                sure = not word.startswith("http")
                yield ground.put(f"$ref: {how}", start, end, new, word, new, word.rsplit("/", 1)[1], sure=sure)
        elif not found[2] and word in required:
            for how, new in ground.typos(word)[:2]:
                yield ground.put(f"required: {how}", start, end, new, word, new, sure=False)


def _in_values(ground: Ground) -> Iterator[Mistake]:
    for found in re.finditer(r'"(\w+)"\s*:\s*(\d+|true|false|"\w+"|\[[^][{}]*\]|\{)', ground.text):
        start, end, word, value = found.start(2), found.end(2), found[1], found[2]
        if word not in KEYWORDS:
            continue
        if value.isdigit():
            yield ground.put("value: number as text", start, end, f'"{value}"', word)
            yield ground.put("value: negative", start, end, "-1", word, sure=word not in ("minimum", "maximum"))
        elif value in ("true", "false"):
            yield ground.put("value: of Python", start, end, value.title(), word, "JSON")
            yield ground.put("value: boolean as text", start, end, f'"{value}"', word)
        elif value.startswith("["):
            items = json.loads(value)
            yield ground.put("value: list as text", start, end, json.dumps(str(items[0])), word, sure=word != "type")
            yield ground.put("value: list as mapping", start, end, "{}", word)
            again = f", {json.dumps(items[0])}"
            yield ground.put("value: an item twice", end - 1, end - 1, again, word, str(items[0]), sure=word != "enum")
        elif value.startswith('"') and word == "type":
            yield ground.put("value: a number", start, end, "3", word)
        line = found[0]
        if value != "{":
            yield ground.put("key twice", end, end, f", {line}", word)


def _required(text: str) -> set[str]:
    return {
        name for found in re.findall(r'"required"\s*:\s*\[([^]]*)\]', text) for name in re.findall(r'"(.*?)"', found)
    }


def _blanked(text: str) -> str:
    """A JSON text with blanks in place of what its texts hold."""
    return WORD.sub(lambda found: "_" * (len(found[0]) - len(found[2] or "")) + (found[2] or ""), text)
