"""Single mistakes, as people make them, planted into the text of a right pipeline and of the schemas beside it.

Each mistake changes one place and keeps the rest. It says where it stands and which words it touches, so that a test
can see whether it was told there, or by that name. What would be no mistake is not planted: a key that may be missing
is not removed, a word in prose is not misspelt.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from yamlgen.parsing.source_map import Node, Text
from yamlgen.parsing.yaml_parser import compose

FOREIGN = {
    "steps": ["stages", "tasks", "nodes"],
    "prompt": ["template", "user_prompt", "content"],
    "messages": ["conversation", "chat"],
    "system": ["system_prompt", "instructions"],
    "model": ["llm", "engine"],
    "models": ["llms", "providers"],
    "params": ["parameters", "variables", "inputs"],
    "input": ["data", "dataset"],
    "output": ["response", "result"],
    "path": ["file", "filename"],
    "max_tokens": ["maxTokens", "max_output_tokens"],
    "for_each": ["foreach", "loop"],
    "when": ["if", "condition"],
    "samples": ["n", "num_samples"],
    "kind": ["type", "uses"],
    "values": ["vars", "outputs"],
    "check": ["assert", "validate"],
    "schema": ["json_schema", "format"],
    "call": ["function", "run"],
    "args": ["with", "kwargs"],
    "draws": ["samplers", "columns"],
    "choices": ["options", "values"],
    "role": ["from", "speaker"],
    "content": ["text", "value"],
    "reasks": ["retries", "max_retries"],
    "default": ["value", "initial"],
}
"""Words that other tools have for ours."""

REQUIRED = {
    (): {"steps", "output", "version"},
    ("models", "*"): {"id"},
    ("output",): {"path"},
    ("steps", "*"): {"prompt", "messages", "values", "call", "draws", "model", "kind"},
}
"""What a file cannot do without."""

NAMED = [("steps", "*"), ("params", "*"), ("models", "*"), ("steps", "*", "draws", "*")]
"""Where an author's names are declared."""

REFERENCE = re.compile(r"\b(row|params|steps|item|output)\.(\w+)(?:\.(\w+))?")


@dataclass(frozen=True)
class Mistake:
    """A mistake, planted: the whole text with it, its line, and the words that a message about it may name."""

    kind: str
    text: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} in line {self.line}: {' -> '.join(self.words)}"


def mistakes(text: str) -> Iterator[Mistake]:
    """Each mistake of each place of a YAML text, the same ones every time."""
    document, problems = compose(Text("", text))
    assert document is not None
    assert not problems
    planter = _Planter(text, random.Random(text))  # noqa: S311 - the same mistakes every time
    yield from planter.in_mapping(document.root, ())
    yield from planter.in_lines()


def typos(word: str, rng: random.Random) -> list[tuple[str, str]]:
    """Slips of a finger in a word: a letter dropped, doubled, swapped with the next, replaced."""
    if len(word) < 3 or not word.isascii():
        return []
    at = rng.randrange(1, len(word) - 1)
    made = {
        "drop": word[:at] + word[at + 1 :],
        "double": word[:at] + word[at] + word[at:],
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        "replace": word[:at] + rng.choice("abdeghikmoprstuz".replace(word[at], "")) + word[at + 1 :],
    }
    return [(how, new) for how, new in made.items() if new != word]


class _Planter:
    def __init__(self, text: str, rng: random.Random) -> None:
        self.text = text
        self.rng = rng

    def put(self, kind: str, start: int, end: int, new: str, *words: str) -> Mistake:
        line = self.text.count("\n", 0, start) + 1
        return Mistake(kind, self.text[:start] + new + self.text[end:], line, words)

    def in_mapping(self, node: Node, path: tuple) -> Iterator[Mistake]:
        if node.alias:
            return
        for name, (key, value) in node.value.items():
            if not path and name.startswith("x-"):
                continue
            here = (*path, name)
            if not key.alias and self.text[key.start : key.end] == name:
                yield from self.at_key(key, value, path, name)
            yield from self.at_value(value, here)

    def at_key(self, key: Node, value: Node, path: tuple, name: str) -> Iterator[Mistake]:
        is_name = any(_fits((*path, name), shape) for shape in NAMED)
        if is_name and not self.is_used(path[-1], path[1] if path[1:] else name, name):
            return
        kind = "name" if is_name else "keyword" if _in_schema(path) else "key"
        if _is_data(path) or (_in_schema(path) and path[-1] == "properties" and not self.is_field_used(path[1], name)):
            return
        if path[-1:] in (("values",), ("args",), ("cases",), ("matrix",)) and not self.is_field_used(path[1], name):
            return
        for how, new in typos(name, self.rng):
            yield self.put(f"{kind}: {how}", key.start, key.end, new, name, new)
        if kind == "key":
            for new in FOREIGN.get(name, ()):
                yield self.put("key: of another tool", key.start, key.end, new, name, new)
            if value.kind == "scalar":
                yield self.put("key: case", key.start, key.end, name.title().replace("_", ""), name)
        begin = self.text.rfind("\n", 0, key.start) + 1
        is_block = not self.text[begin : key.start].strip()
        if is_block and not value.alias:
            last = max(len(self.text[: value.end].rstrip()), key.end)
            end = self.text.find("\n", last) + 1
            if end > begin:
                entry = self.text[begin:end]
                needed = any(_fits(path, shape) and name in keys for shape, keys in REQUIRED.items())
                if (needed or is_name) and not (name == "model" and len(path) != 2):
                    yield self.put("removed", begin, end, "", name, *(str(part) for part in path[-1:]))
                yield self.put("twice", end, end, entry, name)
                if entry.count("\n") == 1 and path:
                    yield self.put("indent: more", begin, begin, " ", name)
                    yield self.put("indent: less", begin, begin + 1, "", name)
                    yield self.put("indent: out", begin, begin + 2, "", name)
                    yield self.put("tab", begin, key.start, "\t", name)
                colon = self.text.index(":", key.end)
                yield self.put("no colon", colon, colon + 1, "", name)
                if self.text[colon + 1 : colon + 2] == " ":
                    yield self.put("no space", colon, colon + 2, ":", name)

    def at_value(self, node: Node, path: tuple) -> Iterator[Mistake]:
        if node.alias:
            start = node.start + 1
            name = self.text[start : node.end]
            for how, new in typos(name, self.rng):
                yield self.put(f"alias: {how}", start, node.end, new, name, new)
            return
        if node.kind == "mapping":
            if path and not _in_schema(path):
                yield from self.retyped(node, path)
            yield from self.in_mapping(node, path)
        elif node.kind == "sequence":
            if not _in_schema(path):
                yield from self.retyped(node, path)
            for index, item in enumerate(node.value):
                yield from self.at_value(item, (*path, index))
        else:
            yield from self.at_scalar(node, path)

    def retyped(self, node: Node, path: tuple) -> Iterator[Mistake]:
        if _is_data(path) or self.text[node.start : node.start + 1] not in ("{", "["):
            return
        for new in ("lots", "12"):
            is_text_too = path[-1] in ("system", "prompt", "content", "default") and new == "lots"
            if not is_text_too and path[-1] != "default" and path[-2:-1] != ("choices",):
                yield self.put("wrong type", node.start, node.end, new, *map(str, path))
        yield self.put("bracket left open", node.end - 1, node.end, "", *map(str, path))
        yield self.put("bracket left out", node.start, node.start + 1, "", *map(str, path))

    def at_scalar(  # noqa: C901, PLR0912 - one branch for each kind of word
        self, node: Node, path: tuple
    ) -> Iterator[Mistake]:
        source, word = self.text[node.start : node.end], path[-1] if path else ""
        names = tuple(str(part) for part in path[-2:])
        if node.style in ("'", '"'):
            yield self.put("quote left open", node.end - 1, node.end, "", *names)
        if _is_data(path):
            return
        if not node.style and not _in_schema(path) and word not in ("default", "description", "name"):
            for new in ("[1, 2]", "{one: two}"):
                yield self.put("wrong type", node.start, node.end, new, *names)
            if isinstance(node.value, int | float) and word not in ("temperature", "top_p"):
                yield self.put("wrong type", node.start, node.end, "lots", *names)
                yield self.put("wrong value", node.start, node.end, "-3", *names)
            elif word in ("prompt", "system", "when", "for_each", "path", "content"):
                yield self.put("empty", node.start, node.end, "", *names)
        if not node.style and isinstance(node.value, str):
            if word in ("kind", "effort", "thinking", "mode", "on_item_error", "role", "type", "format"):
                for how, new in typos(source, self.rng):
                    yield self.put(f"choice: {how}", node.start, node.end, new, *names, new)
                yield self.put("choice: another", node.start, node.end, "banana", *names, "banana")
            elif word in ("model", "id") and (path[0] in ("steps", "input")):
                for how, new in typos(source, self.rng):
                    yield self.put(f"reference: {how}", node.start, node.end, new, *names, source, new)
            elif word in ("schema", "file", "call") or (word == "path" and path[0] != "output"):
                for how, new in typos(source, self.rng)[:2]:
                    yield self.put(f"file: {how}", node.start, node.end, new, *names, source, new)
            elif _in_schema(path) and "required" in path:
                for how, new in typos(source, self.rng)[:2]:
                    yield self.put(f"required: {how}", node.start, node.end, new, source, new)
        if _is_template(path):
            yield from self.in_template(node)
        elif _is_expression(path):
            yield from self.in_expression(node.start, node.end)

    def in_template(self, node: Node) -> Iterator[Mistake]:
        text = self.text
        for found in re.finditer(r"\{\{(.*?)\}\}", text[node.start : node.end]):
            start, end = node.start + found.start(), node.start + found.end()
            yield self.put("template: one brace behind", end - 1, end, "", "}}", "{{")
            yield self.put("template: no end", end - 2, end, "", "}}", "{{")
            yield self.put("template: no value", start + 2, end - 2, " ", "{{")
            yield self.put("template: pipe", end - 2, end - 2, "| ", "|")
            yield self.put("template: filter", end - 2, end - 2, "| uper ", "uper")
            yield self.put("template: paren", end - 2, end - 2, ") ", ")")
            yield from self.in_references(start, end)
        for found in re.finditer(r"\{% *(if|for|endif|endfor|set)\b.*?%\}", text[node.start : node.end]):
            start, end = node.start + found.start(), node.start + found.end()
            yield self.put("template: tag left out", start, end, "", "endif", "endfor", "if", "for", "loop", found[1])
            yield self.put("template: tag without end", end - 2, end, "", "%}", found[1])
            at = start + found[0].index(found[1])
            for how, new in typos(found[1], self.rng)[:2]:
                yield self.put(f"template: tag {how}", at, at + len(found[1]), new, new)
            yield from self.in_references(start, end)

    def in_expression(self, start: int, end: int) -> Iterator[Mistake]:
        if self.text[start] in "|>":
            start = self.text.index("\n", start) + 1
        quoted = self.text[start] in "'\""
        first, last = start + quoted, len(self.text[:end].rstrip()) - quoted
        yield self.put("expression: end", last, last, " and", "and")
        yield self.put("expression: paren", last, last, ")", ")")
        yield self.put("expression: filter", last, last, " | lenght", "lenght")
        yield self.put("expression: braces", last, last, " }}", "}}", "}")
        yield self.put("expression: two", last, last, " steps", "steps")
        for found in re.finditer(r"\| *(\w{4,})", self.text[first:last]):
            for how, new in typos(found[1], self.rng)[:1]:
                yield self.put(f"filter: {how}", first + found.start(1), first + found.end(1), new, found[1], new)
        yield from self.in_references(start, end)

    def in_references(self, start: int, end: int) -> Iterator[Mistake]:
        for found in REFERENCE.finditer(self.text[start:end]):
            for group in (1, 2, 3):
                if found[group] is None or (group == 3 and found[1] == "row"):
                    continue
                for how, new in typos(found[group], self.rng)[:2]:
                    at = start + found.start(group), start + found.end(group)
                    yield self.put(f"reference: {how}", *at, new, found[group], new)

    def in_lines(self) -> Iterator[Mistake]:
        for found in re.finditer(r"&(\w+)", self.text):
            if f"*{found[1]}" in self.text:
                for how, new in typos(found[1], self.rng)[:2]:
                    yield self.put(f"anchor: {how}", found.start(1), found.end(1), new, found[1], new)

    def is_used(self, part: str, step: str, name: str) -> bool:
        if part == "models":
            return bool(re.search(rf"(model: {name}\b|[\[ ]{name}[,\]])", self.text))
        if part == "draws":
            return self.is_field_used(step, name)
        return bool(re.search(rf"\b{part}\.{name}\b", self.text))

    def is_field_used(self, step: str, name: str) -> bool:
        return bool(re.search(rf"\bsteps\.{step}\b.*\.{name}\b|\bitem\.{name}\b", self.text))


def _fits(path: tuple, shape: tuple) -> bool:
    return len(path) == len(shape) and all(want in ("*", part) for part, want in zip(path, shape, strict=True))


def _in_schema(path: tuple) -> bool:
    return (path[:1] == ("steps",) and path[2:4] == ("output", "schema") and len(path) > 3) or (
        path[:1] == ("params",) and len(path) > 1
    )


def _is_data(path: tuple) -> bool:
    if _in_schema(path):
        return any(word in path for word in ("enum", "const", "default", "examples"))
    return path[:2] == ("input", "rows") or "choices" in path[:-1] or "matrix" in path[:-1]


def _is_template(path: tuple) -> bool:
    words = [part for part in path if isinstance(part, str)]
    if path[:1] != ("steps",) or _in_schema(path):
        return False
    return words[2:] in (["prompt"], ["system"], ["messages", "content"], ["check", "message"])


def _is_expression(path: tuple) -> bool:
    words = [part for part in path if isinstance(part, str)]
    if path[:1] != ("steps",) or _in_schema(path):
        return False
    is_one = words[2:] in (["when"], ["for_each"], ["check"], ["check", "expression"])
    return is_one or (len(words) == 4 and words[2] in ("values", "args"))
