"""The address of an API: that of the environment, where a key may go out to it; and how two spellings are one."""

from __future__ import annotations

from urllib.parse import urlsplit

from yamlgen.errors import Code, EnvironmentProblem
from yamlgen.pipeline.model_settings import address_fault, plain_http
from yamlgen.pipeline.pipeline_model import Runtime


def safe_address(found: str, runtime: Runtime, way: str = "`runtime.allow_http: true`") -> str:
    """An address of the environment, if the author would have a key sent there; `way` is how to say so.

    Raises:
        EnvironmentProblem: no client can be pointed at it, or it is plain http beyond this machine.
    """
    fault = address_fault(found)
    if fault is not None:
        hint = "write https://host or https://host/path, or unset it; a key has a variable of its own"
        code = Code.SECRET if "password" in fault else Code.UNREACHABLE
        raise EnvironmentProblem(f"ANTHROPIC_BASE_URL {fault}", code=code, hint=hint)
    if plain_http(found, runtime):
        message = f"ANTHROPIC_BASE_URL is {found}: plain http would send the key in the open"
        hint = f"use https://; a gateway in a private network needs {way}"
        raise EnvironmentProblem(message, code=Code.PLAIN_HTTP, hint=hint)
    return found


def normalised(base_url: str) -> str:
    """An address as all its spellings share it: lower case where case does not matter, no usual port, no last `/`."""
    parts = urlsplit(base_url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
