"""The way to an address: what the environment says of proxies and certificates, and why a connection fails.

The certificate in `authority` is valid for loopback alone, until 2120; its key keeps no secret.
"""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from scripted_api import Reply, ScriptedServer, asking, outcomes, said
from yamlgen.claude.connections import open_connections
from yamlgen.errors import Code, EnvironmentProblem

# The SDK's transport gives a proxy's password to aiohttp in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:The 'proxy_auth' parameter", "ignore:BasicAuth is deprecated")

AUTHORITY = Path(__file__).parent / "authority"
ODD_PROXIES = [
    *("socks://host:1", "socks5h://host:1", "ftp://host", "http://[", ":::", "://", "http://", "http://host:99999"),
    *("http://host:0", "http://host:port", "http://a host", "http://ho\x01st", "http://me:word\u2603@host:1"),
    *("http://me:pass/word@host:1", "http://me:pass#word@host:1"),
]


def opened(url="https://api.example"):
    """Connections to an address, or the error."""
    try:
        return open_connections(url, 5.0, 4)
    except EnvironmentProblem as problem:
        return problem


@pytest.mark.parametrize("value", ODD_PROXIES)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(name, value, monkeypatch):
    """Its value is not shown, for it may hold a password."""
    monkeypatch.setenv(name, value)
    problem = opened()
    assert problem.code is Code.UNREACHABLE
    assert problem.message.startswith(f"the proxy in {name} cannot be used: ")
    assert "http://host:port" in problem.hint
    assert "word" not in problem.message


@pytest.mark.parametrize("value", ODD_PROXIES)
def test_a_proxy_for_other_addresses_does_not_matter(value, monkeypatch):
    """A desktop sets `ALL_PROXY=socks://` beside the proxy that is used; and loopback needs none."""
    monkeypatch.setenv("ALL_PROXY", value)
    assert not isinstance(opened("http://127.0.0.1:1"), EnvironmentProblem)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert not isinstance(opened(), EnvironmentProblem)
    monkeypatch.delenv("HTTPS_PROXY")
    for spared in ("api.example", ".example", "other, *", "api.example:443"):
        monkeypatch.setenv("NO_PROXY", spared)
        assert not isinstance(opened(), EnvironmentProblem), spared


@pytest.mark.parametrize("value", ["[", "http://[", "\x01", "::1/300", ",,,", "host:port"])
def test_exceptions_that_make_no_sense_except_nothing(value, monkeypatch):
    """`NO_PROXY` is a list of names, and what is no name names nobody."""
    monkeypatch.setenv("NO_PROXY", value)
    assert not isinstance(opened(), EnvironmentProblem)


def test_a_request_goes_through_the_proxy_with_its_password(monkeypatch):
    """The proxy gets the whole address, and the password that its own one has."""

    async def main():
        async with ScriptedServer(said("Hi.")) as proxy:
            host = proxy.url.removeprefix("http://")
            monkeypatch.setenv("HTTP_PROXY", f"http://me:word@{host}")
            async with asking("http://api.example") as model:
                return await model(), proxy

    answer, proxy = asyncio.run(main())
    assert answer.value == "Hi."
    assert proxy.paths[0].startswith("http://api.example/v1/messages")
    assert proxy.headers[0]["Proxy-Authorization"].startswith("Basic ")


def test_a_proxy_that_is_not_there_is_told(monkeypatch):
    """As the proxy, and not as the API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        monkeypatch.setenv("HTTP_PROXY", f"http://me:word@127.0.0.1:{port}")
        error = asyncio.run(_asked("http://api.example"))
    assert f"cannot reach http://api.example: no connection to the proxy at 127.0.0.1:{port}" in error.message
    assert "HTTPS_PROXY" in error.hint
    assert "word" not in error.message


async def _asked(url):
    async with asking(url) as model:
        (outcome,) = await outcomes(model())
        return outcome


async def _asked_in_secret():
    """Ask a server on loopback over TLS, with a certificate that no public authority knows."""

    async def answer(_request):
        return web.json_response(said("Hi.").body)

    app = web.Application()
    app.router.add_post("/v1/messages", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(AUTHORITY / "certificate.pem", AUTHORITY / "key.pem")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        return await _asked(f"https://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def test_authorities_of_the_environment_count_on_loopback(monkeypatch, tmp_path):
    """A gateway on this machine has a certificate of its own: from a file or a folder, it is trusted."""
    refused = asyncio.run(_asked_in_secret())
    assert refused.code is Code.UNREACHABLE
    assert "its certificate is not trusted" in refused.message
    assert "SSL_CERT_FILE" in refused.hint
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY / "certificate.pem"))
    assert asyncio.run(_asked_in_secret()).value == "Hi."
    monkeypatch.delenv("SSL_CERT_FILE")
    (tmp_path / "d4eb7603.0").write_bytes((AUTHORITY / "certificate.pem").read_bytes())  # as OpenSSL names it
    monkeypatch.setenv("SSL_CERT_DIR", f"/missing:{tmp_path}")
    assert asyncio.run(_asked_in_secret()).value == "Hi."


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["missing", "a folder", "empty", "no certificate", "half a certificate"])
def test_certificates_that_cannot_be_read_are_told_by_their_variable(name, kind, monkeypatch, tmp_path):
    """Before anything is sent; where nothing is encrypted, they do not matter."""
    path = tmp_path / "certificates"
    if kind == "a folder" and name == "SSL_CERT_FILE":
        path.mkdir()
    elif kind != "missing":
        whole = (AUTHORITY / "certificate.pem").read_text()
        path.write_text({"empty": "", "half a certificate": whole[:200]}.get(kind, "hello"))
    monkeypatch.setenv(name, str(path))
    problem = opened()
    assert problem.code is Code.UNREACHABLE
    assert problem.message.startswith(f"{name} names ")
    assert "PEM" in problem.hint
    assert not isinstance(opened("http://127.0.0.1:1"), EnvironmentProblem)


def test_secrets_of_connections_reach_no_file(monkeypatch, tmp_path):
    """`SSLKEYLOGFILE` is for who debugs a client of his own; one that cannot be written is no error."""
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY / "certificate.pem"))
    for place in (tmp_path / "keys", Path("/missing/keys")):
        monkeypatch.setenv("SSLKEYLOGFILE", str(place))
        assert asyncio.run(_asked_in_secret()).value == "Hi."
        assert not place.exists()


@pytest.mark.parametrize(
    ("raw", "said_so"),
    [
        (b"SSH-2.0-Server\r\n", "the response is not HTTP"),
        (b"echo of canary-key-9d1c7f\r\n\r\n", "the response is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", "the response is not HTTP"),
        (b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 0\r\n\r\n", "the response cannot be read"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the response is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf",
            "not compressed as its header states",
        ),
        (b"", "the server closed it"),
    ],
)
def test_what_is_no_answer_is_told_without_a_word_of_it(raw, said_so):
    """A server that speaks something else may repeat what it was sent, and that holds the key."""

    async def main():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await _asked(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    error = asyncio.run(main())
    assert error.code is Code.UNREACHABLE
    assert said_so in error.message
    assert "canary" not in error.message


def test_an_encrypted_request_to_a_plain_server_is_told():
    """And how to mend it."""

    async def main():
        async with ScriptedServer(Reply()) as server:
            return await _asked(server.url.replace("http:", "https:"))

    error = asyncio.run(main())
    assert "the encrypted connection failed" in error.message
    assert "http://" in error.hint
