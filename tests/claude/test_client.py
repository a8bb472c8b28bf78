"""The client: how a configuration becomes one, whose key it carries and where to, and that it is closed."""

import asyncio
import gc
import pickle
import warnings

import pytest
from aiohttp import web

from scripted_api import KEY, Reply, ScriptedServer, outcomes, prompt, said
from yamlgen.api.loading import load
from yamlgen.cancellation import Cancellation
from yamlgen.claude.provider import ClaudeProvider
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.events import PaceChanged
from yamlgen.exit_codes import ExitCode
from yamlgen.interfaces import UNOBSERVED
from yamlgen.pipeline.model_settings import PUBLIC_URL
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.simulator.server import Simulator

PIPELINE = """\
version: 1
runtime: {{{runtime}}}
input: {{rows: [{{a: 1}}]}}
steps:
  first: {{model: claude-haiku-5-5, max_tokens: 100, prompt: "Hi {{{{ row.a }}}}"}}
  second: {{model: claude-haiku-5-5, max_tokens: 100, prompt: "Ho {{{{ row.a }}}}"}}
output: {{path: out.jsonl}}
"""


@pytest.fixture
def plan(tmp_path):
    """Makes the plan of a small pipeline with runtime settings."""

    def made(runtime=""):
        path = tmp_path / "p.yaml"
        path.write_text(PIPELINE.format(runtime=runtime))
        return load(path).plan()

    return made


async def asked(provider, plan, step="first"):
    """What a step's model answers, or the error."""
    async with provider.open(plan, Cancellation()) as models:
        (outcome,) = await outcomes(models[step].answer(prompt(), UNOBSERVED))
        return outcome


def test_the_key_is_looked_up_by_its_name(plan, monkeypatch):
    """The variable that the pipeline names holds the key; it goes out as the SDK sends it."""
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")

    async def main():
        async with ScriptedServer(said("Hi.")) as server:
            made = plan(f"base_url: '{server.url}', api_key_env: MY_KEY")
            return await asked(ClaudeProvider(made.runtime), made), server.headers[0]

    outcome, headers = asyncio.run(main())
    assert outcome.value == "Hi."
    assert KEY in (headers.get("Authorization", "").removeprefix("Bearer "), headers.get("x-api-key"))


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_names_both_ways_on(monkeypatch, value):
    """No key is exit 3 with its variable's name, and the simulator as the other way."""
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(EnvironmentProblem) as caught:
        ClaudeProvider(Runtime(api_key_env="MY_KEY")).endpoint().credentials()
    assert caught.value.exit_code == ExitCode.ENVIRONMENT == 3
    assert caught.value.code == Code.NO_KEY
    assert "MY_KEY" in caught.value.message
    assert "MY_KEY" in caught.value.hint
    assert "`simulate=True`" in caught.value.hint


@pytest.mark.parametrize("value", ["sk-ant-“quoted”", "sk-ant-a\nb", "sk-ant-a b", "sk-ant-\x00"])
def test_a_key_that_no_header_can_carry_is_told(monkeypatch, value):
    """A key that was pasted with quotes or a line break is told as that, not as a broken network."""
    if "\x00" in value:
        value = value.replace("\x00", "\x7f")
    monkeypatch.setenv("ANTHROPIC_API_KEY", value)
    with pytest.raises(EnvironmentProblem) as caught:
        ClaudeProvider(Runtime()).endpoint().credentials()
    assert caught.value.code == Code.NO_KEY
    assert "ANTHROPIC_API_KEY" in caught.value.message
    assert value not in f"{caught.value} {caught.value.hint}"


def test_the_address_is_the_first_that_is_given(monkeypatch):
    """The caller's, the pipeline's, the environment's, the public one: in this order, without a slash at the end."""
    assert ClaudeProvider(Runtime()).endpoint().address == PUBLIC_URL
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://env.example/")
    assert ClaudeProvider(Runtime()).endpoint().address == "https://env.example"
    runtime = Runtime(base_url="https://file.example/api/")
    assert ClaudeProvider(runtime).endpoint().address == "https://file.example/api"
    assert ClaudeProvider(runtime, base_url="http://127.0.0.1:1").endpoint().address == "http://127.0.0.1:1"


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_address_is_none(plan, monkeypatch, empty):
    """It is unset, for the SDK too: the pipeline's address is where a request goes."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", empty)
    assert ClaudeProvider(Runtime()).endpoint().address == PUBLIC_URL

    async def main():
        async with ScriptedServer(said("Hi.")) as server:
            made = plan(f"base_url: '{server.url}'")
            return await asked(ClaudeProvider(made.runtime), made)

    assert asyncio.run(main()).value == "Hi."


CREDENTIALS = ("AUTH_TOKEN", "IDENTITY_TOKEN", "IDENTITY_TOKEN_FILE", "WEBHOOK_SIGNING_KEY", "PROFILE", "CONFIG_DIR")
PLACES = ("FEDERATION_RULE_ID", "ORGANIZATION_ID", "SERVICE_ACCOUNT_ID", "WORKSPACE_ID", "SCOPE", "BETAS", "MODEL")
"""What the SDK or others of its maker look for, besides what yamlgen hands it."""


def test_no_other_variable_changes_what_is_sent(plan, monkeypatch):
    """Credentials, profiles and workspaces of the environment, which the SDK would find, are none of a run's."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def main():
        async with ScriptedServer(said("Hi.")) as server:
            made = plan(f"base_url: '{server.url}'")
            await asked(ClaudeProvider(made.runtime), made)
            for name in (*CREDENTIALS, *PLACES):
                monkeypatch.setenv(f"ANTHROPIC_{name}", "stray")
            await asked(ClaudeProvider(made.runtime), made)
            return server.bodies, [dict(headers) for headers in server.headers]

    bodies, headers = asyncio.run(main())
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert headers[0] == headers[1]


def test_a_client_without_a_key_sends_nothing(plan, monkeypatch):
    """It opens, and its first request says what is missing, whatever else the SDK would find."""
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "stray")

    async def main():
        async with ScriptedServer(said("Hi.")) as server:
            made = plan(f"base_url: '{server.url}'")
            return await asked(ClaudeProvider(made.runtime), made), server.bodies

    outcome, bodies = asyncio.run(main())
    assert isinstance(outcome, EnvironmentProblem)
    assert (outcome.code, outcome.exit_code, bodies) == (Code.NO_KEY, 3, [])


def test_plain_http_from_the_environment_is_refused(monkeypatch):
    """An address that would send the key in the open needs the author's leave."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example")
    with pytest.raises(EnvironmentProblem) as caught:
        ClaudeProvider(Runtime()).endpoint()
    assert caught.value.code == Code.PLAIN_HTTP
    assert ClaudeProvider(Runtime(allow_http=True)).endpoint().address == "http://gateway.example"


@pytest.mark.parametrize("address", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_plain_http_on_this_machine_is_fine(monkeypatch, address):
    """Nothing leaves the machine."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
    assert ClaudeProvider(Runtime()).endpoint().address == address


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_the_version_of_the_api_is_sent(plan, monkeypatch, version):
    """What the pipeline asks for stands in the header."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def main():
        async with ScriptedServer() as server:
            made = plan(f"base_url: '{server.url}', api_version: '{version}'")
            await asked(ClaudeProvider(made.runtime), made)
            return server.headers[0].getall("anthropic-version")

    assert asyncio.run(main()) == [version]


def test_a_provider_is_a_value(plan):
    """It travels to another process, and holds no key."""
    provider = ClaudeProvider(plan("api_key_env: MY_KEY").runtime, base_url="http://127.0.0.1:1")
    assert pickle.loads(pickle.dumps(provider)) == provider  # noqa: S301 - our own


def test_a_plan_is_a_value(plan):
    """It travels with it."""
    made = plan()
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own


def test_the_client_is_closed(plan):
    """After the context nothing is open: no socket, no session, no warning."""

    async def main():
        async with Simulator() as simulator:
            made = plan()
            outcome = await asked(ClaudeProvider(made.runtime, base_url=simulator.url, simulator="simulator"), made)
            assert outcome.value

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
        gc.collect()


def test_one_ceiling_holds_for_all_steps(plan, monkeypatch):
    """Two steps share the requests in flight."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def main():
        async with ScriptedServer(Reply(wait=0.02)) as server:
            made = plan(f"base_url: '{server.url}', concurrency: 2")
            async with ClaudeProvider(made.runtime).open(made, Cancellation()) as models:
                await asyncio.gather(
                    *(model.answer(prompt(), UNOBSERVED) for model in models.values() for _ in range(8))
                )
            return server.most, len(server.bodies)

    assert asyncio.run(main()) == (2, 16)


POOLS = """\
version: 1
input: {rows: [{a: 1}]}
models:
  writer: {id: claude-opus-4-8, max_tokens: 100}
  judge: {id: claude-opus-4-6, max_tokens: 100}
  unused: {id: claude-opus-4-5, max_tokens: 100}
steps:
  first: {model: writer, prompt: "Hi {{ row.a }}"}
  second: {model: judge, prompt: "Ho {{ row.a }}"}
  third: {model: {id: claude-haiku-5-5}, max_tokens: 100, prompt: "Ha {{ row.a }}"}
output: {path: out.jsonl}
"""


def test_the_pace_names_the_models_of_its_pool(tmp_path):
    """The aliases that steps use and that share the rate limit, or the id of a model without an alias."""
    path = tmp_path / "p.yaml"
    path.write_text(POOLS)
    plan, events = load(path).plan(), []

    async def main():
        async with Simulator() as simulator:
            provider = ClaudeProvider(plan.runtime, base_url=simulator.url, simulator="simulator")
            async with provider.open(plan, Cancellation(), emit=events.append) as models:
                await asyncio.gather(*(model.answer(prompt(), UNOBSERVED) for model in models.values()))

    asyncio.run(main())
    paces = {event.pool: event.models for event in events if isinstance(event, PaceChanged)}
    assert paces == {"opus-4": ("writer", "judge"), "haiku-5-5": ("claude-haiku-5-5",)}


class Proxy:
    """A forward proxy on loopback that answers everything itself, and remembers what it was asked for."""

    async def __aenter__(self):
        self.asked = []
        app = web.Application()

        async def answer(request):
            self.asked.append(request.raw_path if "://" in request.raw_path else str(request.url))
            return web.json_response(said("By proxy.").body)

        app.router.add_route("*", "/{path:.*}", answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()


def test_a_proxy_of_the_environment_is_used(plan, monkeypatch):
    """`HTTP_PROXY` works on the aiohttp transport too."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def main():
        async with Proxy() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("http_proxy", proxy.url)
            made = plan("base_url: 'http://gateway.example', allow_http: true")
            return await asked(ClaudeProvider(made.runtime), made), proxy.asked

    outcome, requests = asyncio.run(main())
    assert outcome.value == "By proxy."
    assert requests == ["http://gateway.example/v1/messages"]


def test_no_proxy_is_obeyed(plan, monkeypatch):
    """A host under `NO_PROXY` is reached directly."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    async def main():
        async with Proxy() as proxy, ScriptedServer(said("Directly.")) as server:
            for name in ("HTTP_PROXY", "http_proxy"):
                monkeypatch.setenv(name, proxy.url)
            for name in ("NO_PROXY", "no_proxy"):
                monkeypatch.setenv(name, "127.0.0.1")
            made = plan(f"base_url: '{server.url}'")
            return await asked(ClaudeProvider(made.runtime), made), proxy.asked

    outcome, requests = asyncio.run(main())
    assert outcome.value == "Directly."
    assert requests == []


def test_the_simulator_is_never_reached_by_proxy(plan, monkeypatch):
    """`--simulate` needs no network, and no corporate proxy between this process and itself."""

    async def main():
        async with Proxy() as proxy, Simulator() as simulator:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            made = plan()
            provider = ClaudeProvider(made.runtime, base_url=simulator.url, simulator="simulator")
            return await asked(provider, made), proxy.asked

    outcome, requests = asyncio.run(main())
    assert outcome.value != "By proxy."
    assert requests == []


def test_tracing_keeps_content_out(plan, monkeypatch):
    """Whatever the environment says, the SDK's own tracing records no prompt and no answer."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setattr("yamlgen.claude.plan_models.ClaudeModel", lambda client, *_, **__: client)
    made = plan("base_url: 'http://127.0.0.1:9'")

    async def main():
        async with ClaudeProvider(made.runtime).open(made, Cancellation()) as models:
            return models["first"].open_telemetry["traces"]["content_mode"]

    assert asyncio.run(main()) == "metadata_only"


@pytest.mark.parametrize("who", ["me:hunter2-word", "hunter2-word", ":hunter2-word"])
def test_a_password_in_the_address_is_refused_unsaid(monkeypatch, who):
    """An address of the environment with a name or a password is refused, and neither is repeated."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"https://{who}@gateway.example")
    with pytest.raises(EnvironmentProblem) as caught:
        ClaudeProvider(Runtime()).endpoint()
    assert caught.value.code == Code.SECRET
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("https://gateway.example/v1?hunter2-word", "a query"),
        ("https://gateway.example?", "a query"),
        ("gateway.example/?key=hunter2-word", "a query"),
        ("https://gateway.example/#hunter2-word", "a fragment"),
    ],
)
def test_an_address_with_a_query_or_a_fragment_is_refused_unsaid(monkeypatch, address, what):
    """The path of a request cannot stand behind a query: it is refused before anything is sent, and not repeated."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
    with pytest.raises(EnvironmentProblem) as caught:
        ClaudeProvider(Runtime()).endpoint()
    assert caught.value.message == f"ANTHROPIC_BASE_URL contains {what}"
    assert "hunter2" not in caught.value.hint
