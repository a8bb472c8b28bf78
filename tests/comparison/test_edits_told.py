"""No false alarm, no miss: what `diff` tells of an edit is held against what a run of the edited pipeline sends.

By default, every kind of edit is tried once, several edits of a pipeline at a time. With the option
`--hypothesis-profile thorough`, every edit of every pipeline is tried by itself, more than 2,000, and a thousand random
combinations.
"""

import re
import shutil
from dataclasses import dataclass, replace
from functools import cache

import pytest
from compared_runs import SIMULATED, Project, copied_store, prepared, ran, told
from edited_pipelines import PROJECTS, Edit, edits_of
from hypothesis import given, settings
from hypothesis import strategies as st

from yamlgen.api.loading import check
from yamlgen.api.run_options import RunOptions
from yamlgen.comparison.step_changes import ASKING, StepVerdict

IS_THOROUGH = settings().max_examples > 100
FORMS = {StepVerdict.SAME, StepVerdict.COSMETIC}
QUIET = FORMS | {StepVerdict.RECOMPUTED}
_SHARED = 8
"""Into how many tests the edits are divided, which run side by side."""


_STEPS = {name: "|".join(project.document["steps"]) for name, project in PROJECTS.items()}


@dataclass(frozen=True)
class Case:
    """An edit of a project."""

    name: str
    project: str
    edit: Edit

    @property
    def kind(self):
        """What it edits, whatever the name of the step is."""
        steps = _STEPS[self.project]
        return re.sub(rf"\.(?:{steps})$", "", self.edit.name)


CASES = [Case(f"{name}:{edit.name}", name, edit) for name, project in PROJECTS.items() for edit in edits_of(project)]
FOUND = ("python:generate.check_fails_all.two",)
"""Edits with which errors were found."""


@cache
def _packs():
    """Edits of one pipeline that are tried together: every kind of edit once; or every edit by itself."""
    if IS_THOROUGH:
        return [[case] for case in CASES]
    by_kind, by_project = {}, {}
    for case in CASES:
        by_kind.setdefault(case.kind, []).append(case)
    for number, cases in enumerate(by_kind.values()):
        by_project.setdefault((cases[number % len(cases)].project, cases[0].edit.is_form), []).append(
            cases[number % len(cases)]
        )
    found = [[case] for case in CASES if case.name in FOUND]
    for (_, is_form), cases in by_project.items():
        size = 40 if is_form else 20
        found += [cases[start : start + size] for start in range(0, len(cases), size)]
    return found


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """The folders in which the pipelines have run, by what is asked for; each is made when it is needed first."""
    made = {}

    def base(name, options=SIMULATED, **run):
        key = name, options.faults, options.limit, options.batch, *run.items()
        if key not in made:
            made[key] = tmp_path_factory.mktemp(name)
            prepared(made[key] / "before", PROJECTS[name], options, **run)
        return made[key]

    return base


def _is_valid(folder, project):
    """Write the newer project, and return whether it is one."""
    shutil.rmtree(folder / "after", ignore_errors=True)
    (folder / "after").mkdir()
    return check(project.write(folder / "after"), examine=False)[0] is not None


def proven(folder, before, after, *, is_form=False, is_full=True, options=SIMULATED):
    """Hold a comparison of two projects against a run of the newer one; return whether the newer one is valid.

    Args:
        folder: has the older project and its store in `before`.
        before: the older project.
        after: the newer project.
        is_form: whether nothing may be told.
        is_full: whether the store has every answer that the older project needs.
        options: the simulator.
    """
    if not _is_valid(folder, after):
        return False
    copied_store(folder / "before", folder / "after")
    bare = told(folder, before, after, options=replace(options, store=folder / "nowhere"))
    known = told(folder, before, after, options=options)
    sent = ran(folder / "after" / after.main, options)
    assert sent.error is None
    assert_told(known, sent, is_full=is_full)
    assert_told_at_most(bare, sent, is_full=is_full)
    if is_form:
        assert not sent.requests
        for each in (bare, known):
            assert not each.pairs("sure", "opened")
            assert {step.verdict for step in each.change.steps} <= FORMS
            assert not each.change.id
            assert not each.change.asks
    return True


def assert_told(known, sent, *, is_full=True):
    """What is sure is sent, and what is sent is sure or open; the numbers are equal where nothing is open."""
    asked = set(sent.requests)
    sure, rest = known.pairs("sure"), known.pairs("opened") | (set() if is_full else known.pairs("pending"))
    assert sure <= asked, "false alarm"
    assert asked <= sure | rest, "missed"
    for step in known.change.steps:
        if step.tally is None or step.move == "removed":
            continue
        rows = {row for row, name in asked if name == step.step}
        is_known = not (step.tally.opened or step.tally.pending)
        if is_known:
            assert step.tally.sure == len(rows)
            requests, reasks = (
                sum(count for (_, name), count in each.items() if name == step.step)
                for each in (sent.requests, sent.reasks)
            )
            if step.sure is not None and is_full:  # a refused request may be sent again in another form
                assert requests - reasks <= step.sure.requests <= requests
        if step.verdict in QUIET or (
            step.verdict is StepVerdict.RECHECKS and not (step.tally.sure or step.tally.opened)
        ):
            assert not rows or (step.tally.pending and not is_full)
        if step.verdict in ASKING and is_full:
            assert rows or step.tally.opened or step.tally.stored


def assert_told_at_most(bare, sent, *, is_full=True):
    """Without a store, nothing is sent that was not told."""
    listed = bare.pairs("sure", "opened") | (set() if is_full else bare.pairs("pending"))
    assert set(sent.requests) <= listed, "missed without a store"


def _edited(folder, pack):
    """The pipeline with edits, without those after which it is no valid one; and the number of the others."""
    made = PROJECTS[pack[0].project]
    for case in pack:
        made = case.edit.apply(made) or made
    if len(pack) == 1 or _is_valid(folder, made):
        return made, len(pack)
    made, count = PROJECTS[pack[0].project], 0
    for case in pack:
        after = case.edit.apply(made)
        if after is not None and _is_valid(folder, after):
            made, count = after, count + 1
    return made, count


@pytest.mark.parametrize("share", range(_SHARED))
def test_what_is_sure_is_sent_and_nothing_else_but_what_is_open(share, bases):
    """A comparison with all answers, and one without a store, hold for every edit."""
    failed, done, tried = [], 0, 0
    for pack in _packs()[share::_SHARED]:
        folder, before = bases(pack[0].project), PROJECTS[pack[0].project]
        after, count = _edited(folder, pack)
        tried += len(pack)
        try:
            is_form = all(case.edit.is_form for case in pack)
            done += count if count and proven(folder, before, after, is_form=is_form) else 0
        except AssertionError as error:
            failed.append(f"{', '.join(case.name for case in pack)}: {error}")
    assert not failed
    assert done > tried / 2


@settings(max_examples=settings().max_examples if IS_THOROUGH else 5)
@given(data=st.data())
def test_edits_together(data, bases):
    """The same holds for several edits at once."""
    name = data.draw(st.sampled_from(sorted(PROJECTS)))
    edits = data.draw(
        st.lists(st.sampled_from([case for case in CASES if case.project == name]), min_size=2, max_size=3)
    )
    after, is_form = PROJECTS[name], all(case.edit.is_form for case in edits)
    for case in edits:
        after = case.edit.apply(after) or after
    proven(bases(name), PROJECTS[name], after, is_form=is_form)


SOME = ("generate.prompt_word", "generate.check_0", "compute.value_some", "rows.added")
PARTIAL = {
    "limited": (replace(SIMULATED, limit=2), {}),
    "stopped": (SIMULATED, {"stop_after": 3}),
}


def _some(kinds, names=PROJECTS):
    cases = [case for case in CASES if case.project in names and (IS_THOROUGH or case.kind in kinds)]
    cases = cases if IS_THOROUGH else list({(case.project, case.kind): case for case in cases}.values())
    edited = ((case, case.edit.apply(PROJECTS[case.project])) for case in cases)
    return [(case, PROJECTS[case.project], after) for case, after in edited if after is not None]


@pytest.mark.parametrize("how", PARTIAL)
def test_a_store_with_some_answers(how, bases):
    """What the older side lacks too is pending: it is sent, but not because of the change."""
    options, run = PARTIAL[how]
    failed = []
    for case, before, after in _some(SOME, ("checked",)):
        try:
            proven(bases(case.project, options, **run), before, after, is_full=False)
        except AssertionError as error:
            failed.append(f"{case.name}: {error}")
    assert not failed


def test_a_store_that_has_the_new_answers(bases, tmp_path):
    """Nothing is sure if the edited pipeline has run already, and nothing is sent."""
    for case, before, after in _some(SOME[:3], ("chain", "compute")):
        if not _is_valid(tmp_path, after):
            continue
        shutil.copytree(bases(case.project) / "before", tmp_path / "before", dirs_exist_ok=True)
        copied_store(tmp_path / "before", tmp_path / "after")
        ran(tmp_path / "after" / after.main)
        known = told(tmp_path, before, after)
        assert not known.pairs("sure", "opened")
        assert not known.change.asks
        assert not ran(tmp_path / "after" / after.main).requests


FAULTS = ("bad_request=0.3", "invalid_output=0.4", "refusal=0.3")


@pytest.mark.parametrize("fault", FAULTS)
def test_answers_that_failed(fault, bases):
    """Refused requests, and answers that are not accepted, are as good as answers: they are not asked again."""
    options = RunOptions(simulate=True, max_concurrency=4, faults=(fault,), seed=3)
    failed = []
    for case, before, after in _some((SOME[0], SOME[3]), ("checked", "chain")):
        try:
            proven(bases(case.project, options), before, after, is_full=False, options=options)
        except AssertionError as error:
            failed.append(f"{case.name}: {error}")
    assert not failed


def test_a_pipeline_that_moves_leaves_its_store(bases, tmp_path):
    """A renamed file has another store: every request of the first step is sent again, and told."""
    before = PROJECTS["chain"]
    after = Project({"q.yaml": before.files["p.yaml"], "rows.jsonl": before.files["rows.jsonl"]}, "q.yaml")
    shutil.copytree(bases("chain") / "before", tmp_path / "before")
    assert _is_valid(tmp_path, after)
    copied_store(tmp_path / "before", tmp_path / "after")
    known = told(tmp_path, before, after)
    sent = ran(tmp_path / "after" / "q.yaml")
    assert_told(known, sent)
    assert known.pairs("sure") == {(row, "label") for row in range(3)}
