"""A local engine with models and a sink at its ports, for the tests of the engine."""

import asyncio

from yamlgen.api import load
from yamlgen.errors import Code, RowError
from yamlgen.halt import Halt
from yamlgen.ports import Answer, Attempt, Usage
from yamlgen.run.local import LocalEngine

HEAD = "version: 1\ninput: {rows: [{n: 0}]}\noutput: {path: out.jsonl}\nsteps:\n"
ONE = '  one: {model: m, prompt: "one {{ row.n }}"}\n'
TWO = '  two: {model: m, prompt: "two {{ steps.one }}"}\n'
SIDE = '  side: {model: m, prompt: "side {{ row.n }}"}\n'
JOIN = '  join: {model: m, prompt: "join {{ steps.one }} {{ steps.side }}"}\n'

PAID = Attempt({"id": "msg"}, Usage(10, 5), ("$: no",))


class Sink:
    """Keeps rows in memory."""

    def __init__(self):
        self.rows, self.failed = {}, {}

    def add(self, index, record):
        """Keep a finished row."""
        self.rows[index] = dict(record)

    def add_failed(self, index, record):
        """Keep a failed row."""
        self.failed[index] = dict(record)


class Models:
    """One model for every step: a function of the step, the text and the notice, awaited."""

    def __init__(self, reply):
        self.reply = reply
        self.asked = []

    def __getitem__(self, step):
        models = self

        class Fake:
            async def answer(self, prompt, notice):
                text = prompt.messages[-1].content
                models.asked.append((step, text))
                value = await models.reply(step, text, notice)
                return value if isinstance(value, Answer) else Answer(value, (Attempt({}, Usage(1, 2)),))

        return Fake()


class Run:
    """A run of an engine over rows `{n: 0}, {n: 1}, ...`, and all that came of it."""

    def __init__(self, tmp_path, reply, steps=ONE, rows=3, concurrency=20):
        path = tmp_path / "p.yaml"
        path.write_text(HEAD + steps)
        self.plan = load(path).plan()
        self.models, self.sink, self.events, self.halt = Models(reply), Sink(), [], None
        self.concurrency = concurrency
        self.rows = [{"n": n} for n in range(rows)] if isinstance(rows, int) else rows

    async def engine(self):
        """Run it in this loop."""
        self.halt = Halt()
        engine = LocalEngine(self.plan, self.models, self.sink, self.events.append, self.halt, self.concurrency)
        await engine.run(self.rows)

    def __call__(self):
        """Run it."""
        asyncio.run(self.engine())
        return self

    def of(self, kind):
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def echo(step, text, _notice):
    """Answer at once."""
    return f"{step}<{text}>"


def refused(code=Code.REFUSED):
    """A row's error with one paid attempt."""
    return RowError("no", code=code, request={"model": "m"}, attempts=(PAID,))
