"""Which texts end in the middle of a sentence, and which number comes most often."""

import pytest

from yamlgen.profiles.fields.field_observer import FieldObserver

LONG = "The parcel was sent on Monday and it should be with you on"


def field_of(values):
    """The field of these values."""
    observer = FieldObserver({})
    for number, value in enumerate(values):
        observer.add({"it": value}, number)
    (field,) = observer.fields()
    return field


@pytest.mark.parametrize(
    ("text", "unended", "broken"),
    [
        (f"{LONG} Friday.", 0, 0),
        (f"{LONG} Friday. \n", 0, 0),
        (LONG, 1, 1),
        (f"{LONG}, ", 1, 1),
        (f'"{LONG} Friday."', 0, 0),
        (f"{LONG} Friday.\n\nKind regards,\nNordpine Support", 1, 0),
        (f"- a list\n- {LONG}", 1, 1),
        ("A title", 1, 0),
        (f"{LONG} Friday \U0001f600", 0, 0),
    ],
)
def test_a_text_is_broken_if_its_last_line_is_long_and_has_no_end(text, unended, broken):
    """A signature and a title are short."""
    field = field_of([text, f"{text} {LONG}."])
    assert (field.unended, field.broken, field.broken_rows) == (unended, broken, (1,) if broken else ())


def test_a_number_with_many_values_has_one_that_comes_most_often():
    """Few different numbers are listed instead."""
    assert field_of([*range(100), 7]).mode.value == 7
    assert field_of([*range(100), 7]).mode.count == 2
    assert field_of([1, 2, 2]).mode is None
