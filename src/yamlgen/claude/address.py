"""The address of an API of the environment: whether a key may be sent to it."""

from __future__ import annotations

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.pipeline.model_settings import address_fault, plain_http
from yamlgen.pipeline.pipeline_model import Runtime


def safe_address(found: str, runtime: Runtime, way: str = "`runtime.allow_http: true`") -> str:
    """Return an address of the environment, if a key may be sent to it.

    Args:
        found: the value of ANTHROPIC_BASE_URL.
        runtime: the settings that may allow plain http.
        way: how to allow it, for the hint.

    Raises:
        EnvironmentProblem: no client can use the address, or it is plain http to another machine.
    """
    fault = address_fault(found)
    if fault is not None:
        hint = "write https://host or https://host/path, or unset it; a key belongs in its own variable"
        code = Code.SECRET if "password" in fault else Code.UNREACHABLE
        raise EnvironmentProblem(f"ANTHROPIC_BASE_URL {fault}", code=code, hint=hint)
    if plain_http(found, runtime):
        message = f"ANTHROPIC_BASE_URL is {found}: plain http would send the key unencrypted"
        hint = f"use https://; a gateway in a private network needs {way}"
        raise EnvironmentProblem(message, code=Code.PLAIN_HTTP, hint=hint)
    return found
