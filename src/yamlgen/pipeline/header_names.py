"""Which headers a user may add to every request, in a pipeline or in the environment.

Owns the names that carry a key, that another key of the language sets, or that would break the protocol.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from yamlgen.errors import Code

BETA: Final = "anthropic-beta"
WORKSPACE: Final = "anthropic-workspace-id"

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

_IN_FILE: Final = {
    BETA: ("names beta features, on which answers depend", "write `betas` under the model"),
    WORKSPACE: ("names the workspace, on which answers depend", "write `runtime.workspace`"),
}
"""Headers that a pipeline sets with keys of their own."""

_CARRIER: Final = re.compile(
    r"accept|accept-encoding|connection|content-(encoding|length|type)|expect|host|keep-alive|te|trailer"
    r"|transfer-encoding|upgrade|x-stainless-.*|x-yamlgen-.*"
)
"""Headers of the transport. The SDK uses `x-stainless-` headers to decide how to read a response."""


class HeaderFault(NamedTuple):
    """What is wrong with a header, as the end of a sentence about its name, and the fix."""

    code: Code
    fact: str
    fix: str


def header_fault(name: str, *, in_file: bool = False) -> HeaderFault | None:
    """Return what is wrong with a header, or `None` if a user may add it.

    Args:
        name: its name.
        in_file: whether a pipeline adds it, and not the environment.
    """
    name = name.lower()
    if name in _KEYS:
        return HeaderFault(
            Code.SECRET, "carries a key", "remove it: a key belongs in its own variable, and nowhere else"
        )
    for others in (_OTHERS, _IN_FILE if in_file else {}):
        if name in others:
            fact, fix = others[name]
            return HeaderFault(Code.BAD_HEADER, fact, f"remove it: {fix}")
    if _CARRIER.fullmatch(name):
        return HeaderFault(Code.BAD_HEADER, "the client sets for each request", "remove it: it would break the request")
    return None
