"""Any plan that compiles runs: on the simulator, with faults too, without an error that is not a row's own."""

import asyncio

import yaml
from hypothesis import given
from hypothesis import strategies as st
from pipeline_strategies import pipelines
from plan_runs import compiled

import yamlgen
from yamlgen.api.loading import check, load
from yamlgen.api.preparation import estimate
from yamlgen.api.row_requests import requests_of_row
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, RowError
from yamlgen.events import RequestSent
from yamlgen.planning.expansion import resolved

faults = st.sampled_from([(), (), ("invalid_output=0.4",), ("refusal=0.3", "truncate=0.2")])


class Ran:
    """A run on the simulator: its result, how often it has sent, the files that it wrote."""

    def __init__(self, done, of):
        self.sent = 0
        self.result = yamlgen.run(
            done.pipeline, params=done.params, on_event=self._count, simulate=True, faults=of, yes=True
        )
        written = [path for path in done.path.parent.glob("out*") if not path.name.endswith(".run.json")]
        self.files = {path.name: path.read_bytes() for path in written}

    def _count(self, event):
        self.sent += isinstance(event, RequestSent)


def requests(pipeline, params):
    """The requests of the first row; a row that a template fails for has its code."""
    try:
        return asyncio.run(requests_of_row(pipeline, params, 1))
    except RowError as error:
        return error.code


def foreseen(done, of):
    """How many requests a run would send."""
    options = RunOptions(simulate=True, faults=of)
    return sum(
        step.requests for step in asyncio.run(estimate(done.pipeline, params=done.params, options=options)).steps
    )


@given(pipelines(), faults)
def test_any_plan_that_compiles_runs(made, of):
    """Property: every row is finished or set aside for a reason of its own, and a second run sends nothing."""
    with compiled(made) as done:
        foreseen(done, of)
        first = Ran(done, of)
        report, result = first.result.report, first.result
        assert report.finished + report.failed == len(done.rows())
        assert (report.finished, report.failed) == (len(result.rows()), len(result.failures))
        assert not [failure for failure in result.failures if failure["code"] == Code.INTERNAL]
        if not any(step.kind == "python" for step in done.plan.steps):  # what one would return is not known before
            assert foreseen(done, of) == 0
        again = Ran(done, of)
        assert again.sent == 0
        assert again.files == first.files


@given(pipelines())
def test_the_output_of_any_plan_satisfies_its_types(made):
    """Property: what stands in the output, after the store and the files, is of the types that the plan has."""
    with compiled(made) as done:
        for row in Ran(done, ()).result.rows():
            for step in done.plan.steps:
                assert step.type.errors(row[step.name]) == (), step.name


@given(pipelines())
def test_a_plan_that_is_written_out_asks_the_same(made):
    """Property: the resolved pipeline, saved beside the first, compiles, and its requests are the same."""
    with compiled(made) as done:
        written = resolved(done.plan)
        path = done.path.with_name("resolved.yaml")
        path.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), encoding="utf-8")
        again = load(path)
        assert requests(again, {}) == requests(done.pipeline, done.params)
        assert resolved(again.plan()) == written


def test_most_of_the_pipelines_compile(tmp_path):
    """The other properties say something: seven of ten examples are pipelines, and not mistakes."""
    verdicts = []

    @given(pipelines())
    def look(made):
        verdicts.append(check(made.write(tmp_path), params=made.params)[0] is not None)

    look()
    assert sum(verdicts) > 0.7 * len(verdicts)
