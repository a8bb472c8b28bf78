"""The configuration of an `AnthropicLLM`: its attributes, their checks, and their serialization.

Owns the names from distilabel, so that a configuration for its class works for ours.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self

import httpx2

from yamlgen.claude.address import safe_address
from yamlgen.claude.custom_headers import custom_headers
from yamlgen.claude.instructor_import import check_installed
from yamlgen.claude.output_modes import mode_named
from yamlgen.claude.structured import StructuredOutput
from yamlgen.environment import variable
from yamlgen.errors import Code, UsageError
from yamlgen.llm.arguments import (
    SERVED,
    extra_body_of,
    generation_kwargs_of,
    given_address,
    judge_of,
    runtime_of,
    schema_of,
    settings_of,
    structure_of,
)
from yamlgen.llm.generations import warn
from yamlgen.pipeline.model_settings import PUBLIC_URL
from yamlgen.schemas.native_output_schema import NotExpressible
from yamlgen.steps.config_fields import Settings
from yamlgen.suggestions import suggestion

_RUNTIME: Final = (
    "generation_kwargs",
    "use_offline_batch_generation",
    "offline_batch_generation_block_until_done",
    "base_url",
    "api_key",
    "timeout",
    "max_retries",
    "structured_output",
)
"""The attributes that a run can set in distilabel, in its order."""

_MOST_STRUCTURES: Final = 64

_MASKED: Final = re.compile(r"\*+")
"""The mask that pydantic writes for a secret."""

_ARGUMENT: Final = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
"""One argument in the docstring of a class or method, with its description."""


@dataclass(eq=False, repr=False)
class Configuration:  # noqa: PLW1641 - its attributes change
    """The attributes of `AnthropicLLM`, which describes them. Two configurations are equal if their dumps are."""

    model: str
    api_key: Any = None
    base_url: str | None = None
    timeout: float = 600.0
    max_retries: int = 6
    http_client: httpx2.AsyncClient | None = None
    structured_output: Mapping[str, Any] | None = None
    allow_http: bool = False
    generation_kwargs: Mapping[str, Any] | None = None
    use_offline_batch_generation: bool = False
    offline_batch_generation_block_until_done: int | None = None
    jobs_ids: tuple[str, ...] | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    metadata: Mapping[str, str] | None = None
    betas: Sequence[str] | None = None
    extra_body: Mapping[str, Any] | None = None

    _api_key_env_var: ClassVar[str] = "ANTHROPIC_API_KEY"

    def __post_init__(self) -> None:
        self._structures: dict[tuple[object, ...], StructuredOutput] = {}
        self._found = None if self.base_url else variable("ANTHROPIC_BASE_URL")
        self.base_url = self.base_url or self._found or PUBLIC_URL
        self.generation_kwargs = dict(generation_kwargs_of(self.generation_kwargs))
        if self.http_client is not None and not isinstance(self.http_client, httpx2.AsyncClient):
            kind = f"{type(self.http_client).__module__}.{type(self.http_client).__name__}"
            message = f"http_client must be an httpx2.AsyncClient, not {kind}"
            raise UsageError(
                message, code=Code.BAD_PARAM, hint="create it with the package httpx2, on which anthropic 2 is built"
            )
        self._check()
        settings = self._settings({})
        if self.structured_output is not None:
            self._structured(self.structured_output, settings)

    def _check(self) -> None:
        """Check that a client can be built from the current attributes."""
        runtime = runtime_of(timeout=self.timeout, max_retries=self.max_retries, allow_http=self.allow_http)
        if self._found and self.base_url == self._found:
            safe_address(self._found, runtime, "`allow_http=True`")
        else:
            given_address(str(self.base_url), runtime)
        extra_body_of(self.extra_body)
        custom_headers()

    def _settings(self, given: Mapping[str, Any]) -> Settings:
        """Return the settings of a call: its arguments, else `generation_kwargs`, else the defaults."""
        own = generation_kwargs_of(self.generation_kwargs)
        served = {name: value for name in SERVED if (value := getattr(self, name)) is not None}
        return settings_of(id=self.model, **served, **{"max_tokens": 128, **own, **given})

    def _structured(self, wanted: Mapping[str, Any], settings: Settings) -> StructuredOutput:
        """Return the structured output, the same for all calls, because it learns what the API accepts."""
        wanted = structure_of(wanted)
        schema, mode = wanted["schema"], mode_named(wanted.get("mode") or "auto")
        made_of = (schema if isinstance(schema, type) else repr(schema), mode, settings.id, self.base_url)
        if made_of not in self._structures:
            if len(self._structures) == _MOST_STRUCTURES:
                self._structures.clear()
            try:
                sent = schema_of(schema)
                check_installed()
                self._structures[made_of] = StructuredOutput("answer", sent, settings, mode, judge_of(schema, sent))
            except NotExpressible as unfit:
                hint = "leave `mode` out: the default is a mode that the model supports"
                message = f"native output cannot express the schema: {unfit}"
                raise UsageError(message, code=Code.SETTING_REFUSED, hint=hint) from None
        return self._structures[made_of]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"

    def __eq__(self, other: object) -> bool:
        return self.dump() == other.dump() if isinstance(other, type(self)) else NotImplemented

    def dump(self) -> dict[str, Any]:
        """Return the configuration as JSON data: without the key and HTTP client; a pydantic class as its schema."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        del kept["api_key"], kept["http_client"]
        if self.structured_output is not None:
            wanted = dict(structure_of(self.structured_output))
            wanted["schema"] = schema_of(wanted["schema"]).value
            if wanted.get("mode") is not None:
                wanted["mode"] = mode_named(wanted["mode"])
            kept["structured_output"] = wanted
        kept["generation_kwargs"] = dict(self.generation_kwargs or {})
        kept |= {name: list(kept[name]) for name in ("jobs_ids", "betas") if kept[name] is not None}
        kept |= {name: dict(kept[name]) for name in ("metadata", "extra_body") if kept[name] is not None}
        return {**kept, "type_info": {"module": type(self).__module__, "name": type(self).__name__}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return an instance from a dump, ours or that of distilabel's class of the same name.

        A dump contains no key: the key comes from the environment, or is set as `api_key` afterwards. Other keys that
        distilabel writes are ignored, and `None` means the default.

        Raises:
            UsageError: it is the dump of another class, or a value in it is wrong.
        """
        if not isinstance(data, Mapping):
            raise UsageError(f"a dump must be a mapping, not {data!r:.80}", code=Code.WRONG_TYPE)
        about = data.get("type_info")
        name = about.get("name") if isinstance(about, Mapping) else cls.__name__
        if name not in [each.__name__ for each in cls.__mro__]:
            message = f"this is the dump of {name!r:.80}, not of `{cls.__name__}`"
            raise UsageError(message, code=Code.WRONG_KIND, hint="a task's dump has its model's dump under `llm`")
        known = [each.name for each in fields(cls)]
        if "model" not in data:
            raise UsageError("the dump has no `model`", code=Code.MISSING_KEY)
        strange = [key for key in data if key not in known and key != "type_info"]
        if strange and about is None:
            near = suggestion(str(strange[0]), known, "keys")
            raise UsageError(f"the dump has an unknown key `{strange[0]}`", code=Code.UNKNOWN_KEY, hint=near)
        given = {key: value for key, value in data.items() if key in known and value is not None}
        key = given.get("api_key")
        if isinstance(key, str) and _MASKED.fullmatch(key):
            del given["api_key"]
        return cls(**given)

    def get_generation_kwargs(self) -> dict[str, Any]:
        """Return the default arguments of calls."""
        return dict(self.generation_kwargs or {})

    @property
    def generate_parameters(self) -> list[inspect.Parameter]:
        """The parameters of `agenerate`."""
        return list(inspect.signature(type(self).agenerate).parameters.values())[1:]  # type: ignore[attr-defined]

    @property
    def runtime_parameters_names(self) -> dict[str, Any]:
        """The attributes that `set_runtime_parameters` can set, each with whether it is optional."""
        kwargs = {parameter.name: True for parameter in self.generate_parameters if parameter.name != "input"}
        return {name: kwargs if name == "generation_kwargs" else True for name in _RUNTIME}

    def get_runtime_parameters_info(self) -> list[dict[str, Any]]:
        """Return the attributes that `set_runtime_parameters` can set, each with its description."""
        own, call = _described(type(self)), _described(type(self).agenerate)  # type: ignore[attr-defined]
        told: list[dict[str, Any]] = []
        for name, optional in self.runtime_parameters_names.items():
            about = {"description": own[name]} if name in own else {}
            if isinstance(optional, dict):
                keys = [
                    {"name": key, "optional": may, **({"description": call[key]} if key in call else {})}
                    for key, may in optional.items()
                ]
                told.append({"name": name, **about, "keys": keys})
            else:
                told.append({"name": name, "optional": optional, **about})
        return told

    def set_runtime_parameters(self, runtime_parameters: Mapping[str, Any]) -> None:
        """Set attributes by name, all or none. An unknown name causes a warning, as in distilabel.

        Raises:
            UsageError: one of the values is wrong.
        """
        for name in runtime_parameters:
            if name not in _RUNTIME:
                near = suggestion(str(name), _RUNTIME, "runtime parameters")
                warn(f"there is no runtime parameter `{name}` ({near})")
        given = {name: value for name, value in runtime_parameters.items() if name in _RUNTIME}
        changed = copy.copy(self)
        vars(changed).update(given)
        changed.__post_init__()  # which checks them
        for name in given:
            setattr(self, name, getattr(changed, name))


def _described(thing: Any) -> dict[str, str]:
    """Return the description of each argument in the docstring of a class or method."""
    return {name: " ".join(told.split()) for name, told in _ARGUMENT.findall(inspect.getdoc(thing) or "")}
