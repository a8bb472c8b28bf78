"""The accuracy against known values: what counts, and how the confusion is shown."""

import pytest

from yamlgen.testing.accuracy import accuracies, confusion_table
from yamlgen.testing.suite_config import Gold

GOLD = Gold(on="id", fields={"label.topic": "topic"})


def measured(inputs, outputs, gold=GOLD):
    """The numbers of the first field."""
    return next(iter(accuracies(gold, inputs, outputs).values()))


def row(number, topic):
    """An output row."""
    return {"id": number, "label": {"topic": topic}}


def test_right_values_are_counted():
    """The accuracy is the share of right values."""
    inputs = [{"id": n, "topic": "a"} for n in range(4)]
    found = measured(inputs, [row(0, "a"), row(1, "a"), row(2, "b"), row(3, "a")])
    assert (found["accuracy"], found["n"], found["missing"]) == (0.75, 4, 0)


def test_a_row_without_an_output_row_counts_as_wrong():
    """A pipeline that drops hard rows is not better for it."""
    found = measured([{"id": 1, "topic": "a"}, {"id": 2, "topic": "a"}], [row(1, "a")])
    assert (found["accuracy"], found["n"], found["missing"]) == (0.5, 2, 1)


@pytest.mark.parametrize("unknown", [{"id": 2}, {"id": 2, "topic": None}, {"id": 2, "topic": ""}])
def test_a_row_without_a_right_value_does_not_count(unknown):
    """Some rows of a file have no label."""
    assert measured([{"id": 1, "topic": "a"}, unknown], [row(1, "a"), row(2, "b")])["n"] == 1


@pytest.mark.parametrize(("right", "found"), [("true", True), ("3", 3), (3, "3"), ("null", None)])
def test_values_of_a_csv_file_are_compared_as_they_are_written(right, found):
    """Such a file has only strings."""
    assert measured([{"id": 1, "topic": right}], [row(1, found)])["accuracy"] == 1


def test_ids_of_a_csv_file_match_numbers():
    """The column `on` may be a string on one side only."""
    assert measured([{"id": "1", "topic": "a"}], [row(1, "a")])["missing"] == 0


def test_each_of_several_output_rows_counts():
    """An output with `for_each` makes several rows of an input row."""
    assert measured([{"id": 1, "topic": "a"}], [row(1, "a"), row(1, "b")])["accuracy"] == 0.5


def test_no_value_is_no_accuracy():
    """Nothing is divided by zero; a condition on it is false."""
    assert measured([], [])["accuracy"] == 0


def test_the_confusion_counts_from_label_to_label():
    """The right label comes first."""
    inputs = [{"id": 1, "topic": "a"}, {"id": 2, "topic": "a"}, {"id": 3, "topic": "b"}]
    found = measured(inputs, [row(1, "a"), row(2, "b"), row(3, "b")])
    assert found["confusion"] == {"a": {"a": 1, "b": 1}, "b": {"b": 1}}


def test_the_table_has_right_labels_in_rows():
    """Found labels are columns, also those that are never right."""
    assert confusion_table({"confusion": {"long label": {"long label": 10, "x": 1}}}) == [
        "right \\ found  long label  x",
        "long label             10  1",
    ]


def test_a_table_of_nothing_has_no_lines():
    """All rows may be missing."""
    assert confusion_table({"confusion": {}}) == []
