"""The confirmation of a run that may cost more than its author allows without a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, LimitReached, near
from yamlgen.events import RunForecast
from yamlgen.option_names import option
from yamlgen.planning.plan import Plan

Confirm = Callable[[RunForecast], bool]
"""Returns whether a run may cost what the forecast says."""

_LEAST: Final = 0.0001
"""The least cost that is reported as a number."""

_MOST: Final = 10
"""The number of test files whose cost is reported one by one."""


def check_confirmed(forecast: RunForecast, plan: Plan, options: RunOptions, confirm: Confirm | None) -> None:
    """Ask for the confirmation of a run that may cost more than `limits.confirm_above_usd`.

    Raises:
        LimitReached: the run is not confirmed.
    """
    most = plan.limits.confirm_above_usd
    if most is None or options.yes or not forecast.requests:
        return
    cost = forecast.cost
    if cost is not None and cost[1] <= most:
        return
    if confirm is None or not confirm(forecast):
        what, files = ("the run", "") if not forecast.files else (forecast.pipeline, _files(forecast))
        if options.simulate:
            what = f"without the simulator, {what}"
        costs = f"the cost of {what} is unknown" if cost is None else f"{what} may cost {_dollars(cost)}"
        limit = f"`limits.confirm_above_usd`{f' of {near(plan.file)}' if files else ''}"
        message = f"{costs}{files}, and {limit} is {most:g}"
        hint = f"nothing was sent; confirm it with {option('yes')}, or raise the limit"
        raise LimitReached(message, code=Code.NOT_CONFIRMED, hint=hint)


def _files(forecast: RunForecast) -> str:
    """Return the maximum cost of each test file, as a parenthesis."""
    told = [
        f"{each.pipeline}: {'unknown' if each.cost is None else _dollars(each.cost)}"
        for each in forecast.files
        if each.requests
    ]
    more = [f"{len(told) - _MOST} more"] if len(told) > _MOST else []
    return f" together ({', '.join([*told[:_MOST], *more])})"


def _dollars(cost: tuple[float, float]) -> str:
    return f"${cost[1]:.4g}" if cost[1] >= _LEAST else f"less than ${_LEAST:.4f}"
