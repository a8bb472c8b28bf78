"""Numbers in words."""

import pytest

from yamlgen.reports.amount_words import counted, figure, share_told, time_told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 5, "0%"),
        (5, 5, "100%"),
        (1, 2000, "<0.1%"),
        (1999, 2000, ">99.9%"),
        (1, 3, "33%"),
        (19, 20, "95%"),
        (956, 1000, "95.6%"),
        (15, 1000, "1.5%"),
        (3, 0, "0%"),
        (3, 2, "150%"),
    ],
)
def test_only_none_and_all_are_round(part, whole, told):
    """A share that is nearly nothing or nearly all does not look like it."""
    assert share_told(part, whole) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (4.0, "4"),
        (4.1, "4.1"),
        (0.51234, "0.5123"),
        (-12.3456, "-12.35"),
        (1234.5, "1,234"),
        (0.00001234, "1.234e-05"),
        (1e20, "1e+20"),
        (99.996, "100"),
    ],
)
def test_four_digits_tell_a_number(number, told):
    """Whole numbers have all of their digits."""
    assert figure(number) == told


def test_a_duration_has_a_suitable_unit():
    """Seconds, minutes or hours."""
    assert [time_told(each) for each in (0.25, 271, 7260)] == ["0.2 s", "4 min 31 s", "2 h 1 min"]


def test_things_are_counted():
    """One has no plural; a batch has batches."""
    assert [counted(1, "row"), counted(2000, "row"), counted(2, "batch")] == ["1 row", "2,000 rows", "2 batches"]
