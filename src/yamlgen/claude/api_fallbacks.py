"""The models that the API itself asks after a refusal, within one request.

The request names them in the field `fallbacks`, which is not in the key. Owns when that is possible: the settings of a
fallback model may differ from those of the first model only in what the field can say, and the API must accept it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from yamlgen import model_capabilities
from yamlgen.claude.requests import FALLBACKS, Layer, Request
from yamlgen.errors import Code, RowError, RunStopped
from yamlgen.model_capabilities import undated
from yamlgen.steps.config_fields import Settings
from yamlgen.value_objects import JSON, Attempt

DEFAULT: Final = "default"
"""The API's own choice of fallback models."""

_OVERRIDES: Final = ("max_tokens", "thinking", "speed")
_OUTPUT: Final = "output_config"
_UNCOMPARED: Final = frozenset({"model", "stream", FALLBACKS, _OUTPUT, *_OVERRIDES})
_OWN_SETTINGS: Final = frozenset({"id", "max_tokens", "thinking", "effort", "speed"})
"""The settings in which a fallback model of the API may differ."""

_SAID: Final = re.compile("fallback", re.IGNORECASE)
_STATUSES: Final = frozenset({400, 422})


class AskedModel(NamedTuple):
    """A model as it is requested.

    Attributes:
        settings: its settings.
        body: the body of a request without a prompt.
    """

    settings: Settings
    body: Mapping[str, JSON]


def api_form(first: AskedModel, others: Sequence[AskedModel]) -> list[dict[str, JSON]] | None:
    """Return the fallback models of a model as its requests name them; `None` if the API cannot ask one of them."""
    allowed = model_capabilities.of(first.body["model"]).fallbacks
    entries: list[dict[str, JSON]] = []
    for other in others:
        entry = _entry(first.body, other.body)
        is_allowed = allowed is None or undated(other.body["model"]) in allowed
        if not is_allowed or entry is None or _shared(first.settings) != _shared(other.settings):
            return None
        entries.append(entry)
    return entries


def _shared(settings: Settings) -> dict[str, JSON]:
    """Return the settings in which a fallback model must not differ from the first model."""
    return settings.model_dump(include=set(Settings.model_fields) - _OWN_SETTINGS)


def _entry(own: Mapping[str, JSON], its: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """Return how a request with the body `own` names the model of the body `its`; `None` if that is impossible.

    A null stands for a setting that the first model has, and the other model has not.
    """
    if any(own.get(name) != its.get(name) for name in (own.keys() | its.keys()) - _UNCOMPARED):
        return None
    entry = {"model": its["model"]}
    entry |= {name: its.get(name) for name in _OVERRIDES if own.get(name) != its.get(name)}
    mine, other = own.get(_OUTPUT) or {}, its.get(_OUTPUT) or {}
    changed = {
        name: other.get(name) for name in sorted(mine.keys() | other.keys()) if mine.get(name) != other.get(name)
    }
    if "format" in changed:
        return None
    return {**entry, _OUTPUT: changed} if changed else entry


class APIFallbackLayer:
    """The layer that sends a request without `fallbacks` if the API refuses them for its model.

    Args:
        below: sends a request.
        warn: receives a warning when that happens.
    """

    def __init__(self, below: Layer, warn: Callable[[str], None] | None = None) -> None:
        self._below = below
        self._warn = warn
        self._is_refused = False

    async def answer(self, request: Request) -> Attempt:
        """Return the answer to a request, with or without its fallback models.

        Raises:
            RunStopped: the API has no fallback models of its own.
        """
        if FALLBACKS not in request.body:
            return await self._below.answer(request)
        if not self._is_refused:
            try:
                return await self._below.answer(request)
            except RowError as error:
                if error.status not in _STATUSES or not _SAID.search(error.message):
                    raise
                self._refuse(request, error)
        body = {name: value for name, value in request.body.items() if name != FALLBACKS}
        return await self._below.answer(replace(request, body=body))

    def _refuse(self, request: Request, error: RowError) -> None:
        """Note that the API refuses the fallback models of a model."""
        model = request.body["model"]
        if request.body[FALLBACKS] == DEFAULT:
            message = f"the API does not accept `on_refusal: default` for `{model}`: {error.message}"
            raise RunStopped(message, code=Code.SETTING_REFUSED, hint="name the models under `on_refusal`") from None
        if not self._is_refused and self._warn is not None:
            how = "yamlgen sends refused requests to the other models itself"
            self._warn(f"the API does not accept the fallback models of `{model}`, so {how}; {error.message}")
        self._is_refused, request.mode.fallbacks = True, None
