"""The confirmation of a run that may cost more than its author allows without a question."""

from __future__ import annotations

from collections.abc import Callable

from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, LimitReached
from yamlgen.events import RunForecast
from yamlgen.option_names import option
from yamlgen.planning.plan import Plan

Confirm = Callable[[RunForecast], bool]
"""Returns whether a run may cost what the forecast says."""


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
        what = "the run" if not options.simulate else "without the simulator, the run"
        costs = "the cost of the run is unknown" if cost is None else f"{what} may cost ${cost[1]:.4g}"
        message = f"{costs}, and `limits.confirm_above_usd` is {most:g}"
        hint = f"nothing was sent; confirm it with {option('yes')}, or raise the limit"
        raise LimitReached(message, code=Code.NOT_CONFIRMED, hint=hint)
