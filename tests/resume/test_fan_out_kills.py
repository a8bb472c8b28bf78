"""`kill -9` in the middle of a fan-out: at most what was in flight is paid for again, item by item.

The stories are those of `tests/killed_pipeline.py`, told of a pipeline that asks several times for each row: for
items, two of which are equal, and for the samples of each combination. An item that fails is null in one step, and
fails its row in the other.
"""

import pytest

import killed_pipeline
from killed_pipeline import Kill, KillScenario, look, seeded, simulator
from threaded_simulator import serving
from yamlgen.store.codec import unpacked_text
from yamlgen.store.text_frame import TextFrame

PIPELINE = """\
version: 1
name: towns
runtime: {{base_url: "{url}", concurrency: {concurrency}}}
models: {{quick: {{id: claude-haiku-5-5, max_tokens: 1000}}}}
input: {{path: rows.jsonl, id: id}}
steps:
  facts:
    model: quick
    for_each: "['sea', 'food', 'food']"
    on_item_error: "null"
    prompt: "The {{{{ item }}}} of {{{{ row.town }}}}."
    output:
      reasks: 1
      schema:
        type: object
        additionalProperties: false
        required: [score]
        properties: {{score: {{type: integer, minimum: 1, maximum: 5}}}}
  line:
    model: quick
    matrix: {{tone: [dry, warm]}}
    samples: 2
    prompt: "A {{{{ matrix.tone }}}} note on {{{{ row.town }}}}: {{{{ steps.facts | tojson }}}}."
output: {{path: out/towns.jsonl}}
"""
ROWS = 24
NAMES = ("after-receive", "a random moment")
MOMENTS = [moment for moment in seeded(9, seed=11) if moment[0] in NAMES]
"""`durability.py` has the others, and many of them; here it is the middle of a row's items that counts."""


@pytest.fixture(scope="module")
def fanned(tmp_path_factory, fork_server):
    """A server, and what an undisturbed run of the pipeline above comes to there."""
    folder = tmp_path_factory.mktemp("fanned")
    with pytest.MonkeyPatch.context() as patch, serving(simulator()) as server:
        patch.setattr(killed_pipeline, "PIPELINE", PIPELINE)
        yield KillScenario(fork_server, server, folder / "kill_scenario", ROWS)


def test_the_reference_asks_for_each_item(fanned):
    """The undisturbed run asks for all items, combinations and samples, with null items and failed rows among them."""
    good, failed = (text.decode() for text in fanned.reference.outputs)
    assert fanned.reference.requests > ROWS * (3 + 4)
    assert '"facts": [null, ' in good
    assert len(failed.splitlines()) > 3
    folder = fanned.folder / "reference"
    frames = {number: TextFrame(unpacked_text(text)) for number, text in look(folder, "SELECT id, text FROM frame")}
    made = look(folder, "SELECT key, request, request_frame FROM attempt WHERE step = 'line'")
    requests = [unpacked_text(text, frames.get(frame)) for _, text, frame in made]
    equal, same = len(made) - len(set(requests)), len(made) - len({key for key, _, _ in made})
    assert (equal, same) == (ROWS * 2, 0)


@pytest.mark.parametrize(("name", "random"), MOMENTS, ids=[f"{at}-{name}" for at, (name, _) in enumerate(MOMENTS)])
def test_a_kill_in_a_fan_out_costs_what_was_in_flight(name, random, fanned):
    """After a kill all that was told is kept; the next run asks for no item that was answered, and ends the same."""
    kill = Kill.drawn(name, random, fanned.reference.requests)
    told = fanned.run_with_kills(f"story {name} {kill.number}", kill)
    assert (told.lost, told.doubled) == (0, 0)
    assert told.killed == 1 or not kill.certain


def test_a_fan_out_that_is_killed_twice(fanned):
    """A run that is killed in a row's items, and whose next run is killed in them too, ends as if nothing had been."""
    told = fanned.run_with_kills("twice", Kill("before-send", 60), Kill("after-commit", 8))
    assert (told.killed, told.lost, told.doubled) == (2, 0, 0)
