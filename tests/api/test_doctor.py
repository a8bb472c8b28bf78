"""What `doctor` finds out about the environment, the API and its models, with requests that cost nothing."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from scripted_api import KEY, Reply, ScriptedServer, refusal
from yamlgen.api import api_checks, environment_checks
from yamlgen.api.doctor import adoctor
from yamlgen.errors import UsageError
from yamlgen.simulator import catalogue

MODEL = "claude-haiku-5-5"
PROMPT = '"Write a note on {{ row.topic }}."'


def listed(**more):
    """The API's answer about the model of the small pipeline."""
    return Reply({**catalogue.info(MODEL), **more})


def asked(*replies, pipeline="small.yaml", monkeypatch, **options):
    """The report of an API that replies so, and its server."""

    async def ask():
        async with ScriptedServer(*replies, lists=True) as server:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            return await adoctor(pipeline, **options), server

    return asyncio.run(ask())


def found(report, subject):
    """The checks of a subject."""
    return [check for check in report.checks if check.subject == subject]


def only(report, subject):
    """The check of a subject that has one."""
    (check,) = found(report, subject)
    return check


@pytest.fixture
def diagnosed(small, key, monkeypatch):  # noqa: ARG001 - the folder and the key
    """Ask with the key of the tests, for the small pipeline."""

    def ask(*replies, **options):
        return asked(*replies, monkeypatch=monkeypatch, **options)

    return ask


def test_a_healthy_api_has_no_problem_and_costs_nothing(diagnosed):
    """One request for the one model; it is not billed."""
    report, server = diagnosed(listed())
    assert report.is_healthy
    assert [check.state for check in report.checks] == ["ok"] * len(report.checks)
    assert [path.partition("/v1")[2] for path in server.paths] == [f"/models/{MODEL}"]
    assert only(report, "model").place == "`steps.note`"


def test_without_a_pipeline_the_list_of_models_is_asked(diagnosed):
    """The cheapest request that needs a valid key."""
    report, server = diagnosed(Reply({"data": [], "has_more": False}), pipeline=None)
    assert report.is_healthy
    assert [path.partition("/v1")[2] for path in server.paths] == ["/models?limit=1"]
    assert not found(report, "store")


@pytest.mark.usefixtures("small")
def test_no_key_is_a_problem_and_asks_nothing(monkeypatch):
    """The same error as that of a run."""
    report, server = asked(listed(), monkeypatch=monkeypatch)
    assert not server.paths
    assert (only(report, "key").state, only(report, "key").code) == ("problem", "YG601")
    assert only(report, "api").fact == "it was not asked"


def test_a_pipeline_without_a_model_needs_no_key(small, monkeypatch):
    """Its run sends nothing."""
    (small / "small.yaml").write_text(
        "version: 1\ninput: {path: rows.jsonl}\nsteps: {n: {kind: compute, value: row.id}}\noutput: {path: o.jsonl}\n"
    )
    report, server = asked(monkeypatch=monkeypatch)
    assert report.is_healthy
    assert not server.paths


@pytest.mark.parametrize(
    ("reply", "state", "code", "words"),
    [
        (refusal(401, f"invalid x-api-key {KEY}"), "problem", "YG602", "the API refuses the key (401)"),
        (refusal(402, "your credit balance is too low"), "problem", "YG603", "the API refuses the key (402)"),
        (refusal(403, "not allowed"), "warning", None, "does not allow"),
        (Reply({"detail": "Not Found"}, 404), "warning", None, "does not exist (404)"),
        (Reply(b"", 302), "problem", "YG608", "redirects requests (302)"),
        (refusal(529, "Overloaded"), "warning", None, "answers with status 529: Overloaded"),
        (Reply(b"<html>Sign in</html>", kind="text/html"), "warning", None, "the answer is not JSON (text/html)"),
        (Reply(b"", cut=True), "problem", "YG608", "cannot reach"),
    ],
    ids=["401", "402", "403", "no route", "redirect", "529", "page", "hang up"],
)
def test_what_the_api_replies_decides(diagnosed, reply, state, code, words):
    """What would end a run is a problem, anything else a warning; each has a fix, and none shows the key."""
    report, _ = diagnosed(reply)
    check = only(report, "api")
    assert (check.state, check.code) == (state, code)
    assert words in check.fact
    assert check.fix
    assert report.is_healthy == (state == "warning")
    assert KEY not in json.dumps(report.as_json())


def test_a_server_that_hangs_is_left_after_seconds(diagnosed, monkeypatch):
    """A problem, with how long it was waited for."""
    monkeypatch.setattr(api_checks, "PATIENCE", 0.05)
    report, _ = diagnosed(Reply(wait=30))
    assert only(report, "api").fact.endswith("no answer within 0.05 s")


def test_what_the_api_says_differently_is_told(diagnosed):
    """The limit, the life cycle and the levels of effort of the shipped table are older than the API."""
    info = catalogue.info(MODEL)
    info["capabilities"]["effort"]["low"] = {"supported": False}
    report, _ = diagnosed(
        Reply({**info, "max_tokens": 64_000, "lifecycle": "deprecated", "retires_at": "2027-03-01T00:00:00Z"})
    )
    first, second = found(report, "model")
    assert "deprecated, retires on 2027-03-01" in first.fact
    assert "`max_tokens` up to 64,000 (this version: 128,000)" in second.fact
    assert "`effort`: `medium`, `high`, `xhigh` and `max`" in second.fact
    assert report.is_healthy


def test_a_setting_that_the_api_does_not_offer_is_a_problem(diagnosed):
    """`max_tokens` of a step over the limit that the API states."""
    report, _ = diagnosed(listed(max_tokens=512))
    (problem,) = report.problems
    assert "`max_tokens` is 1,024, but the API says that `claude-haiku-5-5` writes at most 512 tokens" in problem.fact
    assert problem.place == "`steps.note`"


def test_a_retired_model_is_a_problem(diagnosed):
    """Its requests fail."""
    report, _ = diagnosed(listed(lifecycle="retired", retires_at="2026-06-30T00:00:00Z"))
    assert report.problems[0].code == "YG605"


def test_a_model_that_a_gateway_does_not_list_is_a_warning(diagnosed):
    """It may serve it all the same; the official address may not."""
    report, _ = diagnosed(refusal(404, f"model: {MODEL}"))
    assert only(report, "model").state == "warning"
    assert only(report, "api").state == "ok"


def test_the_quota_of_the_headers_is_told_and_kept(diagnosed):
    """For `plan`; without headers, the last known one is told."""
    name = "anthropic-ratelimit-{}-limit"
    shown = {name.format("requests"): "50", name.format("output-tokens"): "8000"}
    report, _ = diagnosed(Reply(catalogue.info(MODEL), headers=shown))
    assert only(report, "quota").fact == "the headers show for haiku-5-5: 50 requests, 8,000 output tokens a minute"
    report, _ = diagnosed(listed())
    assert only(report, "quota").fact.startswith("the headers of this answer show none for haiku-5-5")


def test_a_clock_that_is_wrong_is_told(diagnosed):
    """By the date of the API's answer."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    report, _ = diagnosed(Reply(catalogue.info(MODEL), headers={"Date": date}))
    assert only(report, "clock").state == "warning"
    assert "behind that of the API" in only(report, "clock").fact


@pytest.mark.usefixtures("small", "key")
def test_a_proxy_and_certificates_that_cannot_be_used_are_problems(monkeypatch):
    """Each with the name of its variable; the password of the proxy is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hunter2-secret@proxy:1")
    monkeypatch.setenv("SSL_CERT_FILE", "absent.pem")
    report = asyncio.run(adoctor("small.yaml"))
    assert "HTTPS_PROXY" in only(report, "proxy").fact
    assert "SSL_CERT_FILE" in only(report, "certificates").fact
    assert "hunter2" not in json.dumps(report.as_json())


@pytest.mark.usefixtures("small", "key")
def test_a_full_disk_is_a_problem(monkeypatch):
    """And a nearly full one a warning."""
    for free, state in ((10 * 2**20, "problem"), (500 * 2**20, "warning")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(environment_checks.shutil, "disk_usage", lambda _, usage=usage: usage)
        report = asyncio.run(adoctor("small.yaml", simulate=True))
        assert only(report, "disk").state == state


def test_a_damaged_store_is_a_problem(small):
    """The error of a run."""
    (small / ".yamlgen").mkdir()
    (small / ".yamlgen" / "small.yaml.simulated.db").write_bytes(b"no database")
    report = asyncio.run(adoctor("small.yaml", simulate=True))
    assert only(report, "store").state == "problem"


def test_an_input_that_does_not_exist_is_a_problem(small):
    """Which `validate` reports as a warning only."""
    (small / "rows.jsonl").unlink()
    report = asyncio.run(adoctor("small.yaml", simulate=True))
    assert only(report, "input").code == "YG405"


def test_parameters_need_a_pipeline():
    """They would have no effect."""
    with pytest.raises(UsageError, match="need a pipeline"):
        asyncio.run(adoctor(params={"a": 1}))


@pytest.mark.usefixtures("small")
def test_the_command_prints_a_line_for_each_check(call):
    """And its exit code says whether a run would work."""
    told = call("doctor", "small.yaml")
    assert told.code == 3
    assert told.out.startswith("problem  key")
    assert "= set ANTHROPIC_API_KEY" in told.out
    told = call("doctor", "small.yaml", "--simulate", "--output-format", "json")
    assert told.code == 0
    assert json.loads(told.out)["healthy"] is True
    assert call("doctor", "-p", "a=1").code == 2


def test_each_check_names_its_connection_if_there_are_several(small, key, call, monkeypatch):  # noqa: ARG001 - the key
    """By the place of its keys in the pipeline, in the text and in the JSON."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    own = {"base_url": "http://127.0.0.1:9", "api_key_env": "JUDGE_KEY"}
    document = {
        "version": 1,
        "input": {"path": "rows.jsonl"},
        "models": {"judge": {"id": "claude-sonnet-5-5", "runtime": own}},
        "steps": {"note": {"model": {"id": MODEL}, "prompt": "Hi"}, "verdict": {"model": "judge", "prompt": "Hi"}},
        "output": {"path": "out.jsonl"},
    }
    (small / "small.yaml").write_text(json.dumps(document))
    report = asyncio.run(adoctor("small.yaml"))
    assert [check.connection for check in found(report, "key")] == ["runtime", "models.judge.runtime"]
    assert only(report, "disk").connection is None
    places = [check.place for check in found(report, "address")]
    assert places == ["ANTHROPIC_BASE_URL", "`models.judge.runtime.base_url`"]
    assert "set JUDGE_KEY" in (told := call("doctor", "small.yaml").out)
    assert "JUDGE_KEY is not set (`models.judge.runtime`)" in told
