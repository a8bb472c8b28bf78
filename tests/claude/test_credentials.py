"""Tokens, profiles and federation: which credentials are in effect, when they are renewed, and what is wrong with them.

The API and its token server are one scripted server on loopback, as they are one host in the SDK.
"""

import asyncio
import json
import threading
import time

import httpx2
import pytest
from anthropic.lib.credentials import StaticToken

from scripted_api import Reply, ScriptedServer, message, refusal
from yamlgen.api.loading import load
from yamlgen.api.run_execution import execute
from yamlgen.claude.credentials import AccessTokens
from yamlgen.claude.endpoints import endpoint_of
from yamlgen.errors import Code, EnvironmentProblem, YamlgenError
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.reports.report import Report

OAUTH = "oauth-2025-04-20"
REFRESH = "canary-refresh-token-77aa"
IDENTITY = "canary.identity.token-99bb"
FIRST, SECOND = "canary-first-token", "canary-second-token"
ROWS = 3


class TokenServer:
    """An API that accepts the tokens that its token server has issued last.

    Attributes:
        valid: the token that it accepts.
        grants: the bodies that its token server got.
        refusals: the answers of the token server that come first.
        lifetime: the seconds that a token is said to be valid.
        ends: how many messages each token is good for.
    """

    def __init__(self):
        self.server = ScriptedServer(self._reply)
        self.valid, self.grants, self.refusals, self.lifetime = "", [], [], 3600
        self.ends = None
        self.sent = []
        self.repeats = ""

    def _reply(self, body):
        headers = self.server.headers[-1]
        if self.server.paths[-1].endswith("/v1/oauth/token"):
            self.grants.append(body)
            if self.refusals:
                return self.refusals.pop(0)
            self.valid = f"canary-access-token-{len(self.grants):04}"
            self.good = self.ends
            return Reply({"access_token": self.valid, "expires_in": self.lifetime, "token_type": "Bearer"})
        self.sent.append(headers)
        token = headers["Authorization"].removeprefix("Bearer ")
        if token != self.valid or self.good == 0:
            return refusal(401, f"invalid token {token} {self.repeats}")
        self.good = None if self.good is None else self.good - 1
        return Reply(message(f"by {token}"[:4]))


@pytest.fixture
def api():
    """The server."""
    made = TokenServer()
    with asyncio.Runner() as runner:
        runner.run(made.server.__aenter__())
        made.wait = runner.run
        yield made
        runner.run(made.server.__aexit__())


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    """Write a profile, and return its folder."""
    folder = tmp_path / "sdk"
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(folder))

    def write(name="work", *, expires=0, token="canary-old-token-55cc", secrets=True, **config):  # noqa: S107
        for part in ("configs", "credentials"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        file = folder / "configs" / f"{name}.json"
        file.write_text(json.dumps({"authentication": {"type": "user_oauth", "client_id": "c1"}, **config}))
        file.chmod(0o600)
        if secrets:
            kept = folder / "credentials" / f"{name}.json"
            kept.write_text(json.dumps({"access_token": token, "refresh_token": REFRESH, "expires_at": expires}))
            kept.chmod(0o600)
        return folder

    return write


def run(api, tmp_path, runtime, rows=ROWS, model=None):
    """Run a pipeline of one step, and return its error and its report."""
    file = tmp_path / "notes.yaml"
    document = {
        "version": 1,
        "name": "notes",
        "runtime": {"max_retries": 0, **runtime},
        "input": {"rows": [{"n": number} for number in range(rows)]},
        "steps": {"note": {"model": {"id": "claude-haiku-5-5", **(model or {})}, "prompt": "On {{ row.n }}."}},
        "output": {"path": "notes.jsonl"},
    }
    file.write_text(json.dumps(document))
    report = Report()
    try:
        api.wait(execute(load(file), emit=report.observe))
    except YamlgenError as error:
        return error, report
    return None, report


def files(tmp_path):
    """Everything that a run has written, as bytes."""
    return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "sdk" not in path.parts)


def test_a_token_is_sent_with_its_beta(api, tmp_path, monkeypatch):
    """`auth: token` sends the variable as a bearer token, with the feature that access tokens need."""
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "canary-static-token")
    api.valid, api.good = "canary-static-token", None
    assert run(api, tmp_path, {"auth": "token", "base_url": api.server.url})[0] is None
    assert {(each["Authorization"], each["anthropic-beta"]) for each in api.sent} == {
        ("Bearer canary-static-token", OAUTH)
    }


def test_a_refused_token_without_renewal_ends_the_run(api, tmp_path, monkeypatch):
    """It is named by its variable, and its value is in no message and no file."""
    monkeypatch.setenv("TEAM_TOKEN", "canary-static-token")
    error, _ = run(api, tmp_path, {"auth": "token", "api_key_env": "TEAM_TOKEN", "base_url": api.server.url})
    assert error.code is Code.KEY_REJECTED
    assert "the token in TEAM_TOKEN" in error.message
    assert "canary-static" not in f"{error.message}{error.hint}"
    assert b"canary-static" not in files(tmp_path)


def test_a_profile_is_renewed_before_it_is_used_and_kept(api, tmp_path, monkeypatch, profiles):
    """An expired token is exchanged once for all requests, at the profile's address."""
    monkeypatch.setenv("ANTHROPIC_PROFILE", "work")
    folder = profiles(base_url=api.server.url, workspace_id="wrkspc_1")
    error, _ = run(api, tmp_path, {}, rows=20)
    assert error is None
    assert [grant["grant_type"] for grant in api.grants] == ["refresh_token"]
    assert {each["anthropic-workspace-id"] for each in api.sent} == {"wrkspc_1"}
    assert json.loads((folder / "credentials" / "work.json").read_text())["access_token"] == api.valid
    assert not any(secret.encode() in files(tmp_path) for secret in (REFRESH, api.valid))


def test_a_token_that_expires_in_the_middle_of_a_run_is_renewed_once(api, tmp_path, profiles):
    """Many requests are refused at once: one renewal, and each is sent once more."""
    profiles("default", base_url=api.server.url)
    api.ends = 5
    error, report = run(api, tmp_path, {"auth": "profile", "concurrency": 3}, rows=12)
    assert error is None
    assert report.failed == 0
    assert len(api.grants) == 3
    assert 12 < len(api.sent) <= 12 + 2 * 3


def test_a_token_that_is_refused_twice_ends_the_run(api, tmp_path, profiles):
    """A request is tried once more, not again and again; no secret is told."""
    profiles("default", base_url=api.server.url)
    api.ends, api.repeats = 0, REFRESH
    error, _ = run(api, tmp_path, {"auth": "profile"}, rows=1)
    assert error.code is Code.KEY_REJECTED
    assert "profile `default`" in error.message
    assert len(api.sent) == 2
    assert not any(secret in f"{error.message}{error.hint}" for secret in (REFRESH, api.valid))


def test_an_identity_token_is_exchanged(api, tmp_path, monkeypatch):
    """`auth: federation` exchanges what the variables name; the workspace is in the exchange and in the keys."""
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", "rule_1")
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org-1")
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN", IDENTITY)
    monkeypatch.setenv("ANTHROPIC_WORKSPACE_ID", "wrkspc_2")
    assert run(api, tmp_path, {"base_url": api.server.url})[0] is None  # the SDK's own chain finds it
    assert [(grant["assertion"], grant["workspace_id"]) for grant in api.grants] == [(IDENTITY, "wrkspc_2")]
    assert IDENTITY.encode() not in files(tmp_path)
    monkeypatch.setenv("ANTHROPIC_WORKSPACE_ID", "wrkspc_3")
    before = len(api.sent)
    assert run(api, tmp_path, {"base_url": api.server.url})[0] is None
    assert len(api.sent) == before + ROWS


def test_a_refused_exchange_tells_the_code_of_the_token_server_and_no_secret(api, tmp_path, monkeypatch):
    """What the token server says may repeat the identity token."""
    monkeypatch.setenv("ANTHROPIC_FEDERATION_RULE_ID", "rule_1")
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org-1")
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN", IDENTITY)
    told = {"error": "invalid_grant", "error_description": f"bad assertion {IDENTITY}"}
    api.refusals = [Reply(told, status=400)]
    error, _ = run(api, tmp_path, {"auth": "federation", "base_url": api.server.url})
    assert error.code is Code.KEY_REJECTED
    assert "refused it (400 invalid_grant)" in error.message
    assert IDENTITY not in f"{error.message}{error.hint}"
    assert not api.sent


def test_a_token_server_that_is_down_is_tried_again(api, tmp_path, profiles, monkeypatch):
    """Its failures are retried like those of the API."""
    monkeypatch.setattr("yamlgen.claude.credentials._REST", 0.0)
    profiles("default", base_url=api.server.url)
    api.refusals = [refusal(503)]
    error, report = run(api, tmp_path, {"auth": "profile", "max_retries": 3}, rows=1)
    assert error is None
    assert report.failed == 0


def test_a_profile_that_changes_has_other_answers(api, tmp_path, profiles):
    """Its address and its workspace are in the keys: what it had answered before is found again."""
    for workspace, asked in (("wrkspc_1", ROWS), ("wrkspc_2", ROWS), ("wrkspc_1", 0)):
        profiles("default", base_url=api.server.url, workspace_id=workspace)
        before = len(api.sent)
        assert run(api, tmp_path, {"auth": "profile"})[0] is None
        assert len(api.sent) == before + asked


def test_credentials_that_another_program_renews_are_read_again(api, tmp_path, profiles):
    """A profile without a client id is renewed by its owner: after a 401 the file is read again."""
    about = {"base_url": api.server.url, "authentication": {"type": "user_oauth"}}
    profiles("default", expires=None, token=FIRST, **about)
    api.valid, api.good = FIRST, 2

    def reply(body):
        made = original(body)
        if made.status == 401 and api.valid == FIRST:
            api.valid, api.good = SECOND, None
            profiles("default", expires=None, token=SECOND, **about)
        return made

    original, api.server.replies = api._reply, [reply]
    error, report = run(api, tmp_path, {"auth": "profile", "concurrency": 1}, rows=4)
    assert error is None
    assert report.failed == 0
    assert len(api.sent) == 5


def test_a_run_keeps_the_profile_that_it_began_with(api, tmp_path, profiles):
    """Even if the profile is gone before the run ends."""
    folder = profiles("default", base_url=api.server.url)

    def reply(body):
        (folder / "configs" / "default.json").unlink(missing_ok=True)
        return original(body)

    original, api.server.replies = api._reply, [reply]
    error, report = run(api, tmp_path, {"auth": "profile"})
    assert error is None
    assert report.failed == 0


def test_clients_with_the_same_profile_renew_its_token_once(api, profiles, monkeypatch):
    """A refresh token may be valid only once: the other client uses the new token."""
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(profiles("default", base_url=api.server.url)))

    async def tokens():
        clients = [endpoint_of(Runtime(auth="profile")).credentials() for _ in range(3)]
        found = await asyncio.gather(*(client() for client in clients))
        for client in clients:
            client.close()
        return {each.token for each in found}

    assert api.wait(tokens()) == {api.valid}
    assert len(api.grants) == 1


def test_an_exchange_in_flight_keeps_its_connection_until_it_ends():
    """A client that is closed in the middle of a connect would leave its socket open."""
    begun, released, client = threading.Event(), threading.Event(), httpx2.Client()

    def exchange(*, force_refresh=False):
        begun.set()
        released.wait(10)
        assert not client.is_closed
        raise ValueError(force_refresh)

    async def stopped():
        credentials = AccessTokens(exchange, "a profile", client)
        waiting = asyncio.create_task(credentials())
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        credentials.close()
        return client.is_closed

    assert not asyncio.run(stopped())
    released.set()
    deadline = time.monotonic() + 10
    while not client.is_closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.is_closed


def test_without_an_exchange_the_connections_are_closed_at_once():
    """Nothing is in flight that would need them."""
    client = httpx2.Client()
    AccessTokens(StaticToken("t"), "a token", client).close()
    assert client.is_closed


def test_the_address_of_the_file_and_of_the_environment_come_before_that_of_a_profile(monkeypatch, profiles):
    """As in the SDK."""
    profiles("default", base_url="https://profile.example")
    assert endpoint_of(Runtime(auth="profile")).address == "https://profile.example"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://environment.example")
    assert endpoint_of(Runtime(auth="profile")).address == "https://environment.example"
    assert endpoint_of(Runtime(auth="profile", base_url="https://file.example")).address == "https://file.example"


@pytest.mark.parametrize(
    ("variables", "auth"),
    [
        ({}, "key"),
        ({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"}, "key"),
        ({"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_PROFILE": "work"}, "token"),
        ({"ANTHROPIC_PROFILE": "work", "ANTHROPIC_FEDERATION_RULE_ID": "r"}, "profile"),
    ],
)
def test_the_order_is_that_of_the_sdk(monkeypatch, profiles, tmp_path, variables, auth):
    """A key, a token, a profile that is named, federation, the active profile."""
    profiles("work")
    monkeypatch.delenv("ANTHROPIC_CONFIG_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "anthropic").symlink_to(tmp_path / "sdk")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert endpoint_of(Runtime()).auth == auth
    assert endpoint_of(Runtime(api_key_env="TEAM_KEY")).auth == "key"
    (tmp_path / "sdk" / "active_config").write_text("work")
    assert endpoint_of(Runtime()).auth == ("profile" if not variables else auth)


def broken(folder, how):
    """Break a profile."""
    file = folder / "configs" / "work.json"
    match how:
        case "missing":
            file.unlink()
        case "json":
            file.write_text(f'{{"authentication": "{REFRESH}')
        case "writable":
            file.chmod(0o666)
        case "shape":
            file.write_text("[]")


@pytest.mark.parametrize(
    ("how", "words"),
    [("missing", "not found"), ("json", "not valid JSON"), ("writable", "writable by group"), ("shape", "JSON object")],
)
def test_a_profile_that_cannot_be_used_is_told_with_its_file(monkeypatch, profiles, how, words):
    """The fact, the file and what to do, before anything is sent."""
    monkeypatch.setenv("ANTHROPIC_PROFILE", "work")
    broken(profiles(), how)
    with pytest.raises(EnvironmentProblem) as caught:
        endpoint_of(Runtime())
    assert caught.value.code is Code.NO_KEY
    assert "profile `work` cannot be used" in caught.value.message
    assert words in caught.value.message
    assert "work.json" in caught.value.message
    assert caught.value.hint
    assert REFRESH not in f"{caught.value.message}{caught.value.hint}"


def test_a_profile_without_its_secrets_ends_the_run(api, tmp_path, profiles):
    """The file of its tokens is named."""
    profiles("default", secrets=False, base_url=api.server.url)
    error, _ = run(api, tmp_path, {"auth": "profile"})
    assert error.code is Code.NO_KEY
    assert "credentials/default.json" in error.message
    assert not api.sent


def test_an_expiry_that_is_no_number_does_not_show_its_value(api, tmp_path, profiles):
    """The value may be anything, such as a token in the wrong place."""
    profiles("default", expires=REFRESH, base_url=api.server.url)
    error, _ = run(api, tmp_path, {"auth": "profile"})
    assert "expires_at" in error.message
    assert REFRESH not in f"{error.message}{error.hint}"


def test_federation_without_its_variables_names_those_that_are_missing(api, tmp_path, monkeypatch):
    """All of them at once."""
    monkeypatch.setenv("ANTHROPIC_ORGANIZATION_ID", "org-1")
    error, _ = run(api, tmp_path, {"auth": "federation", "base_url": api.server.url})
    assert error.code is Code.NO_KEY
    assert "ANTHROPIC_FEDERATION_RULE_ID" in error.hint
    assert "ANTHROPIC_IDENTITY_TOKEN" in error.hint
    assert "ANTHROPIC_ORGANIZATION_ID" not in error.hint


def test_a_model_may_have_other_credentials(api, tmp_path, monkeypatch, profiles):
    """The credentials of a model replace those of the file, and its profile brings its own address."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    profiles("default", base_url=api.server.url)
    error, _ = run(api, tmp_path, {"api_key_env": "TEAM_KEY"}, model={"runtime": {"auth": "profile"}})
    assert error is None
    assert len(api.sent) == ROWS
