"""The outcome of a call of an author's function, in the process in which it ran.

Owns the border to third-party code: whatever a function does, only its own row can fail. Its exception is reported with
the last line of the author's code that it came from, and its value is copied into plain JSON values.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from yamlgen.errors import Code, RowError
from yamlgen.steps.python.python_values import json_value
from yamlgen.steps.python.tracebacks import TracebackFormatter
from yamlgen.system_limits import scarcity_of
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The outcome of a call of a third-party function: its value, or the exception that it raised."""

    value: Any = None
    error: BaseException | None = None


def value_of(name: str, ended: CallOutcome, trace: TracebackFormatter) -> JSON:
    """Return the value of a function that was called.

    Args:
        name: the name of the function, for messages.
        ended: the outcome of the call.
        trace: formats the exception.

    Raises:
        RowError: it raised an exception, or returned a value that is not a JSON value.
        EnvironmentProblem: the system has no more threads or open files for it.
    """
    if ended.error is None:
        return json_value(name, ended.value)
    if (scarcity := scarcity_of(ended.error)) is not None:
        raise scarcity
    message = f"`{name}` raised {trace.told(ended.error)}"
    raise RowError(message, code=Code.CALL_FAILED, hint="fix the function, or skip such rows with `when`")


def timed_out(name: str, seconds: float) -> RowError:
    """Return the error of a row whose function took longer than its timeout."""
    message = f"`{name}` took longer than {seconds:g} s"
    return RowError(message, code=Code.CALL_TIMEOUT, hint="raise `timeout` of the step")


def too_deep(name: str) -> RowError:
    """Return the error of a row with an argument that cannot be copied."""
    return RowError(f"an argument of `{name}` is nested too deeply", code=Code.INVALID_VALUE)


def end_fork(parent: int, ended: CallOutcome) -> None:
    """Exit if this process is a child of `parent`, forked by a function that has now returned in both processes.

    The child has inherited the run's sockets and store, which only the process that opened them may use or close.
    """
    if os.getpid() != parent:
        os._exit(ended.error is not None)
