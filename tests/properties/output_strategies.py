"""A strategy for pipelines with outputs of every shape: items, conditions, columns, parts, over what is in scope."""

from dataclasses import replace

from expression_strategies import KINDS_OF_VALUES, Scope, expressions
from hypothesis import strategies as st
from pipeline_strategies import list_sources, pipelines
from schema_strategies import INTEGER

_PARTS = ({"train": 0.5, "test": 0.5}, {"all": 1}, {"a": 0.2, "b": 0.3, "c": 0.5})


@st.composite
def columns(draw, scope, depth=2):
    """A column: an expression, or a list or a mapping of them."""
    form = draw(st.sampled_from(["text", "text", "text", "list", "mapping"])) if depth else "text"
    if form == "list":
        return draw(st.lists(columns(scope, depth - 1), max_size=2))
    if form == "mapping":
        return draw(st.dictionaries(st.sampled_from(["a", "Größe", "items"]), columns(scope, depth - 1), max_size=2))
    return draw(st.just("'user'") | expressions(scope, draw(st.sampled_from(KINDS_OF_VALUES))))


@st.composite
def outputs(draw, made, path):
    """The keys of an output of a pipeline."""
    scope, output = Scope(list(made.scope.atoms)), {"path": path}
    if draw(st.booleans()):
        output["for_each"], item = draw(list_sources(scope))
        scope.add("item", item)
        scope.add("item_index", INTEGER)
        scope.atoms += [("item", item)] * 4
    if draw(st.integers(0, 2)) == 0:
        output["where"] = draw(expressions(scope, "boolean"))
        if draw(st.booleans()):
            output["rejected"] = path.replace("out", "out-rejected")
    if draw(st.integers(0, 2)) == 0:
        output["unique"] = draw(expressions(scope))
    if draw(st.integers(0, 2)):
        names = st.sampled_from(["x", "y y", "s0", "id", "é"])
        output["columns"] = draw(st.dictionaries(names, columns(scope), min_size=1, max_size=3))
    elif draw(st.booleans()):
        steps = [f"steps.{name}" for name in made.document["steps"]]
        output["exclude"] = draw(st.lists(st.sampled_from(["id", *steps]), min_size=1, max_size=3, unique=True))
    if draw(st.integers(0, 2)) == 0:
        parts = draw(st.sampled_from(_PARTS))
        by = Scope([atom for atom in made.scope.atoms if not atom[0].startswith("item")])
        output["split"] = draw(st.sampled_from([parts, {"by": draw(expressions(by)), "into": parts}]))
    if draw(st.integers(0, 2)) == 0:
        output["failed"] = "keep"
    if draw(st.integers(0, 3)) == 0:
        output["provenance"] = True
    if draw(st.integers(0, 9)) == 0:
        output["shape"] = draw(st.sampled_from(["chat", "instruction", "preference"]))
    return output


@st.composite
def shaped(draw, endings=("jsonl", "json")):
    """A pipeline without a model, with one output or two."""
    made = draw(pipelines(kinds=("compute", "compute", "draw", "python"), most=3))
    document = {key: value for key, value in made.document.items() if key != "output"}
    ending = st.sampled_from(endings)
    if draw(st.integers(0, 3)):
        document["output"] = draw(outputs(made, f"out.{draw(ending)}"))
    else:
        names = {"one": f"out.{draw(ending)}", "two": f"out2.{draw(ending)}"}
        document["outputs"] = {name: draw(outputs(made, path)) for name, path in names.items()}
    return replace(made, document=document)
