"""Models with connections of their own: two addresses, two keys, of which one may be slow, down or changed."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
import yaml

from scripted_api import Reply, ScriptedServer, message, refusal
from yamlgen.api.loading import load
from yamlgen.api.preparation import estimate
from yamlgen.api.run_execution import execute
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, Detached, YamlgenError
from yamlgen.reports.report import Report
from yamlgen.simulator.server import Simulator

NOWHERE = "http://127.0.0.1:9"
OUR_KEY, JUDGE_KEY = "canary-key-of-us-11", "canary-key-of-judge-22"


def by(name, **more):
    """Replies that name who answers."""
    return lambda body: Reply(message(f"{name} on {body['messages'][-1]['content']}", model=body["model"]), **more)


class Project:
    """A pipeline whose writer and judge are at two servers."""

    def __init__(self, folder):
        self.folder = folder
        self.ours, self.judges = ScriptedServer(by("writer")), ScriptedServer(by("judge"))
        self.rows = [{"town": town} for town in ("Oslo", "Rome", "Graz")]
        self.judge = {"id": "claude-haiku-5-5", "runtime": {"api_key_env": "JUDGE_KEY"}}
        self.runtime = {"max_retries": 0}
        self.limits = {}
        self.steps = {
            "line": {"model": "writer", "prompt": "A line on {{ row.town }}."},
            "verdict": {"model": "judge", "prompt": "A verdict on {{ row.town }}."},
        }
        self.batch = False

    def __enter__(self):
        self._runner = asyncio.Runner()
        for server in (self.ours, self.judges):
            self._runner.run(server.__aenter__())
        self.judge["runtime"]["base_url"] = self.judges.url
        return self

    def __exit__(self, *_):
        for server in (self.ours, self.judges):
            self._runner.run(server.__aexit__())
        self._runner.close()

    @property
    def path(self):
        """The pipeline file."""
        return self.folder / "towns.yaml"

    @property
    def outcome(self):
        """The code of the error that has ended the last run, and how many requests each server got."""
        return (self.error and self.error.code, *self.asked)

    def save(self):
        """Write the pipeline."""
        document = {
            "version": 1,
            "name": "towns",
            "models": {"writer": {"id": "claude-haiku-5-5"}, "judge": self.judge},
            "runtime": self.runtime,
            "limits": self.limits,
            "input": {"rows": self.rows},
            "batch": self.batch,
            "steps": self.steps,
            "output": {"path": "out/towns.jsonl"},
        }
        self.path.write_text(yaml.safe_dump(document, sort_keys=False))

    def wait(self, work):
        """What a coroutine comes to, in the loop of the servers."""
        return self._runner.run(work)

    def run(self, **options):
        """Run it, and return its report."""
        self.save()
        report, before = Report(), (len(self.ours.bodies), len(self.judges.bodies))
        self.error = None
        try:
            self.wait(execute(load(self.path), options=RunOptions(**options), emit=report.observe))
        except YamlgenError as error:
            self.error = error
        after = len(self.ours.bodies), len(self.judges.bodies)
        self.asked = after[0] - before[0], after[1] - before[1]
        return report

    def lines(self):
        """The rows of the output."""
        return [json.loads(line) for line in (self.folder / "out" / "towns.jsonl").read_text().splitlines()]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project, whose own address is that of the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", OUR_KEY)
    monkeypatch.setenv("JUDGE_KEY", JUDGE_KEY)
    with Project(tmp_path) as made:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", made.ours.url)
        yield made


def keys_at(server):
    """The keys that a server has got."""
    return {headers["Authorization"].removeprefix("Bearer ") for headers in server.headers}


def test_each_model_is_asked_at_its_own_address_with_its_own_key(project):
    """The environment's address serves the file's connection alone, and no key reaches the other address."""
    project.run()
    assert project.outcome == (None, 3, 3)
    assert (keys_at(project.ours), keys_at(project.judges)) == ({OUR_KEY}, {JUDGE_KEY})
    assert {row["verdict"].split()[0] for row in project.lines()} == {"judge"}


def test_the_connection_can_be_at_the_top_or_in_a_step(project):
    """The key `runtime` of a model works wherever a model is written."""
    own = project.judge
    project.steps["line"] = {"model": own, "prompt": "A line on {{ row.town }}."}
    project.run()
    assert project.outcome == (None, 0, 6)


def test_a_changed_address_asks_only_its_own_model_again(project):
    """The address is in the keys of that model only."""
    project.run()
    project.judge["runtime"]["base_url"] += "/v2"
    project.run()
    assert project.outcome == (None, 0, 3)
    assert project.judges.paths[-1].endswith("/v2/v1/messages")
    project.judge["runtime"] |= {"api_key_env": "ANTHROPIC_API_KEY", "timeout": 5}
    project.run()
    assert project.asked == (0, 0)  # a key and a timeout change no answer


def test_a_model_without_a_connection_keeps_its_answers(project):
    """An own connection for one model changes no key of the others."""
    own = project.judge.pop("runtime")
    project.run()
    assert project.asked == (6, 0)
    project.judge["runtime"] = own
    project.run()
    assert project.asked == (0, 3)


def test_the_same_model_at_two_ends_has_two_answers(project):
    """A matrix over two aliases of one id asks both addresses."""
    project.steps = {"line": {"matrix": {"model": ["writer", "judge"]}, "prompt": "On {{ row.town }}."}}
    project.run()
    assert project.outcome == (None, 3, 3)
    said = [[each["output"].split()[0] for each in row["line"]] for row in project.lines()]
    assert said == [["writer", "judge"]] * 3
    project.steps["line"]["matrix"]["model"] = ["judge"]
    project.run()
    assert project.asked == (0, 0)


def test_a_rejected_key_names_its_variable_and_its_address(project):
    """The error is that of the end that answered."""
    project.judges.replies = [refusal(401, f"bad key {JUDGE_KEY}")]
    project.run()
    assert project.error.code is Code.KEY_REJECTED
    assert "JUDGE_KEY" in project.error.message
    assert project.judges.url in project.error.hint
    assert JUDGE_KEY not in f"{project.error.message}{project.error.hint}"


def test_one_end_that_is_down_stops_the_run_and_loses_nothing(project):
    """The message names the end that is down; what the other has answered is stored, and the next run goes on."""
    url = project.judge["runtime"]["base_url"]
    project.judge["runtime"]["base_url"] = NOWHERE
    project.limits = {"max_pause": 0.3}
    project.run()
    assert project.error.code in (Code.UNREACHABLE, Code.PAUSED_TOO_LONG)
    assert NOWHERE in project.error.message
    assert project.asked == (3, 0)
    project.judge["runtime"]["base_url"] = url
    project.run()
    assert project.outcome == (None, 0, 3)


def test_an_end_that_only_fails_is_named_by_the_run_that_gives_it_up(project):
    """`max_pause` counts for each end by itself: answers of the other do not hide that one fails."""
    project.rows = [{"town": f"town {number}"} for number in range(40)]
    project.judges.replies = [refusal(500)]
    project.limits, project.runtime = {"max_pause": 0.5}, {"max_retries": 50}
    project.run()
    assert project.error.code is Code.PAUSED_TOO_LONG
    assert project.judges.url in project.error.message
    assert project.asked[0] == 40


def test_a_slow_end_does_not_pause_the_other(project):
    """The failures of one end close its own gate only."""
    project.judges.replies = [refusal(429, headers={"retry-after": "0.3"}), by("judge")]
    project.rows = project.rows[:1]
    report = project.run()
    assert project.error is None
    assert {name: pace.limited for name, pace in report.pace.items()} == {
        "haiku-5-5": 0,
        f"haiku-5-5 at {project.judges.url.removeprefix('http://')}": 1,
    }


def test_the_concurrency_is_that_of_all_ends_together(project):
    """`runtime.concurrency` is the maximum over all ends."""
    most = []

    def counted(name):
        def reply(body):
            most.append(project.ours._now + project.judges._now)
            return by(name, wait=0.01)(body)

        return reply

    project.ours.replies, project.judges.replies = [counted("writer")], [counted("judge")]
    project.rows = [{"town": f"town {number}"} for number in range(12)]
    project.runtime = {"concurrency": 3}
    project.run()
    assert project.outcome == (None, 12, 12)
    assert 2 <= max(most) <= 3


@pytest.mark.parametrize("missing", [["JUDGE_KEY"], ["ANTHROPIC_API_KEY", "JUDGE_KEY"]])
def test_all_missing_keys_are_told_before_anything_is_sent(project, monkeypatch, missing):
    """The run ends before its first request, with the name of each variable."""
    for name in missing:
        monkeypatch.delenv(name)
    project.run()
    assert project.outcome == (Code.NO_KEY, 0, 0)
    assert all(name in project.error.message for name in missing)


def test_a_key_that_no_request_needs_is_not_missing(project, monkeypatch):
    """The answers of the judge are stored."""
    project.run()
    monkeypatch.delenv("JUDGE_KEY")
    project.steps["line"]["prompt"] = "Another line on {{ row.town }}."
    project.run()
    assert project.outcome == (None, 3, 0)


def test_a_simulated_run_asks_no_end(project):
    """All models go to the simulator."""
    project.run(simulate=True)
    assert project.outcome == (None, 0, 0)


def test_the_plan_knows_what_each_end_has_answered(project):
    """`plan` looks for the answers of each end."""
    project.run()
    project.judge["runtime"]["base_url"] += "/v2"
    project.save()
    forecast = project.wait(estimate(load(project.path), options=RunOptions()))
    assert {step.step: (step.stored, step.requests) for step in forecast.steps} == {"line": (3, 0), "verdict": (0, 3)}


def test_batches_are_posted_to_the_end_of_their_model(project, monkeypatch):
    """Each end gets a batch of its own, and the store remembers which."""

    async def main():
        async with Simulator(batch_delay=0) as ours, Simulator(batch_delay=0) as judges:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", ours.url)
            project.judge["runtime"]["base_url"] = judges.url
            project.save()
            await execute(load(project.path), options=RunOptions())
            return [ours.url, judges.url]

    project.batch = {"minimum": 1}
    urls = project.wait(main())
    with closing(sqlite3.connect(project.folder / ".yamlgen" / "towns.yaml.db")) as store:
        posted = store.execute(
            "SELECT base_url, step, state, api_key_env, requests FROM batch ORDER BY step"
        ).fetchall()
    assert posted == [
        (urls[0], "line", "collected", "ANTHROPIC_API_KEY", 2),
        (urls[1], "verdict", "collected", "JUDGE_KEY", 2),
    ]


def test_a_later_run_asks_the_end_that_has_the_batch(project, monkeypatch):
    """A run that detaches leaves batches at two ends; the next one collects both, and sends nothing again."""

    async def main():
        async with Simulator(batch_delay=0.3) as ours, Simulator(batch_delay=0.3) as judges:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", ours.url)
            project.judge["runtime"]["base_url"] = judges.url
            project.save()
            with pytest.raises(Detached):
                await execute(load(project.path), options=RunOptions(detach=True))
            await execute(load(project.path), options=RunOptions())

    project.batch = {"minimum": 1}
    project.wait(main())
    with closing(sqlite3.connect(project.folder / ".yamlgen" / "towns.yaml.db")) as store:
        assert store.execute("SELECT step, state FROM batch ORDER BY step").fetchall() == [
            ("line", "collected"),
            ("verdict", "collected"),
        ]


def test_an_end_that_no_model_has_any_more_is_asked_for_its_batch(project, monkeypatch):
    """Its step has left the file, with the address; what was paid there is kept."""

    async def main():
        async with Simulator(batch_delay=0.1) as ours, Simulator(batch_delay=0.1) as judges:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", ours.url)
            project.judge["runtime"]["base_url"] = judges.url
            project.save()
            with pytest.raises(Detached):
                await execute(load(project.path), options=RunOptions(detach=True))
            del project.steps["verdict"]
            project.judge.pop("runtime")
            project.save()
            await asyncio.sleep(0.2)
            await execute(load(project.path), options=RunOptions())

    project.batch = {"minimum": 1}
    project.wait(main())
    with closing(sqlite3.connect(project.folder / ".yamlgen" / "towns.yaml.db")) as store:
        assert store.execute("SELECT step, state FROM batch ORDER BY step").fetchall() == [
            ("line", "collected"),
            ("verdict", "collected"),
        ]
