"""The lookup of a request in the store: one that was answered or refused before is not sent again.

Owns what is stored of refusals, and when their number raises the doubt whether any request will succeed.
"""

from __future__ import annotations

from typing import Final

from yamlgen.claude.error_mapping import REFUSALS, refused_before
from yamlgen.claude.failure_streak import FailureStreak
from yamlgen.claude.requests import Layer, Request
from yamlgen.claude.schema_fallback import SchemaFallback
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import AttemptLog
from yamlgen.option_names import by_surface, option
from yamlgen.value_objects import Attempt, Refusal, SystemicFailure

_TO_SEND: Final = "send it with a run that is not offline"


class LookupLayer:
    """The layer that looks in the store before it uses the layer below.

    Args:
        below: answers a request without a stored answer.
        fallback: handles refusals that may be about the schema.
        simulated: whether the simulator answers, for the wording of a hint.
    """

    def __init__(self, below: Layer, fallback: SchemaFallback, *, simulated: bool = False) -> None:
        self._below = below
        self._fallback = fallback
        self._simulated = simulated
        self._streak = FailureStreak()
        self._unproven: dict[bytes, RowError] = {}  # refusals of this run that cannot be stored yet

    async def answer(self, request: Request) -> Attempt:
        """Return the stored answer to a request, or a new one."""
        log = request.log
        if log is None:
            return await self._new(request)
        attempt = log.recall(request.keys) or await self._new(request, log)
        self._streak.answered()
        await log.prove(request.mode.setup)
        return attempt

    async def _new(self, request: Request, log: AttemptLog | None = None) -> Attempt:
        request.mode.check()
        if log is not None:
            refusal = log.refused(request.key)
            if refusal is not None:
                await self._fallback.consider(request, refusal)
                raise refused_before(refusal, self._ask_again())
            if request.key in self._unproven:  # the row is run again, because it waited for a batch
                raise self._unproven[request.key].replace()
            if not log.sends:
                raise RowError("no answer to this request is in the store", code=Code.NOT_STORED, hint=_TO_SEND)
        try:
            return await self._below.answer(request)
        except RowError as error:
            await self._fallback.consider(request, Refusal(error.status, error.message))
            told = self._fallback.advised(error)
            if log is not None:
                told = told.replace(doubt=await self._failed(told, request, log))
            raise told from None

    async def _failed(self, error: RowError, request: Request, log: AttemptLog) -> SystemicFailure | None:
        """Store a refusal, and return the doubt if the failure may affect all rows."""
        if log.is_proven(request.mode.setup):
            self._streak.answered()
        doubt = self._streak.failed(error)
        if error.status in REFUSALS:
            if not log.is_proven(request.mode.setup):
                self._unproven[request.key] = error
            await log.refuse(request.key, request.mode.setup, Refusal(error.status, error.message))
        return doubt

    def _ask_again(self) -> str:
        simulated = " --simulate" if self._simulated else ""
        retry = by_surface(command=f"`yamlgen retry PIPELINE RUN{simulated}`", python=option("retry", "RUN"))
        return f"correct the row, or send the request again with {retry}; it cost nothing"
