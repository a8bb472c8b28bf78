"""Open buffers: positions as the protocol counts them, changes of ranges, and the texts that are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.diagnostics import Mark
from yamlgen.language_server.documents import TextDocument, shown
from yamlgen.parsing.yaml_parser import read

TEXTS = st.text(st.sampled_from("ab\n\r\t\x0b\x85\u2028\u00e9\u20ac\U0001f600\ud800"), max_size=30)
ENCODINGS = st.sampled_from(["utf-8", "utf-16", "utf-32"])
BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def document(path, text, encoding):
    """Return an open buffer."""
    return TextDocument(path / "a.yaml", text, 1, encoding)


@given(text=TEXTS, encoding=ENCODINGS, data=st.data())
def test_a_position_counts_the_code_units_of_its_line(text, encoding, data, tmp_path_factory):
    """The text before a position is whole lines, and as many code units as the position says; it leads back."""
    made = document(tmp_path_factory.getbasetemp(), text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    line, character = made.position(offset)
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if offset and text[offset - 1 : offset + 1] == "\r\n":  # between the two, the line is the one that ends
        before.pop()
        assert line == len(before) - 1
        return
    units = len(before[-1].encode(f"{encoding}-le" if encoding != "utf-8" else encoding, "surrogatepass"))
    assert (line, character) == (len(before) - 1, units // BYTES[encoding])
    assert made.offset((line, character)) == offset


@given(text=TEXTS, new=TEXTS, encoding=ENCODINGS, data=st.data())
def test_a_change_replaces_what_is_between_its_positions(text, new, encoding, data, tmp_path_factory):
    """The text before and after the range stays."""
    made = document(tmp_path_factory.getbasetemp(), text, encoding)
    places = [at for at in range(len(text) + 1) if text[max(0, at - 1) : at + 1] != "\r\n"]
    start, end = sorted((data.draw(st.sampled_from(places)), data.draw(st.sampled_from(places))))
    changed = made.changed((made.position(start), made.position(end)), new, 2)
    assert (changed.text, changed.version) == (text[:start] + new + text[end:], 2)


@pytest.mark.parametrize("position", [(9, 9), (2, 0), (1, 99), (0, 99), (-1, -1)])
def test_a_position_past_the_text_is_at_the_end_of_its_line(position, tmp_path):
    """An editor may ask about a text that has become shorter."""
    made = document(tmp_path, "one\ntwo\n", "utf-16")
    assert made.offset(position) == {(9, 9): 8, (2, 0): 8, (1, 99): 7, (0, 99): 3, (-1, -1): 0}[position]


def test_a_mark_of_an_older_text_is_cut_off(tmp_path):
    """It ends within the text."""
    made = document(tmp_path, "a\u00e9\U0001f600b", "utf-16")
    assert made.span(Mark("a.yaml", 1, 3, 1, 99)) == ((0, 2), (0, 5))
    assert made.span(Mark("a.yaml", 7, 1, 8, 1)) == ((0, 5), (0, 5))


def test_buffers_are_read_in_place_of_files_and_noted(tmp_path):
    """Also through a link, and if the file does not exist."""
    (tmp_path / "link.yaml").symlink_to(tmp_path / "a.yaml")
    with shown([document(tmp_path, "new", "utf-8")]) as asked:
        assert read(tmp_path / "link.yaml", "link.yaml")[0].text == "new"
        assert read(tmp_path / "other.yaml", "other.yaml")[0] is None
    assert asked == {tmp_path / "a.yaml", tmp_path / "other.yaml"}
    assert read(tmp_path / "a.yaml", "a.yaml")[0] is None
