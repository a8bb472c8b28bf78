"""The section of a page that compares a run with another one."""

import re
from dataclasses import replace

import pytest

import yamlgen
from compared_pipeline import run, write
from yamlgen.api.run_reports import ReportOptions, profiled
from yamlgen.html.compared_runs import MOST_FIELDS, MOST_TABLES, against_section
from yamlgen.profiles.compared.run_comparison import FieldComparison
from yamlgen.profiles.compared.value_changes import Transition, ValueChanges
from yamlgen.reports.amount_words import figure

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x07"


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The profile of a run of 40 rows against one with other answers."""
    rows = [{"id": f"r-{number}", "text": f"text {number}"} for number in range(40)]
    path = write(tmp_path_factory.mktemp("runs") / "judged", rows)
    other, this = run(path), run(path, seed=1, faults=["refusal=0.1"])
    (found,) = [each for each in yamlgen.runs(path) if each.name == this]
    return profiled(found, ReportOptions(against=other))


def cells(section):
    """The words of each table row of a section."""
    lines = re.findall(r"<tr[^>]*>(.*?)(?=<tr|</table>)", section, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", each).strip() for each in re.split(r"<t[hd][^>]*>", line)[1:]] for line in lines]


def test_the_table_of_a_field_has_its_numbers(profile):
    """Each value of the other run is a line, with how often each value of this run came in its place."""
    changes = next(each.changes for each in profile.against.fields if each.name == "verdict.label")
    section = str(against_section(profile))
    head = next(line for line in cells(section) if line == ["", *changes.this_values])
    for value in changes.other_values:
        counts = {each.this: each.count for each in changes.table if each.other == value}
        assert [value, *(f"{counts[each]}" if each in counts else "" for each in head[1:])] in cells(section)


def test_rows_are_links_to_the_rows_of_the_page(profile):
    """A row that changed is named as in its card, and linked by its number."""
    section = str(against_section(profile))
    found = re.findall(r'<a href="#row-(\d+)">row (\d+)<small> \(id r-(\d+)\)</small></a>', section)
    assert found
    for target, number, name in found:
        assert int(target) == int(number) == int(name) + 1


def test_without_text_no_row_is_named_by_its_id(profile):
    """`text=False` leaves numbers of rows, values of enums, and nothing that a row says."""
    section = str(against_section(profile, text=False))
    assert "r-1" not in section
    assert "#row" not in section
    assert "row 1" in section


@pytest.mark.parametrize(("schema", "is_shown"), [({"enum": ["keep", "drop", "ask"]}, True), ({}, False)])
def test_without_text_the_values_of_an_enum_stay(profile, schema, is_shown):
    """The values that a schema lists are shown; those of other choices are texts of rows."""
    field = profile.against.fields[0]
    sides = {name: replace(getattr(field, name), kind="choice", schema=schema) for name in ("this", "other")}
    made = replace(profile, against=replace(profile.against, fields=(replace(field, **sides),)))
    assert "keep" in str(against_section(made))
    assert ("keep" in str(against_section(made, text=False))) == is_shown


def test_hostile_texts_are_text(profile):
    """Markup in ids, values, names, phrases and notes is escaped, and control characters are shown."""
    field = profile.against.fields[0]
    changes = replace(
        field.changes,
        table=(Transition(HOSTILE, "a", 3, (1,)),),
        this_values=("a",),
        other_values=(HOSTILE,),
        field=HOSTILE,
    )
    against = replace(
        profile.against,
        ids={1: HOSTILE},
        notes=(HOSTILE,),
        changes=(HOSTILE,),
        fields=(replace(field, name=HOSTILE, changes=changes), FieldComparison(HOSTILE + "2", field.this, None, None)),
        gained=tuple(replace(each, step=HOSTILE, rows=(1,)) for each in profile.against.gained),
    )
    section = str(against_section(replace(profile, against=against)))
    assert "<img" not in section
    assert "\u202e" not in section
    assert "\x07" not in section
    assert section.count("&lt;img") >= 6


def test_a_page_without_comparison_has_no_section(profile):
    """Nothing is shown of a comparison that was not asked for."""
    assert str(against_section(replace(profile, against=None))) == ""


def test_many_fields_are_cut_aloud(profile):
    """The section stays small, and says what it leaves out."""
    field = next(each for each in profile.against.fields if each.name == "verdict.label")
    values = tuple(f"value {number} with a long name that is cut" for number in range(12))
    table = tuple(Transition(other, this, 1, (1, 2, 3, 4, 5)) for other in values for this in values)
    changes = ValueChanges("x", 144, 132, (1, 2, 3), table=table, this_values=values, other_values=values)
    many = tuple(replace(field, name=f"{'deep.' * 20}{number}", changes=changes) for number in range(100))
    section = str(against_section(replace(profile, against=replace(profile.against, fields=many))))
    assert f"{100 - MOST_FIELDS} more fields differ" in section
    assert f"{100 - MOST_TABLES} more fields have such a table" in section
    assert len(section.encode()) < 60_000


def test_no_attribute_is_inline(profile):
    """The policy of the page allows neither styles nor handlers in attributes."""
    assert not re.search(r"<[^>]*\s(style|on\w+)=", str(against_section(profile)))


def test_numbers_and_lengths_have_their_means_and_medians(profile):
    """A number, and the length of a text, have those of their fields, and a number how many rows rose and fell."""
    lines = cells(str(against_section(profile)))
    fields = {each.name: each for each in profile.against.fields}
    for name, unit in (("verdict.score", ""), ("verdict.why", ", characters")):
        line = next(line for line in lines if line[:1] == [f"{name}{unit}"] and len(line) == 7)
        field = fields[name]
        told = (field.other.mean, field.this.mean, field.other.quantiles.p50, field.this.quantiles.p50)
        assert line[3:] == [figure(number) for number in told]
        counts = [f"{field.changes.rose}", f"{field.changes.fell}"] if unit == "" else ["-", "-"]
        assert line[1:3] == counts


def test_choices_among_the_items_of_a_list_have_shares(profile):
    """Their values have shares in both runs, and no table from value to value: nothing tells which items belong."""
    label = next(each for each in profile.against.fields if each.name == "verdict.label")
    other = replace(label.other, values=tuple(replace(each, count=1) for each in label.other.values))
    tags = replace(label, name="tags[]", other=other, changes=None)
    section = str(against_section(replace(profile, against=replace(profile.against, fields=(tags,)))))
    assert "tags[]" in section
    assert 'class="bars"' in section
    assert "flips" not in section
