"""Hover: what a key, a reference, a filter or a model is, and the prompt that the first row becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from yamlgen import model_capabilities
from yamlgen.errors import RowError
from yamlgen.expressions.static_types import TypeView
from yamlgen.language_server.analyses import Analysis, analysis_of
from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.key_docs import below, documented
from yamlgen.language_server.places import NodePlace, place_at
from yamlgen.language_server.sample_row import SampleRow, cut, fenced, prompt_of, steps_in
from yamlgen.language_server.template_places import TemplatePlace, template_place
from yamlgen.language_server.template_words import ROOTS, filter_docs
from yamlgen.planning.graph import describe_type
from yamlgen.redaction import redact
from yamlgen.steps.config_fields import Price
from yamlgen.testing.suite_files import is_test_file
from yamlgen.value_objects import JSON, Charge, Usage

_WHOLE: Final = ("row", "params", "steps", "thinking")
_FILTER: Final = re.compile(r"(?<!\|)\|\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Hover:
    """What an editor shows about a range of a document.

    Attributes:
        markdown: the text.
        start: the offset of the beginning of the range.
        end: the offset of its end.
    """

    markdown: str
    start: int
    end: int


def hover(document: TextDocument, offset: int) -> Hover | None:
    """Return what is known of the place at an offset of a pipeline; `None` if that is nothing.

    Args:
        document: the open pipeline.
        offset: the offset of the place in its text.
    """
    offset = max(0, min(offset, len(document.text)))
    place = None if is_test_file(document.path) else place_at(str(document.path), document.text, offset)
    if place is None:
        return None
    analysis = analysis_of(document.path, document.text, offset, is_changing=True)
    inside = template_place(analysis, place)
    if inside is not None:
        return _in_template(inside, place)
    text = _on_key(analysis, place) if place.is_key else _on_value(place)
    return Hover(text, place.node.start, place.node.end) if text else None


def _in_template(inside: TemplatePlace, place: NodePlace) -> Hover | None:
    """Return the type of a reference and its value in the first row, or what a filter does."""
    for match in _FILTER.finditer(inside.source):
        if match.start(1) <= inside.at <= match.end(1) and match[1] in filter_docs():
            start, end = place.offsets(*match.span(1))
            return Hover(f"`{match[1]}`: {filter_docs()[match[1]]}", start, end)
    found = inside.reference()
    if found is None:
        return None
    start, end, view = found
    reference = inside.source[start:end]
    said = [f"`{reference}`: {_type_of(view)}"]
    if reference in ROOTS and reference in inside.names:
        said = [ROOTS[reference]] if reference in _WHOLE else [*said, ROOTS[reference]]
    if view.null is not None:
        said.append(f"It may be null: {view.null}")
    if inside.analysis is not None and reference not in ("steps", "params", "thinking"):
        said += _example(inside.analysis, inside, reference)
    return Hover("\n\n".join(said), *place.offsets(start, end))


def _type_of(view: TypeView) -> str:
    said = describe_type(view.type().schema)
    return "its type is not known" if said == "anything" else f"`{said.replace('`', '')}`"


def _example(analysis: Analysis, inside: TemplatePlace, reference: str) -> list[str]:
    """Return the value of a reference in the first row, as a paragraph."""
    root = re.match(r"\w+", reference)
    read = _items_of(analysis, inside.step) if root is not None and root[0] == "item" else reference
    sample = SampleRow(analysis, [read])
    if (root is None or root[0] not in inside.names) or ("row" not in sample.scope and root[0] != "params"):
        return []
    try:
        value = sample.example(reference, inside.step)
    except RowError:
        return []
    is_made_up = bool(steps_in([read]) & sample.made_up)
    which = "In row 1 (made up)" if is_made_up else "Default" if root[0] == "params" else "In row 1"
    return [f"{which}:\n\n{fenced(redact(cut(json.dumps(value, ensure_ascii=False, indent=1), 600)), 'json')}"]


def _items_of(analysis: Analysis, step: str | None) -> str:
    """Return the expression that gives the items of a step."""
    found = analysis.scoped(("steps", step or "", "for_each"))
    return "" if found is None else found.template.source


def _on_key(analysis: Analysis | None, place: NodePlace) -> str:
    """Return what a key means; for a step or its prompt, the prompt of the first row."""
    path = place.path
    said = documented(path, place.document.data)
    parts = [f"**{path[-1]}**: {said}" if said else ""]
    match path:
        case ("steps", str(name)) | ("steps", str(name), "prompt" | "system" | "messages"):
            parts += _prompt(analysis, name)
        case ("models", str()):
            parts.append(_model(below(place.document.data, *path)))
        case ("params", str(name)):
            declared = below(place.document.data, *path)
            parts.append(f"Parameter `{name}`: `{describe_type(declared)}`" if isinstance(declared, dict) else "")
    return "\n\n".join(part for part in parts if part)


def _prompt(analysis: Analysis | None, name: str) -> list[str]:
    """Return the prompt of a step for the first row, as paragraphs."""
    if analysis is None:
        return []
    made = prompt_of(analysis, name)
    if made is None or isinstance(made, str):
        return [] if made is None else [f"The prompt of row 1 is not shown: {redact(made)}"]
    case = f", {made.case}" if made.case else ""
    notes = [f"Made up: {', '.join(f'`steps.{each}`' for each in made.made_up)}."] if made.made_up else []
    return [f"The prompt of row 1{case}:", fenced(made.text, "text"), *notes]


def _on_value(place: NodePlace) -> str:
    """Return what a value means: a model or its alias, or a value of a key."""
    value, data = place.node.value, place.document.data
    match place.path:
        case ("model",) | ("steps", _, "model") | ("steps", _, "matrix", "model", int()):
            settings = below(data, "models", value) if isinstance(value, str) else None
            return _model(settings if settings is not None else {"id": value})
        case ("models", _, "id") | (*_, "model", "id"):
            holder = below(data, *place.path[:-1])
            return _model(holder)
    return ""


def _model(settings: JSON) -> str:
    """Return the id, the context and the price of a model."""
    model = settings if isinstance(settings, str) else settings.get("id") if isinstance(settings, dict) else None
    if not isinstance(model, str) or not model:
        return ""
    able = model_capabilities.of(model)
    lines = [f"`{model}`"]
    if able.context is not None:
        lines.append(f"context: {able.context:,} tokens")
    if able.max_output_tokens is not None:
        lines.append(f"answer: at most {able.max_output_tokens:,} tokens")
    price = _own_price(settings) or _listed_price(model)
    lines.append(
        "price: not known" if price is None else f"price: ${price[0]:g} input, ${price[1]:g} output per million tokens"
    )
    if able.retires:
        lines.append(f"retires on {able.retires}")
    return "  \n".join(lines)


def _own_price(settings: JSON) -> tuple[float, float] | None:
    given: Mapping[str, Any] | None = settings.get("price") if isinstance(settings, dict) else None
    if not isinstance(given, dict):
        return None
    try:
        price = Price.model_validate(given)
    except ValueError:
        return None
    return price.input, price.output


@cache
def _listed_price(model: str) -> tuple[float, float] | None:
    """Return the listed prices of a million tokens of input and of output."""
    from yamlgen.claude.prices import price_function_of  # noqa: PLC0415 - the list takes time to load

    price = price_function_of(model, None)
    if price is None:
        return None
    return price(Charge(Usage(1000, 0))) * 1000, price(Charge(Usage(0, 1000))) * 1000
