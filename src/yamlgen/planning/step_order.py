"""The order of steps, each after the steps that it needs, and the cycles of steps that need each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return names in an order in which each comes after the names that it needs.

    Raises:
        graphlib.CycleError: some names need each other.
    """
    return tuple(TopologicalSorter(needs).static_order())


def rings(needs: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    """Yield each cycle once; each step of it refers to the next one, and the last to the first."""
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
