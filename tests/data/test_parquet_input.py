"""Parquet files as input: several of them, and one that changes during the run."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from file_sources import file_source
from yamlgen.errors import Code, EnvironmentProblem, UsageError


def test_a_file_that_changes_after_the_scan_is_an_error(tmp_path):
    """Its bytes are checked although they are not read in order."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"id": [1, 2, 3]}), path)
    source, count = file_source(path=path, id="id").scan()
    assert count == 3
    assert [row.row["id"] for row in source.rows()] == [1, 2, 3]
    parquet.write_table(pa.table({"id": [4, 5, 6]}), path)
    with pytest.raises(EnvironmentProblem) as caught:
        list(source.rows())
    assert caught.value.code == Code.INPUT_CHANGED


def test_a_twin_id_is_named_by_its_row(tmp_path):
    """A Parquet file has no lines."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"id": ["x", "y", "x"]}), path)
    with pytest.raises(UsageError, match=r"a\.parquet, row 3: `id` \"x\" is already used at .*a\.parquet, row 1"):
        file_source(path=path, id="id").scan()


def test_validate_tells_that_the_extra_is_not_installed(tmp_path, monkeypatch, call):
    """For the input and the output; neither is read or written in another format."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("yamlgen.formats.parquet.find_spec", lambda _: None)
    parquet.write_table(pa.table({"id": [1]}), "a.parquet")
    text = "version: 1\ninput: {path: a.parquet}\nsteps: {made: {kind: compute, value: row.id}}\n"
    (tmp_path / "p.yaml").write_text(f"{text}output: {{path: out.parquet}}\n")
    told = call("validate", "p.yaml")
    assert told.code == 1
    assert "error[YG327]: cannot read a.parquet: Parquet needs the package pyarrow, which is not installed" in told.err
    assert "error[YG327]: Parquet needs the package pyarrow, which is not installed" in told.err
    assert told.err.count("pip install 'yamlgen[sql]'") == 2
