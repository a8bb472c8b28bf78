"""The guide about batches keeps its word: its pipeline, its commands and its message are what happens."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from manual_pages import DOCS, blocks
from threaded_simulator import CountingSimulator, Told, serving

GUIDE = DOCS / "guides" / "batches.md"
TRIALS = [block.text for block in blocks(GUIDE, "sh")]
TEXTS = [block.text for block in blocks(GUIDE, "text")]
ROWS = [{"text": text} for text in ("The kettle leaks.", "A good knife.", "Too loud.")]


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """The first pipeline of the guide with three rows, as `pipeline.yaml` in the folder in which the test stands."""
    monkeypatch.chdir(tmp_path)
    written = yaml.safe_load(blocks(GUIDE, "yaml")[0].text)
    rest = {"version": 1, "input": {"rows": ROWS}, "output": {"path": "out.jsonl"}}
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({**rest, **written}, sort_keys=False), encoding="utf-8")
    return path


def commands(text):
    """The commands of a block, each as its words after `yamlgen`."""
    return [shlex.split(line, comments=True)[1:] for line in text.splitlines() if line.startswith("yamlgen ")]


def batched(record):
    """How many answers came with batches, by step, as a record says."""
    steps = json.loads(Path(record).read_text(encoding="utf-8"))["steps"]
    return {name: step["batched"] for name, step in steps.items()}


@pytest.mark.usefixtures("pipeline")
def test_the_trial_without_a_key(call):
    """One request goes by itself, the others in batches: the settings of both steps are the same."""
    (trial,) = [words for text in TRIALS for words in commands(text) if "--simulate" in words]
    words = [{"20": "0.2"}.get(word, word) for word in trial]
    told = call(*words)
    assert told.code == 0, told.err
    assert batched("out.simulated.run.json") == {"facts": 2, "title": 3}


@pytest.mark.usefixtures("pipeline")
def test_the_trial_with_a_simulator_of_its_own(call, monkeypatch):
    """A detached run leaves a batch, which is shown; the same command without `--detach` collects it."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    detached, shown, again = commands(TRIALS[-1])
    with serving(CountingSimulator(batch_delay=2)) as simulator:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
        assert call(*detached).code == 5
        assert not Path("trial.jsonl").exists()
        batches = yaml.safe_load(call(*shown).out)["batches"]
        told = {(batch["step"], batch["requests"], batch["status"]) for batch in batches}
        assert told == {("facts", 2, "in_progress"), ("title", 1, "in_progress")}
        assert call(*again).code == 0
    assert len(Path("trial.jsonl").read_text(encoding="utf-8").splitlines()) == len(ROWS)


@pytest.mark.usefixtures("pipeline")
def test_a_gateway_without_batches(call, monkeypatch):
    """The message of the guide, for an address that answers single requests only."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    usage = {"input_tokens": 1, "output_tokens": 1}
    answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "usage": usage}
    answer |= {"content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn", "stop_sequence": None}
    with serving(Told(lambda _: (200, answer))) as gateway:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", gateway.url)
        told = call("run", "pipeline.yaml", "-q")
        assert yaml.safe_load(call("runs", "show").out)["batches"] == []  # what was gathered is not a batch
    assert told.code == 3
    (shown,) = [text for text in TEXTS if text.startswith("error[")]
    fact, fix = shown.replace("Not Found", "404: Not Found").splitlines()  # as this server says it
    assert re.sub(r"http://[\d.]+:\d+", "https://gateway.example", told.err.splitlines()[0]) == fact
    assert told.err.splitlines()[1].startswith(fix)
