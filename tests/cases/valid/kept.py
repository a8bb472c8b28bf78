"""Functions whose values are kept."""

import json
import os
from pathlib import Path

from lib import tables

HERE = Path(__file__).parent
CITIES = HERE / "data" / "cities.csv"


def listed(text):
    """Reads a file by a constant."""
    return text in CITIES.read_text("utf-8")


def pure(text):
    """Reads nothing, whatever stands beside it."""
    return text.upper()


def own():
    """Has a file of its own, and writes a log."""
    cache = Path("data/cities.txt")
    if not cache.exists():
        cache.write_text("{}")
    with open("data/people.jsonl", "a") as log:
        log.write("x")
    return json.loads(cache.read_text())


def everywhere():
    """Reads files in every way, one of them in a sibling."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas/user.json")) as file:
        user = json.load(file)
    people = Path(__file__).resolve().with_name("data").joinpath("people.jsonl").read_bytes()
    missing = open("data/missing.json").read()
    profile = Path(f"{HERE}/prompts/profile.md").open(encoding="utf-8").read()
    return [user, str(people), missing, profile, tables.rows()]


if __name__ == "__main__":
    print(Path("data/cities.txt").read_text())
