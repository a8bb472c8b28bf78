"""A function whose values are kept."""


def score(town, weight=1):
    """A number of a town."""
    return len(town) * weight
