"""Whatever was edited and run before: a run that takes over finished rows comes to what one that rechecks them does."""

import random
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st
from recheck_histories import EditedHistory

from counted_runs import PipelineProject
from scripted_api import KEY
from yamlgen.api import run_execution

LEAN = settings().max_examples < 100


@given(st.integers(0, 2**32))
@example(155)
@settings(max_examples=100, phases=[Phase.explicit] if LEAN else [Phase.generate])
def test_a_run_and_a_recheck_come_to_the_same(seed):
    """Property: the same bytes, counts, costs, forecasts and records, and nothing is asked afterwards."""
    chance = random.Random(seed)  # noqa: S311 - any order of edits
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "towns"
        home.mkdir()
        patch.setattr(run_execution, "surroundings", cache(run_execution.surroundings))
        with PipelineProject(home) as project:
            patch.setenv("ANTHROPIC_API_KEY", KEY)
            patch.setenv("ANTHROPIC_BASE_URL", project.server.url)
            history = EditedHistory(project, chance)
            try:
                history.go()
                for _ in range(1 if LEAN else 3):
                    for _ in range(chance.randint(0, 2)):
                        history.edit()
                    for _ in range(chance.randint(0, 2)):
                        history.go()
                    history.compare()
            finally:
                note("\n".join(history.told))
