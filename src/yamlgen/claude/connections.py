"""Connections to one address, with the proxy and the certificate authorities of the environment.

Owns the reading of `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`. The libraries below
read all of them at once and raise various errors. Here only the variables that affect the address are read, and errors
name them. Owns also the words for a failed connection, because the libraries' messages repeat what a server sent.
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
_EXCHANGE: Final = 30.0
"""Seconds for which a token server may be silent."""

_OTHER_FILES: Final = 64
"""File descriptors that are not connections."""

_PROXY_HINT: Final = "check HTTPS_PROXY; list hosts that need no proxy in NO_PROXY"
_PORTS: Final = {"http": 80, "https": 443}


def open_connections(base_url: str, timeout: float, concurrency: int) -> httpx2.AsyncClient:
    """Return the HTTP client with the connections to one address, on aiohttp.

    It follows no redirects, so that a key is not sent to another host. It uses no proxy for an address on this machine.

    Args:
        base_url: the address.
        timeout: seconds that one attempt may take.
        concurrency: the maximum number of requests at once.

    Raises:
        EnvironmentProblem: the proxy or the certificates of the environment cannot be used.
    """
    proxy, context = _ways(urlsplit(base_url))
    client = anthropic.DefaultAioHttpClient(
        timeout=patience(timeout),
        limits=httpx2.Limits(max_connections=concurrency + 8, keepalive_expiry=60.0),
        follow_redirects=False,
        trust_env=False,
        proxy=proxy,
        verify=context,
    )
    # The SDK sends its own of the first two, and HTTP/1.1 keeps connections; each header costs some time.
    for name in ("accept", "user-agent", "connection"):
        client.headers.pop(name, None)
    return client


def token_connections(base_url: str) -> httpx2.Client:
    """Return the HTTP client with the connections to a token server, with the same rules.

    Raises:
        EnvironmentProblem: the proxy or the certificates of the environment cannot be used.
    """
    proxy, context = _ways(urlsplit(base_url))
    return httpx2.Client(timeout=_EXCHANGE, trust_env=False, proxy=proxy, verify=context)


def _ways(address: SplitResult) -> tuple[httpx2.Proxy | None, ssl.SSLContext]:
    """Return the proxy and the certificate authorities for an address."""
    proxy = None if address.hostname in LOOPBACK else _proxy(address)
    if "https" in (address.scheme, proxy and proxy.url.scheme):
        return proxy, _authorities(variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR"))
    return proxy, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unlike a context with authorities, quick to create


def proxy_in_use(base_url: str) -> str | None:
    """Return the variable that sets the proxy for an address, and its host; `None` if there is no proxy.

    Raises:
        EnvironmentProblem: the proxy cannot be used.
    """
    address = urlsplit(base_url)
    proxy = None if address.hostname in LOOPBACK else _proxy(address)
    if proxy is None:
        return None
    proxies = getproxies()
    name = _named(address.scheme, proxies.get(address.scheme) or proxies.get("all") or "")
    return f"{name}, {proxy.url.host}:{proxy.url.port or _PORTS[proxy.url.scheme]}"


def trusted_authorities() -> str:
    """Return where the trusted certificate authorities come from, after reading them.

    Raises:
        EnvironmentProblem: they cannot be read.
    """
    file, folders = variable("SSL_CERT_FILE"), variable("SSL_CERT_DIR")
    _authorities(file, folders)
    given = [f"{name} ({value})" for name, value in (("SSL_CERT_FILE", file), ("SSL_CERT_DIR", folders)) if value]
    return " and ".join(given) or "those of this machine"


def patience(timeout: float) -> httpx2.Timeout:
    """Return the timeout for connecting, shorter than an attempt; the attempt's deadline limits the rest.

    Other timeouts of the library would expire before received data is read, after the event loop was blocked.
    """
    return httpx2.Timeout(None, connect=min(_CONNECT, timeout / 2))


def affordable(ceiling: int, *, simulated: bool = False, clients: int = 1) -> int:
    """Return the ceiling of connections, or fewer if the process has too few file descriptors for them.

    Args:
        ceiling: the wanted maximum.
        simulated: whether the other end of each connection is in this process too.
        clients: how many clients have connections, each up to the ceiling.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return ceiling
    return max(1, min(ceiling, (most - _OTHER_FILES) // (2 if simulated else clients)))


@cache  # for the clients of many event loops
def _authorities(file: str | None, folders: str | None) -> ssl.SSLContext:
    """Return a context that trusts the certificate authorities of the environment, or else those of the machine.

    Raises:
        EnvironmentProblem: the environment names a file or folder without readable certificates.
    """
    if file is None and folders is None:
        return _machines()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file is not None:
        _check_certificates("SSL_CERT_FILE", file, None if Path(file).is_file() else "it is not a file")
        try:
            context.load_verify_locations(cafile=file)
        except OSError as error:  # OpenSSL's own too
            _check_certificates("SSL_CERT_FILE", file, _said(error))
    if folders is not None:
        is_there = any(os.access(folder, os.R_OK | os.X_OK) for folder in folders.split(os.pathsep) if folder)
        _check_certificates("SSL_CERT_DIR", folders, None if is_there else "it is not a readable folder")
        context.load_verify_locations(capath=folders)
    return context


def _machines() -> ssl.SSLContext:
    try:
        return httpx2.create_ssl_context(trust_env=False)
    except OSError as error:
        message = f"the certificate authorities of this machine cannot be read: {_said(error)}"
        hint = "set SSL_CERT_FILE to a file of certificate authorities (PEM)"
        raise EnvironmentProblem(message, code=Code.UNREACHABLE, hint=hint) from None


def _check_certificates(name: str, value: str, fault: str | None) -> None:
    if fault is not None:
        message = f"{name} names {near(Path(value))}, whose certificates cannot be read: {fault}"
        hint = "set it to the certificates of authorities (PEM), or unset it to trust those of this machine"
        raise EnvironmentProblem(message, code=Code.UNREACHABLE, hint=hint)


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "they are not in the PEM format").replace("_", " ").lower()
    return error.strerror or str(error)


def _proxy(address: SplitResult) -> httpx2.Proxy | None:
    """Return the proxy for an address, if the environment sets one.

    Raises:
        EnvironmentProblem: the proxy cannot be used. The message does not show it, because it may contain a password.
    """
    proxies = getproxies()
    given = proxies.get(address.scheme) or proxies.get("all")
    host = f"{address.hostname}:{address.port or _PORTS[address.scheme]}"
    if not given or "*" in map(str.strip, proxies.get("no", "").split(",")) or proxy_bypass(host):
        return None
    proxy, fault = None, "it is not the address of a host"
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
        message = f"the proxy in {_named(address.scheme, given)} cannot be used: {fault}"
        hint = "write http://host:port or https://host:port; list hosts that need no proxy in NO_PROXY"
        raise EnvironmentProblem(message, code=Code.UNREACHABLE, hint=hint)
    return proxy


def _named(scheme: str, given: str) -> str:
    """Return the name of the variable that sets a proxy."""
    names = (name for each in (scheme, "all") for name in (f"{each}_proxy", f"{each}_proxy".upper()))
    return next((name for name in names if variable(name) == given), "the settings of this machine")


def failure_of(error: BaseException) -> tuple[str, str | None]:  # noqa: PLR0911 - a table by kind
    """Return why a connection failed, as a phrase without words of the server, and a hint."""
    chain = tuple(_chain(error))
    for each in chain:
        match each:
            case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refused):
                hint = "set SSL_CERT_FILE to the authorities (PEM) to trust, such as a company's own"
                return f"its certificate is not trusted ({refused.verify_message})", hint
            case aiohttp.ClientConnectorSSLError():
                return (
                    f"the encrypted connection failed ({_said(each.os_error)})",
                    "check whether it is https:// or http://",
                )
            case aiohttp.ClientHttpProxyError():
                return f"the proxy of the environment returned {each.status}", _PROXY_HINT
            case aiohttp.ClientProxyConnectionError():
                return f"no connection to the proxy at {each.host}:{each.port} ({_told(each.os_error)})", _PROXY_HINT
            case aiohttp.ClientConnectorDNSError():
                return f"the host name {each.host} is unknown", None
            case aiohttp.ClientConnectorError():
                return _told(each.os_error), None
            case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError():
                return "the server closed it", None
            case aiohttp.ClientResponseError():
                return "the response is not HTTP", "check whether it is http:// or https://"
            case httpx2.DecodingError():
                return "the response is not compressed as its header states", None
            case httpx2.RemoteProtocolError():  # ours, of a stream
                return str(each), None
    of_system = next((each for each in chain if isinstance(each, OSError)), None)
    return _told(of_system) if of_system else f"the response cannot be read ({type(chain[-1]).__name__})", None


def has_hung_up(error: BaseException) -> bool:
    """Return whether the server closed the connection; older transports report that as a timeout."""
    return any(isinstance(each, aiohttp.ServerDisconnectedError) for each in _chain(error))


def is_unreachable(error: BaseException) -> bool:
    """Return whether there was no connection to the server."""
    return any(isinstance(each, aiohttp.ClientConnectorError) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _told(error: OSError) -> str:
    """Return the system's message for an error, instead of asyncio's own."""
    return os.strerror(error.errno).lower() if error.errno and error.errno in errno.errorcode else "no connection"
