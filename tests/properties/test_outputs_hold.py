"""Whatever an output asks for: its rows have the type that the plan gives it, and nothing ends in an internal error."""

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st
from output_strategies import shaped
from pipeline_strategies import pipelines
from plan_runs import compiled

import yamlgen
from yamlgen.api.loading import check, load
from yamlgen.errors import Code
from yamlgen.output.files import row_files
from yamlgen.planning.expansion import resolved


def ran(done):
    """The files that a run on the simulator writes, without its record; no row fails for a bug."""
    result = yamlgen.run(done.pipeline, params=done.params, simulate=True, yes=True)
    assert not [failure for failure in result.failures if failure["code"] == Code.INTERNAL]
    found = [path for path in done.path.parent.glob("out*") if not path.name.endswith(".run.json")]
    return {path.name: path.read_bytes() for path in found}


def written(done, output):
    """The rows of an output, in all its parts, out of its files."""
    whole = done.path.parent / output.config.path
    for file in row_files(output, whole.with_name(f"{whole.stem}.simulated{whole.suffix}")):
        text = file.path.read_text("utf-8")
        yield from json.loads(text) if file.path.suffix == ".json" else map(json.loads, text.splitlines())


@given(shaped())
def test_every_written_row_has_the_type_of_its_output(made):
    """Property: items, nested columns, failed rows that are kept and provenance are as the plan says, in every file."""
    with compiled(made) as done:
        ran(done)
        for output in done.plan.outputs:
            for row in written(done, output):
                assert output.type.errors(row) == (), (output.name, row)


@given(shaped(endings=("jsonl", "json", "csv")))
def test_no_output_ends_in_an_internal_error(made):
    """Property: whatever validates can be planned, rendered, run, exported and run again, to the same bytes."""
    with compiled(made) as done:
        yamlgen.plan(done.pipeline, params=done.params, simulate=True)
        yamlgen.render(done.pipeline, params=done.params, graph="text")
        yamlgen.render(done.pipeline, params=done.params)
        files = [ran(done), ran(done)]
        assert files[0] == files[1]
        for output in done.plan.outputs:
            target = done.path.with_name(f"exported{done.path.with_name(output.config.path).suffix}")
            exported = yamlgen.export(done.path, output={output.name: target} if output.name else target)
            parts = {path.name.replace("exported", "out.simulated"): path.read_bytes() for path in exported.outputs}
            assert exported.rows == 0 or output.name or parts.items() <= files[0].items()


@given(shaped(endings=("jsonl", "json", "csv")))
def test_an_output_that_is_written_out_is_the_same(made):
    """Property: the resolved pipeline compiles, and has the same outputs."""
    with compiled(made) as done:
        path = done.path.with_name("resolved.yaml")
        path.write_text(yaml.safe_dump(resolved(done.plan), allow_unicode=True, sort_keys=False), encoding="utf-8")
        again = load(path).plan().outputs
        assert [(each.name, each.config) for each in again] == [(each.name, each.config) for each in done.plan.outputs]


WORDS = st.sampled_from(["", "item", "row.id", "steps.s0", "1 +", "{{ x }}"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["by", "into", "a", "path"]), inner),
    max_leaves=4,
)
KEYS = ("for_each", "where", "rejected", "unique", "columns", "exclude", "shape", "split", "failed", "csv", "path")


@given(pipelines(kinds=("compute",), most=1), st.dictionaries(st.sampled_from(KEYS), JUNK), st.booleans())
def test_no_output_breaks_the_validation(tmp_path_factory, made, junk, named):
    """Property: an output of anything is judged by diagnostics with places, whatever stands under its keys."""
    output = {"path": "out.jsonl", **junk}
    del made.document["output"]
    made.document |= {"outputs": {"one": output, "two": junk}} if named else {"output": output}
    path = made.write(tmp_path_factory.mktemp("junk"))
    pipeline, diagnostics = check(path, params=made.params)
    assert pipeline is not None or diagnostics
    assert all(each.code != Code.INTERNAL and each.mark.line >= 1 for each in diagnostics)


def test_most_of_the_outputs_compile(tmp_path):
    """The other properties say something: half of the examples are pipelines, and not mistakes."""
    verdicts = []

    @given(shaped())
    def look(made):
        verdicts.append(check(made.write(tmp_path), params=made.params)[0] is not None)

    look()
    assert sum(verdicts) > 0.5 * len(verdicts)
