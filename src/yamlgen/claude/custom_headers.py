"""The headers that `ANTHROPIC_CUSTOM_HEADERS` adds to every request.

The SDK reads that variable by itself, line by line, and lets it win over its own headers. Owns what may stand in it:
no key, and nothing that decides how a request is sent or read. The values are never shown: gateways take secrets so.
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
    "anthropic-version": ("every request has already", "a pipeline's `runtime.api_version` is its place"),
    "idempotency-key": ("cannot be the same for all requests", "a server that heeds it would answer all rows alike"),
    "proxy-authorization": ("would go to the API", "a proxy's name and password stand in the address in HTTPS_PROXY"),
}
"""Headers that have another place or none: what is wrong with them here, and what to do."""

_CARRIER: Final = re.compile(
    r"accept|accept-encoding|connection|content-(encoding|length|type)|expect|host|keep-alive|te|trailer"
    r"|transfer-encoding|upgrade|x-stainless-.*"
)
"""Headers by which a request and its answer are carried; by `x-stainless-` the SDK tells itself how to read one."""

_TELLING: Final = re.compile(
    r"(?:.*[-_])?(apikey|auth|authorization|cookie|credentials?|key|password|secret|session|signature|token)(?:[-_].*)?"
)
"""Names of headers whose values are secrets."""

_RANDOM: Final = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])\S{20,}")
_SCHEME: Final = re.compile(r"(?:basic|bearer|token)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CustomHeaders:
    """What goes out with every request besides.

    Attributes:
        names: of the headers, in lower case.
        betas: the features that `anthropic-beta` asks for: an answer depends on them.
        secrets: what no text may repeat.
    """

    names: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)


def custom_headers() -> CustomHeaders:
    """The headers of the environment.

    Raises:
        EnvironmentProblem: one of them carries a key or would break the protocol, or a line is none; no value is
            shown.
    """
    found: dict[str, str] = {}
    for number, line in enumerate((variable(VARIABLE) or "").split("\n"), 1):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip():
            continue
        place, name = f"line {number} of {VARIABLE}", name.lower()
        if not (colon and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            hint = f"write one header a line, in ASCII, such as `{_BETA}: FEATURE`; what stands there is not shown"
            raise EnvironmentProblem(f"{place} is no header", code=Code.BAD_HEADER, hint=hint)
        _check(name, place)
        if name in found:
            hint = "write it once, its values on one line with commas between them"
            raise EnvironmentProblem(f"{place} sets `{name}` again", code=Code.BAD_HEADER, hint=hint)
        found[name] = value
    betas = {beta.strip() for beta in found.get(_BETA, "").split(",")} - {""}
    secrets = {secret for name, value in found.items() for secret in _secrets(name, value) if is_secret(secret)}
    return CustomHeaders(tuple(sorted(found)), tuple(sorted(betas)), tuple(sorted(secrets, key=len, reverse=True)))


def _check(name: str, place: str) -> None:
    """See that a header may be set from outside."""
    if name in _KEYS:
        hint = "take it out: a key stands in a variable of its own, and nowhere else"
        raise EnvironmentProblem(f"{place} sets `{name}`, which carries a key", code=Code.SECRET, hint=hint)
    if name in _OTHERS:
        wrong, mend = _OTHERS[name]
        message = f"{place} sets `{name}`, which {wrong}"
        raise EnvironmentProblem(message, code=Code.BAD_HEADER, hint=f"take it out: {mend}")
    if _CARRIER.fullmatch(name):
        message = f"{place} sets `{name}`, which the client sets for each request by itself"
        raise EnvironmentProblem(message, code=Code.BAD_HEADER, hint="take it out: it would break the request")


def _secrets(name: str, value: str) -> Iterator[str]:
    """What looks secret in a header: what follows a scheme such as `Bearer`, each value of a cookie, a password."""
    bare = _SCHEME.sub("", value, count=1)
    if name != _BETA and (_TELLING.fullmatch(name) or _RANDOM.fullmatch(bare)):
        yield bare
        yield from (pair.partition("=")[2].strip() for pair in bare.split(";"))
        if value.lower().startswith("basic"):
            with suppress(ValueError):
                yield b64decode(bare).decode().partition(":")[2]
