# ruff: noqa: INP001 - a file next to a pipeline is not a package
"""What `second_opinion.yaml` leaves to Python: one label out of two."""


def decide(first: str, second: str | None) -> str:
    """The second label if there is one, else the first."""
    return second or first
