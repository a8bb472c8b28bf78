"""The headers that `ANTHROPIC_CUSTOM_HEADERS` and a pipeline add to every request.

The SDK reads that variable itself, line by line, and lets it override its own headers; a pipeline overrides both. Owns
what the variables may contain: no key, and nothing that affects how a request is sent or read. Values are never shown,
because gateways accept secrets in such headers.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from yamlgen.environment import variable
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.pipeline.header_names import BETA, WORKSPACE, header_fault
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.redaction import is_secret
from yamlgen.steps.config_fields import FromVariable

VARIABLE: Final = "ANTHROPIC_CUSTOM_HEADERS"

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~]*")
_TELLING: Final = re.compile(
    r"(?:.*[-_])?(apikey|auth|authorization|cookie|credentials?|key|password|secret|session|signature|token)(?:[-_].*)?"
)
"""Names of headers whose values are secrets."""

_RANDOM: Final = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])\S{20,}")
_SCHEME: Final = re.compile(r"(?:basic|bearer|token)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CustomHeaders:
    """The headers that are added to every request.

    Attributes:
        names: their names, in lower case.
        betas: the features that `anthropic-beta` requests; answers depend on them.
        secrets: values that no message may show.
        own: the headers of the pipeline, which the client must be given.
        missing: why a header of the pipeline has no value, so that nothing can be sent.
    """

    names: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    own: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing: EnvironmentProblem | None = None

    @property
    def workspace(self) -> str:
        """The id of the workspace that the pipeline names; empty if it names none."""
        return self.own.get(WORKSPACE, "")

    def check(self) -> None:
        """Check that each header has a value.

        Raises:
            EnvironmentProblem: the variable of one is not set.
        """
        if self.missing is not None:
            raise self.missing


def connection_headers(runtime: Runtime) -> CustomHeaders:
    """Return the headers of a connection: those of the environment, and those of the pipeline.

    Raises:
        EnvironmentProblem: a header of the environment cannot be sent, or the variable of the workspace is not set.
    """
    found, missing = custom_headers(), None
    own: dict[str, str] = {}
    for name, each in (runtime.headers or {}).items():
        try:
            own[name.lower()] = _value_of(each.env, f"`runtime.headers.{name}`")
        except EnvironmentProblem as error:
            missing = missing or error
    secrets = {secret for value in own.values() for secret in (value, _SCHEME.sub("", value)) if is_secret(secret)}
    if isinstance(runtime.workspace, FromVariable):
        own[WORKSPACE] = _value_of(runtime.workspace.env, "`runtime.workspace`")
    elif runtime.workspace is not None:
        own[WORKSPACE] = runtime.workspace
    names = tuple(sorted({*found.names, *own}))
    hidden = tuple(sorted({*found.secrets, *secrets}, key=len, reverse=True))
    return CustomHeaders(names, found.betas, hidden, own, missing)


def _value_of(name: str, place: str) -> str:
    """Return the value of the variable `name` for a header."""
    value = (variable(name) or "").strip()
    if not value:
        message = f"{place} needs the environment variable {name}, which is not set"
        raise EnvironmentProblem(message, code=Code.BAD_HEADER, hint=f"set {name}, or remove {place}")
    if not _VALUE.fullmatch(value):
        message = f"the value of {name} cannot be sent as {place}: it is not one line of ASCII"
        raise EnvironmentProblem(message, code=Code.BAD_HEADER, hint=f"correct {name}; its value is not shown")
    return value


def custom_headers() -> CustomHeaders:
    """Return the headers of the environment.

    Raises:
        EnvironmentProblem: a header contains a key or would break the protocol, or a line is not a header. No value is
            shown.
    """
    found: dict[str, str] = {}
    for number, line in enumerate((variable(VARIABLE) or "").split("\n"), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        place, name = f"line {number} of {VARIABLE}", name.lower()
        if not (colon and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            hint = f"write one header per line, in ASCII, such as `{BETA}: FEATURE`; the line itself is not shown"
            raise EnvironmentProblem(f"{place} is not a header", code=Code.BAD_HEADER, hint=hint)
        _check(name, place)
        if name in found:
            hint = "write it once, with its values on one line, separated by commas"
            raise EnvironmentProblem(f"{place} sets `{name}` again", code=Code.BAD_HEADER, hint=hint)
        found[name] = value
    betas = {beta.strip() for beta in found.get(BETA, "").split(",")} - {""}
    secrets = {secret for name, value in found.items() for secret in _secrets(name, value) if is_secret(secret)}
    return CustomHeaders(tuple(sorted(found)), tuple(sorted(betas)), tuple(sorted(secrets, key=len, reverse=True)))


def _check(name: str, place: str) -> None:
    """Check that the environment may set a header."""
    fault = header_fault(name)
    if fault is not None:
        raise EnvironmentProblem(f"{place} sets `{name}`, which {fault.fact}", code=fault.code, hint=fault.fix)


def _secrets(name: str, value: str) -> Iterator[str]:
    """Yield what looks secret in a header: credentials after a scheme such as `Bearer`, cookie values, a password."""
    bare = _SCHEME.sub("", value, count=1)
    if name != BETA and (_TELLING.fullmatch(name) or _RANDOM.fullmatch(bare)):
        yield bare
        yield from (pair.partition("=")[2].strip() for pair in bare.split(";"))
        if value.lower().startswith("basic"):
            with suppress(ValueError):
                yield b64decode(bare).decode().partition(":")[2]
