"""Runs of steps that are done several times for a row, for the tests of steps and of rows."""

from dataclasses import replace

from fake_engine import FakeRun
from yamlgen.cancellation import Cancellation
from yamlgen.engine.scheduler import RowScheduler
from yamlgen.engine.spending_limits import Budget
from yamlgen.engine.step_runner import StepRunner
from yamlgen.pipeline.pipeline_model import Limits

LIST = """\
  list:
    kind: compute
    values: {all: "range(row.n) | list"}
    output:
      schema: {type: object, required: [all], properties: {all: {type: array, items: {type: integer}}}}
"""
"""A step that gives a list of `n` numbers."""

FAN = LIST + '  fan: {model: m, for_each: steps.list.all, prompt: "fan {{ item }}"}\n'
NULLS = FAN.replace("{model", '{on_item_error: "null", model')


class FanOutRun(FakeRun):
    """A run over rows `{n: 4}`, or those with the numbers of `rows`; `width` items of a row are under way at once."""

    def __init__(self, tmp_path, reply, steps=FAN, rows=(4,), *, width=1000, value_cache=None, **options):
        rows = [row if isinstance(row, dict) else {"n": row} for row in rows]
        super().__init__(tmp_path, reply, steps, rows, **options)
        self.width, self.value_cache = width, value_cache

    async def engine(self):
        """Run it in this loop."""
        self.cancellation = Cancellation()
        self.budget = Budget(Limits(**self.limits), self.cancellation)
        plan = replace(self.plan, runtime=self.plan.runtime.model_copy(update={"concurrency": self.concurrency}))
        async with self.models.open(plan, self.cancellation) as models:
            step_runner = StepRunner(models, plan.folder, self.value_cache, self.width)
            try:
                await RowScheduler(plan, step_runner, self.sink, self.emit, self.cancellation).run(self.rows)
            finally:
                await step_runner.close()

    @property
    def texts(self):
        """What was asked, in order."""
        return [text for _, text in self.models.asked]

    @property
    def samples(self):
        """The numbers with which it was asked, in order."""
        return [context.sample for context in self.models.askers]

    def value(self, step="fan", row=0):
        """What a step made of a row that finished."""
        return self.sink.rows[row][step]

    def error(self, step="fan", row=0):
        """Why a step failed a row."""
        return self.sink.failed[row].failures[step]


async def repeat(_step, text, _watch):
    """Answer with what was asked."""
    return text


class Kept:
    """A keeper in memory."""

    def __init__(self):
        self.values = {}

    def kept(self, key):
        """What is under a key."""
        return self.values.get(key)

    async def keep(self, key, kept):
        """Keep a value."""
        self.values[key] = kept
