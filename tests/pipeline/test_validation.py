"""What holds for every document: what the schema accepts constructs, what it refuses is told and mended."""

import json
import tempfile
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline_documents import SCHEMA, accepted, damaged, json_values, texts
from yamlgen.api.loading import check as check_file
from yamlgen.diagnostics import Diagnostic
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.pipeline.json_schema import committed, generate
from yamlgen.pipeline.pipeline_model import PipelineModel
from yamlgen.pipeline.validation import accepts, check


def composed(data):
    """The document of some data, by way of its JSON text."""
    document, problems = compose(SourceText("x.yaml", json.dumps(data, ensure_ascii=False)), any_root=True)
    assert not problems
    return document


def construct(data):
    """The language's models of a document."""
    return PipelineModel.model_validate({key: value for key, value in data.items() if not key.startswith("x-")})


def test_the_shipped_schema_is_that_of_the_models():
    """`python -m yamlgen.pipeline.json_schema` has been run after the last change."""
    assert generate() == committed()


def test_the_shipped_schema_is_one():
    """It is a JSON Schema of the dialect that it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_each_key_has_a_description():
    """Editors show something for every key."""
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    assert all(child.get("description") for part in parts for child in part.get("properties", {}).values())


@given(accepted())
def test_what_the_schema_accepts_constructs(data):
    """The models never refuse what passed the gate."""
    assert accepts(data)
    assert check(composed(data)).diagnostics == []
    construct(data)


@given(damaged())
def test_what_is_mended_constructs(data):
    """After the check the document has no broken part left, and something was said if anything was wrong."""
    shape = check(composed(data))
    construct(shape.document.data)
    assert bool(shape.diagnostics) != accepts(data)


@given(st.dictionaries(texts | st.sampled_from(list(SCHEMA["properties"])), json_values, max_size=5))
def test_any_mapping_is_mended(data):
    """However far from a pipeline a mapping is, its check ends with one that constructs."""
    construct(check(composed(data)).document.data)


@given(damaged())
def test_the_two_validators_agree_on_the_language(data):
    """The fast one lets pass what the one that explains would."""
    assert accepts(data) == jsonschema.Draft202012Validator(SCHEMA).is_valid(data)


@pytest.mark.parametrize("key", ["name", "x"])
@given(data=st.data())
def test_one_mistake_is_one_diagnostic(key, data):
    """A single unknown key anywhere in a right document is the only thing said about it."""
    document = data.draw(accepted())
    document["steps"][next(iter(document["steps"]))][f"{key}_of_nothing_at_all"] = 1
    (found,) = check(composed(document)).diagnostics
    assert "of_nothing_at_all" in found.message


def diagnostics_of(text: str | bytes) -> tuple[Diagnostic, ...]:
    """What a check of a file with this text says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pipeline.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        pipeline, found = check_file(path)
        assert (pipeline is None) == any(d.severity == "error" for d in found)
        return found


_PIECES = st.sampled_from(
    [
        "version: 1\n",
        "steps:\n",
        "  a:\n",
        "    prompt: ",
        "    model: x\n",
        "input: ",
        "{rows: [{a: 1}]}\n",
        "{{ row.a }}",
        "{{",
        "}}",
        "{%",
        "%}",
        "- ",
        "\n",
        "  ",
        ": ",
        "? ",
        "&a ",
        "*a ",
        "<<: ",
        "!!str ",
        "!x ",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "#",
        "\n---\n",
        "...\n",
        ">-\n",
        "|",
        "sk-ant-abcdef",
        "\t",
        "é",
        "\u2028",
        "\x00",
        "~",
        "1e9",
        "{$ref: a}",
    ]
)


@given(st.lists(_PIECES, max_size=20).map("".join) | st.text() | st.binary())
def test_any_text_is_a_pipeline_or_told_what_it_is(text):
    """Whatever a file holds, a check of it ends with diagnostics and never with an exception."""
    diagnostics_of(text)


@given(damaged())
def test_a_damaged_file_is_told_in_source_order(data):
    """A whole check of a damaged pipeline ends, its diagnostics in order and each once."""
    found = diagnostics_of(yaml.safe_dump(data, sort_keys=False))
    places = [(d.mark.line, d.mark.column) for d in found if d.mark.file.endswith("pipeline.yaml")]
    assert places == sorted(places)
    assert len(set(found)) == len(found)
