"""Pipelines of several shapes, and edits of every field of the language, each by its name.

An edit takes a project and returns the edited one, or `None` where it has nothing to edit. Edits therefore combine.
"""

# ruff: noqa: C901, E501, PLR0912, PLR0915 - it is a table

import copy
import json
import re
from dataclasses import dataclass
from typing import Any

from compared_runs import Project, as_jsonl

TOWNS = [
    {"id": "a", "town": "Oslo", "n": 1, "tags": ["sea", "hill"]},
    {"id": "b", "town": "Łódź", "n": 2, "tags": ["mill"]},
    {"id": "c", "town": "Graz", "n": 3, "tags": []},
]
ROWS = as_jsonl(TOWNS)

LABEL = """\
    output:
      schema:
        type: object
        title: Label
        description: A label.
        additionalProperties: false
        required: [kind, score]
        properties:
          kind: {type: string, enum: [old, new, other], description: How it is.}
          score: {type: integer, minimum: 1, maximum: 5}
"""

HEAD = "version: 1\ninput: {path: rows.jsonl, id: id}\n"
TAIL = "output: {path: out/rows.jsonl}\n"

ONE = (
    "# A comment\nversion: 1\nname: one\nparams:\n  tone: {type: string, default: dry}\n  unread: {default: 1}\n"
    "models:\n  quick: {id: claude-haiku-5-5, max_tokens: 2000}\n  slow: {id: claude-sonnet-5-5}\n"
    "input: {path: rows.jsonl, id: id}\nruntime: {concurrency: 4}\n"
    "steps:\n  label:\n    model: quick\n    system: {file: prompts/system.md}\n    prompt: {file: prompts/label.md}\n"
    + LABEL
    + TAIL
)

CHAIN = (
    HEAD
    + "model: {id: claude-haiku-5-5, max_tokens: 1000}\nsteps:\n"
    + "  label:\n    system: You know {{ row.town }}.\n    messages:\n"
    + "      - {role: user, content: Facts on Troy.}\n"
    + '      - {role: assistant, content: \'{"kind": "old", "score": 3}\'}\n'
    + "      - {role: user, content: 'Facts on {{ row.town }}.'}\n"
    + LABEL
    + "  line: {prompt: 'A line on {{ row.town }}, which is {{ steps.label.kind }}.'}\n"
    + "  title: {prompt: 'A title for {{ steps.line }}'}\n"
    + TAIL
)

FAN = (
    HEAD
    + "model: claude-haiku-5-5\nsteps:\n"
    + "  listed: {kind: compute, value: row.tags, output: {schema: {type: array, items: {type: string}}}}\n"
    + "  facts:\n    for_each: steps.listed\n    samples: 2\n    matrix: {tone: [dry, warm]}\n"
    + "    prompt: 'Why {{ item }} in {{ row.town }}? Be {{ matrix.tone }}.'\n"
    + "  questions:\n    prompt: Questions on {{ row.town }}.\n"
    + "    output: {schema: {type: array, minItems: 1, maxItems: 3, items: {type: string, minLength: 1}}}\n"
    + "  answers: {for_each: steps.questions, prompt: 'Answer {{ item_index }}: {{ item }}'}\n"
    + "  sum: {prompt: 'Sum up: {{ steps.answers | join(\";\") }} and {{ steps.facts | length }}'}\n"
    + TAIL
)

WHEN = (
    HEAD
    + "model: claude-haiku-5-5\nsteps:\n  label:\n    prompt: Label {{ row.town }}.\n"
    + LABEL
    + "  big: {when: row.n > 1, prompt: 'It is large: {{ row.town }}.'}\n"
    + "  sure: {when: steps.label.score >= 3, prompt: 'Certain of {{ row.town }}, {{ steps.label.kind }}.'}\n"
    + "  told: {when: steps.sure is not none or row.n == 1, prompt: 'Tell {% if steps.sure %}{{ steps.sure }}{% endif %} of {{ row.town }}.'}\n"
    + "  after: {prompt: 'After {{ steps.big }}.'}\n"
    + TAIL
)

COMPUTE = (
    HEAD
    + "model: claude-haiku-5-5\nsteps:\n"
    + "  name: {kind: compute, value: row.town | upper}\n"
    + "  label:\n    prompt: 'Label {{ steps.name }}.'\n"
    + LABEL
    + "  band: {kind: compute, values: {high: steps.label.score > 2, kind: steps.label.kind}}\n"
    + '  note: {prompt: \'Note on {{ row.town }}: {{ "high" if steps.band.high else "low" }}.\'}\n'
    + "  last: {kind: compute, value: steps.note | length}\n"
    + TAIL
)

DRAW = (
    HEAD
    + "model: claude-haiku-5-5\nsteps:\n"
    + "  who:\n    kind: draw\n    seed: 3\n    draws:\n"
    + "      age: {integer: [18, 90]}\n      mood: {choices: [calm, angry], weights: [3, 1]}\n"
    + "      home: {path: towns.csv, column: town}\n"
    + "      speech: {given: mood, cases: {calm: {choices: [soft, slow]}}, otherwise: {choices: [loud, fast]}}\n"
    + "  letter: {prompt: 'A letter by one who is {{ steps.who.age }} and {{ steps.who.mood }}, on {{ row.town }}.'}\n"
    + "  reply: {prompt: 'From {{ steps.who.home }}, {{ steps.who.speech }}: {{ steps.letter }}'}\n"
    + TAIL
)

PYTHON = (
    HEAD
    + "model: claude-haiku-5-5\nsteps:\n"
    + "  kept: {kind: python, call: texts:size, args: {text: row.town}, keep: true}\n"
    + "  loose: {kind: python, call: texts:size, args: {text: row.town, more: '1'}}\n"
    + "  one: {prompt: 'Size {{ steps.kept }} of {{ row.town }}.'}\n"
    + "  two: {prompt: 'Size {{ steps.loose }} of {{ row.town }}.'}\n"
    + "  three: {kind: python, call: other:half, args: {text: steps.one}, keep: true}\n"
    + "  four: {prompt: 'Half: {{ steps.three }}.'}\n"
    + TAIL
)
TEXTS = "import helper\n\n\ndef size(text, more=0):\n    return helper.count(text) + more\n"
HELPER = "def count(text):\n    return len(text)\n"
OTHER = "def half(text):\n    return len(text) // 2\n"

SHARED = (
    HEAD
    + "models:\n  small: {id: claude-haiku-5-5, max_tokens: 900}\n  large: {id: claude-opus-5-5, effort: low}\n"
    + "  spare: {id: claude-sonnet-5-5}\n"
    + "steps:\n  first: {model: small, system: {file: prompts/style.md}, prompt: 'On {{ row.town }}.'}\n"
    + "  second: {model: large, system: {file: prompts/style.md}, prompt: 'More on {{ row.town }}.'}\n"
    + "  both: {matrix: {model: [small, large]}, prompt: 'Both on {{ steps.first }}'}\n"
    + "  alone: {model: spare, prompt: {file: prompts/plain.md, template: false}}\n"
    + TAIL
)

CHECKED = (
    HEAD
    + "model: claude-haiku-5-5\nsteps:\n  label:\n    prompt: Label {{ row.town }}.\n"
    + LABEL
    + "      reasks: 1\n"
    + "    check: [output.score >= 4, {expression: output.kind != \"none\", message: 'Not {{ row.town }}.'}]\n"
    + "    on_error: null\n"
    + "  text:\n    prompt: Text on {{ row.town }}.\n    output: {reasks: 2}\n    check: [output | length > 3]\n"
    + "  after: {when: steps.label is none or steps.label.score > 2, prompt: 'After {{ steps.text }}, {{ row.town }}.'}\n"
    + "  items:\n    samples: 3\n    on_item_error: null\n    prompt: Rate {{ row.town }}.\n"
    + "    output: {schema: {type: integer, minimum: 1, maximum: 9}, reasks: 0}\n    check: [output > 4]\n"
    + '  mean: {kind: compute, value: steps.items | reject("none") | list | length}\n'
    + "  told: {prompt: 'Mean {{ steps.mean }} of {{ row.town }}.'}\n"
    + TAIL
)

CHAT = (
    "version: 1\nparams:\n  least: {type: integer, default: 1}\n  place: {type: string, default: shop}\n"
    "input: {path: rows.jsonl, where: row.n >= params.least}\n"
    "steps:\n  turns:\n    kind: compute\n    value: >-\n"
    "      [{'role': 'user', 'content': row.town}, {'role': 'assistant', 'content': 'Yes.'}]\n"
    "  said:\n    model: {id: claude-haiku-4-5, max_tokens: 800}\n    messages:\n      - {from: steps.turns}\n"
    "      - {role: user, content: 'And in the {{ params.place }}?'}\n"
    "  tool:\n    model: claude-sonnet-5-5\n    prompt: Rate {{ steps.said }}.\n"
    "    output: {mode: tools, schema: {type: object, required: [rate], properties: {rate: {type: number, minimum: 0}},\n"
    "      additionalProperties: false}}\n"
    "  json:\n    model: claude-haiku-4-5\n    prompt: Rate {{ row.town }} again.\n"
    "    output: {mode: json, schema: rate.json}\n" + TAIL
)
RATE = json.dumps({"type": "object", "required": ["rate"], "properties": {"rate": {"type": "integer"}}})

SYSTEM = "You know towns.\n"
PROMPT = "Label the town {{ row.town }} in a {{ params.tone }} tone.\n\nUse at most three words.\n"

PROJECTS = {
    "one": Project({"p.yaml": ONE, "rows.jsonl": ROWS, "prompts/system.md": SYSTEM, "prompts/label.md": PROMPT}),
    "chain": Project({"p.yaml": CHAIN, "rows.jsonl": ROWS}),
    "fan": Project({"p.yaml": FAN, "rows.jsonl": ROWS}),
    "when": Project({"p.yaml": WHEN, "rows.jsonl": ROWS}),
    "compute": Project({"p.yaml": COMPUTE, "rows.jsonl": ROWS}),
    "draw": Project({"p.yaml": DRAW, "rows.jsonl": ROWS, "towns.csv": "town,land\nLima,PE\nBari,IT\nCork,IE\n"}),
    "python": Project(
        {"p.yaml": PYTHON, "rows.jsonl": ROWS, "texts.py": TEXTS, "helper.py": HELPER, "other.py": OTHER}
    ),
    "shared": Project(
        {
            "p.yaml": SHARED,
            "rows.jsonl": ROWS,
            "prompts/style.md": "Write short.\n",
            "prompts/plain.md": "Say {{ this }}.\n",
        }
    ),
    "checked": Project({"p.yaml": CHECKED, "rows.jsonl": ROWS}),
    "chat": Project({"p.yaml": CHAT, "rows.jsonl": ROWS, "rate.json": RATE}),
}

MISSING: Any = ...


@dataclass(frozen=True)
class Edit:
    """An edit of one place.

    Attributes:
        name: what it edits, such as `label.samples`.
        apply: returns the edited project, or `None`.
        is_form: whether it changes no value, and no request.
    """

    name: str
    apply: Any
    is_form: bool = False


def edits_of(project):
    """All edits of a project."""
    made = [*_forms(project), *_whole(project), *_rows(project)]
    for name, step in project.document["steps"].items():
        made += _of_step(name, step)
    return made


def _at(document, path, default=MISSING):
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return default
    return document


def _set(name, path, value):
    """An edit that sets what a path names; `MISSING` removes it; a function makes the value of the old one."""

    def apply(project):
        document = project.document
        parent = _at(document, path[:-1])
        if parent is MISSING and len(path) == 2 and path[0] in ("runtime", "limits", "params", "models"):
            parent = document[path[0]] = {}
        if not isinstance(parent, dict | list):
            return None
        old = _at(document, path)
        new = value(copy.deepcopy(old)) if callable(value) else value
        if new is MISSING:
            if old is MISSING:
                return None
            del parent[path[-1]]
        elif old is not MISSING and type(new) is type(old) and new == old:
            return None
        else:
            parent[path[-1]] = new
        return project.saying(document)

    return Edit(name, apply)


def _text(name, change, *, is_form=True, file=None):
    """An edit of a text."""

    def apply(project):
        where = file or project.main
        if where not in project.files:
            return None
        text = change(project.files[where])
        return None if text == project.files[where] else project.having({where: text})

    return Edit(name, apply, is_form)


def _forms(project):
    """Edits that change no request."""
    yield _text("form.comment_first", lambda text: "# Another comment\n" + text)
    yield _text("form.comment_last", lambda text: text + "# The end\n")
    yield _text("form.comment_in_steps", lambda text: text.replace("steps:\n", "steps:\n  # What is done\n"))
    yield _text("form.comment_beside", lambda text: text.replace("steps:\n", "steps:  # all of them\n"))
    yield _text("form.comments_everywhere", lambda text: re.sub(r"(?m)^(  \w+:)$", r"  # step\n\1  # here", text))
    yield _text("form.empty_lines", lambda text: text.replace("\n  ", "\n\n  ", 1) + "\n\n")
    yield _text("form.document_start", lambda text: "---\n" + text)
    yield _text("form.crlf", lambda text: text.replace("\n", "\r\n"))
    yield _text("form.bom", lambda text: "\ufeff" + text)
    yield _text("form.spaces_after_colon", lambda text: text.replace("version: 1", "version:   1"))
    yield _text("form.trailing_spaces", lambda text: text.replace("steps:\n", "steps:   \n"))
    yield _text("form.indent", _indented)
    yield _text("form.quoted_keys", lambda text: re.sub(r"(?m)^(\w+):", r'"\1":', text))
    yield _text("form.single_quoted_keys", lambda text: re.sub(r"(?m)^(  )(\w+):", r"\1'\2':", text))
    yield _text("form.quoted_model", lambda text: text.replace("model: claude-haiku-5-5", 'model: "claude-haiku-5-5"'))
    yield _text("form.extension", lambda text: text + "x-notes: [one, two]\n")
    yield Edit("form.dumped", lambda project: project.saying(project.document), is_form=True)
    yield Edit("form.dumped_as_flow", _flow, is_form=True)
    yield Edit("form.dumped_as_json", _json, is_form=True)
    yield Edit("form.anchors", _anchored, is_form=True)
    yield Edit("form.order_of_top_keys", _reordered(()), is_form=True)
    yield Edit("form.order_of_steps", _reordered(("steps",)), is_form=True)
    for name in project.document["steps"]:
        yield Edit(f"form.order_in_step.{name}", _reordered(("steps", name)), is_form=True)
        yield Edit(f"form.block_of_prompt.{name}", _block(name), is_form=True)
        yield Edit(f"form.inlined_prompt.{name}", _inlined(name, "prompt"), is_form=True)
        yield Edit(f"form.inlined_system.{name}", _inlined(name, "system"), is_form=True)
        yield Edit(f"form.prompt_into_file.{name}", _into_file(name, "prompt"), is_form=True)
        yield Edit(f"form.system_into_file.{name}", _into_file(name, "system"), is_form=True)
        yield Edit(f"form.prompt_as_message.{name}", _as_message(name), is_form=True)
        yield Edit(f"form.schema_into_file.{name}", _schema_file(name, "schema.json"), is_form=True)
        yield Edit(f"form.schema_into_yaml.{name}", _schema_file(name, "more/schema.yaml"), is_form=True)
        for key, value in (("description", "What it does."), ("batch", {"minimum": 5})):
            edit = _set(f"form.{key}.{name}", ("steps", name, key), value)
            yield Edit(edit.name, edit.apply, is_form=True)
        edit = _set(f"form.timeout.{name}", ("steps", name, "timeout"), 33)
        yield Edit(edit.name, edit.apply, is_form=True)
    for key, value in {
        "timeout": 17,
        "max_retries": 1,
        "concurrency": 2,
        "api_key_env": "OTHER_KEY",
        "allow_http": True,
    }.items():
        edit = _set(f"form.runtime.{key}", ("runtime", key), value)
        yield Edit(edit.name, edit.apply, is_form=True)
    for key, value in {"max_failures": "90%", "max_requests": 9000, "max_pause": 5, "max_unusable": "none"}.items():
        edit = _set(f"form.limits.{key}", ("limits", key), value)
        yield Edit(edit.name, edit.apply, is_form=True)
    for path, value in (
        (("name",), "another"),
        (("description",), "About it."),
        (("batch",), False),
        (("output", "path"), "out/other.jsonl"),
        (("output", "where"), "row.n > 1"),
        (("output", "columns"), {"town": "row.town"}),
        (("output", "provenance"), True),
        (("output", "split"), {"train": 0.5, "test": 0.5}),
        (("params", "added"), {"type": "integer", "default": 3}),
        (("params", "unread", "default"), 2),
        (("params", "unread"), MISSING),
        (("models", "added"), {"id": "claude-opus-5-5"}),
    ):
        edit = _set(f"form.{'.'.join(path)}", path, value)
        if path[0] != "models" or "models" in project.document:
            yield Edit(edit.name, edit.apply, is_form=True)
    yield Edit("form.outputs", _two_outputs, is_form=True)
    for name in project.document.get("models", {}):
        yield Edit(f"form.renamed_alias.{name}", _renamed_alias(name), is_form=True)
        edit = _set(f"form.price.{name}", ("models", name, "price"), {"input": 1, "output": 5})
        yield Edit(edit.name, edit.apply, is_form=True)
    for file in project.files:
        if file.startswith("prompts/"):
            yield Edit(f"form.moved.{file}", _moved(file, f"texts/new {file.rpartition('/')[2]}"), is_form=True)
        if file == "rate.json":
            yield Edit("form.moved.rate.json", _moved(file, "schemas/rate.json"), is_form=True)
            yield _text("form.schema_spaces", lambda text: json.dumps(json.loads(text), indent=1), file=file)
    yield Edit("form.moved_rows", _moved("rows.jsonl", "data/towns.jsonl"), is_form=True)
    yield _text("form.rows_spaces", lambda text: text.replace(": ", ":  "), file="rows.jsonl")
    yield _text("form.rows_escaped", lambda text: text.replace("Ł", "\\u0141"), file="rows.jsonl")
    yield Edit("form.rows_as_json", _rows_as_json, is_form=True)


def _indented(text):
    start, _, steps = text.partition("steps:\n")
    inner, _, end = steps.rpartition("output: {path")
    return start + "steps:\n" + re.sub(r"(?m)^(?=.)", "   ", inner) + "output: {path" + end


def _flow(project):
    import yaml  # noqa: PLC0415

    text = yaml.safe_dump(project.document, sort_keys=False, allow_unicode=True, default_flow_style=True, width=60)
    return project.having({project.main: text})


def _json(project):
    return project.having({project.main: json.dumps(project.document, indent=2, ensure_ascii=False) + "\n"})


def _anchored(project):
    """An anchor for what two steps say of their model, or for a text."""
    text = project.files[project.main]
    if "model: claude-haiku-5-5\nsteps:" not in text:
        return None
    return project.having(
        {project.main: text.replace("model: claude-haiku-5-5\n", "x-model: &m claude-haiku-5-5\nmodel: *m\n")}
    )


def _reordered(path):
    def apply(project):
        document = project.document
        inner = _at(document, path)
        if not isinstance(inner, dict) or len(inner) < 2:
            return None
        items = list(reversed(inner.items()))
        inner.clear()
        inner.update(items)
        return project.saying(document)

    return apply


def _block(name):
    def apply(project):
        document = project.document
        prompt = _at(document, ("steps", name, "prompt"))
        if not isinstance(prompt, str):
            return None
        mark = "BLOCK_OF_TEXT"
        document["steps"][name]["prompt"] = mark
        text = project.saying(document).files[project.main]
        lines = "".join(f"      {line}\n" for line in prompt.splitlines()).rstrip("\n")
        return project.having({project.main: text.replace(f"prompt: {mark}", f"prompt: |-\n{lines}")})

    return apply


def _inlined(name, key):
    def apply(project):
        document = project.document
        text = _at(document, ("steps", name, key))
        if not isinstance(text, dict) or not text.get("template", True):
            return None
        document["steps"][name][key] = project.files[text["file"]].removesuffix("\n")
        return project.saying(document)

    return apply


def _into_file(name, key):
    def apply(project):
        document = project.document
        text = _at(document, ("steps", name, key))
        if not isinstance(text, str):
            return None
        file = f"texts/{name}_{key}.md"
        document["steps"][name][key] = {"file": file}
        return project.saying(document).having({file: text + "\n"})

    return apply


def _as_message(name):
    def apply(project):
        document = project.document
        step = document["steps"].get(name, {})
        if "prompt" not in step:
            return None
        step["messages"] = [{"role": "user", "content": step.pop("prompt")}]
        return project.saying(document)

    return apply


def _schema_file(name, file):
    def apply(project):
        document = project.document
        schema = _at(document, ("steps", name, "output", "schema"))
        if not isinstance(schema, dict):
            return None
        document["steps"][name]["output"]["schema"] = f"{name}_{file}" if "/" not in file else file
        where = document["steps"][name]["output"]["schema"]
        return project.saying(document).having({where: json.dumps(schema, indent=1)})

    return apply


def _two_outputs(project):
    document = project.document
    if "output" not in document:
        return None
    document["outputs"] = {"all": document.pop("output"), "towns": {"path": "out/t.csv", "columns": {"t": "row.town"}}}
    return project.saying(document)


def _renamed_alias(name):
    def apply(project):
        document = project.document
        if name not in document.get("models", {}):
            return None
        models = document["models"]
        document["models"] = {(f"{name}_too" if key == name else key): value for key, value in models.items()}
        for step in document["steps"].values():
            if step.get("model") == name:
                step["model"] = f"{name}_too"
            if "model" in step.get("matrix", {}):
                return None  # a label of the value
        return project.saying(document)

    return apply


def _moved(file, to):
    def apply(project):
        if file not in project.files:
            return None
        text = project.files[project.main]
        if file not in text:
            return None
        files = {file: None, to: project.files[file], project.main: text.replace(file, to)}
        return project.having(files)

    return apply


def _rows_as_json(project):
    if "rows.jsonl" not in project.files:
        return None
    rows = [json.loads(line) for line in project.files["rows.jsonl"].splitlines() if line.strip()]
    text = project.files[project.main].replace("rows.jsonl", "rows.json")
    return project.having({"rows.jsonl": None, "rows.json": json.dumps(rows, indent=1), project.main: text})


def _whole(project):
    """Edits of what all steps share."""
    document = project.document
    for alias in document.get("models", {}):
        for key, value in {
            "id": "claude-opus-5",
            "max_tokens": 1234,
            "effort": "high",
            "stop_sequences": ["END"],
            "thinking": "adaptive",
        }.items():
            yield _set(f"models.{alias}.{key}", ("models", alias, key), value)
    if "model" in document:
        yield _set("model", ("model",), "claude-sonnet-5-5")
        yield _set("model.settings", ("model",), {"id": "claude-haiku-5-5", "max_tokens": 777})
        yield _set("model.default_said", ("model",), {"id": "claude-haiku-5-5", "max_tokens": 4096})
    yield _set("runtime.api_version", ("runtime", "api_version"), "2023-06-01")
    yield _set("runtime.base_url", ("runtime", "base_url"), "https://gateway.example.org")
    for name in document.get("params", {}):
        yield _set(f"params.{name}", ("params", name, "default"), lambda old: {"dry": "wet", "shop": "bar"}.get(old, 2))
    for file in project.files:
        if file.endswith(".md"):
            yield _text(f"{file}.word", lambda text: text.replace(" ", " now ", 1), is_form=False, file=file)
            yield _text(f"{file}.last_line", lambda text: text + "And no more.\n", is_form=False, file=file)
            yield _text(f"{file}.line_end", lambda text: text.rstrip("\n"), is_form=False, file=file)
            yield _text(f"{file}.crlf", lambda text: text.replace("\n", "\r\n"), is_form=False, file=file)
            yield _text(f"{file}.space", lambda text: text.replace(" ", "  ", 1), is_form=False, file=file)
            yield _text(f"{file}.comment", lambda text: "{# note #}" + text, is_form=False, file=file)
        if file.endswith(".py"):
            yield _text(f"{file}.comment", lambda text: text + "# A comment\n", is_form=False, file=file)
            yield _text(
                f"{file}.value", lambda text: text.replace("len(text)", "len(text) + 7"), is_form=False, file=file
            )
    if "towns.csv" in project.files:
        yield _text("towns.csv.row", lambda text: text + "Nis,RS\n", is_form=False, file="towns.csv")
        yield _text("towns.csv.value", lambda text: text.replace("Bari", "Rome"), is_form=False, file="towns.csv")
        yield _text("towns.csv.other_column", lambda text: text.replace("IT", "XX"), is_form=False, file="towns.csv")
    if "rate.json" in project.files:
        yield _text(
            "rate.json.sent", lambda text: text.replace('"integer"', '"number"'), is_form=False, file="rate.json"
        )
        yield _text(
            "rate.json.order",
            lambda text: json.dumps(dict(reversed(json.loads(text).items()))),
            is_form=False,
            file="rate.json",
        )
    yield Edit("step.added", _added_step)
    yield Edit("step.added_before", _added_before)


def _added_step(project):
    document = project.document
    first = next(iter(document["steps"]))
    model = {} if "model" in document else {"model": {"id": "claude-haiku-5-5"}}
    if "models" in document:
        model = {"model": next(iter(document["models"]))}
    document["steps"]["extra"] = {"prompt": f"Extra on {{{{ steps.{first} }}}}.", **model}
    return project.saying(document)


def _added_before(project):
    document = project.document
    model = {} if "model" in document else {"model": {"id": "claude-haiku-5-5"}}
    if "models" in document:
        model = {"model": next(iter(document["models"]))}
    document["steps"] = {"extra": {"prompt": "Extra on {{ row.town }}.", **model}, **document["steps"]}
    last = list(document["steps"])[-1]
    if "prompt" not in document["steps"][last] or isinstance(document["steps"][last]["prompt"], dict):
        return None
    document["steps"][last]["prompt"] += " {{ steps.extra }}"
    return project.saying(document)


def _of_rows(name, change):
    def apply(project):
        if "rows.jsonl" not in project.files:
            return None
        rows = [json.loads(line) for line in project.files["rows.jsonl"].splitlines() if line.strip()]
        made = change(rows)
        return None if made is None or made == rows else project.having({"rows.jsonl": as_jsonl(made)})

    return Edit(f"rows.{name}", apply)


def _rows(project):
    """Edits of the input."""
    new = {"id": "d", "town": "Cork", "n": 4, "tags": ["port"]}
    yield _of_rows("added", lambda rows: [*rows, new])
    yield _of_rows("added_first", lambda rows: [new, *rows])
    yield _of_rows("removed", lambda rows: rows[:-1])
    yield _of_rows("removed_first", lambda rows: rows[1:])
    yield _of_rows("reordered", lambda rows: rows[::-1])
    yield _of_rows("doubled", lambda rows: [*rows, {**rows[0], "id": "z"}])
    yield _of_rows("changed_read", lambda rows: [{**rows[0], "town": "Bergen"}, *rows[1:]])
    yield _of_rows("changed_number", lambda rows: [{**rows[0], "n": 9}, *rows[1:]])
    yield _of_rows("changed_tags", lambda rows: [{**rows[0], "tags": ["sea", "hill", "fog"]}, *rows[1:]])
    yield _of_rows("fewer_tags", lambda rows: [{**rows[0], "tags": ["sea"]}, *rows[1:]])
    yield _of_rows("new_column", lambda rows: [{**row, "more": 1} for row in rows])
    yield _of_rows("changed_id", lambda rows: [{**rows[0], "id": "q"}, *rows[1:]])
    yield _of_rows(
        "swapped_ids",
        lambda rows: (
            [{**rows[0], "id": rows[1]["id"]}, {**rows[1], "id": rows[0]["id"]}, *rows[2:]] if len(rows) > 1 else None
        ),
    )
    yield _of_rows("order_of_columns", lambda rows: [dict(reversed(row.items())) for row in rows])
    yield _set("input.id", ("input", "id"), lambda old: "town" if old is not MISSING else "id")
    yield _set("input.no_id", ("input", "id"), MISSING)
    yield _set("input.where", ("input", "where"), "row.n != 2")
    yield _set("input.where_all", ("input", "where"), "row.n > 0")
    yield _set("input.limit", ("input", "limit"), 2)
    yield _set("input.sample", ("input", "sample"), {"n": 2, "seed": 4})
    yield _set("input.sample_all", ("input", "sample"), {"n": 50})
    yield Edit("input.inline_rows", _inline_rows)
    yield Edit("input.other_file", _other_rows)
    del project


def _inline_rows(project):
    if "rows.jsonl" not in project.files:
        return None
    rows = [json.loads(line) for line in project.files["rows.jsonl"].splitlines() if line.strip()]
    document = project.document
    del document["input"]["path"]
    document["input"]["rows"] = rows
    return project.saying(document)


def _other_rows(project):
    document = project.document
    if "path" not in document["input"]:
        return None
    document["input"]["path"] = "others.jsonl"
    others = [{**TOWNS[0]}, {"id": "x", "town": "Pau", "n": 7, "tags": ["castle"]}]
    return project.saying(document).having({"others.jsonl": as_jsonl(others)})


def _worded(old):
    if isinstance(old, str):
        return f"Please. {old}"
    return MISSING if old is MISSING else old


def _of_step(name, step):
    """Edits of one step."""
    kind = step.get("kind", "generate")

    def field(key, value, *more, label=None):
        return _set(f"{kind}.{label or '.'.join(map(str, (key, *more)))}.{name}", ("steps", name, key, *more), value)

    yield Edit(f"step.removed.{name}", _removed(name))
    yield Edit(f"step.renamed.{name}", _renamed(name))
    yield field("when", "row.n > 1" if step.get("when") != "row.n > 1" else "row.n > 2")
    yield field("when", "row.n > 0", label="when_always")
    yield field("when", MISSING, label="no_when")
    yield field("when", "row.n > 99", label="when_never")
    if "when" in step:
        yield field("when", f"({step['when']})", label="when_brackets")
        yield field("when", f"{step['when']} ", label="when_spaces")
        yield field("when", f"{step['when']} and row.n > 0", label="when_and")
        yield field("when", f"not ({step['when']})", label="when_not")
    yield field("on_error", lambda old: None if old is MISSING else MISSING)
    if kind != "draw":
        yield field("on_item_error", lambda old: None if old is MISSING else MISSING)
        yield field("for_each", lambda old: "row.tags" if old is MISSING else MISSING)
        yield field("for_each", lambda old: MISSING if old is MISSING else f"{old}[:1]", label="for_each_first")
        yield field("for_each", lambda old: MISSING if old is MISSING else f"{old} + ['end']", label="for_each_more")
        yield field(
            "for_each", lambda old: MISSING if old is MISSING else f"{old} | reverse | list", label="for_each_turned"
        )
        yield field("matrix", lambda old: {"size": [1, 2]} if old is MISSING else MISSING)
    for number in (1, 2, 3, 4):
        if kind in ("generate", "draw"):
            yield field("samples", number, label=f"samples_{number}")
    if "matrix" in step:
        axis = next(iter(step["matrix"]))
        values = step["matrix"][axis]
        yield field("matrix", values[::-1], axis, label="matrix_turned")
        yield field("matrix", values[:1], axis, label="matrix_less")
        yield field("matrix", [*values, "spare" if axis == "model" else "odd"], axis, label="matrix_more")
    if kind == "compute":
        if "value" in step:
            yield field("value", f"({step['value']})", label="value_brackets")
            yield field("value", f"[{step['value']}]", label="value_list")
            yield field("value", f"{step['value']} if row.n > 1 else none", label="value_some")
        else:
            yield field("values", "none", "added", label="values_added")
            for each, text in step["values"].items():
                yield field("values", f"({text})", each, label=f"values_brackets_{each}")
                yield field("values", f"none if row.n == 1 else {text}", each, label=f"values_some_{each}")
                yield field("values", MISSING, each, label=f"values_removed_{each}")
            yield field("values", lambda old: dict(reversed(old.items())), label="values_order")
        yield field("output", {"schema": {}}, label="schema_any")
    if kind == "draw":
        yield field("seed", 4)
        yield field("seed", MISSING, label="no_seed")
        yield field("draws", [18, 91], "age", "integer", label="draws_range")
        yield field("draws", [1, 3], "mood", "weights", label="draws_weights")
        yield field("draws", [6, 2], "mood", "weights", label="draws_same_weights")
        yield field("draws", ["angry", "calm"], "mood", "choices", label="draws_order")
        yield field("draws", ["soft", "odd"], "speech", "cases", "calm", "choices", label="draws_case")
        yield field("draws", {"choices": [1]}, "added", label="draws_added")
        yield field("draws", "land", "home", "column", label="draws_column")
    if kind == "python":
        yield field("keep", lambda old: True if old is MISSING else MISSING)
        yield field("reads", ["rows.jsonl"])
        yield field("args", lambda old: f"{old} ~ 'x'", "text", label="args_text")
        yield field("args", lambda old: f"({old})", "text", label="args_brackets")
        yield field("call", lambda old: "other:half" if old == "texts:size" and name == "kept" else "texts:size")
    if kind != "generate":
        return
    yield field("prompt", _worded, label="prompt_word")
    yield field("prompt", lambda old: f"{old} " if isinstance(old, str) else old, label="prompt_space")
    yield field("prompt", lambda old: f"{old}\n" if isinstance(old, str) else old, label="prompt_line_end")
    yield field(
        "prompt",
        lambda old: re.sub(r"\{\{ (.*?) \}\}", r"{{\1}}", old) if isinstance(old, str) else old,
        label="prompt_tight",
    )
    yield field(
        "prompt",
        lambda old: f"{{% if row.n > 1 %}}Large. {{% endif %}}{old}" if isinstance(old, str) else old,
        label="prompt_some",
    )
    yield field("prompt", lambda old: f"{{# note #}}{old}" if isinstance(old, str) else old, label="prompt_comment")
    yield field(
        "prompt",
        lambda old: f"{old} {{{{ row.tags | length }}}}" if isinstance(old, str) else old,
        label="prompt_column",
    )
    yield field("prompt", "The same for all.", label="prompt_constant")
    yield field("system", "Write as others do.")
    yield field("system", MISSING, label="no_system")
    yield field(
        "system", lambda old: old if not isinstance(old, dict) else {**old, "template": False}, label="system_template"
    )
    yield field("model", "claude-sonnet-5-5" if "models" not in _KNOWN.get(name, ()) else "slow", label="model")
    for key, value in {
        "max_tokens": 555,
        "effort": "low",
        "stop_sequences": ["STOP"],
        "thinking": "adaptive",
    }.items():
        yield field(key, value)
    if "messages" in step:
        yield field("messages", lambda old: old[-1:], label="messages_last")
        yield field(
            "messages",
            lambda old: [*old, {"role": "assistant", "content": "Well."}, {"role": "user", "content": "Go on."}],
            label="messages_more",
        )
    yield field(
        "check", lambda old: ["output != 'zzz'"] if old is MISSING else [*old, "output != 'zzz'"], label="check_added"
    )
    yield field("check", lambda _: ["row.n > 1"], label="check_fails_one")
    yield field("check", lambda _: ["false"], label="check_fails_all")
    checks = ["output | length > 40", "output[:1] < 'M'", "'e' in output[:12]"]
    if (
        kind == "generate" and "score" in step.get("output", {}).get("schema", {}).get("properties", {})
        if isinstance(step.get("output", {}).get("schema", {}), dict)
        else False
    ):
        checks = [
            "output.score > 3",
            "output.score < 3",
            "output.kind == 'old'",
            "output.kind != 'new'",
            "output.score > row.n",
        ]
    elif "output" in step:
        checks = ["output | string | length > 9", "output != 3"]
    for number, check in enumerate(checks):
        yield field("check", lambda _, check=check: [check], label=f"check_{number}")
        yield field(
            "check",
            lambda old, check=check: [*([] if old is MISSING else old), {"expression": check, "message": "Not so."}],
            label=f"check_told_{number}",
        )
    if "check" in step:
        yield field("check", lambda old: old[::-1], label="check_order")
        yield field(
            "check", lambda old: [f"({old[0]})", *old[1:]] if isinstance(old[0], str) else old, label="check_brackets"
        )
    yield field("check", MISSING, label="no_check")
    yield (
        field("output", lambda old: {**({} if old is MISSING else old), "reasks": 0}, label="reasks_0")
        if ("check" in step or "output" in step)
        else field("check", MISSING)
    )
    if "output" not in step:
        yield field("output", {"schema": {"type": "string", "minLength": 2}}, label="schema_new")
        return
    yield field("output", 3, "reasks", label="reasks_3")
    yield field("output", 1, "reasks", label="reasks_1")
    yield field("output", "tools", "mode", label="mode_tools")
    yield field("output", "json", "mode", label="mode_json")
    yield field("output", "native", "mode", label="mode_native")
    yield field("output", MISSING, label="no_output")
    if not isinstance(step["output"].get("schema"), dict):
        return

    def schema(label, change):
        def make(old):
            if not isinstance(old, dict):
                return old
            change(old)
            return old

        return field("output", make, "schema", label=f"schema_{label}")

    yield schema("title", lambda old: old.update(title="Other"))
    yield schema("description", lambda old: old.update(description="Other."))
    yield schema("comment", lambda old: old.update({"$comment": "Other."}))
    yield schema("draft", lambda old: old.update({"$schema": "https://json-schema.org/draft/2020-12/schema"}))
    yield schema("order", lambda old: (items := list(reversed(old.items())), old.clear(), old.update(items)))
    yield schema("examples", lambda old: old.update(examples=[1]))
    if step["output"]["schema"].get("properties"):
        yield schema("property", lambda old: old["properties"].update(more={"type": "boolean"}))
        yield schema("not_required", lambda old: old.update(required=old["required"][:1]))
        yield schema(
            "order_of_properties", lambda old: old.update(properties=dict(reversed(old["properties"].items())))
        )
        yield schema("order_of_required", lambda old: old.update(required=old["required"][::-1]))
        if "score" in step["output"]["schema"]["properties"]:
            yield schema("minimum", lambda old: old["properties"]["score"].update(minimum=2))
            yield schema("maximum", lambda old: old["properties"]["score"].update(maximum=4))
            yield schema("minimum_less", lambda old: old["properties"]["score"].update(minimum=0))
            yield schema("enum_less", lambda old: old["properties"]["kind"].update(enum=["old", "new"]))
            yield schema("enum_more", lambda old: old["properties"]["kind"].update(enum=["old", "new", "other", "odd"]))
            yield schema("text", lambda old: old["properties"]["kind"].update(description="What it is."))
            yield schema("max_length", lambda old: old["properties"]["kind"].update(maxLength=3))
    elif step["output"]["schema"].get("type") == "array":
        yield schema("max_items", lambda old: old.update(maxItems=2))
        yield schema("min_items", lambda old: old.update(minItems=2))
        yield schema("unique", lambda old: old.update(uniqueItems=True))
        yield schema("items", lambda old: old["items"].update(maxLength=10))
    else:
        yield schema("maximum", lambda old: old.update(maximum=6))


_KNOWN = {"label": ()}


def _removed(name):
    def apply(project):
        document = project.document
        if name not in document["steps"] or len(document["steps"]) == 1:
            return None
        del document["steps"][name]
        return project.saying(document)

    return apply


def _renamed(name):
    def apply(project):
        text = project.files[project.main]
        new = re.sub(rf"\bsteps\.{name}\b", "steps.fresh", re.sub(rf"(?m)^(  ){name}:", r"\1fresh:", text))
        return None if new == text else project.having({project.main: new})

    return apply
