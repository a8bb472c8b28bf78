"""Single mistakes, as people make them, planted into a right pipeline, and into the schemas and prompts beside it.

Each mistake changes one place and keeps the rest. It says where it stands and which words it touches, so that a test
can see whether it was told there, or by that name. What would be no mistake is not planted: a key that may be missing
is not removed, a word in prose is not misspelt.
"""

import random
import re
from collections.abc import Iterator

from line_mistakes import in_lines
from planting import Ground, Mistake
from schema_mistakes import in_schema
from template_mistakes import in_expression, in_template

from yamlgen.model_capabilities import MODELS
from yamlgen.parsing.source_map import Node, SourceText
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


TRAINED = {"messages", "prompt", "completion", "chosen", "rejected", "role", "content"}
"""The columns and keys that the shape of an output demands."""


def mistakes(text: str, suffix: str = ".yaml") -> Iterator[Mistake]:
    """Each mistake of each place of a file, the same ones every time: of a pipeline, a JSON Schema or a prompt."""
    ground = Ground(text, random.Random(text))  # noqa: S311 - the same mistakes every time
    if suffix == ".json":
        yield from in_schema(ground)
        return
    if suffix == ".md":
        yield from in_template(ground, 0, len(text))
        return
    document, problems = compose(SourceText("", text))
    assert document is not None
    assert not problems
    planter = _Planter(text, ground)
    yield from planter.in_mapping(document.root, ())
    yield from planter.in_anchors()
    yield from in_lines(ground)


class _Planter:
    def __init__(self, text: str, ground: Ground) -> None:
        self.text = text
        self.ground = ground
        self.put = ground.put

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
        if (
            _is_data(path)
            or _is_own_name(path, name)
            or (_in_schema(path) and path[-1] == "properties" and not self.is_field_used(path[1], name))
        ):
            return
        if path[-1:] in (("values",), ("args",), ("cases",), ("matrix",)) and not self.is_field_used(path[1], name):
            return
        is_free = any(part in path for part in ("values", "args", "cases", "matrix", "draws"))
        for how, new in self.ground.typos(name):
            yield self.put(f"{kind}: {how}", key.start, key.end, new, name, new, sure=not is_free)
        if kind == "key":
            for new in FOREIGN.get(name, ()):
                yield self.put("key: of another tool", key.start, key.end, new, name, new)
            title, head, *tail = name.title().replace("_", ""), *name.split("_")
            spellings = {
                "case": title,
                "camel": head + "".join(part.title() for part in tail),
                "kebab": name.replace("_", "-"),
                "capitals": name.upper(),
                "number": name.removesuffix("s") if name.endswith("s") else f"{name}s",
                "quoted colon": f'"{name}:"',
            }
            for how, new in spellings.items():
                if new != name:
                    yield self.put(f"key: {how}", key.start, key.end, new, name, new)
        if is_name:
            yield self.put("name: renamed", key.start, key.end, f"{name}_new", name, f"{name}_new")
            yield self.put("name: kebab", key.start, key.end, f"{name}-x", name, f"{name}-x")
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
                yield from self.moved(key, value, name, begin, end)
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
            for how, new in self.ground.typos(name):
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
            yield from self.otherwise(node, path, names)
            if isinstance(node.value, int | float) and word not in ("temperature", "top_p"):
                yield self.put("wrong type", node.start, node.end, "lots", *names)
                yield self.put("wrong value", node.start, node.end, "-3", *names, sure=isinstance(word, str))
            elif word in ("prompt", "system", "when", "for_each", "path", "content"):
                yield self.put("empty", node.start, node.end, "", *names)
        if not node.style and isinstance(node.value, str):
            if word in ("kind", "effort", "thinking", "mode", "on_item_error", "role", "type", "format"):
                for how, new in self.ground.typos(source):
                    yield self.put(f"choice: {how}", node.start, node.end, new, *names, new)
                for new in ("banana", "schema", "compute", "high", "user", "csv", "object"):
                    yield self.put("choice: another", node.start, node.end, new, *names, new, sure=new == "banana")
            elif word in ("model", "id") and (path[0] in ("steps", "input")):
                is_official = source in MODELS and "base_url" not in self.text
                is_known = is_official or path[0] == "input" or f"{source}: {{" in self.text
                for how, new in self.ground.typos(source):
                    yield self.put(f"reference: {how}", node.start, node.end, new, *names, source, new, sure=is_known)
            elif word in ("schema", "file", "call") or (word == "path" and path[0] != "output"):
                for how, new in self.ground.typos(source)[:2]:
                    sure = "//" not in new
                    yield self.put(f"file: {how}", node.start, node.end, new, *names, source, new, sure=sure)
            elif _in_schema(path) and "required" in path:
                for how, new in self.ground.typos(source)[:2]:
                    yield self.put(f"required: {how}", node.start, node.end, new, source, new)
        if _is_template(path):
            yield from in_template(self.ground, node.start, node.end)
        elif _is_expression(path):
            yield from in_expression(self.ground, node.start, node.end)

    def in_anchors(self) -> Iterator[Mistake]:
        for found in re.finditer(r"&(\w+)", self.text):
            if f"*{found[1]}" in self.text:
                for how, new in self.ground.typos(found[1])[:2]:
                    yield self.put(f"anchor: {how}", found.start(1), found.end(1), new, found[1], new)

    def otherwise(self, node: Node, path: tuple, names: tuple[str, ...]) -> Iterator[Mistake]:
        """The values that people write in place of a plain one."""
        source, word = self.text[node.start : node.end], path[-1]
        is_own = path[:2] == ("input", "rows") or word in ("seed", "top_k")
        for new in ("null", "~", '""'):
            yield self.put("value: none", node.start, node.end, new, *names, sure=new == "null")
        for new in ("0", "-1", "yes", "true", "1e400"):
            yield self.put("value: another", node.start, node.end, new, *names, sure=False)
        if isinstance(node.value, bool):
            for new in ("yes", "True1", '"true"'):
                yield self.put("value: boolean", node.start, node.end, new, *names)
        elif isinstance(node.value, int | float) and not is_own:
            for new in (f'"{source}"', f"{source}k", f"{source},000", f"${source}"):
                yield self.put("value: number as text", node.start, node.end, new, *names)
        elif isinstance(node.value, str):
            if not _is_expression(path) and not _is_template(path):
                title = source.title()
                yield self.put("value: capital", node.start, node.end, title, *names, title, sure=False)
            yield self.put("value: quotes", node.start, node.end, f"'{source}\"", *names)
            yield self.put("value: in braces", node.start, node.end, f"{{{{ {source} }}}}", *names, sure=False)
            yield self.put("value: environment", node.start, node.end, "${NAME}", *names, sure=False)
            yield self.put("value: list of one", node.start, node.end, f"[{source}]", *names, sure=False)
            yield self.put("value: percent", node.start, node.end, f"%{source}", *names)
            yield self.put("value: at", node.start, node.end, f"@{source}", *names)

    def moved(self, key: Node, value: Node, name: str, begin: int, end: int) -> Iterator[Mistake]:
        """An entry that stands one level further out or in, or among the entries of another mapping."""
        entry, depth = self.text[begin:end], key.start - begin
        if entry.count("\n") > 12:
            return
        lines = entry.splitlines(keepends=True)
        if depth >= 2:
            yield self.put(
                "entry: out", begin, end, "".join(line.removeprefix("  ") for line in lines), name, sure=False
            )
            yield self.put(
                "entry: to the margin", begin, end, "".join(line[depth:] for line in lines), name, sure=False
            )
        yield self.put("entry: in", begin, end, "".join(f"  {line}" for line in lines), name, sure=False)
        yield self.put("entry: commented out", begin, end, "".join(f"# {line}" for line in lines), name, sure=False)
        place = self.text.find(":", key.end) + 1
        if value.kind == "mapping" and self.text[place] == "\n":
            listed = re.sub(r"(?m)^( +)(?=\w)", r"\1- ", self.text[place:end], count=1)
            yield self.put("entry: a list", place, end, listed, name, sure=False)
        if value.kind in ("mapping", "sequence"):
            yield self.put("entry: emptied", place, end, "\n", name, sure=False)
            yield self.put(
                "entry: nothing in it", place, end, " {}\n" if value.kind == "mapping" else " []\n", name, sure=False
            )
            yield self.put("entry: a text", place, end, " lots\n", name, sure=False)
            yield self.put("entry: a number", place, end, " 12\n", name, sure=False)

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


def _in_output(path: tuple) -> tuple:
    """The rest of a path below an output; empty elsewhere."""
    return path[1:] if path[:1] == ("output",) else path[2:] if path[:1] == ("outputs",) else ()


def _is_own_name(path: tuple, name: str) -> bool:
    """Whether a key is a name of an output that is the author's alone: of an output, a column or a part."""
    if path == ("outputs",):
        return True
    at = _in_output(path)
    if at[:1] == ("split",):
        return name not in ("by", "into")
    return at[:1] == ("columns",) and name not in TRAINED


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
    if (at := _in_output(path)) and (at[0] in ("for_each", "where", "unique", "columns") or at == ("split", "by")):
        return True
    if path[:1] != ("steps",) or _in_schema(path):
        return False
    is_one = words[2:] in (["when"], ["for_each"], ["check"], ["check", "expression"])
    return is_one or (len(words) == 4 and words[2] in ("values", "args"))
