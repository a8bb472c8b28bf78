"""A local engine with a fake provider and a fake store, for tests of the engine."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from yamlgen.api.loading import load
from yamlgen.cancellation import Cancellation
from yamlgen.engine.local_engine import LocalEngine
from yamlgen.engine.spending_limits import Budget
from yamlgen.errors import Code, RowError
from yamlgen.pipeline.pipeline_model import Limits
from yamlgen.row_result import Answer
from yamlgen.value_objects import Attempt, InputRow, Usage

HEAD = "version: 1\ninput: {rows: [{n: 0}]}\noutput: {path: out.jsonl}\nsteps:\n"
ONE = '  one: {model: m, prompt: "one {{ row.n }}"}\n'
TWO = '  two: {model: m, prompt: "two {{ steps.one }}"}\n'
SIDE = '  side: {model: m, prompt: "side {{ row.n }}"}\n'
JOIN = '  join: {model: m, prompt: "join {{ steps.one }} {{ steps.side }}"}\n'

PAID = Attempt({"id": "msg"}, Usage(10, 5), ("$: no",))


class ResultSink:
    """A store in memory, for rows only: finished rows as in the output, and the results of failed rows."""

    def __init__(self):
        self.rows, self.failed = {}, {}

    async def add(self, outcome):
        """Store the result of a row."""
        await asyncio.sleep(0)
        if outcome.failures:
            self.failed[outcome.row.index] = outcome
            return
        self.rows[outcome.row.index] = {**outcome.row.row, **values(outcome)}

    def kept(self, key):  # noqa: ARG002 - a fake keeps no values
        """Return nothing."""
        return

    async def keep(self, key, kept):
        """Store nothing."""


def values(outcome):
    """Return the value of each step for a row."""
    return {step: answer.value for step, answer in outcome.answers.items()}


class FakeModels:
    """A provider of one model for every step: an async function of the step, the text and the watch.

    What it is asked is told, while it is open.
    """

    def __init__(self, reply):
        self.reply, self.is_open = reply, False
        self.asked, self.askers, self.cancellation = [], [], Cancellation()

    @asynccontextmanager
    async def open(self, plan, cancellation, response_store=None, emit=None, desk=None):  # noqa: ARG002 - a fake needs the switch alone
        """Itself, until what it is opened for is at its end."""
        self.cancellation, self.is_open = cancellation, True
        try:
            yield self
        finally:
            self.is_open = False

    def __getitem__(self, step):
        models = self

        class FakeModel:
            async def answer(self, prompt, context, check=None):  # noqa: ARG002 - a fake checks nothing
                assert models.is_open
                models.cancellation.check_sending()
                text = prompt.messages[-1].content
                models.asked.append((step, text))
                models.askers.append(context)
                context.observer.sent()
                value = await models.reply(step, text, context.observer)
                attempt = Attempt({}, Usage(1, 2), seconds=0.5, cost=0.25)
                context.observer.received(attempt, cause="first")
                return Answer(value, (attempt,))

        return FakeModel()


class FakeRun:
    """A run of an engine over rows `{n: 0}, {n: 1}, ...`, and its results."""

    def __init__(self, tmp_path, reply, steps=ONE, rows=3, **options):
        path = tmp_path / "p.yaml"
        path.write_text(HEAD + steps)
        self.plan = load(path).plan()
        self.models, self.sink, self.events, self.cancellation = FakeModels(reply), ResultSink(), [], None
        self.concurrency, self.limits = options.get("concurrency", 20), options.get("limits", {})
        rows = ({"n": n} for n in range(rows)) if isinstance(rows, int) else rows
        self.rows = (InputRow(index, row, f"row {index}") for index, row in enumerate(rows))

    async def engine(self):
        """Run it in this loop."""
        self.cancellation = Cancellation()
        self.budget = Budget(Limits(**self.limits), self.cancellation)
        plan = replace(self.plan, runtime=self.plan.runtime.model_copy(update={"concurrency": self.concurrency}))
        engine = LocalEngine(plan, self.models, self.sink, self.emit, self.cancellation)
        try:
            await engine.run(self.rows)
        finally:
            self.undone = engine.undone

    def emit(self, event):
        """Record an event, and add its cost."""
        self.events.append(event)
        self.budget.observe(event)

    def __call__(self):
        """Run it."""
        asyncio.run(self.engine())
        return self

    def of(self, kind):
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def echo(step, text, _watch):
    """Answer at once."""
    return f"{step}<{text}>"


def refused(code=Code.REFUSED):
    """Return the error of a row, with one billed attempt."""
    return RowError("no", code=code, request={"model": "m"}, attempts=(PAID,))
