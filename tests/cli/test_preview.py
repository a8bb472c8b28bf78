"""`yamlgen preview`: a run of a few rows, shown as cards at a terminal, in a pipe, in JSON, and on a page."""

import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import termios
from contextlib import suppress
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipped_pipelines import PIPELINES
from yamlgen.cli import cards
from yamlgen.html.preview_page import preview_page
from yamlgen.reports.row_cards import card_of
from yamlgen.reports.row_facts import RowFacts, StepFacts
from yamlgen.reports.value_lines import MOST_TEXT, column_lines, value_lines
from yamlgen.visible_text import visible

FOREIGN = "\x1b]0;owned\x07\u202e\u2066"
HOSTILE = f'<script>a(1)</script><img src=x onerror="a()">&lt;</p></style> http://evil.example/ {FOREIGN} {{{{ 7*7 }}}}'
ODD = """\
version: 1
name: odd
model: claude-haiku-5-5
input: {path: rows.jsonl, id: id}
steps:
  size: {kind: python, call: "mine:size", args: {text: row.text}, on_error: "null"}
  long: {prompt: "On {{ row.text[:9] }}", when: "row.text|length > 5"}
  verdict:
    prompt: "{{ steps.long }} {{ row.text }}"
    output:
      schema: {type: object, required: [score], additionalProperties: false, properties: {score: {type: integer}}}
output: {path: out/odd.jsonl}
"""
AUTHOR = """\
def size(text):
    if text == "boom":
        raise ValueError("the text says boom")
    return {"n": len(text)}
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A folder with a pipeline that skips steps and has null ones; a function that writes its rows."""
    (tmp_path / "odd.yaml").write_text(ODD, "utf-8")
    (tmp_path / "mine.py").write_text(AUTHOR, "utf-8")
    monkeypatch.chdir(tmp_path)

    def write(*texts):
        rows = [{"id": f"r{number}", "text": text} for number, text in enumerate(texts)]
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return tmp_path

    return write


def heads(out):
    """The titles of the cards."""
    return [line for line in out.splitlines() if line.startswith("row ")]


def test_each_row_is_a_card(small, call):
    """In input order, with its input, its steps and its cost; the files are those of `run --limit`."""
    done = call("preview", "small.yaml", "-n", 3, "--simulate")
    assert done.code == 0
    assert heads(done.out) == ["row 1", "row 2", "row 3"]
    assert "    topic: town 2\n  note (generate)\n    On “Write a note on town 2”: " in done.out
    assert "cost: <$0.0001 (simulated), 1 answer" in done.out
    assert "\x1b" not in done.out
    assert (small / "out/notes.simulated.limit-3.jsonl").read_bytes().count(b"\n") == 3


@pytest.mark.usefixtures("small")
def test_the_last_lines_are_the_total_and_the_whole_input(call):
    """As `plan` says it; without it if the preview was of all rows."""
    total, whole = call("preview", "small.yaml", "-n", 3, "--simulate").out.splitlines()[-2:]
    assert total.startswith("3 rows: 3 finished, 0 failed; cost: ")
    known = "the whole input of small (simulated): 8 rows, 3 answers in the store, 5 requests to send: "
    assert whole.startswith(known)
    last = call("preview", "small.yaml", "-n", 20, "--simulate").out.splitlines()[-1]
    assert last.startswith("8 rows: 8 finished, 0 failed; cost: ")


@pytest.mark.usefixtures("small")
def test_a_second_preview_and_a_run_send_nothing_again(call):
    """The answers of a preview are those of a run; what the store has costs nothing, and the card says so."""
    call("preview", "small.yaml", "--simulate")
    again = call("preview", "small.yaml", "--simulate")
    assert again.out.count("cost: nothing, 1 answer from the store") == 5
    assert "nothing was sent; 5 answers from the store" in again.out.splitlines()[-2]
    run = json.loads(call("run", "small.yaml", "--simulate", "--output-format", "json").out)
    assert (run["paid"]["attempts"], run["reused"]["attempts"]) == (3, 5)


def test_what_was_asked_again_is_shown_with_the_reason(odd, call):
    """In the words of the validator."""
    odd("a longer text")
    done = call("preview", "odd.yaml", "--simulate", "--fault", "invalid_output=0.999")
    assert done.code == 1
    assert "row 1 (id r0): failed" in done.out
    assert '    asked again 2 times:\n    - $: "score" is a required property (2 times)\n' in done.out
    assert "YG503: the output is invalid after 2 re-asks" in done.out
    assert "    = " in done.out
    assert "verdict (generate, failed)" in done.out


def test_a_refusal_after_which_another_model_was_asked_is_shown(small, call):
    """Like an answer that is invalid."""
    text = (small / "small.yaml").read_text().replace("max_tokens", "on_refusal: [claude-sonnet-5-5], max_tokens")
    (small / "small.yaml").write_text(text)
    out = call("preview", "small.yaml", "-n", 1, "--simulate", "--fault", "refusal=0.999").out
    assert "note (generate, failed)\n    asked again once:\n    - the model refused\n    YG504: " in out


def test_a_skipped_step_says_why(odd, call):
    """Its own condition, or a step that it reads; a step that failed and is null says what failed."""
    odd("boom")
    out = call("preview", "odd.yaml", "--simulate").out
    assert "long (generate, skipped)\n    skipped: `when` is false: `row.text|length > 5`\n" in out
    assert "verdict (generate, skipped)\n    skipped: it reads `long`, which has no value\n" in out
    assert "size (python, failed, null)\n    null\n    YG513: `size` raised ValueError: the text says boom" in out
    assert "cost: nothing, no request" in out


def test_a_step_after_a_failed_one_has_not_run(small, call):
    """A failed row has a card, with the error, and the exit code is that of a run."""
    text = (
        (small / "small.yaml")
        .read_text()
        .replace("output:", "  after: {prompt: '{{ steps.note }}', model: a-1}\noutput:")
    )
    (small / "small.yaml").write_text(text.replace("a-1", "claude-haiku-5-5"))
    done = call("preview", "small.yaml", "-n", 1, "--simulate", "--fault", "refusal=0.999")
    assert done.code == 1
    assert "note (generate, failed)\n    YG504: the model refused" in done.out
    assert "after (generate, not run)" in done.out
    assert "1 row: 0 finished, 1 failed" in done.out


@pytest.mark.usefixtures("small")
def test_offline_shows_what_the_store_lacks(call):
    """A row without an answer has a card; nothing is sent."""
    call("preview", "small.yaml", "-n", 1, "--simulate")
    done = call("preview", "small.yaml", "-n", 2, "--simulate", "--offline")
    assert done.code == 1
    assert heads(done.out) == ["row 1", "row 2: missing"]
    assert "note (generate, missing)\n    YG512: no answer" in done.out
    assert "1 finished, 0 failed, 1 without an answer; nothing was sent" in done.out


@pytest.mark.usefixtures("small")
def test_a_stopped_preview_shows_the_rows_until_then(call):
    """The exit code is that of the limit, and the next preview continues."""
    options = ("preview", "small.yaml", "--simulate", "--max-concurrency", 1)
    done = call(*options, "--max-requests", 2)
    assert done.code == 4
    assert heads(done.out) == ["row 1", "row 2"]
    assert "next: yamlgen preview small.yaml --simulate" in done.err
    assert len(heads(call(*options).out)) == 5


def test_a_column_whose_name_ends_with_a_dot_has_a_colon(tmp_path, call):
    """The number of an item, such as `1.`, has none."""
    (tmp_path / "p.yaml").write_text(
        "version: 1\ninput: {rows: [{Nr.: 7, tags: [x]}]}\nsteps: {n: {kind: compute, value: '1'}}\n"
        "output: {path: o.jsonl}\n"
    )
    told = call("preview", tmp_path / "p.yaml", "--simulate", "--html", tmp_path / "p.html")
    assert "    Nr.: 7\n    tags:\n      1. x\n" in told.out
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "<b>Nr.:</b>" in page
    assert "<b>1.</b>" in page


def test_no_rows_are_an_error_of_the_input(small, call):
    """As for a run: nothing is shown."""
    (small / "rows.jsonl").write_text("")
    done = call("preview", "small.yaml", "--simulate", "--html", "page.html")
    assert (done.code, done.out) == (call("run", "small.yaml", "--simulate").code, "")
    assert not (small / "page.html").exists()


@pytest.mark.parametrize("number", ["0", "-1", "1001", "x"])
@pytest.mark.usefixtures("small")
def test_a_wrong_number_is_a_wrong_command(call, number):
    """At most a thousand rows are a few."""
    done = call("preview", "small.yaml", "-n", number, "--simulate")
    assert done.code == 2
    assert "-n" in done.err


@pytest.mark.usefixtures("small")
def test_the_next_commands_estimate_and_run_the_whole_input(call, monkeypatch):
    """After a real preview: `plan` and `run` with the same parameters; after a simulated one, the real one."""
    from threaded_simulator import serving  # noqa: PLC0415 - one test needs a server
    from yamlgen.simulator.server import Simulator  # noqa: PLC0415

    done = call("preview", "small.yaml", "-n2", "--simulate", "--html", "page.html")
    assert "next: yamlgen plan small.yaml\n      yamlgen preview small.yaml -n2 --html page.html\n" in done.err
    with serving(Simulator()) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        done = call("preview", "small.yaml", "-n2", "--html", "page.html", "--set", "limits.max_requests=9", "-y")
    assert done.code == 0
    assert "next: yamlgen plan small.yaml --set limits.max_requests=9\n" in done.err
    assert "      yamlgen run small.yaml --set limits.max_requests=9\n" in done.err
    assert "cost: <$0.0001, 1 answer" in done.out


def test_json_has_whole_values(odd, call):
    """One object with the keys of a run, and the rows under `cards`."""
    odd("long " * 500)
    done = call("preview", "odd.yaml", "--simulate", "--output-format", "json")
    told = json.loads(done.out)
    (card,) = told["cards"]
    assert told["rows"]["finished"] == 1
    assert card["columns"]["text"] == "long " * 500
    assert card["steps"]["size"]["value"] == {"n": 2500}
    assert card["cost_usd"] == told["paid"]["cost_usd"] > 0


def test_an_answer_that_two_rows_share_costs_once(odd, call):
    """The first row has paid for it."""
    odd("the same", "the same")
    done = call("preview", "odd.yaml", "--simulate", "--output-format", "json", "--max-concurrency", 1)
    told = json.loads(done.out)
    assert sum(card["cost_usd"] for card in told["cards"]) == pytest.approx(told["paid"]["cost_usd"])


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.text, self.policy = [], set(), "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"]

    def handle_data(self, data):
        """Note a text."""
        self.text += data


def test_hostile_rows_add_nothing_to_the_page(odd, call):
    """No element, attribute or control character of a row reaches it, and its policy allows no more than a style."""
    folder = odd("plain text here", "plain text here")
    pages = []
    for text in ("plain text here", HOSTILE):
        odd(text, text)
        assert call("preview", "odd.yaml", "--simulate", "--html", "page.html").code == 0
        pages.append(Page((folder / "page.html").read_text("utf-8")))
    plain, hostile = pages
    assert hostile.elements == plain.elements
    assert hostile.attributes == plain.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class"}
    assert not {"script", "a", "img", "link"} & set(hostile.elements)
    assert r"<script>a(1)</script>" in hostile.text
    assert r"\u001b]0;owned\u0007\u202e\u2066 {{ 7*7 }}" in hostile.text
    assert not set(FOREIGN[:1] + FOREIGN[-3:]) & set(hostile.text)
    style = re.search(r"<style>(.*?)</style>", (folder / "page.html").read_text("utf-8"), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert hostile.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_on_a_page_each_level_of_a_value_is_indented_more():
    """As far as values are nested; a cut is told without a space before it."""
    deep = {"a": [[[[[[[1]]]]]]]}
    step = StepFacts("s", "compute", "finished", deep)
    row = RowFacts(0, None, "finished", {f"c{number}": 1 for number in range(74)}, (step,))
    page = b"".join(preview_page("t", [], [card_of(row, simulated=False)])).decode()
    margins = dict(re.findall(r"\.depth-(\d) { margin-left: (\d+)px }", page))
    deepest = max(line.depth for line in value_lines(deep))
    assert sorted(map(int, margins)) == list(range(1, deepest + 1))
    assert sorted({int(each) for each in margins.values()}) == [int(margins[str(n)]) for n in range(1, deepest + 1)]
    assert '<p class="value depth-0"><i>… (34 more columns)</i></p>' in page


@pytest.mark.parametrize(
    "path",
    [
        *("small.yaml", "rows.jsonl", "other.html", "folder", "-"),
        *("out/notes.simulated.limit-5.jsonl", "out/notes.jsonl", ".yamlgen/small.yaml.db"),
    ],
)
def test_a_page_replaces_nothing_but_a_page(small, call, path):
    """Not an input, the pipeline, an output, a foreign file or a folder; nothing is sent, and nothing changes."""
    (small / "other.html").write_text("<!doctype html>mine")
    (small / "folder").mkdir()
    before = {each: each.read_bytes() for each in small.iterdir() if each.is_file()}
    done = call("preview", "small.yaml", "--simulate", "--html", path)
    assert (done.code, done.out) == (2, "")
    assert "error[YG316]: cannot write " in done.err
    assert "choose another file with `--html PATH`" in done.err
    assert before == {each: each.read_bytes() for each in small.iterdir() if each.is_file()}


def test_a_page_that_cannot_be_written_is_reported_before_the_run(small, call):
    """Nothing is sent."""
    (small / "closed").write_text("")
    done = call("preview", "small.yaml", "--simulate", "--html", "closed/page.html")
    assert (done.code, done.out) == (3, "")
    assert not (small / ".yamlgen").exists()


def test_the_page_is_written_before_the_cards(small, call, monkeypatch):
    """The reader of the cards may stop, as `head` does."""
    found = []
    monkeypatch.setattr(cards, "show_cards", lambda _: found.append((small / "page.html").exists()))
    assert call("preview", "small.yaml", "--simulate", "--html", "page.html").code == 0
    assert found == [True]


def test_a_preview_that_was_killed_goes_on(small, call, fork_server):
    """What a killed preview leaves does not hinder the next one, and the earlier page stays until then."""
    (small / "page.html").write_text('<meta name="generator" content="yamlgen preview">')
    killed = ("preview", "small.yaml", "--simulate", "--html", "page.html")
    fork_server.call(small, *killed, failpoint="before-rename:3")
    assert (small / "page.html").stat().st_size < 100
    done = call("preview", "small.yaml", "--simulate", "--html", "page.html")
    assert done.code == 0
    assert "5 answers from the store" in done.out
    assert Page((small / "page.html").read_text("utf-8")).elements.count("article") == 5


def test_a_shipped_pipeline_of_many_kinds_is_shown(tmp_path, monkeypatch, call):
    """Lists of mappings, computed values, texts of several lines."""
    shutil.copytree(PIPELINES[0].parent, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    out = call("preview", "best_of_three.yaml", "-n", 1, "--simulate", "--html", "page.html").out
    assert re.search(r"  score \(generate\)\n    1\.\n      findings:\n        1\. \w", out)
    assert "  winner (compute)\n    draft: " in out


def test_long_values_are_cut_and_say_by_how_much():
    """Texts by characters and lines, lists and mappings by values, rows by columns; no cut is silent."""
    (line,) = value_lines("x" * (MOST_TEXT + 1))
    assert (line.text, line.left_out) == ("x" * MOST_TEXT, "1 more character")
    (line,) = value_lines("line\r\n" * 100)
    assert line.text == "\n".join(["line"] * 12)
    assert line.left_out == "441 more characters"
    assert [each.text for each in value_lines(list(range(100)))][-2:] == ["23", ""]
    assert value_lines(list(range(100)))[-1].left_out == "76 more values"
    assert column_lines({f"c{number}": 1 for number in range(74)})[-1].left_out == "34 more columns"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), ("", '""'), ([], "[]"), ({}, "{}"), (True, "true"), (1.5, "1.5"), ("null", "null"), (0, "0")],
)
def test_every_value_has_a_text(value, shown):
    """Also those that are empty."""
    assert [each.text for each in value_lines(value)] == [shown]


def test_deep_and_wide_values_stay_readable():
    """Below some depth, a value is JSON; names are escaped like texts or quoted, and keys of the API are hidden."""
    assert [line.name for line in (*value_lines({"": 1}), *column_lines({"": 1}))] == ['""', '""']
    deep = {"a\x1b\n": [[[[[[["sk-ant-api03-abcdefghij"]]]]]]]}
    *_, last = value_lines(deep)
    assert last.text == '["sk-ant-[secret]"]'
    assert value_lines(deep)[0].name == r"a\u001b "


TEXTS = st.text(max_size=20) | st.sampled_from([FOREIGN, "\n" * 99, "x\r\n" * 40, HOSTILE * 9])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


@given(columns=st.dictionaries(TEXTS, VALUES, max_size=9))
def test_whatever_a_row_has_a_card_is_short_and_harmless(columns):
    """Few lines, of bounded length, without a character that a terminal obeys."""
    lines = column_lines(columns)
    assert len(lines) <= 9 * 25
    for line in lines:
        assert len(line.text) <= MOST_TEXT * len(r"\U000e0041")
        assert line.text.count("\n") < 12
        assert visible(line.name + line.text) == line.name + line.text
        assert "\n" not in line.name
        assert line.name or line.text or line.left_out


@pytest.fixture
def at_terminal(monkeypatch):
    """Show the card of a row, and lines beneath it, at a terminal of some width, and return what it gets."""

    def show(row, width, *lines):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(width))
        with os.fdopen(theirs, "w", encoding="utf-8") as screen:
            monkeypatch.setattr(cards.sys, "stdout", screen)
            cards.show_cards([card_of(row, simulated=False)])
            cards.show_lines(lines)
            monkeypatch.undo()
        shown = b""
        with suppress(OSError):
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
        return shown.decode().replace("\r\n", "\n")

    return show


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("colour", [True, False], ids=["colour", "NO_COLOR"])
def test_at_a_terminal_cards_are_as_wide_as_it_is(at_terminal, monkeypatch, width, colour):
    """No line is wider, also with characters of two columns; colours only for those who want them."""
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    text = at_terminal(RowFacts(0, "漢字" * 30, "failed", {"text": f"漢字 {HOSTILE} " * 9}, ()), width)
    assert ("\x1b[31m" in text) is colour
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in bare
    lines = bare.splitlines()
    from rich.cells import cell_len  # noqa: PLC0415 - only here

    assert {cell_len(line) for line in lines} == {width}
    assert lines[0].startswith("╭─ row")


@pytest.mark.parametrize("width", [8, 40])
def test_at_a_terminal_no_value_looks_like_a_field(at_terminal, monkeypatch, width):
    """The later lines of a value are indented further than names; a narrow terminal shows what it can."""
    monkeypatch.setenv("NO_COLOR", "1")
    columns = {"text": "one\nstatus: paid " + "two " * 20, "deep": {"a": [[[[["漢字"]]]]]}}
    text = re.sub(r"\x1b\[[0-9;]*m", "", at_terminal(RowFacts(0, None, "finished", columns, ()), width))
    if width == 40:
        starts = re.findall(r"^│ ( *)(\S+)", text, re.MULTILINE)
        assert ("    ", "status:") in starts
        assert {name for space, name in starts if space == "  "} == {"text:", "deep:"}


def test_at_a_terminal_no_amount_is_broken(at_terminal):
    """The last lines break between words, whatever the pipeline is called."""
    row = RowFacts(0, None, "finished", {}, ())
    shown = at_terminal(row, 40, "[b]5[/b] rows: 5 finished, 0 failed; cost: $0.0042 (simulated)").splitlines()
    assert [line.rstrip() for line in shown[-2:]] == [
        "[b]5[/b] rows: 5 finished, 0 failed;",
        "cost: $0.0042 (simulated)",
    ]
