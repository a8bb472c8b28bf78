"""What comes of an input of `AnthropicLLM`: generations with their statistics, and a warning where one is missing.

Owns the words of a failure there: the errors of a run name settings of a pipeline, and these name arguments.
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
    Code.INVALID_OUTPUT: "say in the conversation what the schema wants, or raise `max_retries` of `structured_output`",
    Code.NO_TEXT: None,
    Code.PAUSED_TOO_LONG: "call again later",
}
"""The hints of the errors whose own are about a run."""

_WORDS: Final = {
    re.compile(r"`runtime\.(\w+)`"): r"`\1`",
    re.compile("the `id`"): "`model`",
    re.compile("the row"): "the conversation",
}
"""What hints call the settings of a pipeline and its rows, and what an argument is called here."""


class Statistics(TypedDict):
    """Tokens, one number per generation."""

    input_tokens: list[int]
    output_tokens: list[int]


class GenerateOutput(TypedDict):
    """What came of one input."""

    generations: list[str | None]
    statistics: Statistics


E = TypeVar("E", bound=YamlgenError)

Told: TypeAlias = tuple[GenerateOutput, str | None]
"""An output, and what to warn of."""


def spoken(error: E) -> E:
    """The error, with a hint that names arguments in place of a pipeline's settings."""
    hint = _HINTS.get(error.code, error.hint)
    for setting, argument in _WORDS.items():
        hint = hint and setting.sub(argument, hint)
    return error.replace(hint=hint)


def is_no_generation(error: RowError) -> bool:
    """Whether the model answered, and gave none: then the output is `None`, and the caller is warned."""
    return error.code in _NO_GENERATION


def output(generation: str | None, usage: Usage) -> GenerateOutput:
    """The output of one generation; all tokens that were read count as input, cached ones too."""
    read = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    return {
        "generations": [generation],
        "statistics": {"input_tokens": [read], "output_tokens": [usage.output_tokens]},
    }


def without(error: RowError, *, text: bool) -> Told:
    """The output of an input that has no generation, and why; a text that was cut off is kept."""
    usage = sum((attempt.usage for attempt in error.attempts), Usage())
    generation: str | None = None
    if text and error.code is Code.TRUNCATED:
        blocks = error.attempts[-1].response.get("content", [])
        generation = "".join(block.get("text", "") for block in blocks if block.get("type") == "text") or None
    return output(generation, usage), str(error)


def joined(outputs: Sequence[GenerateOutput], number: int) -> list[GenerateOutput]:
    """One output for every `number` of them, with their generations and statistics in a row."""
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
    """Warn at the line of the caller's that led here; below a task of asyncio's, at the one that runs the loop."""
    if not any(texts):
        return
    here = frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("yamlgen", "asyncio"):
        frame = frame.f_back
    at = frame or here
    assert at is not None  # noqa: S101 - this interpreter has frames
    names = at.f_globals
    registry = names.setdefault("__warningregistry__", {})
    for text in filter(None, texts):
        warnings.warn_explicit(text, UserWarning, at.f_code.co_filename, at.f_lineno, names.get("__name__"), registry)
