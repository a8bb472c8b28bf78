"""A case does not pass where a run of its rows ends with another exit code than 0."""

import pytest

import yamlgen
from yamlgen.errors import LimitReached

PIPELINE = """\
version: 1
input: {{path: rows.csv, id: id}}
limits: {limits}
steps:
  label:
    model: claude-haiku-5-5
{keys}
    prompt: "{{{{ row.text }}}} {{{{ item }}}}"
    output: {{schema: {{enum: [a, b]}}}}
    check: ["{check}"]
output: {{path: out.jsonl}}
"""
ITEMS = "    for_each: '[1, 2]'\n    on_item_error: null"
STEP = "    on_error: null"
NEVER = "row.id == 'none'"


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Return a function that records a case, and returns its flaws and the exit code of a run of its rows."""
    monkeypatch.chdir(tmp_path)

    def judge(case, *, keys=ITEMS, check=NEVER, limits="{}", rows=3):
        text = PIPELINE.format(keys=keys, check=check, limits=limits)
        (tmp_path / "p.yaml").write_text(text if keys == ITEMS else text.replace(" {{ item }}", ""), "utf-8")
        (tmp_path / "rows.csv").write_text("id,text\n" + "".join(f"t-{at},a\n" for at in range(1, rows + 1)), "utf-8")
        (tmp_path / "p.test.yaml").write_text(f"version: 1\npipeline: p.yaml\ncases:\n  - name: c\n{case}", "utf-8")
        try:
            (done,) = yamlgen.test("p.test.yaml", record=True, simulate=True).cases
        except LimitReached:
            (tmp_path / "p.yaml").write_text((tmp_path / "p.yaml").read_text("utf-8").replace(limits, "{}"), "utf-8")
            yamlgen.test("p.test.yaml", record=True, simulate=True)
            (tmp_path / "p.yaml").write_text(text if keys == ITEMS else text.replace(" {{ item }}", ""), "utf-8")
            (done,) = yamlgen.test("p.test.yaml").cases
        assert done.verdict != "not recorded"
        return [flaw.what for flaw in done.flaws]

    return judge


MATRIX = "    matrix: {tone: [dry, warm]}\n    on_item_error: null"
ONE = "    row: {id: t-1, text: a}\n"
MANY = "    rows: {path: rows.csv}\n"


@pytest.mark.parametrize(
    ("keys", "lost"),
    [(ITEMS, "every item of `label` failed and is null"), (STEP, "`label` failed and is null")],
)
def test_a_step_that_lost_everything_fails_its_case(keys, lost, judged):
    """A run of these rows exits with 1, although no row fails; a count of failed rows does not change that."""
    assert judged(ONE, keys=keys) == [lost]
    assert judged(f"{MANY}    expect: [failed == 0]\n", keys=keys) == [f"{lost} in every row"]


@pytest.mark.parametrize(
    ("keys", "condition"),
    [
        (ITEMS, "steps.label[0] is none and steps.label[1] is none"),
        (STEP, "steps.label is none"),
        (MATRIX, "steps.label[1].output is none"),
    ],
)
def test_a_condition_for_null_judges_the_only_row(keys, condition, judged):
    """The author has said that the step fails for this row."""
    assert judged(f"{ONE}    expect: ['{condition}']\n", keys=keys) == []


@pytest.mark.parametrize("condition", ["steps.label is not none or true", "steps.label | length == 2"])
def test_a_condition_that_null_does_not_make_true_allows_no_lost_step(condition, judged):
    """It reads the step, and is true whatever it returned."""
    assert judged(f"{ONE}    expect: ['{condition}']\n") == ["every item of `label` failed and is null"]


def test_a_lost_item_beside_others_is_judged_by_conditions(judged):
    """A run of these rows exits with 0."""
    assert judged(f"{MANY}    expect: [finished == 3]\n", check="row.id != 't-2' or item == 1") == []


def test_the_limit_on_failures_counts_rows_that_lost_an_item(judged):
    """A run of these rows stops there and exits with 4."""
    found = judged(
        f"{MANY}    expect: [finished == 3]\n", check="row.id == 't-2' or item == 1", limits="{max_failures: 1}"
    )
    expected = "a run of these rows is stopped at `limits.max_failures`: 2 rows failed or lost an item, more than 1"
    assert found == [expected]


def test_failures_within_the_limit_pass(judged):
    """As in the run."""
    case = f"{MANY}    expect: [finished == 3]\n"
    assert judged(case, check="row.id == 't-2' or item == 1", limits="{max_failures: 2}") == []


def test_the_limits_on_failures_do_not_apply_to_one_row(judged):
    """A limit is one of many rows: the only row is judged by its conditions."""
    case = f"{ONE}    expect: ['steps.label[1] is none']\n"
    assert judged(case, check="item == 1", limits="{max_failures: 0}") == []


def test_a_case_that_is_not_replayed_is_judged_alike(judged):
    """The simulator answers; a limit ends the test, as it ends the run."""
    assert judged(ONE)
    (done,) = yamlgen.test("p.test.yaml", simulate=True).cases
    assert [flaw.what for flaw in done.flaws] == ["every item of `label` failed and is null"]
    assert judged(f"{MANY}    expect: [finished == 3]\n", limits="{max_failures: 1}")
    with pytest.raises(LimitReached):
        yamlgen.test("p.test.yaml", simulate=True, max_concurrency=1)
