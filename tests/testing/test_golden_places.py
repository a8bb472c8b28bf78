"""A golden file is no file that the pipeline or the test reads or writes otherwise: `--update` would overwrite it."""

import pytest
from written_suites import PIPELINE, SUITE, lay_out, read

GOLDEN = "golden: golden/labels.jsonl"


@pytest.fixture
def faults(tmp_path):
    """Return a function that returns what is reported of a golden file at a path, and checks its place."""

    def reported(golden, pipeline=PIPELINE, suite=SUITE):
        path = lay_out(tmp_path, suite.replace(GOLDEN, f"golden: {golden}", 1), pipeline)
        found = read(path)[1]
        assert all((each.code, each.mark.line, each.mark.column) == ("YG105", 16, 13) for each in found), found
        assert all(each.hint == "write another path" for each in found)
        told = [each.message.removeprefix(f"{tmp_path / golden} is ") for each in found]
        return [each.removesuffix(", which `update=True` would overwrite") for each in told]

    return reported


def test_a_file_of_its_own_is_free(faults, tmp_path):
    """Also one next to the others."""
    (tmp_path / "labels.golden.jsonl").write_text("", "utf-8")
    assert faults("labels.golden.jsonl") == []


@pytest.mark.parametrize(
    ("golden", "what"),
    [
        ("triage.answers.jsonl", "the file of recorded answers"),
        ("missing.jsonl", "the input of the pipeline"),
        ("out/labels.jsonl", "a file that a run of the pipeline writes"),
        ("out/../out/labels.jsonl", "a file that a run of the pipeline writes"),
        ("out/labels.failed.jsonl", "a file that a run of the pipeline writes"),
        ("out/labels.run.json", "a file that a run of the pipeline writes"),
        ("out/labels.simulated.jsonl", "a file that a run of the pipeline writes"),
        ("out/labels.limit-5.jsonl", "a file that a run of the pipeline writes"),
        ("out/labels.simulated.limit-5.failed.jsonl", "a file that a run of the pipeline writes"),
        (".yamlgen/triage.jsonl", "in the store of the pipeline"),
        ("other.answers.jsonl", "the name of a file of recorded answers"),
        ("other.test.yaml", "the name of a test file"),
    ],
)
def test_the_files_of_the_pipeline_and_of_tests_are_taken(golden, what, faults):
    """Whether or not they exist yet."""
    assert faults(golden) == [what]


@pytest.mark.parametrize(
    ("pipeline", "golden", "what"),
    [
        (
            PIPELINE.replace('"Label in {{ params.language }}: {{ row.text }}"', "{file: prompt.json}"),
            "prompt.json",
            "a file that the pipeline reads",
        ),
        (
            PIPELINE.replace("steps:", "steps:\n  pick: {kind: draw, draws: {n: {path: n.jsonl, column: n}}}"),
            "n.jsonl",
            "a file that the pipeline reads",
        ),
        (
            PIPELINE.replace("labels.jsonl}", "labels.jsonl, split: {train: 0.5, test: 0.5}}"),
            "out/labels.train.jsonl",
            "a file that a run of the pipeline writes",
        ),
        (
            PIPELINE.replace("labels.jsonl}", "labels.jsonl, where: steps.label.urgent, rejected: out/no.jsonl}"),
            "out/no.jsonl",
            "a file that a run of the pipeline writes",
        ),
    ],
    ids=["a prompt", "a draw", "a part", "rejected rows"],
)
def test_files_of_steps_and_of_outputs_are_taken(pipeline, golden, what, faults, tmp_path):
    """Those that the pipeline names anywhere."""
    (tmp_path / "prompt.json").write_text('{"a": "{{ row.text }}"}\n', "utf-8")
    (tmp_path / "n.jsonl").write_text('{"n": 1}\n{"n": 2}\n', "utf-8")
    assert faults(golden, pipeline) == [what]


def test_the_rows_of_any_case_are_taken(faults, tmp_path):
    """Of the case itself, and labels by hand of another."""
    suite = SUITE.replace("data/gold.csv, format: csv", "data/gold.jsonl")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gold.jsonl").write_text('{"id": "1", "text": "a", "topic": "billing"}\n', "utf-8")
    assert faults("data/gold.jsonl", suite=suite) == ["a file of rows"]


def test_a_link_is_the_file_to_which_it_leads(faults, tmp_path):
    """The file behind it would be overwritten."""
    (tmp_path / "missing.jsonl").write_text('{"id": "1"}\n', "utf-8")
    (tmp_path / "link.jsonl").symlink_to("missing.jsonl")
    assert faults("link.jsonl") == ["the input of the pipeline"]
