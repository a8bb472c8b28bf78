"""The order of steps: each after those that it needs, and the rings of those that wait for one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Names so that each comes after those it needs.

    Raises:
        graphlib.CycleError: some need one another.
    """
    return tuple(TopologicalSorter(needs).static_order())


def rings(needs: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    """Each ring once; a step of it refers to the one after it, and the last to the first."""
    done: set[str] = set()
    for name in needs:
        ring = _ring(needs, name, (), done)
        if ring:
            done.update(ring)
            yield ring


def _ring(needs: Mapping[str, frozenset[str]], name: str, above: tuple[str, ...], done: set[str]) -> tuple[str, ...]:
    if name in above:
        return above[above.index(name) :]
    if name in done:
        return ()
    for step in sorted(needs[name]):
        ring = _ring(needs, step, (*above, name), done)
        if ring:
            return ring
    done.add(name)
    return ()
