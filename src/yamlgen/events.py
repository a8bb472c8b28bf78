"""What happens during a run, as a stream of immutable values.

The engine emits these and nothing else; progress, journal, log and report are folds over them. `row` is the
row's position in the input, from 0. An answer's event comes after the answer is safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from yamlgen.ports import Usage


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `rows` is how many the input has, `None` when nobody knows."""

    run: str
    pipeline: str
    steps: tuple[str, ...]
    rows: int | None


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A request goes out again after `wait` seconds, because of `reason`."""

    row: int
    step: str
    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step has a value for a row; `attempts` counts the paid answers that it took."""

    row: int
    step: str
    usage: Usage
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RowFinished:
    """All steps of a row are done, and its record is on disk."""

    row: int


@dataclass(frozen=True, slots=True)
class RowFailed:
    """A row is set aside at a step."""

    row: int
    step: str
    code: str
    message: str
    usage: Usage
    attempts: int


@dataclass(frozen=True, slots=True)
class RunDraining:
    """Nothing more is sent; what is in flight is waited for."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over.

    Attributes:
        error: the sentence that ended it early, `None` when it came to its end.
        seconds: how long it took.
        kept: of a run that ended early, what is kept and where, as a sentence.
    """

    error: str | None
    seconds: float
    kept: str | None = None


Event: TypeAlias = RunStarted | RequestRetried | StepFinished | RowFinished | RowFailed | RunDraining | RunFinished

Emit: TypeAlias = Callable[[Event], None]
