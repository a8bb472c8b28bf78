"""The rows of a report: which are shown, what is shown of them, and how much of it."""

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import scanned_rows as scanned
import yamlgen
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.report_rows import packed_rows
from yamlgen.api.run_reports import ReportOptions, page_of, profiled
from yamlgen.html.marked_prompt import marked_prompt, marked_values
from yamlgen.html.row_data import RowDescriber
from yamlgen.html.row_packing import PackedRows, RowPacker, packed
from yamlgen.reports.row_facts import FactReader
from yamlgen.reports.value_lines import MOST_TEXT
from yamlgen.visible_text import visible

FOREIGN = "\x1b]0;owned\x07\u202e\u2066"
HOSTILE = f"</script><script>a(1)</script><img src=x onerror=a()> http://evil.example/ {FOREIGN} sk-ant-api03-abcdefgh"
PIPELINE = """\
version: 1
name: sorted
model: claude-haiku-5-5
input: {path: rows.jsonl, id: id}
steps:
  label:
    system: You sort texts.
    prompt: "Sort this: {{ row.text }} ({{ row.short }})"
    output:
      schema:
        type: object
        required: [kind]
        additionalProperties: false
        properties: {kind: {enum: [good, bad]}}
  tries: {prompt: "Say it again: {{ steps.label.kind }}", samples: 2, when: "row.short != 'skip'"}
output: {path: out/sorted.jsonl}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished simulated run of rows that are hostile, long, skipped, and that failed."""
    folder = tmp_path_factory.mktemp("sorted")
    (folder / "sorted.yaml").write_text(PIPELINE, "utf-8")
    rows = [{"id": f"r {number}", "text": f"the text number {number}", "short": "ok"} for number in range(30)]
    rows[0]["text"] = HOSTILE
    rows[1]["text"] = "long " * 20_000
    for row in rows[20:]:
        row["short"] = "skip"
    rows[3]["id"] = FOREIGN
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    yamlgen.run(folder / "sorted.yaml", simulate=True, faults=["invalid_output=0.6"])
    return find_run(store_locations([folder / "sorted.yaml"]), None)


def unpacked(parts):
    """The rows of packed data."""
    return [json.loads(line) for line in gzip.decompress(base64.b64decode("".join(parts))).splitlines()]


@pytest.fixture(scope="module")
def rows(made):
    """The rows of its page, by their numbers."""
    shown = packed_rows(made, profiled(made, ReportOptions()).chosen, 100_000)
    return {row["number"]: row for row in unpacked(shown.parts)}


def texts(value):
    """All strings inside of a value."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def test_all_rows_of_a_small_run_are_shown_the_failed_first(made, rows):
    """The page says so; a row says why it is there."""
    statuses = [row["status"] for row in rows.values()]
    assert len(statuses) == 30
    assert statuses == sorted(statuses)  # `failed` before `finished`
    assert statuses.count("failed") == made.entry.failed > 0
    assert all(row["why"] for row in rows.values())
    failed = next(row for row in rows.values() if row["status"] == "failed")
    assert failed["why"][0][0] == "failed"
    assert failed["why"][0][1].startswith("label YG503 required")


def test_a_row_has_its_input_its_steps_and_its_cost(rows):
    """As the card of a preview has them, with a name that is an address."""
    row = next(each for each in rows.values() if each["status"] == "finished" and each["number"] > 4)
    number = row["number"] - 1
    assert row["id"] == f"r {number}"
    assert row["title"] == f'row {number + 1} (id "r {number}")'
    assert row["input"][1] == [0, "text", f"the text number {number}"]
    assert [step["name"] for step in row["steps"]] == ["label", "tries"]
    assert row["steps"][0]["lines"][0][:2] == [0, "kind"]
    assert row["cost"].startswith("cost: ")


def test_the_prompt_is_as_it_was_sent_with_long_columns_marked(rows):
    """With its roles; the values of short columns are not marked; equal prompts of samples are shown once."""
    row = next(each for each in rows.values() if each["number"] > 4 and len(each["steps"][1].get("prompts", [])) > 1)
    label, tries = row["steps"]
    text = f"the text number {row['number'] - 1}"
    assert label["prompts"] == [["", [["system", ["You sort texts."]], ["user", ["Sort this: ", [text], " (ok)"]]]]]
    (first, (other, nothing)) = tries["prompts"]
    assert first[0] == "sample 1"
    assert (other, nothing) == ("1 more case with the same prompt", [])


def test_an_attempt_says_what_it_was_and_what_was_wrong(rows):
    """The model, why it ended, tokens, seconds, cost, the answer, and the words of the validator."""
    row = next(each for each in rows.values() if each["status"] == "failed")
    step = row["steps"][0]
    assert step["count"] == len(step["attempts"]) == 3
    about, answer, left_out, errors = step["attempts"][0]
    form = r"claude-haiku-5-5, end_turn, [\d,]+ tokens in, [\d,]+ out, \d\.\d\d s, <?\$[\d.]+ \(simulated\)"
    assert re.fullmatch(form, about)
    assert (answer[0], left_out) == ("{", "")
    assert "kind" in errors[0]


def test_a_request_without_an_answer_is_shown():
    """Of a step that failed before any came."""
    asked = scanned.step(status="failed")
    asked.error = {
        "code": "YG501",
        "message": "no",
        "hint": "",
        "request": {"messages": [{"role": "user", "content": "Hi"}]},
    }
    row = scanned.row(0, status="failed", columns={"text": "Hi"}, note=asked, other=scanned.step("x"))
    run = SimpleNamespace(name="run", about={})
    facts = FactReader(run, {"note": "generate", "other": "compute"}).facts(row)
    note, other = RowDescriber(None, "run", simulated=False).describe(row, facts, [])["steps"]
    assert note["prompts"] == [["", [["user", ["Hi"]]]]]
    assert (note["attempts"], note["count"]) == ([], 0)
    assert "prompts" not in other


def test_of_many_cases_the_first_prompts_are_shown_and_the_others_told():
    """Messages that are as in the first of them only once; of the attempts the first eight."""
    item = '{{"messages": [{{"role": "user", "content": "Judge."}}, {{"role": "user", "content": "item {}"}}]}}'
    many = [replace(scanned.attempt(), number=number, case=f"item {number}") for number in range(1, 13)]
    row = scanned.row(0, note=scanned.step(["x"], attempts=many))
    facts = FactReader(SimpleNamespace(name="run", about={}), {"note": "generate"}).facts(row)
    describer = RowDescriber(lambda each: (json.loads(item.format(each.number)), {}), "run", simulated=False)
    (note,) = describer.describe(row, facts, [])["steps"]
    assert (len(note["attempts"]), note["count"]) == (8, 12)
    assert note["prompts"] == [
        ["item 1", [["user", ["Judge."]], ["user", ["item 1"]]]],
        ["item 2", [["", [{"note": "1 message as before"}]], ["user", ["item 2"]]]],
        ["item 3", [["", [{"note": "1 message as before"}]], ["user", ["item 3"]]]],
        ["9 more cases", []],
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"when": "row.a"}, "`when` is false: `row.a`"),
        ({"messages": [{"content": "{{ steps.first }}"}]}, "it reads `first`, which has no value"),
        ({"value": "steps['first'] + thinking.other"}, "it reads `first`, `other`, which have no value"),
        ({"when": "steps.first", "value": "steps.first"}, "`when` is false: `steps.first`"),
        (
            {"when": "row.a", "value": "steps.first"},
            "`when` is false: `row.a`, or it reads `first`, which has no value",
        ),
        ({"value": "steps.first_of_all"}, "its reason is not recorded"),
    ],
)
def test_why_a_step_was_skipped_comes_from_the_record_of_the_run(written, reason):
    """From its keys as it ran, and from the steps that have no value; the pipeline may have changed since."""
    none = {"first": scanned.step(status="skipped"), "other": scanned.step(status="null")}
    row = scanned.row(0, **none, last=scanned.step(status="skipped"))
    run = SimpleNamespace(name="run", about={"resolved": {"steps": {"last": written}}})
    facts = FactReader(run, dict.fromkeys(row.steps, "compute")).facts(row)
    assert facts.steps[-1].reason == reason


def test_answers_of_an_earlier_run_say_which(made):
    """They are not paid for again."""
    path = made.place.database.parent.parent / "sorted.yaml"
    yamlgen.run(path, simulate=True, faults=["invalid_output=0.6"])
    again = find_run(store_locations([path]), None)
    (row,) = unpacked(packed_rows(again, profiled(again, ReportOptions(rows=1)).chosen, 100_000).parts)
    assert row["steps"][0]["attempts"][0][0].endswith(f", stored by run {made.name}")


def test_a_skipped_step_has_no_prompt_and_says_why(rows):
    """In the words of its condition."""
    step = next(row for row in rows.values() if row["number"] > 20 and row["status"] == "finished")["steps"][1]
    assert step["note"] == "generate, skipped"
    assert step["remarks"] == ["skipped: `when` is false: `row.short != 'skip'`"]
    assert "prompts" not in step


def test_hostile_rows_are_harmless_text(made, rows):
    """No control character, no key, and nothing of them outside of the data of the page."""
    for text in texts(list(rows.values())):
        assert visible(text) == text
        assert "sk-ant-api" not in text
    assert rows[4]["id"] == visible(FOREIGN)
    marked = [part for part in rows[1]["steps"][0]["prompts"][0][1][1][1] if isinstance(part, list)]
    assert marked[0][0].startswith("</script><script>a(1)</script><img")
    options = ReportOptions()
    page = b"".join(page_of(made, profiled(made, options), options)).decode()
    assert page.count("</script>") == 2
    assert "onerror" not in page


def test_a_huge_value_is_cut_and_the_cut_is_told(rows):
    """In the input, and in the prompt."""
    row = rows[2]
    assert row["input"][1] == [0, "text", ("long " * 200)[:MOST_TEXT], "99,400 more characters"]
    before, marked, more, after = row["steps"][0]["prompts"][0][1][1][1]
    assert (before, after) == ("Sort this: ", " (ok)")
    assert marked == [("long " * 200)[:MOST_TEXT]]
    assert more == 100_000 - MOST_TEXT
    assert len(json.dumps(row)) < 10_000


def test_rows_fill_a_room_and_the_page_says_what_did_not_fit(made):
    """The most telling ones; the others are counted."""
    chosen = profiled(made, ReportOptions(rows=25)).chosen
    shown = packed_rows(made, chosen, 2_500)
    (data,) = shown.parts
    kept = unpacked([data])
    assert len(data) <= 2_500
    assert 0 < len(kept) < 25
    assert kept[0]["number"] == chosen[0].number + 1
    (told,) = shown.told
    assert told.startswith(f"{len(kept)} of 30 rows are shown, the most telling first: ")
    assert "failed (at most 5 for each way of failing)" in told
    assert f" {25 - len(kept)} more did not fit into the page." in told
    counts = map(int, re.findall(r"(\d+) (?:failed|slowest|dearest|asked|with|at|named)", told))
    assert sum(counts) == len(kept)


def test_all_rows_are_in_the_order_of_the_input(made):
    """However many there are."""
    shown = packed_rows(made, profiled(made, ReportOptions(rows=None)).chosen, None)
    assert shown.told == ("All 30 rows are shown, in the order of the input.",)
    found = unpacked(shown.parts)
    assert [row["number"] for row in found] == list(range(1, 31))
    assert any(row["why"] for row in found)


def test_rows_that_the_page_links_to_are_shown(made, rows):
    """Those that suspicions and failures name."""
    options = ReportOptions()
    page = b"".join(page_of(made, profiled(made, options), options)).decode()
    linked = set(map(int, re.findall('href="#row-([0-9]+)"', page)))
    assert linked
    assert linked <= set(rows)


def test_a_page_of_no_rows_links_to_none(made):
    """It still names those of suspicions and failures; also, `all` of no rows is no data."""
    options = ReportOptions(rows=0)
    page = b"".join(page_of(made, profiled(made, options), options)).decode()
    assert "0 of 30 rows are shown" in page
    assert 'href="#row-' not in page
    assert 'id="data"' not in page
    empty = replace(made, entry=replace(made.entry, finished=0, failed=0, missing=0))
    assert packed_rows(empty, [], None) == PackedRows(("No row has finished or failed.",), has_rows=False)


def test_without_text_there_are_no_rows(made):
    """And no data."""
    options = ReportOptions(text=False)
    page = b"".join(page_of(made, profiled(made, options), options)).decode()
    assert "The rows are left out" in page
    assert 'id="data"' not in page
    assert "the text number" not in page


def test_equal_rows_are_packed_alike():
    """In one part or in several, without a time; a row that does not fit leaves no trace."""
    many = [{"n": number, "text": "é" * number} for number in range(200)]
    packer = RowPacker(100_000)
    assert all(packer.add(row) for row in many)
    assert "".join(packed(many)) == packer.data()
    assert unpacked(packed(many)) == many
    small = RowPacker(1_000)
    fit = [row for row in [*many, {"text": base64.b64encode(bytes(range(256)) * 9).decode() * 9}] if small.add(row)]
    assert len(small.data()) <= 1_000
    assert unpacked([small.data()]) == fit


@pytest.mark.parametrize(
    ("sent", "column", "shown"),
    [
        ("It is a b c d e!", "a b c d e", ["It is ", ["a b c d e"], "!"]),
        ("short: abcdefg", "abcdefg", ["short: abcdefg"]),
        ('as JSON: "a\\"b\\nc d e"', 'a"b\nc d e', ['as JSON: "', ['a\\"b\\nc d e'], '"']),
        ("in lists: 12345678, x", [{"a": 12345678}], ["in lists: ", ["12345678"], ", x"]),
        ("cut  spaces here.", "  spaces here.\n", ["cut  ", ["spaces here."]]),
        ("x" * 500, "y" * 9, ["x" * 160, 340]),
        ("x" * 500 + "y" * 9, "y" * 9, [380, "x" * 120, ["y" * 9]]),
    ],
)
def test_what_comes_from_a_column_is_marked(sent, column, shown):
    """Also inside of JSON and of lists, and without the spaces around it; long parts are cut around the marks."""
    assert marked_prompt({"messages": [{"role": "user", "content": sent}]}, marked_values({"c": column})) == [
        ["user", shown]
    ]


def test_a_prompt_may_have_blocks_and_many_messages():
    """Blocks that are no text are named; of many messages the first and the last are shown."""
    blocks = [{"type": "text", "text": "Look:"}, {"type": "image", "source": {}}]
    turns = [{"role": "user", "content": blocks}] + [{"role": "user", "content": str(number)} for number in range(20)]
    shown = marked_prompt({"system": [{"type": "text", "text": "Be kind."}], "messages": turns}, [])
    assert shown[:2] == [["system", ["Be kind."]], ["user", ["Look:", {"note": "image"}]]]
    assert shown[-2:] == [["", [{"note": "14 more messages"}]], ["user", ["19"]]]
    assert marked_prompt(None, []) == []


def test_the_script_is_small_and_makes_only_text_nodes():
    """No library, and no way from text to markup."""
    script = (Path(yamlgen.__file__).parent / "html" / "report_page.js").read_bytes()
    assert len(script) < 20_000
    assert not re.search(rb"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\.on\w+|\.style|import", script)
