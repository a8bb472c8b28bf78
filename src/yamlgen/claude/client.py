"""The client: one per run, on the SDK's aiohttp transport, always closed.

Owns how a configuration becomes an `AsyncAnthropic`: the key is looked up by the name of its variable at the
moment the client opens, and lives in the client alone. Where there is none, the first request tells it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anthropic
import httpx2

from yamlgen.caller import by_surface, option
from yamlgen.cancellation import Cancellation
from yamlgen.claude.answer_keys import Keeping
from yamlgen.claude.connections import affordable, open_connections, patience
from yamlgen.claude.custom_headers import CustomHeaders, custom_headers
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.prices import tariff_of
from yamlgen.claude.transport import Transport
from yamlgen.environment import variable
from yamlgen.errors import Code, EnvironmentProblem, MissingKey
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import Model, ResponseStore
from yamlgen.pacing.limiter import Limiter
from yamlgen.pacing.pool import MAX_PAUSE, UNHEARD
from yamlgen.pipeline.language import Runtime
from yamlgen.pipeline.model_settings import PUBLIC_URL, address_fault, plain_http
from yamlgen.planning.plan import Plan

if TYPE_CHECKING:
    from yamlgen.claude.structured import Structured

_HEADER: Final = re.compile(r"[!-~]+")


def safe_address(found: str, runtime: Runtime, way: str = "`runtime.allow_http: true`") -> str:
    """An address of the environment, if the author would have a key sent there; `way` is how to say so.

    Raises:
        EnvironmentProblem: no client can be pointed at it, or it is plain http beyond this machine.
    """
    fault = address_fault(found)
    if fault is not None:
        hint = "write https://host or https://host/path, or unset it; a key has a variable of its own"
        code = Code.SECRET if "password" in fault else Code.UNREACHABLE
        raise EnvironmentProblem(f"ANTHROPIC_BASE_URL {fault}", code=code, hint=hint)
    if plain_http(found, runtime):
        message = f"ANTHROPIC_BASE_URL is {found}: plain http would send the key in the open"
        hint = f"use https://; a gateway in a private network needs {way}"
        raise EnvironmentProblem(message, code=Code.PLAIN_HTTP, hint=hint)
    return found


def usable_key(key: str, where: str) -> str:
    """The key, if a header can carry it.

    Raises:
        EnvironmentProblem: it cannot; the message does not show it.
    """
    if not _HEADER.fullmatch(key):
        message = f"the API key in {where} holds characters that no key has"
        raise MissingKey(message, code=Code.NO_KEY, hint="was it copied with quotes, spaces or a line break?")
    return key


def build_client(
    *,
    api_key: str,
    base_url: str,
    transport: Transport,
    max_retries: int,
    api_version: str | None = None,
    http_client: httpx2.AsyncClient | None = None,
    keyless: EnvironmentProblem | None = None,
) -> anthropic.AsyncAnthropic:
    """An SDK client whose requests go through `transport`, or fail with `keyless` before they go anywhere.

    `max_retries` is what the client shows; requests are made on `with_options(max_retries=0)` of it.
    """

    async def stop(_request: Any, _call_next: Any) -> Any:
        assert keyless is not None  # noqa: S101 - it stands before the transport of such a client alone
        raise keyless

    if http_client is None:
        http_client = open_connections(base_url, transport.timeout, transport.limiter.ceiling)
    return anthropic.AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        timeout=patience(transport.timeout),
        max_retries=max_retries,
        default_headers={"anthropic-version": api_version} if api_version else None,
        http_client=http_client,
        middleware=[transport] if keyless is None else [stop, transport],
        open_telemetry={"traces": {"content_mode": "metadata_only"}},
    )


@dataclass(frozen=True, slots=True)
class ClaudeProvider:
    """How Claude is reached: a configuration, picklable, without a key in it.

    Args:
        runtime: the pipeline's runtime settings.
        base_url: an address that wins over the runtime's, such as the simulator's.
        simulator: how the simulator behaves, as a text; `None` where there is none.
        watched: whether somebody waits for the first answer, who is told soon that the address is silent.
        retries: whether rows of a paid run are asked again, which the simulator cannot do.
    """

    runtime: Runtime
    base_url: str | None = None
    simulator: str | None = None
    watched: bool = False
    retries: bool = False

    def address(self) -> str:
        """The base URL: this one's, the pipeline's, the environment's, the public one.

        Raises:
            EnvironmentProblem: the environment's would send the key in the open.
        """
        given = self.base_url or self.runtime.base_url
        if given:
            return given.rstrip("/")
        return safe_address(variable("ANTHROPIC_BASE_URL") or PUBLIC_URL, self.runtime).rstrip("/")

    def answerer(self) -> str:
        """Who answers, by which answers are told apart: the address as all its spellings share it, or the simulator.

        Raises:
            EnvironmentProblem: the environment's address would send the key in the open.
        """
        return self.simulator or normalised(self.address())

    def key(self) -> str:
        """The API key.

        Raises:
            EnvironmentProblem: its variable is not set, or holds no key.
        """
        if self.simulator is not None:
            return "simulated"  # it takes any
        name = self.runtime.api_key_env
        key = variable(name)
        if key is None:
            file = by_surface(command=f" (or put it into a file: {option('env_file', '.env')})", python="")
            trial = "" if self.retries else f", or try without a key: {option('simulate')}"
            hint = f"set {name}{file}{trial}"
            message = f"no API key: the environment variable {name} is not set"
            raise MissingKey(message, code=Code.NO_KEY, hint=hint)
        return usable_key(key.strip(), name)

    def headers(self) -> CustomHeaders:
        """What the environment adds to every request; a simulated run needs nothing of it.

        Raises:
            EnvironmentProblem: a header may not be set so.
        """
        return CustomHeaders() if self.simulator is not None else custom_headers()

    @asynccontextmanager
    async def open(
        self, plan: Plan, halt: Cancellation, recorder: ResponseStore | None = None, emit: Emit | None = None
    ) -> AsyncIterator[Mapping[str, Model]]:
        """The models that the plan asks, by name; the client is closed with the context.

        Without a key it opens all the same, and the first request fails.

        Raises:
            EnvironmentProblem: the environment's address, proxy, certificates or headers cannot be used.
        """
        runtime, base_url, headers = self.runtime, self.address(), self.headers()
        key, keyless = "", None
        try:
            key = self.key()
        except EnvironmentProblem as error:
            keyless = error
        pause = plan.limits.max_pause
        unheard = UNHEARD if self.watched or pause is None else pause
        limiter = Limiter(affordable(plan.concurrency), halt, pause or MAX_PAUSE, emit, unheard=unheard)
        tell = None if self.simulator is not None or emit is None else partial(emit, RunWarned(_simulated(base_url)))
        transport = Transport(runtime.timeout, runtime.max_retries, limiter, base_url, halt, tell)
        client = build_client(
            api_key=key,
            base_url=base_url,
            transport=transport,
            max_retries=runtime.max_retries,
            api_version=runtime.api_version,
            keyless=keyless,
        )
        simulated = self.simulator is not None
        keeping = None
        if recorder is not None:
            version = runtime.api_version
            keeping = Keeping(recorder, self.answerer(), version, tell_row=simulated, betas=headers.betas)
        async with client:
            sending = client.with_options(max_retries=0)
            told = "" if simulated else key
            secrets = headers.secrets
            yield models(sending, plan, base_url=base_url, key=told, secrets=secrets, keeping=keeping, emit=emit)


def _simulated(base_url: str) -> str:
    """The warning of a run that was pointed to a simulator, and knows it by nothing else than its first answer."""
    how = by_surface(command="a run", python="a call")
    kept = "its answers cost nothing, and are kept as those of an API at this address, whatever its seed and its faults"
    return f"{base_url} is a simulator: {kept}; {how} with {option('simulate')} keeps simulated answers apart"


def normalised(base_url: str) -> str:
    """An address as all its spellings share it: lower case where case does not matter, no usual port, no last `/`."""
    parts = urlsplit(base_url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def models(
    client: anthropic.AsyncAnthropic,
    plan: Plan,
    *,
    base_url: str,
    key: str,
    secrets: tuple[str, ...] = (),
    keeping: Keeping | None = None,
    emit: Emit | None = None,
) -> dict[str, Model]:
    """The models that a plan asks, by the names of its variants, over one client."""

    def warn(message: str) -> None:
        if emit is not None:
            emit(RunWarned(message))

    made: dict[str, Model] = {}
    ways: dict[str, Structured] = {}
    for step, variant in plan.variants:
        sender = ErrorContext(variant.model, base_url, plan.runtime.api_key_env, key, secrets)
        structured = None
        if step.schema is not None:
            from yamlgen.claude.structured import Structured  # noqa: PLC0415 - instructor, which takes half a second

            alike = variant.alike or variant.name  # what one of them learns of the API, the others know
            structured = ways.get(alike) or Structured(step.name, step.schema, variant.settings, variant.mode)
            ways[alike] = structured
        made[variant.name] = ClaudeModel(
            client,
            variant.settings,
            sender,
            structured=structured,
            reasks=variant.reasks,
            timeout=plan.runtime.timeout,
            keeping=keeping,
            tariff=tariff_of(variant.model, variant.price),
            warn=warn,
        )
    return made
