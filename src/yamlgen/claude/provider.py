"""The way to Claude: a configuration from which an engine opens the clients of a run, one for each end.

Credentials are read when the clients open, and are held only by them. Without any, the first request fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from yamlgen.batches.desk import BatchDesk
from yamlgen.cancellation import Cancellation
from yamlgen.claude.accept_failures import ended_by_accept_failure
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.api_key import no_key
from yamlgen.claude.batch_results import PricedResults
from yamlgen.claude.connections import affordable
from yamlgen.claude.custom_headers import CustomHeaders
from yamlgen.claude.endpoints import Endpoint, endpoint_of, posted_to
from yamlgen.claude.open_endpoint import OpenEndpoint, open_endpoint
from yamlgen.claude.plan_models import accountings, models, pool_members
from yamlgen.errors import Code, EnvironmentProblem, MissingKey
from yamlgen.events import Emit, RunWarned
from yamlgen.interfaces import Model, ResponseStore
from yamlgen.option_names import by_surface, option
from yamlgen.pacing.limiter import Limiter, Places
from yamlgen.pacing.pool import MAX_PAUSE, UNHEARD
from yamlgen.pacing.warming import SETTLING, PromptWarmer
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.planning.plan import Plan
from yamlgen.steps.config_fields import ModelRuntime


@dataclass(frozen=True, slots=True)
class ClaudeProvider:
    """The configuration of the access to Claude: picklable, without credentials.

    Args:
        runtime: the pipeline's runtime settings.
        base_url: an address that overrides all others, such as the simulator's.
        simulator: the simulator's settings as a string; `None` without a simulator.
        watched: whether a user waits for the first answer, so that a silent address is reported soon.
        retries: whether the run retries rows of a run, which the simulator cannot do.
        keys: returns what computes the keys of the answers of a variant; `None` for the keys of its end.
    """

    runtime: Runtime
    base_url: str | None = None
    simulator: str | None = None
    watched: bool = False
    retries: bool = False
    keys: Callable[[str], AnswerKeys] | None = None
    _known: dict[str, Endpoint] = field(default_factory=dict, compare=False, repr=False)

    def endpoint(self, own: ModelRuntime | None = None) -> Endpoint:
        """Return the end of a model that overrides these keys of the connection; always the same, if a profile changes.

        Raises:
            EnvironmentProblem: the environment's address would send the key unencrypted, or a profile cannot be read.
        """
        if self.base_url is None:
            if repr(own) not in self._known:
                self._known[repr(own)] = endpoint_of(self.runtime, own)
            return self._known[repr(own)]
        runtime = self.runtime if own is None else own.over(self.runtime)
        return Endpoint(runtime, self.base_url.rstrip("/"), simulator=self.simulator)

    def endpoints(self, plan: Plan) -> dict[str, Endpoint]:
        """Return the ends of a plan, by the names of its variants.

        Raises:
            EnvironmentProblem: as for `endpoint`.
        """
        return {variant.name: self.endpoint(variant.connection) for _, variant in plan.variants}

    def check_credentials(self, plan: Plan, steps: Iterable[str]) -> None:
        """Check that every end to which these steps send requests has credentials.

        Raises:
            EnvironmentProblem: some do not; all of them are named.
        """
        wanted, ends = set(steps), self.endpoints(plan)
        used = {
            end.identity: end for step, variant in plan.variants if step.name in wanted and (end := ends[variant.name])
        }
        unset = dict.fromkeys(end.unset for end in used.values() if end.unset is not None)
        problems: list[EnvironmentProblem] = []
        if len(unset) > 1:
            problems.append(no_key(tuple(unset), retries=self.retries))
            used = {identity: end for identity, end in used.items() if end.unset is None}
        for end in used.values():
            try:
                end.credentials(retries=self.retries).close()
                end.headers().check()
            except EnvironmentProblem as error:
                problems.append(error)
        if len(problems) == 1:
            raise problems[0]
        if problems:
            hints = dict.fromkeys(each.hint for each in problems if each.hint)
            message = "; ".join(each.message for each in problems)
            raise MissingKey(message, code=Code.NO_KEY, hint="; ".join(hints))

    def headers(self, plan: Plan) -> CustomHeaders:
        """Return the names and the secrets of the headers that are added to the requests of a plan.

        Raises:
            EnvironmentProblem: the environment may not set one of the headers, or lacks the value of one.
        """
        found = [end.headers() for end in self.endpoints(plan).values()] or [self.endpoint().headers()]
        names = sorted({name for each in found for name in each.names})
        return CustomHeaders(tuple(names), secrets=tuple({secret for each in found for secret in each.secrets}))

    @asynccontextmanager
    async def open(
        self,
        plan: Plan,
        cancellation: Cancellation,
        response_store: ResponseStore | None = None,
        emit: Emit | None = None,
        desk: BatchDesk | None = None,
    ) -> AsyncIterator[Mapping[str, Model]]:
        """Open a client for each end, and yield the models of the plan by name; the context closes the clients.

        Without credentials an end opens too, and its first request fails. The desk is connected to the batch endpoints.

        Raises:
            EnvironmentProblem: an address, proxy, certificates or headers cannot be used, a profile cannot be read, or
                the simulator of this process has no file descriptor left.
        """
        ends = self.endpoints(plan)
        simulated = self.simulator is not None
        earlier = () if desk is None else _earlier_ends(desk, ends, emit)
        clients = {end.client_key: end for end in (*ends.values(), *earlier)}
        places = Places(affordable(plan.concurrency, simulated=simulated, clients=max(1, len(clients))))
        limiters = self._limiters(plan, ends, places, cancellation, emit)
        settling = 0.0 if simulated else SETTLING
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(ended_by_accept_failure() if simulated else nullcontext())
            opened: dict[tuple[object, ...], OpenEndpoint] = {}
            for client, end in clients.items():
                tell = None if simulated or emit is None else partial(emit, RunWarned(_simulated(end.address)))
                limiter = limiters.get(end.identity) or Limiter(places, cancellation)
                made = open_endpoint(end, limiter, cancellation, retries=self.retries, tell=tell)
                opened[client] = await stack.enter_async_context(made)
            if desk is not None:
                posts = {each.endpoint.origin(): each for each in opened.values()}
                prices = accountings(plan)
                desk.connect(
                    {
                        origin: (
                            await stack.enter_async_context(each.batch_calls()),
                            PricedResults(each.error_context, prices),
                        )
                        for origin, each in posts.items()
                    }
                )
            yield models(
                plan,
                {name: opened[end.client_key] for name, end in ends.items()},
                store=response_store,
                keys=None if response_store is None else self.keys or (lambda name: ends[name].keys()),
                emit=emit,
                desk=desk,
                warmers={identity: PromptWarmer(cancellation, settling=settling) for identity in limiters},
            )

    def _limiters(
        self,
        plan: Plan,
        ends: Mapping[str, Endpoint],
        places: Places,
        cancellation: Cancellation,
        emit: Emit | None,
    ) -> dict[tuple[str, ...], Limiter]:
        """Return the limiter of each end. The end of most models is that of the file."""
        pause = plan.limits.max_pause
        unheard = UNHEARD if self.watched or pause is None else pause
        members: dict[tuple[str, ...], set[str]] = {}
        for name, end in ends.items():
            members.setdefault(end.identity, set()).add(name)
        of_file = {ends[variant.name].identity for _, variant in plan.variants if variant.connection is None}
        found: dict[tuple[str, ...], Limiter] = {}
        for identity, names in members.items():
            end = ends[next(iter(names))]
            is_shared = any(ends[name].place == end.place for name in ends.keys() - names)
            place = f"{end.place} with {end.told}" if is_shared else end.place
            found[identity] = Limiter(
                places,
                cancellation,
                pause or MAX_PAUSE,
                emit,
                unheard=unheard,
                models=pool_members(plan, names),
                share=end.runtime.quota_share,
                account=end.account,
                place="" if len(members) == 1 or identity in of_file else place,
                address="" if len(members) == 1 else end.address,
            )
        return found


def _earlier_ends(desk: BatchDesk, ends: Mapping[str, Endpoint], emit: Emit | None) -> Iterator[Endpoint]:
    """Yield the ends of open batches to which no model of the plan is connected any more."""
    known = {end.address for end in ends.values()}
    for origin in desk.origins():
        if origin.base_url not in known:
            try:
                yield posted_to(origin)
            except EnvironmentProblem as error:
                if emit is not None:
                    emit(RunWarned(f"batches of an earlier run at {origin.base_url} stay open: {error.message}"))


def _simulated(base_url: str) -> str:
    """Return the warning of a run whose address turns out to be a simulator's at the first answer."""
    how = by_surface(command="a run", python="a call")
    kept = "its answers cost nothing, and are stored as those of an API at this address, whatever its seed and faults"
    return f"{base_url} is a simulator: {kept}; {how} with {option('simulate')} stores simulated answers separately"
