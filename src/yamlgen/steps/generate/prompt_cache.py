"""What a `generate` step caches of its prompts, and which parts of them other prompts have too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from jinja2 import nodes
from jinja2.exceptions import TemplateError

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.jinja_environment import parse
from yamlgen.value_objects import CacheMarks

OF_ROW: Final = frozenset({"row", "steps", "thinking", "item", "item_index"})
"""The names that differ by row."""

_OF_CASE: Final = frozenset({"item", "item_index", "matrix"})


@dataclass(frozen=True, slots=True)
class PromptCache:
    """What a step caches of its prompts. Each lifetime is `5m` or `1h`; `None` caches nothing.

    Attributes:
        step: the lifetime that the step sets.
        system: the lifetime of the prompt up to the end of the system prompt.
        parts: the parts of the messages at whose end a part to cache ends, by their indexes, each with its lifetime.
        constant: how many parts of the messages, from the first, are the same for every row; -1 if the system prompt is
            not.
        by_row: the same for all prompts of a row, if a row has several and they are more than the constant ones.
        repeats: whether equal prompts are sent.
    """

    step: str | None = None
    system: str | None = None
    parts: tuple[tuple[int, str], ...] = ()
    constant: int = -1
    by_row: int | None = None
    repeats: bool = False

    @property
    def is_set(self) -> bool:
        """Whether the author caches anything."""
        return bool(self.step or self.system or self.parts)

    def marks(self, ends: Sequence[int]) -> CacheMarks | None:
        """Return what is cached of a prompt, given the number of messages up to the end of each part."""
        if not self.is_set:
            return None
        counts = (0, *ends)
        parts = [self.constant, *([] if self.by_row is None else [self.by_row])]
        shared = tuple(dict.fromkeys(part if part < 0 else counts[part] for part in parts))
        messages = tuple((ends[part] - 1, lifetime) for part, lifetime in self.parts)
        return CacheMarks(self.step, self.system, messages, shared, self.repeats or counts[-1] in shared)

    def written(self) -> dict[str, str]:
        """Return the key of a step, as a file declares it."""
        return {} if self.step is None else {"cache": self.step}


def names_in(source: str, *, is_expression: bool) -> frozenset[str]:
    """Return the names that a template or an expression reads; all names that differ by row if it cannot be read."""
    if not is_expression and "{" not in source:
        return frozenset()
    try:
        tree = parse_expression(source) if is_expression else parse(source)
        return frozenset(node.name for node in tree.find_all(nodes.Name))
    except (TemplateError, RecursionError, ValueError):  # reported where templates are read
        return OF_ROW


def printed(source: str) -> list[nodes.Node]:
    """Return the texts and the other nodes of a template, in order; none if it cannot be read."""
    try:
        tree = parse(source)
    except (TemplateError, RecursionError, ValueError):  # reported where templates are read
        return []
    return [part for node in tree.body for part in (node.nodes if isinstance(node, nodes.Output) else [node])]


def beginning(source: str) -> str:
    """Return the text with which each prompt of a template begins."""
    texts = takewhile(lambda part: isinstance(part, nodes.TemplateData), printed(source))
    return "".join(part.data for part in texts if isinstance(part, nodes.TemplateData))


def shared_parts(system: frozenset[str], parts: Sequence[frozenset[str]], *, fans_out: bool) -> Mapping[str, Any]:
    """Return the fields `constant` and `by_row` of a step.

    Args:
        system: the names that its system prompt reads.
        parts: the names that each part of its messages reads.
        fans_out: whether a row has several different prompts.
    """
    constant = _leading(system, parts, OF_ROW)
    by_row = _leading(system, parts, _OF_CASE) if fans_out else constant
    return {"constant": constant, "by_row": by_row if by_row > constant else None}


def _leading(system: frozenset[str], parts: Sequence[frozenset[str]], varying: frozenset[str]) -> int:
    """Return how many parts come before the first that reads a varying name; -1 if the system prompt does."""
    if system & varying:
        return -1
    return next((number for number, names in enumerate(parts) if names & varying), len(parts))
