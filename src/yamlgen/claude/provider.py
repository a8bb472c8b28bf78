"""The way to Claude: a configuration from which an engine opens one client for a run.

The key is read from its variable when the client opens, and is held only by the client. Without a key, the first
request fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from yamlgen.batches.desk import BatchDesk
from yamlgen.cancellation import Cancellation
from yamlgen.claude.accept_failures import ended_by_accept_failure
from yamlgen.claude.address import safe_address
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.api_key import key_in
from yamlgen.claude.batch_calls import open_batch_calls
from yamlgen.claude.batch_results import PricedResults
from yamlgen.claude.client import build_client
from yamlgen.claude.connections import affordable
from yamlgen.claude.custom_headers import CustomHeaders, custom_headers
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.plan_models import accountings, models, pool_members
from yamlgen.claude.transport import Transport
from yamlgen.environment import variable
from yamlgen.errors import EnvironmentProblem
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import Model, ResponseStore
from yamlgen.option_names import by_surface, option
from yamlgen.pacing.limiter import Limiter
from yamlgen.pacing.pool import MAX_PAUSE, UNHEARD
from yamlgen.pipeline.model_settings import PUBLIC_URL, normalised
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class ClaudeProvider:
    """The configuration of the access to Claude: picklable, without the key.

    Args:
        runtime: the pipeline's runtime settings.
        base_url: an address that overrides the runtime's, such as the simulator's.
        simulator: the simulator's settings as a string; `None` without a simulator.
        watched: whether a user waits for the first answer, so that a silent address is reported soon.
        retries: whether the run retries rows of a run, which the simulator cannot do.
        keys: computes the keys of answers; `None` for the keys of the answers of this address.
    """

    runtime: Runtime
    base_url: str | None = None
    simulator: str | None = None
    watched: bool = False
    retries: bool = False
    keys: AnswerKeys | None = None

    def address(self) -> str:
        """Return the base URL: this configuration's, else the pipeline's, the environment's or the public one.

        Raises:
            EnvironmentProblem: the environment's address would send the key unencrypted.
        """
        given = self.base_url or self.runtime.base_url
        if given:
            return given.rstrip("/")
        return safe_address(variable("ANTHROPIC_BASE_URL") or PUBLIC_URL, self.runtime).rstrip("/")

    def answerer(self) -> str:
        """Return who answers, as a part of the keys of answers: the normalised address, or the simulator.

        Raises:
            EnvironmentProblem: the environment's address would send the key unencrypted.
        """
        return self.simulator or normalised(self.address())

    def key(self) -> str:
        """Return the API key.

        Raises:
            EnvironmentProblem: its variable is not set, or contains no key.
        """
        if self.simulator is not None:
            return "simulated"  # the simulator accepts any key
        return key_in(self.runtime.api_key_env, retries=self.retries)

    def headers(self) -> CustomHeaders:
        """Return the headers that the environment adds to every request; none for a simulated run.

        Raises:
            EnvironmentProblem: the environment may not set one of the headers.
        """
        return CustomHeaders() if self.simulator is not None else custom_headers()

    @asynccontextmanager
    async def open(
        self,
        plan: Plan,
        cancellation: Cancellation,
        response_store: ResponseStore | None = None,
        emit: Emit | None = None,
        desk: BatchDesk | None = None,
    ) -> AsyncIterator[Mapping[str, Model]]:
        """Open a client and yield the models of the plan by name; the context closes the client.

        Without a key it opens too, and the first request fails. The desk is connected to the batch endpoints.

        Raises:
            EnvironmentProblem: the environment's address, proxy, certificates or headers cannot be used, or the
                simulator of this process has no file descriptor left.
        """
        runtime, base_url, headers = self.runtime, self.address(), self.headers()
        key, keyless = "", None
        try:
            key = self.key()
        except EnvironmentProblem as error:
            keyless = error
        pause = plan.limits.max_pause
        unheard = UNHEARD if self.watched or pause is None else pause
        simulated = self.simulator is not None
        ceiling, members = affordable(plan.concurrency, simulated=simulated), pool_members(plan)
        limiter = Limiter(ceiling, cancellation, pause or MAX_PAUSE, emit, unheard=unheard, models=members)
        tell = None if simulated or emit is None else partial(emit, RunWarned(_simulated(base_url)))
        client = build_client(
            api_key=key,
            base_url=base_url,
            transport=Transport(runtime.timeout, runtime.max_retries, limiter, base_url, cancellation, tell),
            api_version=runtime.api_version,
            keyless=keyless,
        )
        keys = None
        if response_store is not None:
            keys = self.keys or AnswerKeys(self.answerer(), runtime.api_version, headers.betas)
        error_context = ErrorContext("", base_url, runtime.api_key_env, "" if simulated else key, headers.secrets)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            await stack.enter_async_context(ended_by_accept_failure() if simulated else nullcontext())
            if desk is not None:
                calls = open_batch_calls(
                    api_key=key,
                    error_context=error_context,
                    timeout=runtime.timeout,
                    api_version=runtime.api_version,
                    keyless=keyless,
                )
                desk.connect(await stack.enter_async_context(calls), PricedResults(error_context, accountings(plan)))
            yield models(
                client,
                plan,
                error_context,
                store=response_store,
                keys=keys,
                simulated=simulated,
                emit=emit,
                desk=desk,
            )


def _simulated(base_url: str) -> str:
    """Return the warning of a run whose address turns out to be a simulator's at the first answer."""
    how = by_surface(command="a run", python="a call")
    kept = "its answers cost nothing, and are stored as those of an API at this address, whatever its seed and faults"
    return f"{base_url} is a simulator: {kept}; {how} with {option('simulate')} stores simulated answers separately"
