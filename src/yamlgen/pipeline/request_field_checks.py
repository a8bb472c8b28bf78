"""Checks of the settings about how a request is served, and of its further fields, against the rules of the API.

Owns which fields of a request have a key of their own, so that `extra_body` must not set them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from yamlgen import model_capabilities
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.model_capabilities import REGIONS, SAMPLING, Capabilities
from yamlgen.steps.config_fields import Settings
from yamlgen.suggestions import listing

_SAME: Final = (
    "max_tokens",
    "stop_sequences",
    "thinking",
    *SAMPLING,
    "service_tier",
    "inference_geo",
    "speed",
    "metadata",
    "betas",
)
"""The fields whose keys have the same name."""

OWN: Final[Mapping[str, str]] = {
    **{name: f"write `{name}` under the model" for name in _SAME},
    "model": "write `id` under the model",
    "messages": "write `prompt` or `messages` in the step",
    "system": "write `system` in the step",
    "effort": "write `effort` under the model",
    "output_config.effort": "write `effort` under the model",
    "output_config.format": "write `output.schema` in the step",
    "output_format": "write `output.schema` in the step",
    "cache_control": "write `cache` in the step",
    "fallbacks": "write `on_refusal` in the step",
    "stream": "remove it: long answers are streamed anyway",
    "workspace_id": "write `runtime.workspace`",
    "user_profile_id": "write `runtime.headers: {anthropic-user-profile-id: {env: VARIABLE}}`",
    "extra_body": "write its fields directly under `extra_body`",
    "extra_headers": "write `runtime.headers`",
    "timeout": "write `runtime.timeout`",
}
"""The fields that have a key of their own, or that a request must not have, each with the fix."""

_OF_TOOLS: Final = ("tools", "tool_choice")


class MarkOf(Protocol):
    """Returns the place of a setting, or of a part of it."""

    def __call__(self, name: str, *more: str | int, key: bool = False) -> Mark: ...  # noqa: D102 - above


def check_served(settings: Settings, able: Capabilities, mark: MarkOf, *, batched: bool) -> Iterator[Diagnostic]:
    """Yield what is wrong with the speed and the region of a model's requests.

    Args:
        settings: the settings, with `id`.
        able: the capabilities of the model.
        mark: returns the places of the settings.
        batched: whether the requests are sent in batches.
    """
    if settings.speed == "fast" and batched:
        hint = "remove `speed`, or set `batch: false` in the step"
        yield Diagnostic(Code.SETTING_REFUSED, "the API refuses `speed: fast` in a batch", mark("speed"), hint)
    elif settings.speed == "fast" and able.fast is False:
        hint = f"remove it; supported by {listing(_models(lambda each: each.fast))}"
        message = f"`{settings.id}` does not support `speed: fast`"
        yield Diagnostic(Code.SETTING_REFUSED, message, mark("speed"), hint, "warning")
    region = settings.inference_geo
    if region is not None and able.regions is False:
        message = f"`{settings.id}` does not support `inference_geo`"
        yield Diagnostic(Code.SETTING_REFUSED, message, mark("inference_geo", key=True), "remove it", "warning")
    elif region is not None and able.known and region not in REGIONS:
        message = f"the API has no region `{region}`"
        hint = "write `us` or `global`"
        yield Diagnostic(Code.SETTING_REFUSED, message, mark("inference_geo"), hint, "warning")


def _models(supports: Callable[[Capabilities], bool | None]) -> list[str]:
    """Return the models of the table that support something."""
    return [name for name, able in model_capabilities.MODELS.items() if supports(able)]


def check_fields(
    extra: Mapping[str, Any], mark: MarkOf, *, by_tool: bool, within: tuple[str, ...] = ()
) -> Iterator[Diagnostic]:
    """Yield an error for each further field of a request that has a key of its own.

    Args:
        extra: the value of `extra_body`, or an object in it.
        mark: returns the places of the settings.
        by_tool: whether a schema may be requested with a tool.
        within: the path of `extra`.
    """
    for name, value in extra.items():
        path = (*within, name)
        whole = ".".join(path)
        hint = OWN.get(whole)
        if by_tool and whole in _OF_TOOLS:
            hint = "set `output.mode` to `native` or `json`: in other modes, the schema of the step is sent as a tool"
        if hint is not None:
            message = f"`extra_body` cannot set `{whole}`"
            yield Diagnostic(Code.CONFLICT, message, mark("extra_body", *path, key=True), hint)
        elif whole == "output_config" and not isinstance(value, dict):
            message = "`output_config` under `extra_body` must be an object"
            hint = "write its fields as a mapping"
            yield Diagnostic(Code.WRONG_TYPE, message, mark("extra_body", *path), hint)
        elif whole == "output_config":
            yield from check_fields(value, mark, by_tool=by_tool, within=path)
