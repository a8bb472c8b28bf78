"""The numbers of a report are those that pandas computes from the files that the run wrote."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import yamlgen
from shipped_pipelines import FOLDER

ROWS = {"ticket_triage": 40, "chat_from_faq": 12, "preferences": 15}
"""A plain output in CSV; items with `where`, `unique` and a split; columns with lists, `where` and a split."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """For each pipeline, the report of a simulated run, and the rows that it wrote as a frame."""
    folder = tmp_path_factory.mktemp("shipped") / "pipelines"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("out", ".yamlgen"))
    found = {}
    for name, limit in ROWS.items():
        result = yamlgen.run(folder / f"{name}.yaml", simulate=True, limit=limit)
        files = [Path(each) for each in written(folder)]
        found[name] = (yamlgen.report(folder / f"{name}.yaml", result.report.run), frame_of(files))
        for each in files:
            each.unlink()
    return found


def written(folder):
    """The files of an output, without the rejected rows and the record of the run."""
    files = (folder / "out").glob("*")
    return sorted(each for each in files if "rejected" not in each.name and each.suffix in {".jsonl", ".csv"})


def frame_of(files):
    """The rows of files."""
    frames = []
    for path in files:
        if path.suffix == ".csv":
            frame = pd.read_csv(path, keep_default_na=False)
            for column in ("triage", "check"):
                frame[column] = frame[column].map(json.loads)
        else:
            frame = pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
        frames.append(frame)
    return pd.concat(frames)


def series_of(frame, name):
    """The values of a field, nulls included."""
    column, *parts = re.findall(r"[^.\[\]]+|\[\]", name)
    values = frame[column].astype(object)
    for part in parts:
        values = values.dropna().explode() if part == "[]" else values.dropna().map(lambda each: each[part])  # noqa: B023
    return values


def cases():
    """The names of all pipelines."""
    return pytest.mark.parametrize("name", ROWS)


@cases()
def test_every_field_of_the_files_is_counted(made, name):
    """The rows are those of the files; the columns are there, or said to be copies of the input."""
    report, frame = made[name]
    tops = {re.split(r"[.\[]", field["name"])[0] for field in report["fields"]}
    assert report["basis"]["source"] == "output"
    assert report["basis"]["rows"] == len(frame) > 5
    assert tops | set(report["basis"]["copied"]) == set(frame.columns)
    assert not tops & set(report["basis"]["copied"])


@cases()
def test_values_and_nulls_are_counted(made, name):
    """How many values there are, how many are null, how many are different, and how often the listed ones came."""
    report, frame = made[name]
    for field in report["fields"]:
        values = series_of(frame, field["name"])
        assert (field["count"], field["nulls"]) == (len(values), values.isna().sum()), field["name"]
        if field["kind"] in ("choice", "boolean", "number", "text"):
            counts = values.dropna().value_counts()
            listed = {json.dumps(each["value"]): each["count"] for each in field["values"]}
            known = {json.dumps(value): count for value, count in counts.items()}
            assert field["distinct"] == len(counts), field["name"]
            assert {value: known.get(value, 0) for value in listed} == listed, field["name"]
            assert field["other"] == counts.sum() - sum(listed.values())


@cases()
def test_listed_values_are_the_most_frequent(made, name):
    """No value that is left out came more often than one that is listed."""
    report, frame = made[name]
    for field in report["fields"]:
        if field["kind"] in ("choice", "boolean", "number", "text") and field["values"] and field["other"]:
            least = min(each["count"] for each in field["values"])
            others = series_of(frame, field["name"]).value_counts().iloc[len(field["values"]) :]
            assert others.max() <= least, field["name"]


@cases()
def test_quantiles_means_and_histograms(made, name):
    """Those of numbers, of lengths of texts in characters, and of lengths of lists."""
    report, frame = made[name]
    measured = {field["name"]: field for field in report["fields"] if field["kind"] in ("number", "text", "list")}
    assert measured
    for field in measured.values():
        values = series_of(frame, field["name"]).dropna()
        numbers = (values if field["kind"] == "number" else values.map(len)).astype(float)
        percents = np.quantile(numbers, [0, 0.05, 0.5, 0.95, 1], method="inverted_cdf")
        assert list(field["quantiles"].values()) == list(percents), field["name"]
        assert field["mean"] == pytest.approx(numbers.mean())
        edges = [*(each["least"] for each in field["bins"]), field["bins"][-1]["most"]]
        assert [each["count"] for each in field["bins"]] == list(np.histogram(numbers, edges)[0])


def test_every_kind_of_field_was_compared(made):
    """The pipelines together have all of them, with nulls."""
    fields = [field for report, _ in made.values() for field in report["fields"]]
    assert {field["kind"] for field in fields} == {"choice", "boolean", "number", "text", "list"}
    assert any(field["nulls"] for field in fields)
