"""The re-asks: requests are sent until an output is valid and complete, or none is left.

Owns the account of all answers for a row. The words of a re-ask are in `reask_turns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.claude.instructor_import import INSTRUCTOR
from yamlgen.claude.message_parsing import message_of, read, text_of
from yamlgen.claude.parsed_answer import EmptyAnswer, InvalidOutput
from yamlgen.claude.reask_turns import about_text
from yamlgen.claude.requests import Layer, Request, RequestBuilder
from yamlgen.claude.response_checks import fault_of
from yamlgen.claude.usage import answering_model
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import Check
from yamlgen.row_result import Answer
from yamlgen.value_objects import JSON, Attempt


class ReaskLayer:
    """The topmost layer, which turns answers into a valid output.

    Args:
        below: answers each request.
        builder: builds the re-asks.
        error_context: the sender, for error messages.
        reasks: the maximum number of re-asks. Text is invalid if it is blank or fails a check.
        grows: whether a truncated answer is requested again with more tokens.
        stands_in: whether the model is only asked after another has refused.
    """

    def __init__(
        self,
        below: Layer,
        builder: RequestBuilder,
        error_context: ErrorContext,
        reasks: int,
        *,
        grows: bool = False,
        stands_in: bool = False,
    ) -> None:
        self._below = below
        self._builder = builder
        self._error_context = error_context
        self._reasks = reasks
        self._grows = grows
        self._stands_in = stands_in

    async def answer(self, first: Request, check: Check | None, attempts: list[Attempt]) -> Answer:
        """Return the valid output for a request; invalid answers are added to `attempts`.

        Raises:
            RequestModeRefused: the API does not accept the schema in this mode.
            RowError: there is no valid output; the error has the account of all answers.
            RunStopped: no request will succeed.
            EnvironmentProblem: instructor cannot be imported.
        """
        request, left = first, self._reasks
        while True:
            try:
                attempt = self._named(await self._below.answer(request))
            except RowError as error:
                raise self._told(error, request, attempts, first.key) from None
            request.context.observer.received(attempt, cause=request.cause)
            if not INSTRUCTOR.is_done and request.mode.structured is not None:
                await INSTRUCTOR.finished()  # after the answer is stored and counted
            try:
                output = read(attempt, request.mode.structured)
                attempt = replace(attempt, notes=output.notes) if output.notes != attempt.notes else attempt
                errors = check(output.value) if check is not None else ()
                if errors:
                    raise InvalidOutput(errors, by_check=True)  # noqa: TRY301 - handled like the schema's errors
            except RowError as error:
                attempts.append(replace(attempt, errors=(self._error_context.masked(error.message),)))
                larger = self._larger(request) if error.code is Code.TRUNCATED else None
                if larger is None:
                    told = self._at_most(error, request) if error.code is Code.TRUNCATED else error
                    raise self._told(told, request, attempts, first.key) from None
                request = larger
            except InvalidOutput as invalid:
                attempts.append(replace(attempt, errors=tuple(map(self._error_context.masked, invalid.errors))))
                following = None if left == 0 else self._builder.following(request, reask(request, attempt, invalid))
                if following is None or (invalid.by_check and not _may_follow(following)):
                    told = self._error(invalid, self._reasks - left)
                    raise self._told(told, request, attempts, first.key) from None
                request, left = following, left - 1
            else:
                return Answer(output.value, (*attempts, attempt), first.key)

    def _named(self, attempt: Attempt) -> Attempt:
        """Return an attempt with the model that answered, if that is a fallback model."""
        model = self._builder.model
        answering = answering_model(attempt.response, model)
        if (answering == model and not self._stands_in) or attempt.response.get("stop_reason") == "refusal":
            return attempt
        return replace(attempt, fallback=answering)

    def _larger(self, request: Request) -> Request | None:
        """Return the request that follows a truncated answer; `None` if there is none."""
        return self._builder.larger(request) if self._grows else None

    def _at_most(self, error: RowError, request: Request) -> RowError:
        """Return the error of a truncated answer that cannot be longer."""
        if not self._grows:
            return error
        most = request.body["max_tokens"]
        return error.replace(
            message=f"the answer was cut off at {most:,} tokens, the maximum",
            hint="ask for a shorter answer: the tokens include the thinking, which a lower `effort` shortens",
        )

    def _error(self, invalid: InvalidOutput, reasks: int) -> RowError:
        """Return the error of an output that is invalid after `reasks` re-asks."""
        asked = f" after {reasks} re-ask{'s' if reasks != 1 else ''}" if reasks else ""
        more = f" (and {len(invalid.errors) - 1} more)" if len(invalid.errors) > 1 else ""
        message = f"the output is invalid{asked}: {invalid.errors[0]}{more}"
        code = Code.INVALID_OUTPUT
        if isinstance(invalid, EmptyAnswer):
            code, message = Code.NO_TEXT, f"{invalid.errors[0]}{asked}"
        message = self._error_context.clean(message)  # before it is shortened, which may cut a key
        hint = "see its attempts in the failed rows file"
        return RowError(message, code=code, hint=hint, is_useless=not invalid.by_check)

    def _told(self, error: RowError, request: Request, attempts: Sequence[Attempt], key: bytes) -> RowError:
        """Return the error with its account. Its message may quote an answer, and an answer may quote the key."""
        message = self._error_context.clean(error.message)
        told = error.replace(message=message, request=request.sent, attempts=tuple(attempts), key=key)
        return told.replace(wanted=request.key)


def _may_follow(request: Request) -> bool:
    """Return whether a re-ask may be made after an answer that a check has rejected."""
    return request.log is None or request.log.may_follow(request.keys)


def reask(request: Request, attempt: Attempt, invalid: InvalidOutput) -> dict[str, JSON]:
    """Return the body of the request that shows the model its answer and the errors."""
    body, said, structured = request.body, None, request.mode.structured
    if fault_of(attempt.response) is None:
        message = message_of(attempt, structured)
        if structured is not None:
            return structured.reask(body, message, invalid)
        if not isinstance(invalid, EmptyAnswer):  # the API refuses an empty turn
            said = text_of(message)
    return {**body, "messages": [*body["messages"], *about_text(invalid, said)]}
