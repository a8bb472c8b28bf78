"""What a sibling reads."""

import csv


def rows():
    """Reads a table."""
    with open("data/cities.csv", newline="") as file:
        return list(csv.reader(file))


def others():
    """Is called by nobody."""
    return open("data/rows.jsonl").read()
