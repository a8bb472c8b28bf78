"""The limits of a run and its batches: what is posted costs at most what is left."""

import json
import re

import pytest

from batching_api import batching


@pytest.fixture
def short(small):
    """The small pipeline with forty rows, and short answers."""
    text = (small / "small.yaml").read_text().replace("max_tokens: 1024", "max_tokens: 400")
    (small / "small.yaml").write_text(text, encoding="utf-8")
    rows = "".join(f'{{"id": {number}, "topic": "town {number}"}}\n' for number in range(41))
    (small / "rows.jsonl").write_text(rows, encoding="utf-8")
    return small


def priced(call, *options):
    """The forecast, as JSON."""
    return json.loads(call("plan", "small.yaml", "--output-format", "json", "--batch", *options).out)


@pytest.mark.usefixtures("short")
def test_a_batch_is_cut_to_what_is_left(call, monkeypatch):
    """Its worst case fits; what is left of it when it has ended goes into a further batch; then the limit is told."""
    most = priced(call)["cost_usd"]["most"] / 2
    with batching(monkeypatch, delay=0.0) as server:
        done = call("run", "small.yaml", "--batch", "--max-cost-usd", f"{most:.6f}")
    first, *others = server.sizes
    assert 10 < first < 30
    assert others
    assert all(size < first for size in others)
    assert set(server.asked.values()) == {1}
    assert done.code in (0, 4), done.err


@pytest.mark.usefixtures("short")
def test_a_cut_under_the_minimum_posts_nothing(call, monkeypatch):
    """The run ends with the limit, and the next run, with more, goes on."""
    most = priced(call)["cost_usd"]["most"] / 2
    given = ("--batch", "--set", "batch={minimum: 35}")
    with batching(monkeypatch, delay=0.0) as server:
        done = call("run", "small.yaml", *given, "--max-cost-usd", f"{most:.6f}")
        assert done.code == 4
        assert "stopped at `limits.max_cost_usd`: the next batch may cost more than the $0.00" in done.err
        assert (server.posts, server.single.total()) == (0, 1)
        assert call("run", "small.yaml", "-q", *given).code == 0
        assert server.sizes == [40]
    assert set(server.asked.values()) == {1}


@pytest.mark.usefixtures("short")
def test_the_cost_of_a_run_stays_under_its_limit(call, monkeypatch):
    """Whatever was posted."""
    most = priced(call)["cost_usd"]["most"] / 4
    with batching(monkeypatch, delay=0.0):
        call("run", "small.yaml", "-q", "--batch", "--max-cost-usd", f"{most:.6f}")
    shown = json.loads(call("runs", "show", "small.yaml", "--json").out)
    assert 0 < shown["steps"]["note"]["paid"]["cost_usd"] <= most


@pytest.mark.parametrize("minimum", [1, 20])
def test_requests_are_limited(call, short, monkeypatch, minimum):
    """A batch has at most what is left; under the minimum nothing is posted; the next run goes on."""
    given = ("--batch", "--set", f"batch={{minimum: {minimum}}}")
    with batching(monkeypatch, delay=0.0) as server:
        done = call("run", "small.yaml", *given, "--max-requests", "11")
        assert done.code == 4
        assert "limits.max_requests" in done.err
        assert server.sizes == ([10] if minimum == 1 else [])
        assert not (short / "out" / "notes.jsonl").exists()
        assert call("run", "small.yaml", "-q", *given).code == 0
    assert server.asked.total() == 41
    assert set(server.asked.values()) == {1}


@pytest.mark.usefixtures("short")
def test_a_run_whose_last_request_is_the_last_allowed_finishes(call, monkeypatch):
    """As with single requests."""
    with batching(monkeypatch, delay=0.0) as server:
        assert call("run", "small.yaml", "-q", "--batch", "--max-requests", "41").code == 0
    assert server.sizes == [40]


@pytest.mark.usefixtures("short")
def test_the_question_has_the_price_of_batches(call, monkeypatch):
    """A run that may cost more by single requests than the limit, and not by batches, is not asked for."""
    forecast = priced(call)
    between = forecast["cost_usd"]["most"] * 1.2
    with batching(monkeypatch, delay=0.0) as server:
        given = ("run", "small.yaml", "-q", "--confirm-above-usd", f"{between:.6f}")
        assert call(*given, "--no-batch").code == 4
        assert not server.asked
        assert call(*given, "--batch").code == 0


@pytest.fixture
def chain(short):
    """A second step behind the first, and eighty rows."""
    text = (short / "small.yaml").read_text()
    step = '  more: {model: claude-haiku-5-5, max_tokens: 500, prompt: "More on {{ steps.note }}."}\n'
    (short / "small.yaml").write_text(re.sub("(?m)^output", f"{step}output", text), encoding="utf-8")
    rows = "".join(f'{{"id": {number}, "topic": "town {number}"}}\n' for number in range(80))
    (short / "rows.jsonl").write_text(rows, encoding="utf-8")


@pytest.mark.usefixtures("chain")
def test_rows_that_fail_in_a_batch_are_limited(call, monkeypatch):
    """What the batch brought is kept; no further batch is posted. The next run pays for the rest alone."""
    with batching(monkeypatch, "refusal=0.5", delay=0.0) as server:
        done = call("run", "small.yaml", "--batch", "--max-failures", "5")
        assert done.code == 4
        assert "6 rows failed, more than 5" in done.err
        assert server.sizes == [79]
        assert call("run", "small.yaml", "-q", "--batch").code == 1
        assert len(server.sizes) == 2
    assert set(server.asked.values()) == {1}


@pytest.mark.usefixtures("chain")
def test_unusable_answers_of_a_batch_end_the_run(call, monkeypatch):
    """They are judged when they come: the next step posts nothing for the few that are good."""
    with batching(monkeypatch, "truncate=0.93", delay=0.0) as server:
        done = call("run", "small.yaml", "--batch", "--max-unusable", "80%")
    assert done.code == 4, done.err
    assert "of the first 50 billed rows of step `note` were unusable" in done.err
    assert server.sizes == [79]
