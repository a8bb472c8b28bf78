"""In which rows the fields of a report are counted."""

import pytest

import profiled_fields as pipelines
import yamlgen
from yamlgen.store.run_session import open_runs

PLAIN = """\
version: 1
input: {path: rows.jsonl, id: id}
model: {id: claude-haiku-5-5, max_tokens: 512}
steps: {note: {prompt: "{{ row.text }}"}}
output: {path: out/notes.jsonl}
"""


def names(made):
    """The names of the fields."""
    return [field.name for field in made.fields]


def test_of_several_outputs_the_steps_are_counted(fields_run):
    """None is chosen: the values of all steps, by their types."""
    made = pipelines.profile(fields_run)
    assert (made.basis.source, made.basis.rows, made.basis.outputs) == ("steps", 30, ("all", "votes", "short"))
    assert names(made)[:3] == ["mood.tone", "mood.size", "votes"]
    assert "looks[].output.label" in names(made)


@pytest.mark.parametrize("output", ["all", "votes", "short"])
def test_rows_of_a_chosen_output_are_counted(fields_run, output):
    """As they were written, with `for_each`, `where` and `exclude`."""
    made = pipelines.profile(fields_run, output)
    rows = list(yamlgen.rows(fields_run, output=output))
    tops = {name.partition(".")[0].partition("[")[0] for name in names(made)}
    assert (made.basis.source, made.basis.output, made.basis.rows) == ("output", output, len(rows))
    assert tops | {name.partition(".")[0] for name in made.basis.copied} == set(rows[0])


def test_what_is_copied_from_the_input_is_left_out(fields_run):
    """Whole columns, and parts of columns."""
    made = pipelines.profile(fields_run, "votes")
    assert made.basis.copied == ("id", "meta.text")
    assert names(made) == ["meta.score", "tone"]
    assert pipelines.profile(fields_run, "all").basis.copied == ("id", "text")
    assert pipelines.profile(fields_run, "short").basis.copied == ("id",)


def test_items_that_failed_are_null(fields_run):
    """They are values of the list, and their parts are not missed."""
    made = {field.name: field for field in pipelines.profile(fields_run, "all").fields}
    lost = sum(item is None for row in yamlgen.rows(fields_run, output="all") for item in row["votes"])
    assert (made["votes[]"].kind, made["votes[]"].nulls) == ("object", lost)
    assert lost > 0
    assert made["votes[].label"].absent == 0


def test_failed_rows_count_where_they_are_kept(tmp_path):
    """With null for what they lack; rows that failed are not in other outputs."""
    text = PLAIN.replace("out/notes.jsonl}", "out/notes.jsonl, failed: keep}")
    for written, expected in ((PLAIN, (7, 0)), (text, (10, 3))):
        path = pipelines.write(tmp_path, [{"id": number, "text": f"t{number}"} for number in range(10)], written)
        pipelines.run(path, faults=["refusal=0.3"], fresh=True)
        (note,) = pipelines.profile(path).fields
        assert (note.count, note.nulls) == expected


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows(tmp_path, count):
    """Of none, the fields are those that the schema names."""
    path = pipelines.write(tmp_path, [{"id": 1, "text": "t"}][:count] or [{"id": 1}], PLAIN)
    if count:
        pipelines.run(path)
    else:
        pipelines.run(path, faults=["refusal=1"])
    made = pipelines.profile(path)
    assert [(field.name, field.kind, field.count) for field in made.fields] == [("note", "text", count)]
    assert made.basis.rows == count


def test_a_run_of_an_earlier_version_has_fields(fields_run):
    """It has not recorded the types of its steps: the schemas of its answers are known."""
    from yamlgen.api.history import find_run, store_locations  # noqa: PLC0415
    from yamlgen.profiles.run_profile import profile  # noqa: PLC0415

    run = find_run(store_locations([fields_run], None), None)
    known = names(pipelines.profile(fields_run))
    del run.entry.about["declared"], run.entry.about["types"]
    with open_runs(run.place) as run_reader:
        made = profile(run_reader, run.entry, most_rows=0)
    assert sorted(names(made)) == sorted(known)
    label = next(field for field in made.fields if field.name == "looks[].output.label")
    assert label.schema == {"enum": ["yes", "no"]}


@pytest.mark.parametrize("more", ["", ", unique: steps.note"])
def test_what_a_model_thought_is_a_field_and_the_origin_is_none(tmp_path, more):
    """Whether the rows are the values of steps as they are stored, or have to be composed."""
    text = PLAIN.replace(
        '{prompt: "{{ row.text }}"}',
        '{prompt: "{{ row.text }}", thinking: {type: adaptive}, output: {keep_thinking: true}}',
    )
    text = text.replace("claude-haiku-5-5, max_tokens: 512", "claude-sonnet-5-5, max_tokens: 4096")
    text = text.replace("out/notes.jsonl}", f"out/notes.jsonl, provenance: true{more}}}")
    path = pipelines.write(tmp_path, [{"id": number, "text": f"t{number}"} for number in range(3)], text)
    pipelines.run(path)
    made = pipelines.profile(path)
    assert [(field.name, field.kind, field.count, field.nulls) for field in made.fields] == [
        ("note", "text", 3, 0),
        ("note_thinking", "text", 3, 0),
    ]
    assert made.basis.copied == ("id", "text")
