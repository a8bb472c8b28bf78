"""Runs of plans for the property tests: in this process alone with models that make answers up, or with the simulator.

Owns what is expected to come of any plan that compiles, so that the tests only say which plans.
"""

import asyncio
import hashlib
import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import reject

from yamlgen.api.loaded_pipeline import Pipeline
from yamlgen.api.loading import check
from yamlgen.cancellation import Cancellation
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.step_runner import StepRunner
from yamlgen.errors import Code, RowError
from yamlgen.row_result import Answer
from yamlgen.simulator.answers import made_up


@dataclass(frozen=True)
class Compiled:
    """A pipeline that compiled, in a folder of its own."""

    path: Path
    pipeline: Pipeline
    params: dict

    @property
    def plan(self):
        """Its plan."""
        return self.pipeline.plan(self.params)

    def rows(self):
        """Its rows."""
        return list(self.pipeline.source.rows(columns=self.plan.columns))


@contextmanager
def compiled(made):
    """A pipeline in a folder that lasts as long as the context; an example that does not compile is none."""
    with tempfile.TemporaryDirectory(prefix="plans-") as folder:
        path = made.write(Path(folder))
        pipeline, _ = check(path, params=made.params)
        if pipeline is None:
            reject()
        yield Compiled(path, pipeline, made.params)


class _MadeUp:
    """A model whose answers its step's schema accepts; one in twenty is refused."""

    def __init__(self, step):
        self.schema = step.schema

    async def answer(self, prompt, context, check=None):
        """An answer that depends on who asks what."""
        await asyncio.sleep(0)
        seed = json.dumps([repr(prompt), context.step, context.identity, context.sample])
        if hashlib.sha256(seed.encode()).digest()[0] < 13:
            raise RowError("no", code=Code.REFUSED)
        value = made_up(self.schema.value if self.schema else {}, seed)
        assert not self.schema or not self.schema.errors(value)
        errors = check(value) if check else ()
        if errors:
            raise RowError(errors[0], code=Code.INVALID_OUTPUT)
        return Answer(value)


class _Outcomes(list):
    """Keeps what came of each row."""

    async def add(self, outcome):
        """Keep what came of a row."""
        self.append(outcome)


def outcomes(plan, rows):
    """What comes of rows when the models make their answers up; nothing is sent."""

    async def main():
        models = {variant.name: _MadeUp(step) for step, variant in plan.variants}
        performer, kept = StepRunner(models, plan.folder), _Outcomes()
        try:
            await RowScheduler(plan, performer, kept, lambda _: None, Cancellation()).run(rows)
        finally:
            await performer.close()
        return sorted(kept, key=lambda outcome: outcome.row.index)

    return asyncio.run(main())
