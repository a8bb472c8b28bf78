"""What is said of answers that came by batch: their price, their rows, the record, the forecast; and who uses them."""

import json

import pytest

import yamlgen
from batching_api import batching

RUN = ("run", "small.yaml", "-q", "--batch")


@pytest.fixture
def api(monkeypatch, small):  # noqa: ARG001 - the folder is there
    """An API whose batches end at once."""
    with batching(monkeypatch, delay=0.0) as server:
        yield server


def shown(call, *words):
    """What a command prints as JSON."""
    return json.loads(call(*words).out)


def planned(call, *options):
    """The forecast as JSON."""
    return shown(call, "plan", "small.yaml", "--output-format", "json", *options)


def attempts(call, row):
    """The attempts of a row at the step, as `runs show --row` tells them."""
    return shown(call, "runs", "show", "--row", row, "--json")["steps"]["note"]["attempts"]


def test_a_batched_answer_costs_half(call, small, api):
    """The same answer to the same request; row, run and record say which came by batch."""
    assert call(*RUN).code == 0
    batched = {row: attempts(call, row)[0] for row in range(1, 9)}
    record = json.loads((small / "out" / "notes.run.json").read_text())
    assert call("run", "small.yaml", "-q", "--no-batch", "--fresh").code == 0
    single = {row: attempts(call, row)[-1] for row in range(1, 9)}
    by_batch = [row for row, attempt in batched.items() if attempt["batch"] is not None]
    assert len(by_batch) == 7
    for row in by_batch:
        assert single[row]["batch"] is None
        assert batched[row]["cost_usd"] == pytest.approx(single[row]["cost_usd"] / 2)
    assert record["steps"]["note"]["batched"] == 7
    assert record["batches"][0]["requests"] == 7
    assert set(api.asked.values()) == {2}


def test_provenance_has_the_price_of_the_batch(call, small, api):  # noqa: ARG001 - the API answers
    """Each row says what it cost."""
    assert call(*RUN, "--set", "output.provenance=true").code == 0
    rows = [json.loads(line) for line in (small / "out" / "notes.jsonl").read_text().splitlines()]
    costs = {row["id"]: row["provenance"]["note"]["cost_usd"] for row in rows}
    assert costs == {row: pytest.approx(attempts(call, row)[0]["cost_usd"]) for row in range(1, 9)}


def test_failed_rows_are_retried_by_batch(call, small, monkeypatch):
    """`retry` sends as the run did; the rows that were good are not sent again."""
    with batching(monkeypatch, "refusal=0.5", delay=0.0) as server:
        assert call(*RUN).code == 1
        failed = shown(call, "runs", "show", "--json")["rows"]["failed"]
        assert failed > 2
        server._batches._faults.rates.clear()
        server._faults.rates.clear()
        assert call("retry", "small.yaml", "-q").code == 0
        assert server.sizes == [7, failed]
    assert sorted(server.asked.values()) == [1] * (8 - failed) + [2] * failed
    assert len((small / "out" / "notes.jsonl").read_text().splitlines()) == 8


def test_a_fresh_run_asks_all_again_by_batch(call, api):
    """Its setup is proven, so that nothing goes out by itself."""
    assert call(*RUN).code == 0
    assert call(*RUN, "--fresh").code == 0
    assert api.sizes == [7, 8]
    assert call(*RUN).code == 0
    assert api.asked.total() == 16


class TestOpen:
    """While a batch is open at the API."""

    @pytest.fixture
    def api(self, monkeypatch, small, call):  # noqa: ARG002 - the folder is there
        """An API that processes a batch of seven rows, of eight; its first row was sent by itself."""
        with batching(monkeypatch) as server:
            assert call(*RUN, "--detach").code == 5
            yield server

    def test_the_forecast_counts_it_apart(self, call, api):  # noqa: ARG002
        """Its requests are waited for, and not to be sent, whatever the way; a further row is."""
        for options in (["--batch"], ["--no-batch"]):
            forecast = planned(call, *options)
            assert forecast["requests"] == 0
            assert forecast["waiting"] == 7
        assert "7 requests in a batch already" in call("plan", "small.yaml").err

    def test_an_offline_run_does_not_look(self, call, api):
        """It tells the rows that lack an answer, and leaves the batch."""
        before = sum(api.requests.values())
        assert call("run", "small.yaml", "-q", "--batch", "--offline").code == 1
        assert sum(api.requests.values()) == before
        api.finish()
        assert call(*RUN).code == 0
        assert set(api.asked.values()) == {1}

    def test_a_part_of_the_rows_waits_for_its_part(self, call, api):
        """Rows that an open batch has are not sent, also if others of it are left out."""
        api.finish()
        assert call(*RUN, "--limit", "4").code == 0
        assert call(*RUN).code == 0
        assert set(api.asked.values()) == {1}

    def test_a_fresh_run_does_not_pay_for_it_twice(self, call, api):
        """What is being answered is as fresh as it can be; only the first row is asked again."""
        api.finish()
        assert call(*RUN, "--fresh", "--set", "batch.minimum=2").code == 0
        assert sorted(api.asked.values()) == [1] * 7 + [2]

    def test_single_requests_wait_for_it(self, call, api):
        """And the run tells so."""
        api.finish()
        done = call("run", "small.yaml", "--no-batch")
        assert done.code == 0
        assert "7 requests in a batch already, nothing to send" in done.err
        assert set(api.asked.values()) == {1}

    def test_what_a_run_pays_is_counted_once(self, call, api):
        """By the run that collects it."""
        first = shown(call, "runs", "show", "--json")["steps"]["note"]["paid"]
        assert first["attempts"] == 1
        api.finish()
        assert call(*RUN).code == 0
        second = shown(call, "runs", "show", "--json")["steps"]["note"]
        assert (second["paid"]["attempts"], second["batched"], second["reused"]["attempts"]) == (7, 7, 1)
        assert yamlgen.runs("small.yaml")[-1].status == "finished"
