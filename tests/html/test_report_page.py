"""The page of a report: what it shows, how large it is, and that nothing of a row becomes markup."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import yamlgen
from shipped_pipelines import FOLDER
from yamlgen.api.history import find_run, store_locations
from yamlgen.api.run_reports import ReportOptions, page_of, profiled
from yamlgen.html.embedding import beside, policy
from yamlgen.html.report_page import report_page
from yamlgen.html.report_sections import MOST_BYTES, report_sections
from yamlgen.html.row_packing import PackedRows
from yamlgen.profiles.doubts.suspicions import Suspicion
from yamlgen.profiles.failure_profile import FailedAnswer, FailureWay
from yamlgen.profiles.fields.field_profile import (
    Agreement,
    Bin,
    Bound,
    Field,
    Group,
    GroupedNumbers,
    Quantiles,
    Repeats,
    ValueCount,
)
from yamlgen.profiles.step_profile import ReaskReason

VOID = {"meta"}
OPTIONAL = {"li", "td", "th", "tr", "dt", "dd"}
HOSTILE = '<script>hacked()</script>"><img src=x onerror=hacked()>\u202e\x00`</style>&amp;'
"""Markup, quotes, a character that turns the text around, a control character."""


class Page(HTMLParser):
    """What a page holds: its elements with their attributes, its text by element, and whether they nest."""

    def __init__(self, text):
        """Read a page."""
        super().__init__()
        self.elements, self.open, self.rows, self.told = [], [], [], []
        self.ids, self.headings = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        if tag in OPTIONAL:
            self._shut(tag)
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag, attrs):
        """Note an element that ends at once."""
        self.elements.append((tag, dict(attrs)))

    def _shut(self, tag):
        ends = {"tr": {"tr", "td", "th"}, "td": {"td", "th"}, "th": {"td", "th"}, "dd": {"dt"}}
        while self.open and self.open[-1] in ends.get(tag, {tag}):
            self.open.pop()

    def handle_endtag(self, tag):
        """Close an element, and those in it that need no end tag."""
        while self.open[-1] in OPTIONAL and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note a text, as the cell of a table too, but for titles of drawn shapes."""
        if "svg" not in self.open and set(self.open) & {"td", "th"}:
            self.rows[-1][-1] += data.strip()
        self.told.append(data)

    @property
    def text(self):
        """All of its text."""
        return " ".join("".join(self.told).split())


def page_text(profile, *, rows=(), text=True):
    """The page of a profile."""
    return b"".join(report_page(profile, PackedRows(tuple(rows), has_rows=False), text=text)).decode()


def shown(profile, **options):
    """What is above the rows."""
    return Page(report_sections(profile, **options))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of `ticket_triage` of which some rows failed, some were asked again, and some refused."""
    folder = tmp_path_factory.mktemp("shipped") / "pipelines"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("out", ".yamlgen"))
    yamlgen.run(folder / "ticket_triage.yaml", simulate=True, limit=12, faults=("invalid_output=0.6", "refusal=0.1"))
    return find_run(store_locations([folder / "ticket_triage.yaml"], None), None)


@pytest.fixture(scope="module")
def profile(run):
    """Its numbers."""
    return profiled(run, ReportOptions())


@pytest.fixture(scope="module")
def whole(run, profile):
    """Its page."""
    return b"".join(page_of(run, profile, ReportOptions())).decode()


def test_a_page_is_well_formed(whole):
    """Elements nest, ids are unique, headings leave out no level, and what is linked exists."""
    page = Page(whole)
    assert not page.open
    assert not [each for each, count in Counter(page.ids).items() if count > 1]
    assert all(after - before <= 1 for before, after in zip([0, *page.headings], page.headings, strict=False))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert {each[1:] for each in links if not each.startswith("#row-")} <= set(page.ids)  # the script makes the rows
    assert page.headings.count(1) == 1
    assert {"header", "nav", "main"} <= {tag for tag, _ in page.elements}


def test_a_page_begins_with_what_came_of_the_run(profile, whole):
    """The verdict, the run, and that it is simulated."""
    text = Page(whole).text
    head = profile.headline
    assert f"{head.finished} of {head.rows} rows; {head.failed} failed in {head.ways} ways" in text
    assert "(simulated)" in text
    assert head.run in text
    made = Page(
        page_text(
            replace(profile, headline=replace(head, banners=("Still running: `x`.",), dirty=True, commit="0a1b2c3"))
        )
    )
    assert "Still running: x." in made.text
    assert "0a1b2c3, with uncommitted changes" in made.text


def test_a_page_allows_its_own_style_and_script_alone(whole):
    """Its policy has their digests; nothing has a style or a handler of its own; nothing is loaded."""
    style = beside("report_page.css") + beside("report_rows.css")
    rule = policy(style=style, scripts=[beside("report_page.js")])
    page = Page(whole)
    assert {"http-equiv": "Content-Security-Policy", "content": rule} in [
        each for tag, each in page.elements if tag == "meta"
    ]
    assert not [name for _, each in page.elements for name in each if name == "style" or name.startswith("on")]
    assert not [each for _, each in page.elements if "src" in each or "srcset" in each]
    assert len(style.encode()) < 8000


def test_charts_are_rectangles():
    """One file of macros under 80 lines draws them all, with rectangles, texts and titles."""
    macros = beside("charts.jinja")
    assert len(macros.splitlines()) < 80
    drawn = {name for chart in macros.split("<svg")[1:] for name in re.findall(r"<(\w+)", chart.split("</svg>")[0])}
    assert drawn == {"rect", "text", "title"}


def test_bars_have_the_numbers_of_their_field(profile):
    """Each row of a table is a value, a count, a share; those of a choice make the whole."""
    field = Field(
        "kind",
        "choice",
        count=1000,
        nulls=100,
        distinct=20,
        other=90,
        unseen=3,
        values=(ValueCount("a", 800), ValueCount("", 10), ValueCount(None, 0), ValueCount(value=True, count=0)),
    )
    page = shown(replace(profile, fields=(field,)))
    rows = [row[0::2][:1] + row[2:] for row in page.rows]
    assert [row for row in rows if len(row) == 3][:6] == [
        ["a", "800", "80%"],
        ['""', "10", "1%"],
        ["null", "0", "0%"],
        ["true", "0", "0%"],
        ["all others (18)", "90", "9%"],
        ["null", "100", "10%"],
    ]
    assert "1 more value never came." in page.text


def test_a_histogram_has_its_numbers_as_a_table(profile):
    """The titles of its bars are the rows of the table, without those of nothing."""
    bins = tuple(Bin(at / 2, (at + 1) / 2, 100 * at) for at in range(10))
    field = Field("score", "number", count=4500, quantiles=Quantiles(0.5, 1, 3.5, 5, 5), bins=bins, measured=4500)
    made = report_sections(replace(profile, fields=(field,), steps=(), failures=()))
    table = {tuple(row) for row in Page(made).rows}
    assert ("4.5 to 5", "900") in table
    assert ("0 to 0.5", "0") in table
    assert "<title>4.5 to 5: 900</title>" in made
    assert "<title>0 to 0.5: 0</title>" not in made
    assert ["0.5", "1", "3.5", "5", "5"] in Page(made).rows


def test_a_strip_of_time_has_its_numbers_as_a_table(profile):
    """600 slots become at most 60 bars, whose sums are those of the table; without a record it says why."""
    count = 600
    timeline = {"seconds": 0.5, "most_in_flight": [4] * count, "limit": [8] * count, "sent": [1] * count}
    timeline |= {
        name: [0] * count for name in ("answered", "rate_limits", "failures", "batch_requests", "batch_answers")
    }
    timeline["rate_limits"][7] = 3
    timeline["held_seconds"] = [0.25] * count
    page = shown(replace(profile, timeline=timeline, steps=(), fields=(), failures=()))
    heads, *rows = page.rows
    assert heads == ["from", "in flight", "sent", "429 responses", "other failures", "seconds paused", "limit"]
    assert len(rows) == 60
    assert rows[0] == ["0.0 s", "4", "10", "3", "0", "2.5", "8"]
    assert "5 min 0 s" in page.text
    earlier = replace(profile, timeline=None, why_no_timeline="An earlier version made this run.")
    assert "An earlier version made this run." in shown(earlier).text


def test_nothing_of_a_run_becomes_markup(profile):
    """Names, values, params, models, messages: a page of hostile texts has the elements of one of harmless ones."""
    counts = []
    for text in (HOSTILE, "harmless"):
        page = page_text(_full(profile, text))
        counts.append(Counter(tag for tag, _ in Page(page).elements))
        assert not {"\u202e", "\x00"} & set(page)
        assert "\\u202e" in page or text == "harmless"
    assert counts[0] == counts[1]
    assert "script" not in counts[0]


def _full(profile, text):
    """A profile with a text in each of its parts."""
    odd = text.replace("`", "")  # in a message of ours, what is between two of them is code
    spread = Quantiles(1, 2, 3, 4, 5)
    value = ValueCount(text, 3, cut=5)
    bins = (Bin(1, 3, 5), Bin(3, 5, 5))
    fields = (
        Field(text, "text", count=10, values=(value,), quantiles=spread, bins=bins, repeats=Repeats(2, 1, 1)),
        Field(f"{text}.b", "choice", {"enum": [text]}, count=10, values=(value,), bounds=(Bound("minLength", 1, 2),)),
        Field(f"{text}.c", "mixed", count=10, kinds={"text": 5, "number": 5}, values=(value,)),
    )
    answer = FailedAnswer(text, (text,), text, text, text)
    way = FailureWay(
        step=text,
        code="YG503",
        keyword="enum",
        place=text,
        effect="failed row",
        count=3,
        row=1,
        id=text,
        message=text,
        hint=odd,
        request={"messages": [{"role": "user", "content": text}], text: text},
        answers=(answer,),
        command=text,
        shows=text,
    )
    step = replace(
        profile.steps[0], name=text, why=(ReaskReason("", text, text, 2), ReaskReason("enum", text, text, 2))
    )
    step = replace(step, models={text: 2, f"{text}2": 3}, stop_reasons=(value,))
    head = replace(
        profile.headline,
        run=text,
        pipeline=text,
        commit=text,
        params={text: text},
        models={text: {text: 2}},
        banners=(odd,),
    )
    return replace(
        profile,
        headline=head,
        suspicions=(Suspicion("refusals", text, odd, (1,)), Suspicion("refusals", "x", odd)),
        failures=(way,),
        fields=fields,
        basis=replace(profile.basis, source="output", output=text, copied=(text,)),
        agreements=(Agreement(text, text, 3, 5, 2, 0.5, 0.5),),
        groups=(GroupedNumbers(text, text, (Group(text, 3, 2.0, spread),), 1, 0.5),),
        steps=(step,),
    )


def test_without_texts_only_names_and_numbers_are_shown(profile):
    """No value of a text, message, request, answer, id or word of a check is on the page; values of an enum are."""
    full = _full(profile, "public")
    private = "Anna lives here"
    odd = ValueCount(private, 3)
    fields = (
        replace(full.fields[0], values=(odd,)),
        Field("seen", "choice", count=3, values=(odd,)),
        Field("listed", "choice", {"enum": ["yes"]}, count=3, values=(ValueCount("yes", 3),)),
        Field("mixed", "mixed", count=3, values=(odd,)),
    )
    way = replace(
        full.failures[0],
        id=private,
        message=private,
        hint=private,
        request={"messages": private},
        place=private,
        answers=(FailedAnswer(private, (private,), "end_turn", "m", private),),
        shows=f"yamlgen runs show --row {private}",
    )
    step = replace(full.steps[0], why=(ReaskReason("", "", private, 2), ReaskReason("enum", private, private, 1)))
    made = page_text(replace(full, fields=fields, failures=(way,), steps=(step,), groups=()), text=False)
    assert private not in made
    assert "yes" in [row[0] for row in Page(made).rows]
    assert "Its values are left out, because they are text." in Page(made).text
    assert "The first is row 1." in Page(made).text
    assert "script" not in {tag for tag, _ in Page(made).elements}


def test_keys_are_not_shown(profile):
    """A key in a message or a value is redacted."""
    key = "sk-ant-api03-" + "a" * 40
    assert key not in page_text(_full(profile, f"see {key}"))


@pytest.mark.parametrize("long", ["word " * 200, "x" * 1500])
def test_too_much_is_cut_and_each_cut_is_told(profile, long):
    """300 fields of 12 long values and 40 ways of failing with long requests fit, and what is missing is said."""
    values = tuple(ValueCount(f"{at} {long}", 100 - at) for at in range(12))
    bins = tuple(Bin(at, at + 1, 10 + at) for at in range(20))
    spread = Quantiles(1, 2, 3, 4, 20)
    fields = tuple(
        Field(f"{'deep.' * 30}f{at}", "text", count=2000, values=values, quantiles=spread, bins=bins)
        for at in range(200)
    )
    full = _full(profile, long)
    failures = tuple(replace(full.failures[0], answers=full.failures[0].answers * 9) for _ in range(40))
    many = replace(
        full,
        fields=fields,
        failures=failures,
        steps=full.steps * 60,
        suspicions=full.suspicions * 40,
        more_failures=7,
        basis=replace(full.basis, left_out=100),
        groups=full.groups * 20,
        agreements=full.agreements * 20,
    )
    made = report_sections(many)
    assert len(made.encode()) <= MOST_BYTES
    page = Page(made)
    assert len([each for each in page.ids if each.startswith("field-")]) == 40
    for told in (
        "260 more fields",
        "failures of other ways",
        "more steps",
        "more suspicions",
        "more characters",
        "came more than once",
        "earlier answers",
        "more sampled fields",
        "more grouped numbers",
    ):
        assert told in page.text, told


def test_a_page_of_nothing(profile):
    """A run without rows has a page, which says so."""
    head = replace(profile.headline, rows=0, finished=0, failed=0, cost_usd=0.0, seconds=0.2, status="killed")
    page = shown(replace(profile, headline=head, suspicions=(), failures=(), fields=(), steps=(), timeline=None))
    for told in ("0 of 0 rows; $0.00 (simulated); 0.2 s", "Nothing looks suspicious.", "Nothing failed.", "killed"):
        assert told in page.text
    assert page.open == ["main"]


def test_sections_of_a_shipped_pipeline_are_small(profile):
    """They need no cut but those of values."""
    made = report_sections(profile)
    assert len(made.encode()) <= MOST_BYTES
    assert "Not shown" not in Page(made).text


def test_examples_show_the_request_and_what_was_wrong(profile):
    """A failure has the prompt, the answers, and the words of the validator, behind a fold; and how to go on."""
    text = shown(profile).text
    way = next(each for each in profile.failures if each.keyword)
    assert way.answers[0].errors[0] in text
    assert "Ticket T-" in text
    assert f"yamlgen explain {way.code}" in text
    assert json.dumps(way.id).strip('"') in text
