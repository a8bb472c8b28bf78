"""Rings of steps that wait for one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


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
