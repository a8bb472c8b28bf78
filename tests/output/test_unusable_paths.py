"""Paths that the system refuses before it looks: told as such, wherever they come from, before anything is written."""

import pytest

import yamlgen
from yamlgen.diagnostics import InvalidPipeline
from yamlgen.errors import UsageError

PIPELINE = """\
version: 1
params: {where: {type: string, default: out.jsonl}}
input: {rows: [{n: 1}]}
steps: {a: {kind: compute, value: row.n}}
output: {path: "{{ params.where }}", unique: row.n}
"""


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline whose output is where a parameter says, and that has run."""
    path = tmp_path / "p.yaml"
    path.write_text(PIPELINE)
    yamlgen.run(path)
    return path


@pytest.mark.parametrize("name", ["a\0b.jsonl", "x" * 300 + ".jsonl", "\ud800.jsonl"], ids=["nul", "long", "half"])
def test_a_path_that_no_file_can_have_is_refused(name, pipeline):
    """A character that no path has, or a name that is too long, given to a run or to an export, is an error."""
    before = sorted(each.name for each in pipeline.parent.iterdir())
    for call in (yamlgen.run, yamlgen.export):
        with pytest.raises(UsageError, match="cannot write the output: "):
            call(pipeline, output=name)
    with pytest.raises(UsageError, match="cannot write the output: "):
        yamlgen.export(pipeline, output=name, failed=True)
    assert sorted(each.name for each in pipeline.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "what"),
    [("a\0b.jsonl", "contains a character that a path cannot have"), ("x" * 300 + ".jsonl", "is too long for a path")],
    ids=["nul", "long"],
)
def test_a_parameter_in_a_path_is_checked(name, what, pipeline):
    """What a parameter puts into the path is seen before the run starts, and told at the path."""
    with pytest.raises(InvalidPipeline, match=what) as caught:
        yamlgen.run(pipeline, params={"where": name})
    assert [each.mark.line for each in caught.value.diagnostics] == [5]


def test_an_export_of_an_unknown_format_makes_no_folder(pipeline):
    """The extension is judged before the rows are made."""
    with pytest.raises(UsageError, match="has no known extension"):
        yamlgen.export(pipeline, output=pipeline.parent / "new/rows.xlsx")
    assert not (pipeline.parent / "new").exists()
