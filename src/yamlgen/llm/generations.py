"""The results of `AnthropicLLM`: generations with statistics, and warnings for missing ones.

Owns the wording of failures: errors of a run name settings of a pipeline, these name arguments.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Sequence
from typing import Final, TypeAlias, TypedDict, TypeVar

from yamlgen.errors import Code, RowError, YamlgenError
from yamlgen.value_objects import Usage

_NO_GENERATION: Final = frozenset({Code.NO_TEXT, Code.REFUSED, Code.INVALID_OUTPUT, Code.TRUNCATED})

_HINTS: Final[dict[Code, str | None]] = {
    Code.INVALID_OUTPUT: "tell the model what the schema requires, or raise `max_retries` of `structured_output`",
    Code.NO_TEXT: None,
    Code.PAUSED_TOO_LONG: "call again later",
}
"""Hints that replace those about a run."""

_WORDS: Final = {
    re.compile(r"`runtime\.(\w+)`"): r"`\1`",
    re.compile("the `id`"): "`model`",
    re.compile("the row"): "the conversation",
}
"""The words of a pipeline in hints, and the words for arguments that replace them."""


class Statistics(TypedDict):
    """Tokens, one number per generation."""

    input_tokens: list[int]
    output_tokens: list[int]


class GenerateOutput(TypedDict):
    """The result for one input."""

    generations: list[str | None]
    statistics: Statistics


E = TypeVar("E", bound=YamlgenError)

Told: TypeAlias = tuple[GenerateOutput, str | None]
"""An output, and a warning if there is one."""


def spoken(error: E) -> E:
    """Return the error with a hint that names arguments instead of a pipeline's settings."""
    hint = _HINTS.get(error.code, error.hint)
    for setting, argument in _WORDS.items():
        hint = hint and setting.sub(argument, hint)
    return error.replace(hint=hint)


def is_no_generation(error: RowError) -> bool:
    """Return whether the model answered without a generation: the output is `None`, with a warning."""
    return error.code in _NO_GENERATION


def output(generation: str | None, usage: Usage) -> GenerateOutput:
    """Return the output of one generation. Input tokens include cached ones."""
    read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    return {
        "generations": [generation],
        "statistics": {"input_tokens": [read], "output_tokens": [usage.output_tokens]},
    }


def without(error: RowError, *, text: bool) -> Told:
    """Return the output of an input without a generation, and the reason. Truncated text is included."""
    usage = sum((attempt.usage for attempt in error.attempts), Usage())
    generation: str | None = None
    if text and error.code is Code.TRUNCATED:
        blocks = error.attempts[-1].response.get("content", [])
        generation = "".join(block.get("text", "") for block in blocks if block.get("type") == "text") or None
    return output(generation, usage), str(error)


def joined(outputs: Sequence[GenerateOutput], number: int) -> list[GenerateOutput]:
    """Join each `number` outputs into one, with their generations and statistics in order."""
    made: list[GenerateOutput] = []
    for start in range(0, len(outputs), number):
        group = outputs[start : start + number]
        statistics: Statistics = {
            "input_tokens": [count for each in group for count in each["statistics"]["input_tokens"]],
            "output_tokens": [count for each in group for count in each["statistics"]["output_tokens"]],
        }
        generations = [generation for each in group for generation in each["generations"]]
        made.append({"generations": generations, "statistics": statistics})
    return made


def warn(*texts: str | None) -> None:
    """Warn at the caller's line; inside an asyncio task, at the line that runs the loop."""
    if not any(texts):
        return
    here = frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("yamlgen", "asyncio"):
        frame = frame.f_back
    at = frame or here
    assert at is not None  # noqa: S101 - CPython has frames
    names = at.f_globals
    registry = names.setdefault("__warningregistry__", {})
    for text in filter(None, texts):
        warnings.warn_explicit(text, UserWarning, at.f_code.co_filename, at.f_lineno, names.get("__name__"), registry)
