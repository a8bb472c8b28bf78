"""What a run reports that ends while the API processes its batches: how many there are, and how to continue."""

from __future__ import annotations

from yamlgen.errors import Code, Detached
from yamlgen.option_names import by_surface


def still_processed(batches: int, requests: int) -> str:
    """Return the fact about the open batches of a run, as a clause such as `1 batch with 12 requests is ...`."""
    what = "1 batch" if batches == 1 else f"{batches:,} batches"
    size = "1 request" if requests == 1 else f"{requests:,} requests"
    return f"{what} with {size} {'is' if batches == 1 else 'are'} still in progress"


def ways_on(batches: int, run: str) -> str:
    """Return the hint of a run that leaves open batches: how to continue, to look at them, and to cancel them.

    Args:
        batches: the number of open batches.
        run: the name of the run.
    """
    them, their = ("it", "its") if batches == 1 else ("them", "their")
    again = by_surface(command="`yamlgen run` with the same arguments", python="the same call")
    shows = by_surface(command=f"`yamlgen runs show {run}`", python=f"`yamlgen.show(run={run!r})`")
    cancels = by_surface(command=f"`yamlgen runs cancel {run}`", python=f"`yamlgen.cancel(run={run!r})`")
    return f"{again} collects {their} results; {shows} shows {them}; {cancels} cancels {them}"


def detached(batches: int, requests: int, run: str) -> Detached:
    """Return the error of a run that ends while its batches are in progress."""
    return Detached(still_processed(batches, requests), code=Code.DETACHED, hint=ways_on(batches, run))
