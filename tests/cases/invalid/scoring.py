"""Functions that the cases call."""


def score(text, weight=1):
    """A number."""
    return len(text) * weight


def positional(text, /):
    """It cannot be called by names."""
    return text


def pieces(text):
    """It returns nothing."""
    yield from text
