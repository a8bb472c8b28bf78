"""What the compiler says that a step's value is, it is, whatever the pipeline and its rows."""

from hypothesis import given
from pipeline_strategies import Made, pipelines
from plan_runs import compiled, outcomes


def values(done):
    """Each value that a step came to, with the step."""
    plan = done.plan
    for outcome in outcomes(plan, done.rows()):
        for step in plan.steps:
            if step.name in outcome.answers:
                yield step, outcome.answers[step.name]


@given(pipelines())
def test_a_value_satisfies_the_type_that_the_plan_inferred(made):
    """Property: types are sound for every step of every row; one that is null for a row was known to be nullable."""
    with compiled(made) as done:
        for step, answer in values(done):
            assert step.type.errors(answer.value) == (), step.name


@given(pipelines(kinds=("compute", "draw", "python")))
def test_values_made_without_a_model_satisfy_their_types(made):
    """Property: the same where nothing but expressions, functions and draws make the values."""
    with compiled(made) as done:
        for step, answer in values(done):
            assert step.type.errors(answer.value) == (), step.name


def test_a_filter_that_may_leave_a_list_is_no_text():
    """`truncate` gives a short list back as it is."""
    steps = {"a": {"kind": "compute", "values": {"x": "row.tags | truncate", "y": "[row.tags] | map('truncate')"}}}
    made = Made({"version": 1, "input": {"rows": [{"tags": ["q"]}]}, "steps": steps, "output": {"path": "o.jsonl"}}, {})
    with compiled(made) as done:
        ((step, answer),) = values(done)
        assert answer.value == {"x": ["q"], "y": [["q"]]}
        assert step.type.errors(answer.value) == ()
