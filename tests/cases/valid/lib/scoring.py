"""A function in a folder, which a dotted name leads to."""


def score(text):
    """A number."""
    return len(text)
