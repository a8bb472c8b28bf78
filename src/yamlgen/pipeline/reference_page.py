"""The reference page of the language: made from the docstrings and fields of its models, shipped as `REFERENCE.md`.

Owns the way from a model to a section: its docstring, a table of its keys, and below that what there is to say about
single keys. The first paragraph of a docstring is what editors show on hover, so the table says it too; what follows it
is for this page alone. The table of models has a chapter of its own; the other
chapters about no single key are what the docstring of `parts` says below its first heading. A test fails when the page
and the models drift, and runs every example; `python -m yamlgen.pipeline.reference_page` writes the file anew.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from yamlgen import model_capabilities
from yamlgen.model_capabilities import Capabilities
from yamlgen.pipeline import pipeline_model
from yamlgen.schemas.type_words import KEY_PLURALS, KEYS
from yamlgen.steps import config_fields
from yamlgen.steps.step_config import StepConfig
from yamlgen.steps.step_kinds import DEFAULT_KIND, KINDS
from yamlgen.value_objects import JSON

FILE_NAME: Final = "REFERENCE.md"
ROW: Final = {"topic": "tea", "text": "The kettle leaks, and nobody answers my mails."}
"""The row of an example that shows no input."""

_BEGIN: Final = f"""\
# The pipeline language

Every key that a pipeline file may have, each part with an example. An example shows what matters, as whole top-level
keys. Where it has no `version`, `input` or `output`, think `version: 1`, `output: {{path: out.jsonl}}`, and rows
with the columns {" and ".join(f"`{name}`" for name in ROW)}, which are texts. A file that it names stands before it.

This page is generated from the language itself, and every example is run by the tests.
"""
_DATED: Final = model_capabilities.DATED[0]
_MODELS: Final = f"""\
Models differ in what they take. `validate`, the requests of a run, its rate limits and the simulator all go by this
table, which is of {model_capabilities.CHECKED}. A model that it lacks is used with safe defaults, and behind a gateway
`validate` says nothing of it. A dated id, such as `{_DATED}`, means the model without the date. Defaults
are in bold; an empty cell means that the documentation does not say.

- **thinks**: whether it thinks where `thinking` is left out.
- **forced tool**: whether a tool can be forced while it does not think. Others are told in words to call it.
- **prefill**: whether the last of `messages` may be the assistant's, as the beginning of the answer.
- **sampling**: whether it takes `temperature`, `top_p` and `top_k`, under `runtime.api_version: "2023-06-01"`.
- **cache**: the fewest tokens that the prompt cache keeps.
- **rate limit**: the name of the one that it shares with others."""
_MODELS_HEAD: Final = (
    "| model | `thinking` | thinks | `effort` | forced tool | prefill | sampling | `max_tokens` | context | cache "
    f"| rate limit | life |\n|{'---|' * 12}\n"
)
_HEAD: Final = "| key | type | default | meaning |\n|---|---|---|---|\n"
_WORDS: Final = ({**KEYS, "expression": "an expression"}, {**KEY_PLURALS, "expression": "expressions"})
"""Types in words: of one value, and of many."""
_COUNTS: Final = {1: "one", 2: "two", 3: "three"}
_HEADING: Final = re.compile(r"^(##+) (.*)$", re.MULTILINE)
_FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_KINDS: Final = {each.fields.__name__: f"`{kind}`" for kind, each in KINDS.items()}


def committed() -> str:
    """The shipped text of the page."""
    return files("yamlgen.pipeline").joinpath(FILE_NAME).read_text(encoding="utf-8")


def generate() -> str:
    """The text of the page, from the models."""
    chapters = inspect.cleandoc(config_fields.__doc__ or "")
    body = "\n\n".join([*_Page().sections(), _models(), chapters[chapters.index("\n## ") + 1 :]])
    found = [(len(marks) - 2, title) for marks, title in _HEADING.findall(_FENCED.sub("", body))]
    contents = "\n".join(f"{'  ' * depth}- {_link(title)}" for depth, title in found if depth < 2)  # noqa: PLR2004
    return f"{_BEGIN}\n{contents}\n\n{body}\n"


def _models() -> str:
    """The chapter about the table of models."""
    rows = [_model_row(name, row) for name, row in model_capabilities.MODELS.items()]
    return f"## What each model takes\n\n{_MODELS}\n\n{_MODELS_HEAD}" + "\n".join(rows)


def _model_row(name: str, row: Capabilities) -> str:
    kinds = [f"`{kind}`" for kind in row.thinking or ()]
    thinking = ", ".join(kinds) + (f" (effort up to `{row.most_effort_off}`)" if row.most_effort_off else "")
    levels = ", ".join(f"**`{level}`**" if level == row.default_effort else f"`{level}`" for level in row.efforts or ())
    thinks, *others = (_yes(each) for each in (row.thinks, row.forced_tools, row.prefill, row.sampling))
    life = f"retires on {row.retires}" if row.retires else row.lifecycle or ""
    cells = [
        f"`{name}`",
        thinking,
        thinks,
        levels or "none",
        *others,
        *("" if each is None else f"{each:,}" for each in (row.max_output_tokens, row.context, row.cache_minimum)),
        row.pool or "its own",
        life,
    ]
    return "| " + " | ".join(cells) + " |"


def _yes(each: bool | None) -> str:  # noqa: FBT001 - a cell of a table
    return "" if each is None else "yes" if each else "no"


def _kind_rows() -> str:
    """The rows of the table of kinds."""
    each = ((kind, declared.fields) for kind, declared in KINDS.items())
    return "\n".join(f"| `{kind}` | {fields.does} | {fields.gives} |" for kind, fields in each)


def _link(title: str, text: str = "") -> str:
    """A link to a heading, whose address is made of its words."""
    return f"[{text or title}](#{re.sub(r'[^a-z0-9_ -]', '', title.lower()).replace(' ', '-')})"


@dataclass
class _Page:
    """The page while it is made.

    Attributes:
        schemas: the models as pydantic describes them, by name.
        titles: the heading under which each model stands.
    """

    schemas: dict[str, Any] = field(init=False)
    titles: dict[str, str] = field(default_factory=lambda: dict(_KINDS))

    def __post_init__(self) -> None:
        whole = pipeline_model.PipelineModel.model_json_schema(by_alias=True)
        every_step = StepConfig.model_json_schema()
        self.schemas = {**whole["$defs"], "PipelineModel": whole, StepConfig.__name__: every_step}

    def sections(self) -> Iterator[str]:
        """The sections, in the order in which an author meets them."""
        yield "## A pipeline file"
        yield from self._model(pipeline_model.PipelineModel, "", 1)

    def _steps(self) -> Iterator[str]:
        for kind, each in KINDS.items():
            yield f"### `{kind}`"
            yield from self._model(each.fields, f"`{kind}`", 3)
            if kind == DEFAULT_KIND:
                yield "### Every step"
                yield from self._model(StepConfig, "", 3)

    def _model(self, model: type[config_fields.FrozenModel], owner: str, level: int) -> Iterator[str]:
        """What there is to say about a model, and below it about its keys."""
        named = {each.alias or name: each for name, each in model.model_fields.items() if _is_own(name, model)}
        properties = self.schemas[model.__name__]["properties"]
        titles = {key: f"{owner}: `{key}`".removeprefix(": ") for key in named}
        inner = {key: self._named(properties[key], titles[key]) for key in named}
        below = [key for key, each in named.items() if inner[key] or "\n\n" in (each.description or "")]
        yield inspect.cleandoc(model.__doc__ or "")
        rows = [self._row(model, key, each, titles[key] if key in below else "") for key, each in named.items()]
        yield _HEAD + "\n".join(rows)
        for key in below:
            yield f"{'#' * (level + 1)} {titles[key]}"
            if "\n\n" in (named[key].description or ""):
                yield (named[key].description or "").replace("KINDS", _kind_rows())
            for name in inner[key]:
                yield from self._model(_model_named(name), titles[key], level + 1)
            if key == "steps":
                yield from self._steps()

    def _named(self, part: JSON, title: str) -> list[str]:
        """The models of several keys that a key is the first to refer to: they stand under its title."""
        found = re.findall(r'"#/\$defs/(\w+)"', json.dumps(part))
        new = [name for name in found if name not in self.titles and len(self.schemas[name]["properties"]) > 1]
        self.titles.update(dict.fromkeys(new, title))
        return new

    def _row(self, model: type[config_fields.FrozenModel], key: str, each: FieldInfo, title: str) -> str:
        schema = self.schemas[model.__name__]
        part = schema["properties"][key]
        told = " ".join((each.description or "").partition("\n\n")[0].split())
        if "\n\n" in (each.description or ""):
            told = re.split(r"(?<=\.) (?=[A-Z])", told)[0]
        default = part.get("default")
        shown = "" if default in (None, {}) else f"`{default if isinstance(default, str) else json.dumps(default)}`"
        cells = [
            _link(title, f"`{key}`") if title else f"`{key}`",
            self._type(part, _text_of(model, key)),
            "**required**" if key in schema.get("required", ()) else shown,
            told,
        ]
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    def _type(self, part: Mapping[str, Any], text: str, *, many: bool = False) -> str:
        """A type in plain words; `text` is what a string is called here."""
        if "$ref" in part:
            return self._reference(part["$ref"].rpartition("/")[2], many=many)
        if "oneOf" in part:
            return _link("`steps`", "steps" if many else "a step")
        if "anyOf" in part:
            branches = [self._type(each, text, many=many) for each in part["anyOf"] if each != {"type": "null"}]
            return " or ".join(branches) if len(branches) < 3 else f"{', '.join(branches[:-1])} or {branches[-1]}"  # noqa: PLR2004
        if "enum" in part or "const" in part:
            values = [f"`{value}`" for value in part.get("enum", [part.get("const")])]
            return " or ".join(filter(None, [", ".join(values[:-1]), values[-1]]))
        match part.get("type"):
            case "array":
                least = _COUNTS.get(part.get("minItems", 0), "") if part.get("maxItems") == part.get("minItems") else ""
                items = self._type(part.get("items", {}), text, many=True)
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
        return f"{word} from {'names' if named else 'texts'} to {self._type(values, text, many=True)}"

    def _reference(self, name: str, *, many: bool) -> str:
        """A model: a link to where it stands, or its one key."""
        if name in self.titles:
            return _link(self.titles[name], _WORDS[many]["object"])
        ((key, part),) = self.schemas[name]["properties"].items()
        return f"`{{{key}: {self._type(part, '')}}}`"


def _bounds(part: Mapping[str, Any]) -> str:
    least, above, most = (part.get(word) for word in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f" from {least} to {most}"
    more = [f" above {above}"] if above is not None else []
    more += [f" of at least {least}"] if least is not None else []
    more += [f" of at most {most}"] if most is not None else []
    return ",".join(more)


def _is_own(name: str, model: type[config_fields.FrozenModel]) -> bool:
    """Whether a field is told of with this model, and not where all steps or all models are."""
    is_shared = name in StepConfig.model_fields or name in config_fields.Settings.model_fields
    return model.__name__ not in _KINDS or not is_shared


def _model_named(name: str) -> type[config_fields.FrozenModel]:
    return next(model for model in _models_below(config_fields.FrozenModel) if model.__name__ == name)


def _models_below(model: type[config_fields.FrozenModel]) -> Iterator[type[config_fields.FrozenModel]]:
    """The models that are made of a model."""
    for each in model.__subclasses__():
        yield each
        yield from _models_below(each)


def _text_of(model: type[config_fields.FrozenModel], key: str) -> str:
    """What the models call the strings in a field: an expression is no other type than a text."""
    written = (vars(each).get("__annotations__", {}).get(key) for each in model.__mro__)
    return "Expression" if "Expression" in str(next(filter(None, written), "")) else ""


if __name__ == "__main__":
    Path(__file__).with_name(FILE_NAME).write_text(generate(), encoding="utf-8")
