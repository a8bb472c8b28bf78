"""The reference page of the language, `reference.md` of the manual: generated from the models' docstrings and fields.

A model becomes a section: its docstring, a table of its keys, and a subsection for each key with details. The first
paragraph of a field's docstring is the hover text in editors and the cell of the table; the rest is for this page. The
table of models has its own chapter, and so have the fields that identify an answer. A test fails if the page differs
from the models, and another runs every example.
`python -m yamlgen.pipeline.reference_page` rewrites the file.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yamlgen import manual, model_capabilities
from yamlgen.model_capabilities import Capabilities
from yamlgen.pipeline import pipeline_model
from yamlgen.schemas.type_words import KEY_PLURALS, KEYS
from yamlgen.steps import config_fields, keyed_fields
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_kinds import DEFAULT_KIND, KINDS
from yamlgen.value_objects import JSON

FILE_NAME: Final = "reference.md"
ROW: Final = {"topic": "tea", "text": "The kettle leaks, and nobody answers my mails."}
"""The input row of an example without `input`."""

_BEGIN: Final = f"""\
# The pipeline language

Every key of a pipeline file, with examples. An example shows the top-level keys that matter. If it has no `version`,
`input` or `output`, assume `version: 1`, `output: {{path: out.jsonl}}`, and rows with the columns
{" and ".join(f"`{name}`" for name in ROW)}, which are strings. A file that an example uses is shown before it.

This page is generated from the source, and the tests run every example.
"""
_DATED: Final = model_capabilities.DATED[0]
_MODELS: Final = f"""\
Models support different settings. `validate`, the requests of a run, its rate limits and the simulator use this table,
which was last checked in {model_capabilities.CHECKED}. A model that is not in the table is used with safe defaults.
`validate` reports it only if it looks like a Claude id, and never if `runtime.base_url` is a gateway. A dated id, such
as `{_DATED}`, is treated as the model without the date. Defaults are in bold. An empty cell means that the value is
not documented.

- **thinks**: whether the model thinks by default, without `thinking`.
- **forced tool**: whether a tool can be forced while the model does not think. Other models are instructed in words.
- **system turn**: whether `messages` may have the role `system`.
- **prefill**: whether the last of `messages` may have the role `assistant`, as the beginning of the answer.
- **sampling**: whether it accepts `temperature`, `top_p` and `top_k`, with `runtime.api_version: "2023-06-01"`.
- **`speed: fast`**, **`inference_geo`**: whether it accepts these settings.
- **fallbacks**: the models that the API asks if this one refuses, with `on_refusal`.
- **cache**: the minimum number of tokens that the prompt cache stores.
- **rate limit**: the name of a rate limit that it shares with other models."""
_MODELS_HEAD: Final = (
    "| model | `thinking` | thinks | `effort` | forced tool | system turn | prefill | sampling | `speed: fast` "
    "| `inference_geo` | fallbacks | `max_tokens` | context | cache | rate limit | life |\n"
    f"|{'---|' * 16}\n"
)
_KEYS: Final = """\
An answer is stored under a key. It is made of the body of the request, the address and version of the API, the beta
features in `betas` and `ANTHROPIC_CUSTOM_HEADERS`, the workspace if `runtime.workspace` is set, the row, and the number
of the answer among equal requests for the row. A request has the same key in a batch and by itself, so a run can change
from one to the other without paying twice. Other headers, the API key, and the keys of `runtime` that are not named
here are not a part of the key.

| field of the body | part of the key | contains |
|---|---|---|
"""
_HEAD: Final = "| key | type | default | meaning |\n|---|---|---|---|\n"
_SINGULAR: Final = {kind: word.removeprefix("an ").removeprefix("a ") for kind, word in KEYS.items()}
_WORDS: Final = ({**_SINGULAR, "expression": "expression"}, {**KEY_PLURALS, "expression": "expressions"})
"""The types in words: singular, plural."""
_COUNTS: Final = {1: "one", 2: "two", 3: "three"}
_HEADING: Final = re.compile(r"^(##+) (.*)$", re.MULTILINE)
_FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_KINDS: Final = {keys.__name__: f"`{kind}`" for kind, keys in KINDS.items()}


def committed() -> str:
    """Return the committed text of the page."""
    return (manual.folder() / FILE_NAME).read_text(encoding="utf-8")


def generate() -> str:
    """Return the text of the page, generated from the models."""
    body = "\n\n".join([*_Page().sections(), _models(), _keys()])
    found = [(len(marks) - 2, title) for marks, title in _HEADING.findall(_FENCED.sub("", body))]
    contents = "\n".join(f"{'  ' * depth}- {_link(title)}" for depth, title in found if depth < 2)  # noqa: PLR2004
    return f"{_BEGIN}\n{contents}\n\n{body}\n"


def _models() -> str:
    """Return the chapter with the table of models."""
    rows = [_model_row(name, row) for name, row in model_capabilities.MODELS.items()]
    return f"## What each model takes\n\n{_MODELS}\n\n{_MODELS_HEAD}" + "\n".join(rows)


def _keys() -> str:
    """Return the chapter about the keys of answers."""
    fields = ((keyed_fields.KEYED, "yes"), (keyed_fields.UNKEYED, "no"))
    rows = [f"| `{name}` | {part} | {what} |" for named, part in fields for name, what in named.items()]
    rows.insert(len(keyed_fields.KEYED), "| any other field | yes | the fields of `extra_body` |")
    return f"## What identifies an answer\n\n{_KEYS}" + "\n".join(rows)


def _model_row(name: str, row: Capabilities) -> str:
    kinds = [f"`{kind}`" for kind in row.thinking or ()]
    thinking = ", ".join(kinds) + (f" (effort up to `{row.most_effort_off}`)" if row.most_effort_off else "")
    levels = ", ".join(f"**`{level}`**" if level == row.default_effort else f"`{level}`" for level in row.efforts or ())
    taken = (row.forced_tools, row.system_turns, row.prefill, row.sampling, row.fast, row.regions)
    fallbacks = "" if row.fallbacks is None else ", ".join(f"`{each}`" for each in row.fallbacks) or "no"
    life = f"retires on {row.retires}" if row.retires else row.lifecycle or ""
    cells = [
        f"`{name}`",
        thinking,
        _yes(row.thinks),
        levels or "none",
        *map(_yes, taken),
        fallbacks,
        _count(row.max_output_tokens) + (f" ({row.max_batch_tokens:,} in a batch)" if row.max_batch_tokens else ""),
        _count(row.context),
        _count(row.cache_minimum),
        row.pool or "its own",
        life,
    ]
    return "| " + " | ".join(cells) + " |"


def _count(each: int | None) -> str:
    return "" if each is None else f"{each:,}"


def _yes(each: bool | None) -> str:  # noqa: FBT001 - a cell of a table
    return "" if each is None else "yes" if each else "no"


def _kind_rows() -> str:
    """Return the rows of the table of kinds."""
    return "\n".join(f"| `{kind}` | {keys.does} | {keys.gives} |" for kind, keys in KINDS.items())


def _link(title: str, text: str = "") -> str:
    """Return a link to a heading."""
    return f"[{text or title}](#{re.sub(r'[^a-z0-9_ -]', '', title.lower()).replace(' ', '-')})"


@dataclass
class _Page:
    """The page under construction.

    Attributes:
        schemas: the JSON Schema of each model, by the model's name.
        titles: the heading of each model's section.
    """

    schemas: dict[str, Any] = field(init=False)
    titles: dict[str, str] = field(default_factory=lambda: dict(_KINDS))

    def __post_init__(self) -> None:
        whole = pipeline_model.PipelineModel.model_json_schema(by_alias=True)
        every_step = StepConfig.model_json_schema()
        self.schemas = {**whole["$defs"], "PipelineModel": whole, StepConfig.__name__: every_step}

    def sections(self) -> Iterator[str]:
        """Yield the sections in order."""
        yield "## A pipeline file"
        yield from self._model(pipeline_model.PipelineModel, "", 1)

    def _steps(self) -> Iterator[str]:
        for kind, keys in KINDS.items():
            yield f"### `{kind}`"
            yield from self._model(keys, f"`{kind}`", 3)
            if kind == DEFAULT_KIND:
                yield "### Every step"
                yield from self._model(StepConfig, "", 3)

    def _model(self, model: type[config_fields.FrozenModel], owner: str, level: int) -> Iterator[str]:
        """Yield the section of a model, then the subsections of its keys."""
        named = [each.alias or name for name, each in model.model_fields.items() if _is_own(name, model)]
        properties = self.schemas[model.__name__]["properties"]
        titles = {key: f"{owner}: `{key}`".removeprefix(": ") for key in named}
        inner = {key: self._named(properties[key], titles[key]) for key in named}
        texts = {key: properties[key].get("description", "") for key in named}
        below = [key for key in named if inner[key] or "\n\n" in texts[key]]
        yield inspect.cleandoc(model.__doc__ or "")
        rows = [self._row(model, key, titles[key] if key in below else "") for key in named]
        yield _HEAD + "\n".join(rows)
        for key in below:
            yield f"{'#' * (level + 1)} {titles[key]}"
            if "\n\n" in texts[key]:
                yield texts[key].replace("KINDS", _kind_rows())
            for name in inner[key]:
                yield from self._model(_model_named(name), titles[key], level + 1)
            if key == "steps":
                yield from self._steps()

    def _named(self, part: JSON, title: str) -> list[str]:
        """Return the models with several keys that this key refers to first, and place them under its title."""
        found = re.findall(r'"#/\$defs/(\w+)"', json.dumps(part))
        new = [name for name in found if name not in self.titles and len(self.schemas[name].get("properties", ())) > 1]
        self.titles.update(dict.fromkeys(new, title))
        return new

    def _row(self, model: type[config_fields.FrozenModel], key: str, title: str) -> str:
        schema = self.schemas[model.__name__]
        part = schema["properties"][key]
        meaning, more, _ = part.get("description", "").partition("\n\n")
        meaning = " ".join(meaning.split())
        if more:
            meaning = re.split(r"(?<=\.) (?=[A-Z])", meaning)[0]
        default = part.get("default")
        shown = "" if default in (None, {}, "") else f"`{default if isinstance(default, str) else json.dumps(default)}`"
        cells = [
            _link(title, f"`{key}`") if title else f"`{key}`",
            self._types(part, _text_of(model, key)),
            "**required**" if key in schema.get("required", ()) else shown,
            meaning,
        ]
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    def _types(self, part: Mapping[str, Any], text: str, *, many: bool = False) -> str:
        """Return the type of a key in words, such as "`auto` or integer"."""
        *first, last = self._alternatives(part, text, many=many)
        return " or ".join(filter(None, [", ".join(first), last]))

    def _alternatives(self, part: Mapping[str, Any], text: str, *, many: bool) -> Iterator[str]:
        if "anyOf" in part:
            for each in part["anyOf"]:
                yield from self._alternatives(each, text, many=many) if each != {"type": "null"} else ()
        elif "then" in part:
            said = [one for each in ("else", "then") for one in self._alternatives(part[each], text, many=many)]
            yield from (one for index, one in enumerate(said) if not any(one in other for other in said[:index]))
        elif "enum" in part or "const" in part:
            words = ("null" if value is None else value for value in part.get("enum", [part.get("const")]))
            yield from (f"`{word}`" for word in dict.fromkeys(words))
        else:
            yield self._type(part, text, many=many)

    def _type(self, part: Mapping[str, Any], text: str, *, many: bool) -> str:
        """Return one type in words; `text` is `Expression` if its strings are expressions."""
        if "$ref" in part:
            return self._reference(part["$ref"].rpartition("/")[2], many=many)
        if "oneOf" in part:
            return _link("`steps`", "steps" if many else "step")
        match part.get("type"):
            case "array":
                least = _COUNTS.get(part.get("minItems", 0), "") if part.get("maxItems") == part.get("minItems") else ""
                items = self._types(part.get("items", {}), text, many=True)
                return f"{_WORDS[many]['array']} of {f'{least} {items}'.strip()}"
            case "object":
                return self._mapping(part, text, many=many)
            case None:
                return "any values" if many else "any value"
            case kind:
                word = _WORDS[many]["expression" if kind == "string" and text == "Expression" else kind]
                return word + _bounds(part)

    def _mapping(self, part: Mapping[str, Any], text: str, *, many: bool) -> str:
        word = _WORDS[many]["object"]
        named = list(part.get("patternProperties", {}).values())
        values = named[0] if named else part.get("additionalProperties")
        if not isinstance(values, dict):
            return word
        keys = "names" if named else "strings"
        return f"{word} from {keys} to {self._types(values, text, many=True)}"

    def _reference(self, name: str, *, many: bool) -> str:
        """Return a link to a model's section; for a model of one key, the key itself."""
        if name in self.titles:
            return _link(self.titles[name], _WORDS[many]["object"])
        if "properties" not in self.schemas[name]:  # a column, which may contain columns
            return ", ".join(_WORDS[many][kind] for kind in ("expression", "array")) + " or " + _WORDS[many]["object"]
        ((key, part),) = self.schemas[name]["properties"].items()
        return f"`{{{key}: {self._types(part, _text_of(_model_named(name), key))}}}`"


def _bounds(part: Mapping[str, Any]) -> str:
    least, above, most = (part.get(word) for word in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f" from {least} to {most}"
    more = [f" > {above}"] if above is not None else []
    more += [f" ≥ {least}"] if least is not None else []
    more += [f" ≤ {most}"] if most is not None else []
    return " and".join(more)


def _is_own(name: str, model: type[config_fields.FrozenModel]) -> bool:
    """Check whether a field is described with this model, not with every step or every model."""
    is_shared = name in StepConfig.model_fields or name in config_fields.Settings.model_fields
    return model.__name__ not in _KINDS or not is_shared


def _model_named(name: str) -> type[config_fields.FrozenModel]:
    return next(model for model in _models_below(config_fields.FrozenModel) if model.__name__ == name)


def _models_below(model: type[config_fields.FrozenModel]) -> Iterator[type[config_fields.FrozenModel]]:
    """Yield all subclasses of a model."""
    for each in model.__subclasses__():
        yield each
        yield from _models_below(each)


def _text_of(model: type[config_fields.FrozenModel], key: str) -> str:
    """Return `Expression` if a field's strings are expressions, else the empty string."""
    each = (vars(part).get("__annotations__", {}) for part in model.__mro__)
    written = (notes.get(key) or notes.get(f"{key}_") for notes in each)
    return "Expression" if "Expression" in str(next(filter(None, written), "")) else ""


if __name__ == "__main__":
    (manual.folder() / FILE_NAME).write_text(generate(), encoding="utf-8")
