"""The law of what an editor asks: any offset of any text is answered, and the answer is about that text."""

from hypothesis import given
from hypothesis import strategies as st

from shipped_pipelines import PIPELINES
from yamlgen.language_server.completions import completions
from yamlgen.language_server.definitions import definitions
from yamlgen.language_server.documents import TextDocument
from yamlgen.language_server.hover import hover

BITS = [
    "{{ ",
    " }}",
    "{% for x in ",
    "\t",
    "\r\n",
    '"',
    "'",
    "\U0001f389",
    "[",
    "{",
    "}",
    ": ",
    "- ",
    "&a ",
    "*ticket",
    "|",
]
BITS += ["|", "#", "\x00", "\ud800", "\u2028", "row.", " | ", "!!x ", "<<: *ticket", "\x85", "\ufeff", "%"]


@st.composite
def mangled(draw):
    """A shipped pipeline: whole, cut off, with parts left out or put in, or with other line ends; and an offset."""
    path = draw(st.sampled_from(PIPELINES))
    text = path.read_text(encoding="utf-8")
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.sampled_from([0, 0, 1, 20, len(text)]))
        text = text[:at] + draw(st.sampled_from(["", *BITS])) + text[at + cut :]
    return TextDocument(path, text), draw(st.integers(0, len(text) + 1))


@given(mangled())
def test_any_place_is_answered(case):
    """Nothing raises, whatever the text and the offset are."""
    document, offset = case
    shown = hover(document, offset)
    assert shown is None or 0 <= shown.start <= shown.end
    for mark in definitions(document, offset):
        assert (mark.line, mark.column) >= (1, 1)
    for each in completions(document, offset):
        assert 0 <= each.start <= each.end <= len(document.text)
