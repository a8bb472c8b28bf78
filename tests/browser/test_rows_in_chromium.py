"""The rows of a report in a real browser: search, filter, keys, addresses of rows, slices of a long list."""

import json

import pytest

import yamlgen
from yamlgen.api.run_reports import report

pytestmark = pytest.mark.browser

PIPELINE = """\
version: 1
name: notes
input: {path: rows.jsonl, id: id}
steps:
  note: {kind: compute, value: "{'upper': row.text | upper, 'left': 10 / row.divisor}"}
output: {path: out/notes.jsonl}
"""
SHOWN = "return Array.from(document.querySelectorAll('.card'), (each) => each.id)"
FOCUSED = "return document.activeElement.id"
SEARCH = """\
const query = document.getElementById("query");
query.focus();
query.value = arguments[0];
query.dispatchEvent(new Event("input"));
"""
FOUND = "return document.getElementById('found').textContent"


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """The page of a run of 450 rows of which two failed; all rows are on it."""
    folder = tmp_path_factory.mktemp("notes")
    rows = [{"id": f"n/{number} ü", "text": f"text {number}", "divisor": 1} for number in range(450)]
    rows[7]["divisor"] = rows[300]["divisor"] = 0
    rows[9]["text"] = "A “Quoted” text"
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "notes.yaml").write_text(PIPELINE, "utf-8")
    yamlgen.run(folder / "notes.yaml", simulate=True)
    report(folder / "notes.yaml", path=folder / "report.html", rows="all")
    return folder / "report.html"


def press(chromium, *keys):
    """Press keys, one after the other, where the focus is."""
    for key in keys:
        chromium.driver.switch_to.active_element.send_keys(key)


def search(chromium, text):
    """Search the rows, and wait for what is found."""
    chromium.run("document.getElementById('found').textContent = ''")
    chromium.run(SEARCH, text)
    return chromium.until(FOUND)


def test_a_long_list_is_shown_in_slices(chromium, notes):
    """The button shows the next ones, goes to the first of them, and vanishes at the end."""
    chromium.open(notes)
    assert chromium.run(FOUND) == "450 rows"
    assert len(chromium.run(SHOWN)) == 200
    button = chromium.driver.find_element("id", "more")
    assert button.text == "Show 200 more of 450 rows"
    button.click()
    assert chromium.run(FOCUSED) == "row-201"
    button.click()
    assert len(chromium.run(SHOWN)) == 450
    assert not button.is_displayed()


def test_a_row_far_away_is_shown_without_those_between(chromium, notes):
    """The list starts at its slice; a button, and the key, show what is before."""
    chromium.open(notes.as_uri() + "#row-402")
    assert chromium.until(FOCUSED) == "row-402"
    assert chromium.run(SHOWN)[0] == "row-401"
    press(chromium, "k", "k")
    assert chromium.run(FOCUSED) == "row-400"
    assert chromium.run(SHOWN) == [f"row-{number}" for number in range(201, 401)]
    chromium.run("document.getElementById('earlier').click()")
    assert chromium.run(FOCUSED) == "row-1"
    assert not chromium.driver.find_element("id", "earlier").is_displayed()


def test_the_search_finds_all_text_of_a_row(chromium, notes):
    """A plain text in any case, also in rows that are not shown yet; the number found is announced."""
    chromium.open(notes)
    assert search(chromium, "a “quoted” TEXT") == "1 of 450 rows"
    assert chromium.run(SHOWN) == ["row-10"]
    press(chromium, "\ue007")  # Enter
    assert chromium.run(FOCUSED) == "row-10"
    assert search(chromium, ".*") == "0 of 450 rows"
    assert chromium.run("return document.getElementById('found').role") == "status"


def test_a_filter_shows_rows_of_a_status(chromium, notes):
    """And of a reason."""
    chromium.open(notes)
    words = chromium.run("return Array.from(document.getElementById('only').options, (each) => each.text)")
    assert words[:4] == ["all", "status: failed (2)", "status: finished (448)", "chosen: failed (2)"]
    chromium.driver.find_element("id", "only").send_keys("status: failed")
    chromium.until("return document.getElementById('found').textContent === '2 of 450 rows'")
    assert chromium.run(SHOWN) == ["row-8", "row-301"]


def test_j_and_k_go_from_row_to_row(chromium, notes):
    """Past the end of a slice; not while one types, and not if they are turned off."""
    chromium.open(notes)
    press(chromium, "j")
    assert chromium.run(FOCUSED) == "row-1"
    press(chromium, "j", "j", "k")
    assert chromium.run(FOCUSED) == "row-2"
    assert chromium.run("return document.activeElement.getBoundingClientRect().top") < 200
    chromium.run("document.getElementById('row-200').focus()")
    press(chromium, "j")
    assert chromium.run(FOCUSED) == "row-201"
    search(chromium, "text")
    press(chromium, "j", "k")
    assert chromium.run("return document.activeElement.value") == "textjk"
    chromium.open(notes)
    chromium.driver.find_element("id", "keys").click()
    press(chromium, "j")
    assert chromium.run(FOCUSED) == "keys"


@pytest.mark.parametrize("place", ["#row=n%2F320%20%C3%BC", "#row=321", "#row-321"])
def test_an_address_opens_a_row(chromium, notes, place):
    """By its id or its number, when the page is opened and later, whatever is searched for."""
    chromium.open(notes.as_uri() + place)
    assert chromium.until(FOCUSED) == "row-321"
    search(chromium, "text 1")
    chromium.run("location.hash = '#row=n%2F5 ü'")
    chromium.until("return document.activeElement.id === 'row-6'")
    assert chromium.run(FOUND) == "450 rows"
    link = chromium.run("return document.activeElement.querySelector('a').hash")
    assert link == "#row=n%2F5%20%C3%BC"


def test_an_address_of_no_row_is_told(chromium, notes):
    """With its words, whatever they are."""
    chromium.open(notes.as_uri() + "#row=%E0%A4%A<b>")
    assert "is not among the 450 rows of this page" in chromium.run(FOUND)


def test_a_step_that_asks_no_model_has_nothing_to_unfold(chromium, notes):
    """If it failed, it says why."""
    chromium.open(notes.as_uri() + "#row-8")
    text = chromium.until("return document.getElementById('row-8').innerText")
    assert "row 8" in text
    assert ": failed" in text
    assert "YG" in text
    assert chromium.run("return document.querySelectorAll('#cards details').length") == 0
