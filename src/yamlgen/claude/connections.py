"""Connections to one address: through the proxy and by the certificate authorities that the environment names.

Owns what is read of `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`. The libraries below
read all of them at once and raise what they like; here only what concerns the address is read, and said by its name.
So is why a connection failed: their own sentences repeat what a server has sent.
"""

from __future__ import annotations

import errno
import os
import resource
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import anthropic
import httpx2

from yamlgen.environment import variable
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.pipeline.model_settings import LOOPBACK

_CONNECT: Final = 10.0
_OTHER_FILES: Final = 64
"""File descriptors that are not connections."""

_PROXY_HINT: Final = "is HTTPS_PROXY right? NO_PROXY names the hosts that are reached without one"
_PORTS: Final = {"http": 80, "https": 443}


def open_connections(base_url: str, timeout: float, concurrency: int) -> httpx2.AsyncClient:
    """The connections of one client, on aiohttp.

    A key must not follow a redirect to another host; and what is on this machine is not reached through a proxy
    that may be on another one.

    Args:
        base_url: the address.
        timeout: seconds that one attempt may take.
        concurrency: how many requests go at once.

    Raises:
        EnvironmentProblem: the environment names a proxy or certificates that cannot be used.
    """
    address = urlsplit(base_url)
    proxy = None if address.hostname in LOOPBACK else _proxy(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # that takes no time
    if "https" in (address.scheme, proxy and proxy.url.scheme):
        context = _authorities(variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"))
    return anthropic.DefaultAioHttpClient(
        timeout=patience(timeout),
        limits=httpx2.Limits(max_connections=concurrency + 8, keepalive_expiry=60.0),
        follow_redirects=False,
        trust_env=False,
        proxy=proxy,
        verify=context,
    )


def patience(timeout: float) -> httpx2.Timeout:
    """How long connecting may take, less than an attempt; the attempt's own deadline is the only clock on the rest.

    The library's clocks would ring before what has come is read, once the loop has stood still.
    """
    return httpx2.Timeout(None, connect=min(_CONNECT, timeout / 2))


def affordable(ceiling: int, *, simulated: bool = False) -> int:
    """Return the ceiling of connections, or fewer if the process has too few file descriptors for them.

    Args:
        ceiling: the wanted maximum.
        simulated: whether the other end of each connection is in this process too.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return ceiling
    return max(1, min(ceiling, (most - _OTHER_FILES) // (2 if simulated else 1)))


@cache  # for the clients of many event loops
def _authorities(file: str | None, folders: str | None) -> ssl.SSLContext:
    """The certificate authorities that are trusted: those of the environment, or else the machine's.

    Raises:
        EnvironmentProblem: the environment names a file or a folder that cannot be read as certificates.
    """
    if file is None and folders is None:
        return _machines()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file is not None:
        _check_certificates("SSL_CERT_FILE", file, None if Path(file).is_file() else "it is no file")
        try:
            context.load_verify_locations(cafile=file)
        except OSError as error:  # OpenSSL's own too
            _check_certificates("SSL_CERT_FILE", file, _said(error))
    if folders is not None:
        is_there = any(os.access(folder, os.R_OK | os.X_OK) for folder in folders.split(os.pathsep) if folder)
        _check_certificates("SSL_CERT_DIR", folders, None if is_there else "it is no folder that can be read")
        context.load_verify_locations(capath=folders)
    return context


def _machines() -> ssl.SSLContext:
    try:
        return httpx2.create_ssl_context(trust_env=False)
    except OSError as error:
        message = f"the certificate authorities of this machine cannot be read: {_said(error)}"
        hint = "name a file of them (PEM) with SSL_CERT_FILE"
        raise EnvironmentProblem(message, code=Code.UNREACHABLE, hint=hint) from None


def _check_certificates(name: str, value: str, fault: str | None) -> None:
    if fault is not None:
        message = f"{name} names {near(Path(value))}, whose certificates cannot be read: {fault}"
        hint = "name certificates of authorities (PEM), or unset it to trust those of this machine"
        raise EnvironmentProblem(message, code=Code.UNREACHABLE, hint=hint)


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "they are not in the PEM format").replace("_", " ").lower()
    return error.strerror or str(error)


def _proxy(address: SplitResult) -> httpx2.Proxy | None:
    """The proxy by which an address is reached, if the environment has one for it.

    Raises:
        EnvironmentProblem: no request can go through it; the message does not show it, for it may hold a password.
    """
    proxies = getproxies()
    given = proxies.get(address.scheme) or proxies.get("all")
    host = f"{address.hostname}:{address.port or _PORTS[address.scheme]}"
    if not given or "*" in map(str.strip, proxies.get("no", "").split(",")) or proxy_bypass(host):
        return None
    proxy, fault = None, "it is no address of a host"
    try:
        url = given if "://" in given else f"http://{given}"
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            fault = f"its scheme is `{parts.scheme:.20}`" if parts.scheme.isalnum() else "it has no scheme"
        elif parts.hostname and parts.port != 0 and not any(map(str.isspace, url)) and "@" not in parts.path:
            proxy = httpx2.Proxy(url)
            ":".join(proxy.auth or ()).encode("latin-1")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None:
        message = f"{_named(address.scheme, given)} names no proxy that can be used: {fault}"
        hint = "write http://host:port or https://host:port; what goes without a proxy stands in NO_PROXY"
        raise EnvironmentProblem(message, code=Code.UNREACHABLE, hint=hint)
    return proxy


def _named(scheme: str, given: str) -> str:
    """The variable that holds a proxy."""
    names = (name for each in (scheme, "all") for name in (f"{each}_proxy", f"{each}_proxy".upper()))
    return next((name for name in names if variable(name) == given), "the setting of this machine")


def failure_of(error: BaseException) -> tuple[str, str | None]:  # noqa: PLR0911 - a table by kind
    """Why a connection brought no answer, as a phrase without a word of the server's, and what to do about it."""
    chain = tuple(_chain(error))
    for each in chain:
        match each:
            case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refused):
                hint = "SSL_CERT_FILE names the authorities (PEM) that are trusted, such as a company's own"
                return f"its certificate is not trusted ({refused.verify_message})", hint
            case aiohttp.ClientConnectorSSLError():
                return f"there is no encrypted connection ({_said(each.os_error)})", "is it https:// there, or http://?"
            case aiohttp.ClientHttpProxyError():
                return f"the proxy of the environment answered {each.status}", _PROXY_HINT
            case aiohttp.ClientProxyConnectionError():
                return f"no connection to the proxy at {each.host}:{each.port} ({_told(each.os_error)})", _PROXY_HINT
            case aiohttp.ClientConnectorDNSError():
                return f"no host of the name {each.host} is known", None
            case aiohttp.ClientConnectorError():
                return _told(each.os_error), None
            case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
                return "it hung up", None
            case aiohttp.ClientResponseError():
                return "what came is not HTTP", "is it http:// there, or https://?"
            case httpx2.DecodingError():
                return "its answer is not compressed as it says", None
            case httpx2.RemoteProtocolError():  # ours, of a stream
                return str(each), None
    of_system = next((each for each in chain if isinstance(each, OSError)), None)
    return _told(of_system) if of_system else f"what came cannot be read ({type(chain[-1]).__name__})", None


def has_hung_up(error: BaseException) -> bool:
    """Whether a server has ended the connection; older transports call that a timeout."""
    return any(isinstance(each, aiohttp.ServerDisconnectedError) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _told(error: OSError) -> str:
    """What the system says, which asyncio says in words of its own."""
    return os.strerror(error.errno).lower() if error.errno and error.errno in errno.errorcode else "no connection"
