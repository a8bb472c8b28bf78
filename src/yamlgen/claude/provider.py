"""How Claude is reached: a configuration, from which an engine opens one client a run, always closed.

The key is looked up by the name of its variable at the moment the client opens, and lives in the client alone. Where
there is none, the first request tells it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from yamlgen.cancellation import Cancellation
from yamlgen.claude.address import normalised, safe_address
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.api_key import key_in
from yamlgen.claude.client import build_client
from yamlgen.claude.connections import affordable
from yamlgen.claude.custom_headers import CustomHeaders, custom_headers
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.plan_models import models, pool_members
from yamlgen.claude.transport import Transport
from yamlgen.environment import variable
from yamlgen.errors import EnvironmentProblem
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import Model, ResponseStore
from yamlgen.option_names import by_surface, option
from yamlgen.pacing.limiter import Limiter
from yamlgen.pacing.pool import MAX_PAUSE, UNHEARD
from yamlgen.pipeline.model_settings import PUBLIC_URL
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.planning.plan import Plan


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
        return key_in(self.runtime.api_key_env, retries=self.retries)

    def headers(self) -> CustomHeaders:
        """What the environment adds to every request; a simulated run needs nothing of it.

        Raises:
            EnvironmentProblem: a header may not be set so.
        """
        return CustomHeaders() if self.simulator is not None else custom_headers()

    @asynccontextmanager
    async def open(
        self,
        plan: Plan,
        cancellation: Cancellation,
        response_store: ResponseStore | None = None,
        emit: Emit | None = None,
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
        ceiling, members = affordable(plan.concurrency), pool_members(plan)
        limiter = Limiter(ceiling, cancellation, pause or MAX_PAUSE, emit, unheard=unheard, models=members)
        simulated = self.simulator is not None
        tell = None if simulated or emit is None else partial(emit, RunWarned(_simulated(base_url)))
        client = build_client(
            api_key=key,
            base_url=base_url,
            transport=Transport(runtime.timeout, runtime.max_retries, limiter, base_url, cancellation, tell),
            api_version=runtime.api_version,
            keyless=keyless,
        )
        keys = None if response_store is None else AnswerKeys(self.answerer(), runtime.api_version, headers.betas)
        error_context = ErrorContext("", base_url, runtime.api_key_env, "" if simulated else key, headers.secrets)
        async with client:
            yield models(client, plan, error_context, store=response_store, keys=keys, simulated=simulated, emit=emit)


def _simulated(base_url: str) -> str:
    """The warning of a run that was pointed to a simulator, and knows it by nothing else than its first answer."""
    how = by_surface(command="a run", python="a call")
    kept = "its answers cost nothing, and are kept as those of an API at this address, whatever its seed and its faults"
    return f"{base_url} is a simulator: {kept}; {how} with {option('simulate')} keeps simulated answers apart"
