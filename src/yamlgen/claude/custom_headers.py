"""The headers that `ANTHROPIC_CUSTOM_HEADERS` adds to every request.

The SDK reads that variable itself, line by line, and lets it override its own headers. Owns what the variable may
contain: no key, and nothing that affects how a request is sent or read. Values are never shown, because gateways
accept secrets in such headers.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from yamlgen.environment import variable
from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.redaction import is_secret

VARIABLE: Final = "ANTHROPIC_CUSTOM_HEADERS"

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~]*")
_BETA: Final = "anthropic-beta"

_KEYS: Final = frozenset({"authorization", "x-api-key", "api-key"})
_OTHERS: Final = {
    "anthropic-version": ("every request has already", "set `runtime.api_version` in the pipeline"),
    "idempotency-key": (
        "cannot be the same for all requests",
        "a server that uses it would return one answer for all rows",
    ),
    "proxy-authorization": (
        "would be sent to the API",
        "put a proxy's name and password into the address in HTTPS_PROXY",
    ),
}
"""Headers that are set elsewhere or not at all: what is wrong with them here, and the fix."""

_CARRIER: Final = re.compile(
    r"accept|accept-encoding|connection|content-(encoding|length|type)|expect|host|keep-alive|te|trailer"
    r"|transfer-encoding|upgrade|x-stainless-.*"
)
"""Headers of the transport. The SDK uses `x-stainless-` headers to decide how to read a response."""

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
    """

    names: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)


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
            hint = f"write one header per line, in ASCII, such as `{_BETA}: FEATURE`; the line itself is not shown"
            raise EnvironmentProblem(f"{place} is not a header", code=Code.BAD_HEADER, hint=hint)
        _check(name, place)
        if name in found:
            hint = "write it once, with its values on one line, separated by commas"
            raise EnvironmentProblem(f"{place} sets `{name}` again", code=Code.BAD_HEADER, hint=hint)
        found[name] = value
    betas = {beta.strip() for beta in found.get(_BETA, "").split(",")} - {""}
    secrets = {secret for name, value in found.items() for secret in _secrets(name, value) if is_secret(secret)}
    return CustomHeaders(tuple(sorted(found)), tuple(sorted(betas)), tuple(sorted(secrets, key=len, reverse=True)))


def _check(name: str, place: str) -> None:
    """Check that the environment may set a header."""
    if name in _KEYS:
        hint = "remove it: a key belongs in its own variable, and nowhere else"
        raise EnvironmentProblem(f"{place} sets `{name}`, which carries a key", code=Code.SECRET, hint=hint)
    if name in _OTHERS:
        wrong, mend = _OTHERS[name]
        message = f"{place} sets `{name}`, which {wrong}"
        raise EnvironmentProblem(message, code=Code.BAD_HEADER, hint=f"remove it: {mend}")
    if _CARRIER.fullmatch(name):
        message = f"{place} sets `{name}`, which the client sets for each request"
        raise EnvironmentProblem(message, code=Code.BAD_HEADER, hint="remove it: it would break the request")


def _secrets(name: str, value: str) -> Iterator[str]:
    """Yield what looks secret in a header: credentials after a scheme such as `Bearer`, cookie values, a password."""
    bare = _SCHEME.sub("", value, count=1)
    if name != _BETA and (_TELLING.fullmatch(name) or _RANDOM.fullmatch(bare)):
        yield bare
        yield from (pair.partition("=")[2].strip() for pair in bare.split(";"))
        if value.lower().startswith("basic"):
            with suppress(ValueError):
                yield b64decode(bare).decode().partition(":")[2]
