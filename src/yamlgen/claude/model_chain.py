"""A model, and the models that are asked one after the other if it refuses.

Each has a request, a key and a price of its own. Models that the API has asked itself are not asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yamlgen.claude.model import ClaudeModel
from yamlgen.claude.usage import models_asked
from yamlgen.errors import Code, RowError
from yamlgen.interfaces import Check, RequestContext
from yamlgen.model_capabilities import undated
from yamlgen.row_result import Answer
from yamlgen.suggestions import listing
from yamlgen.value_objects import JSON, Attempt, Prompt


@dataclass(frozen=True, slots=True)
class ModelChain:
    """A model, and the models that are asked in turn if it refuses.

    Args:
        variants: the names of the plan's variants, in order.
        models: their models.
    """

    variants: Sequence[str]
    models: Sequence[ClaudeModel]

    def request(self, prompt: Prompt) -> dict[str, JSON]:
        """Return the body of the first request for `prompt`, exactly as it would be sent."""
        return self.models[0].request(prompt)

    async def answer(self, prompt: Prompt, context: RequestContext, check: Check | None = None) -> Answer:
        """Return the answer of the first model that does not refuse.

        Raises:
            RowError: all have refused, or the answer of one is invalid; the error has the account of all answers.
        """
        refused: tuple[bytes, ...] = ()
        asked: set[str] = set()
        attempts: tuple[Attempt, ...] = ()
        last: RowError | None = None
        for variant, model in zip(self.variants, self.models, strict=True):
            if undated(model.name) in asked:
                continue
            try:
                return await model.answer(prompt, context, check, attempts)
            except RowError as error:
                told = error.replace(variant=variant, refused=refused)
                if error.code is not Code.REFUSED:
                    raise told from None
            last, attempts, refused = told, told.attempts, (*refused, told.key)
            asked |= {undated(model.name), *models_asked(attempts[-1].response)}
        assert last is not None  # noqa: S101 - the first model was asked
        raise last.replace(hint=f"{listing([model.name for model in self.models])} have refused")
