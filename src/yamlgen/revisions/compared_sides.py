"""The two sides of a comparison: a commit, and another one or the working tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from yamlgen.revisions.repository import Commit, Repository

WORKING_TREE: Final = "working tree"


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared.

    Attributes:
        before: the older side.
        after: the newer side; `None`: the working tree.
        headline: both sides in words, such as `merge base 4f1c2a9 of main .. working tree`.
    """

    before: Commit
    after: Commit | None
    headline: str


def parse_sides(repository: Repository, text: str | None) -> Sides:
    """Find the sides that a text names.

    Args:
        repository: where the commits are.
        text: `REV`: it and the working tree; `A..B`: two commits; `A...`: the merge base of A and HEAD, and the working
            tree; `A...B`: the merge base of both, and B. A missing A, and a missing B of `A..`, is HEAD. `None`: HEAD
            and the working tree.

    Raises:
        EnvironmentProblem: there is no such commit, or there is no merge base.
    """
    left, dots, right = (text or "HEAD").partition("...")
    if dots:
        named = repository.commit(left or "HEAD")
        after = repository.commit(right) if right else None
        before = repository.merge_base(named, after or repository.commit("HEAD"))
        told = f"merge base {before.short} of {named.label}"
        if after is not None:
            told += f" and {after.label}"
        return Sides(before, after, f"{told} .. {after or WORKING_TREE}")
    left, dots, right = (text or "HEAD").partition("..")
    before = repository.commit(left or "HEAD")
    after = repository.commit(right or "HEAD") if dots else None
    return Sides(before, after, f"{before} .. {after or WORKING_TREE}")
