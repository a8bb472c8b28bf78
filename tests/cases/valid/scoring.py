"""Functions that the cases call."""

import asyncio


def score(text, weight=1):
    """A number."""
    return len(text) * weight


async def fetch(name, *, tags=()):
    """A coroutine."""
    await asyncio.sleep(0)
    return {"name": name, "tags": list(tags)}


def anything(**kwargs):
    """Takes whatever it is given."""
    return kwargs


class Judge:
    """What can be called need not be a function."""

    def __new__(cls, text):
        """The value of a call."""
        return text


aliased = score
