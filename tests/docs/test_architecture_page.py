"""The page about the house is held against the house: its floors, its rooms."""

import re

from manual_pages import DOCS, ROOT
from test_house import FLOORS, PARTS_OF_A_KIND

PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")


def section(title):
    """The rows of a section's table: first cell and second."""
    part = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"^\| (?!floor|room|module|-)(.*?) \| (.*) \|$", part, re.MULTILINE)


def test_the_floors_are_those_that_imports_keep_to():
    """The table of floors is the one by which the house's test judges imports."""
    assert [(int(floor), set(re.findall(r"`(\w+)`", rooms))) for floor, rooms in section("Floors")] == list(
        enumerate(FLOORS)
    )


def test_every_folder_is_a_room_of_the_page():
    """Each folder of the package is described, and no other."""
    folders = {path.parent.name for path in (ROOT / "src" / "yamlgen").glob("*/__init__.py")}
    assert {name.strip("`") for name, _ in section("Rooms")} == folders


def test_the_parts_of_a_kind_are_its_modules():
    """The page's modules of a kind are what each kind's folder has."""
    assert {name.strip("`") for name, _ in section("A kind of step")} == set(PARTS_OF_A_KIND)
