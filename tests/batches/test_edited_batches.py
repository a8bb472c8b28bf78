"""Pipelines and inputs that are edited while a batch is processed: nothing is paid twice, and what was paid is kept."""

import json

import pytest

from batching_api import batching

RUN = ("run", "small.yaml", "-q", "--batch")


class Project:
    """The small pipeline, whose text is replaced."""

    def __init__(self, folder):
        self.file, self.folder = folder / "small.yaml", folder

    def edit(self, old, new):
        """Replace a part of the pipeline."""
        text = self.file.read_text(encoding="utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), encoding="utf-8")

    def ids(self):
        """The ids of the output's rows."""
        return [json.loads(line)["id"] for line in (self.folder / "out" / "notes.jsonl").read_text().splitlines()]


@pytest.fixture
def project(small):
    """The project."""
    return Project(small)


@pytest.fixture
def api(monkeypatch, project, call):  # noqa: ARG001 - the folder is there
    """An API that processes a batch of seven rows, of eight, and ends what is posted from now on at once."""
    with batching(monkeypatch) as server:
        assert call(*RUN, "--detach").code == 5
        monkeypatch.setattr(server._batches._lives, "_delay", 0.0)
        yield server


def states(call):
    """The batches that the runs have, with their states."""
    runs = json.loads(call("runs", "ls", "--json").out)["runs"]
    shown = [json.loads(call("runs", "show", run["run"], "--json").out)["batches"] for run in runs]
    told = [each for batches in shown for each in batches if each["status"] != "continued"]  # that run is shown too
    return [(each["requests"], each["status"]) for each in told]


def test_a_changed_prompt_does_not_wait_for_the_old_batch(call, api, project):
    """The old one is told, and stays open; a run after its end collects it, and the old prompt is then paid for."""
    project.edit("Write a note", "Write a long note")
    done = call("run", "small.yaml", "--batch")
    assert done.code == 0
    assert (
        "of 7 requests of step `note`, posted by an earlier run, is still in progress; no row of this run" in done.err
    )
    assert sorted(states(call)) == [(7, "in_progress"), (8, "collected")]
    api.finish()
    done = call("run", "small.yaml", "--batch")
    assert "7 succeeded in 1 batch" in done.err
    assert sorted(states(call)) == [(7, "collected"), (8, "collected")]
    project.edit("Write a long note", "Write a note")
    assert call(*RUN).code == 0
    assert api.sizes == [7, 8]
    assert set(api.asked.values()) == {1}


def test_an_old_batch_that_has_ended_is_collected_by_the_run_with_the_new_prompt(call, api, project):
    """At its end, and whether it has batches or not."""
    project.edit("Write a note", "Write a long note")
    api.finish()
    assert call("run", "small.yaml", "-q", "--no-batch").code == 0
    assert states(call) == [(7, "collected")]
    project.edit("Write a long note", "Write a note")
    assert call("run", "small.yaml", "-q", "--offline").code == 0


@pytest.mark.parametrize("way", ["--batch", "--no-batch"])
def test_a_renamed_step_uses_the_batch_of_the_old_name(call, api, project, way):
    """The key of an answer has no name of a step."""
    project.edit("note: {", "remark: {")
    api.finish()
    assert call("run", "small.yaml", way, "-q").code == 0
    assert set(api.asked.values()) == {1}
    assert project.ids() == [*range(1, 9)]


def test_a_removed_step_is_collected_all_the_same(call, api, project):
    """No row needs it; its answers were billed."""
    project.edit("steps:", "steps:\n  other: {model: claude-haiku-5-5, max_tokens: 99, prompt: 'Hail {{ row.topic }}'}")
    text = project.file.read_text().splitlines()
    project.file.write_text("\n".join(line for line in text if "note: {" not in line))
    api.finish()
    for _ in range(2):
        done = call("run", "small.yaml", "--batch")
        assert done.code == 0, done.err
    assert sorted(states(call)) == [(7, "collected"), (7, "collected")]


def test_a_pipeline_without_models_collects_it_too(call, api, project):
    """Only computed steps are left: there is no need to ask, but what was paid is kept."""
    text = project.file.read_text().splitlines()
    step = "  size: {kind: compute, value: row.topic | length}"
    project.file.write_text("\n".join(step if "note: {" in line else line for line in text))
    api.finish()
    assert call("run", "small.yaml", "-q").code == 0
    assert states(call) == [(7, "collected")]


def test_changed_rows_are_sent_and_the_others_waited_for(call, api, project):
    """A batch has some of the rows; new and changed ones go into another, and removed ones are kept in the store."""
    rows = [{"id": number, "topic": f"town {number}"} for number in (8, 7, 6, 5)]
    rows += [{"id": 4, "topic": "village 4"}, {"id": 30, "topic": "town 30"}]
    (project.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    api.finish()
    assert call(*RUN).code == 0
    assert api.sizes == [7, 2]
    assert set(api.asked.values()) == {1}
    assert project.ids() == [8, 7, 6, 5, 4, 30]


def test_batches_that_are_turned_off_are_waited_for(call, api, project):
    """`batch: true` that is removed from the file, with a step beside that keeps it."""
    project.edit(
        "output:", "  more: {model: claude-haiku-5-5, max_tokens: 50, batch: true, prompt: '{{ row.id }}'}\noutput:"
    )
    api.finish()
    assert call("run", "small.yaml", "-q").code == 0
    assert api.sizes == [7, 7]
    assert set(api.asked.values()) == {1}


def test_a_changed_address_leaves_the_batch_alone(call, api, monkeypatch):
    """Another API does not know it: it is not asked for it, and pays for its own answers."""
    with batching(monkeypatch) as other:
        assert call("run", "small.yaml", "-q", "--no-batch").code == 0
        assert other.single.total() == 8
        assert not [path for path, _ in other.requests if "batches" in path]
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    api.finish()
    assert call(*RUN).code == 0
    assert set(api.asked.values()) == {1}
