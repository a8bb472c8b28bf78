"""Any order of what happens to batches, over several runs, against a model; and what others see of it meanwhile."""

import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gathered_batches import CREATED, answered, gathered, key_of, post, remote, unanswered
from hand_made_store import HandMadeStore
from hypothesis import given
from hypothesis import strategies as st

from yamlgen.batches.batch_store import State

NAMES = "abcd"
outcomes = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["answered", "errored", "expired"])), max_size=4)
events = st.one_of(
    st.tuples(st.just("begin")),
    st.tuples(st.just("add"), st.integers(0, 2), st.sampled_from(NAMES)),
    st.tuples(st.just("send"), st.integers(0, 2)),
    st.tuples(st.just("settle"), st.integers(0, 2), outcomes),
    st.tuples(st.just("collect"), st.integers(0, 2)),
    st.tuples(st.just("drop"), st.integers(0, 2), st.sampled_from([None, State.LOST])),
)
histories = st.lists(st.lists(events, max_size=16), min_size=1, max_size=3)


@dataclass
class Model:
    """What a store should have: the requests of each open batch, the answers, and the failures of this run."""

    requests: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)
    marks: int = 0

    def holder(self, name):
        """The batch that has the request of a name."""
        return next((number for number, names in self.requests.items() if name in names), None)

    def next_run(self):
        """Forget what was not posted, and why requests failed."""
        for number in [number for number, state in self.states.items() if state == State.GATHERING]:
            self.forget(number)
        self.failures.clear()

    def forget(self, number, state=None):
        """Take a batch out, or only its requests."""
        del self.requests[number]
        if state is None:
            del self.states[number]
        else:
            self.states[number] = state

    def fail(self, name, kind):
        """Note a failure, which counts those before."""
        self.failures[name] = (kind, self.failures.get(name, ("", 0))[1] + 1)

    def settle(self, number, results):
        """Give the requests that the batch has their outcomes, each the first one only. The outcomes to be stored."""
        made = []
        for name, kind in results:
            self.marks += 1
            made.append(answered(name, mark=self.marks) if kind == "answered" else unanswered(name, kind))
            if name not in self.requests[number]:
                continue
            self.requests[number].remove(name)
            if kind == "answered":
                self.answers[name] = (self.marks, number)
                self.failures.pop(name, None)
            else:
                self.fail(name, kind)
        return made


async def apply(model, batches, what, *about):
    """Let one thing happen in the store and in the model."""
    if what == "begin":
        number = await batches.begin_batch("facts")
        assert number not in model.states
        model.states[number], model.requests[number] = State.GATHERING, []
        return
    among = sorted(model.requests)
    if about[0] >= len(among):
        return
    number = among[about[0]]
    is_sent = model.states[number] != State.GATHERING
    match what:
        case "add" if not is_sent:
            is_new = model.holder(about[1]) is None
            assert await batches.add(number, gathered(about[1])) == is_new
            if is_new:
                model.requests[number].append(about[1])
        case "send" if not is_sent:
            await batches.intend(number, CREATED, None)
            model.states[number] = State.POSTING
        case "send" if model.states[number] == State.POSTING:
            await batches.posted(number, remote(ended=False))
            model.states[number] = State.POSTED
        case "settle" if is_sent:
            await batches.settle(number, model.settle(number, about[1]))
        case "collect" if is_sent:
            for name in model.requests[number]:
                model.fail(name, "missing")
            await batches.collected(number, remote())
            model.forget(number, State.COLLECTED)
        case "drop":
            await batches.drop(number, about[1])
            model.forget(number, about[1])


def check(model, recorder):
    """Compare everything that a run can ask of the store."""
    batches = recorder.batches
    for number, state in model.states.items():
        assert batches.record_of(number).state == state
        names = model.requests.get(number, [])
        assert list(batches.entries(number)) == [gathered(name).entry for name in names]
        assert batches.unsettled(number) == len(names)
    for name in NAMES:
        assert batches.batch_of(key_of(name)) == model.holder(name)
        failure = batches.failure(key_of(name))
        told = None if failure is None else (failure.kind, failure.times)
        assert told == (None if model.holder(name) else model.failures.get(name))
        attempt = recorder.recall((key_of(name),), 0)
        mark, number = model.answers.get(name, (None, None))
        assert (attempt and attempt.response["mark"]) == mark
        assert (attempt is not None and attempt.batched) == (number is not None)


@given(histories)
def test_any_history_comes_to_what_the_model_says(runs):
    """Requests, answers and failures are where they should be after each thing that happens, in each run."""
    model = Model()

    async def work(recorder, history):
        model.next_run()
        check(model, recorder)
        for event in history:
            await apply(model, recorder.batches, *event)
            check(model, recorder)

    with tempfile.TemporaryDirectory() as folder:
        store = HandMadeStore(Path(folder) / "store")
        for number, history in enumerate(runs):
            store.run(f"run {number}", lambda recorder, history=history: work(recorder, history))
        assert store.query("PRAGMA integrity_check") == [("ok",)]


def test_another_process_sees_whole_settlements_only(tmp_path):
    """Whoever reads meanwhile sees each request as sent or as answered, and the outcomes of one write together."""
    store, seen, ends = HandMadeStore(tmp_path / "store"), set(), threading.Event()

    def look():
        with closing(sqlite3.connect(f"{store.place.database.as_uri()}?mode=ro", uri=True)) as connection:
            while not ends.is_set():
                counts = "SELECT (SELECT count(*) FROM attempt), (SELECT count(*) FROM batch_request)"
                seen.add(connection.execute(counts).fetchone())

    async def work(recorder):
        names = [f"{number}" for number in range(300)]
        number = await post(recorder.batches, *names)
        reader = threading.Thread(target=look)
        reader.start()
        try:
            for start in range(0, 300, 10):
                await recorder.batches.settle(number, [answered(name) for name in names[start : start + 10]])
        finally:
            ends.set()
            reader.join()
        await recorder.batches.collected(number, remote(succeeded=300))

    store.run("first", work)
    assert len(seen) > 1
    assert {answers + left for answers, left in seen} == {300}
    assert {answers % 10 for answers, _ in seen} == {0}


def test_reading_the_entries_hides_no_answer(tmp_path):
    """While a body is sent, answers that are stored meanwhile are recalled at once."""

    async def work(recorder):
        names = [f"{number}" for number in range(50)]
        number, other = await recorder.batches.begin_batch("facts"), await post(recorder.batches, "a", "b")
        for name in names:
            await recorder.batches.add(number, gathered(name))
        entries = recorder.batches.entries(number)
        sent = [next(entries)]
        await recorder.batches.settle(other, [answered("a"), answered("b")])
        assert recorder.recall((key_of("a"),), 0) is not None
        sent += entries
        return sent == [gathered(name).entry for name in names]

    assert HandMadeStore(tmp_path / "store").run("first", work)


def test_a_store_that_is_copied_while_a_batch_is_open_goes_on(tmp_path):
    """The copy waits for the same batch, and has its answers too."""

    async def begin(recorder):
        number = await post(recorder.batches, "a", "b")
        await recorder.batches.settle(number, [answered("a")])
        shutil.copytree(tmp_path / "store", tmp_path / "copy")

    async def go_on(recorder):
        (found,) = recorder.batches.open_batches()
        await recorder.batches.adopt(found.number)
        await recorder.batches.settle(found.number, [answered("a"), answered("b")])
        return await recorder.batches.collected(found.number, remote(succeeded=2))

    store, copy = HandMadeStore(tmp_path / "store"), HandMadeStore(tmp_path / "copy")
    store.run("first", begin)
    assert store.run("second", go_on) == copy.run("second", go_on)
    answers = "SELECT run, key FROM attempt ORDER BY id"
    assert store.query(answers) == copy.query(answers) == [(1, key_of("a")), (2, key_of("b"))]
