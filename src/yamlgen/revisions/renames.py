"""Files that were renamed between two sides, found by their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_ENOUGH: Final = 0.5
"""The share of equal lines from which two files are one file that was renamed, as in git."""


def renamed(
    before_only: Sequence[Path],
    after_only: Sequence[Path],
    read_before: Callable[[Path], str],
    read_after: Callable[[Path], str],
) -> list[tuple[Path, Path]]:
    """Pair files that only one side has, if at least half of their lines are the same; the most similar first.

    Returns:
        Pairs of the old and the new path. Each path is in one pair at most.
    """
    if not before_only or not after_only:
        return []
    olds = {path: _lines(read_before(path)) for path in before_only}
    news = {path: _lines(read_after(path)) for path in after_only}
    ranked = sorted(
        (-likeness, old.name != new.name, old, new)
        for old, its in olds.items()
        for new, mine in news.items()
        if (likeness := _likeness(its, mine)) >= _ENOUGH
    )
    pairs: dict[Path, Path] = {}
    for _, _, old, new in ranked:
        if old not in pairs and new not in pairs.values():
            pairs[old] = new
    return list(pairs.items())


def _lines(text: str) -> Counter[str]:
    return Counter(line for each in text.splitlines() if (line := each.strip()))


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    whole = one.total() + other.total()
    return 2 * (one & other).total() / whole if whole else 0.0
