"""Functions that the cases call."""


def score(text, weight=1):
    return len(text) * weight


def positional(text, /):
    return text


def pieces(text):
    yield from text
