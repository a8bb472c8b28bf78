"""`yamlgen render --graph`: the steps as text and as Mermaid, wherever the option stands."""

import pytest

from shipped_pipelines import PIPELINES


@pytest.mark.parametrize(
    "arguments",
    [["small.yaml", "--graph"], ["--graph", "small.yaml"], ["--graph=text", "small.yaml"],
     ["--graph", "text", "small.yaml"], ["small.yaml", "--graph", "text"], ["--graph", "--", "small.yaml"],
     ["small.yaml", "--graph", "--set", "name=small"]],
)  # fmt: skip
def test_the_graph_is_text_wherever_the_option_stands(arguments, call, small):
    """`--graph` before the pipeline, behind it, and with its form, prints the same text on stdout."""
    told = call("render", *arguments)
    assert (told.code, told.err) == (0, "")
    assert "  note        generate: claude-haiku-5-5\n    reads     topic\n    value     string\n" in told.out
    assert (small / "small.yaml").exists()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("arguments", [["--graph=mermaid", "small.yaml"], ["small.yaml", "--graph", "mermaid"]])
def test_the_graph_is_mermaid_when_asked(arguments, call):
    """`--graph mermaid` prints a flowchart and nothing else."""
    told = call("render", *arguments)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith('flowchart TD\n  input[("small<br/>rows.jsonl, id id")]\n  step_note("note<br/>')


def test_a_pipeline_may_be_called_by_one_word(call, small):
    """A file without an ending behind `--graph` is the pipeline, and no form."""
    (small / "small.yaml").rename(small / "small")
    assert call("render", "--graph", "small").code == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("arguments", [["small.yaml", "--graph", "mermade"], ["--graph", "mermade", "small.yaml"]])
def test_a_form_that_is_none_lists_those_there_are(arguments, call):
    """A misspelt form is a usage error that names the right ones."""
    told = call("render", *arguments)
    assert (told.code, told.out) == (2, "")
    assert all(form in told.err for form in ("mermade", "text", "mermaid"))


@pytest.mark.usefixtures("small")
def test_a_graph_of_a_row_is_a_usage_error(call):
    """`--graph` and `--row` ask for different things."""
    told = call("render", "small.yaml", "--graph", "--row", "1")
    assert (told.code, told.out) == (2, "")
    assert "cannot be combined" in told.err


@pytest.mark.usefixtures("small")
def test_a_graph_of_a_broken_pipeline_is_its_mistakes(call):
    """A pipeline with mistakes has no graph: they are told, as everywhere."""
    told = call("render", "--graph", "small.yaml", "--set", "steps.note.prompt={{ steps.gone }}")
    assert (told.code, told.out) == (2, "")
    assert "gone" in told.err


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_every_pipeline_has_a_graph_in_a_hundred_columns(path, call):
    """Each pipeline of the repository is shown in both forms, the text no wider than a page."""
    told = call("render", path, "--graph")
    assert told.code == 0
    assert max(map(len, told.out.splitlines())) <= 100
    assert call("render", path, "--graph=mermaid").out.startswith("flowchart TD\n")
