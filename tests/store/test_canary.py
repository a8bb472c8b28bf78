"""A key is in no file: not after a good run, not after a rejected one, not when an answer repeats it."""

import base64
import sqlite3
import zlib
from contextlib import closing, suppress
from urllib.parse import quote

import pytest

from framed_texts import framed_texts
from scripted_api import call, error, message
from threaded_simulator import Told, serving

KEYS = {"a gateway's": "canary/key+71d0c5 ~x".replace(" ", "."), "Anthropic's": "sk-ant-api03-canary_71d0c5-AAAA"}
PIPELINE = """\
version: 1
name: echo
runtime: {{base_url: "{url}", max_retries: 0}}
input: {{path: rows.jsonl, id: id}}
steps:
  said: {{model: claude-haiku-5-5, max_tokens: 1000, prompt: "Say {{{{ row.id }}}}."}}
  called:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "Call {{{{ row.id }}}}."
    output:
      mode: tools
      reasks: 1
      schema: {{type: object, required: [word], properties: {{word: {{type: string}}}}}}
output: {{path: out/rows.jsonl, provenance: true}}
"""


def spellings(key):
    """The key as it may lie in a file, by the name of how it is written."""
    raw = key.encode()
    found = {"plain": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "reversed": raw[::-1]}
    found["in a URL"] = quote(key, safe="").encode()
    for name, encode in (("base64", base64.b64encode), ("base64 for URLs", base64.urlsafe_b64encode)):
        for before in range(3):  # what stands before it shifts its letters; those at the ends depend on neighbours
            found[f"{name}, {before}"] = encode(b"\0" * before + raw)[(before * 8 + 5) // 6 : -4]
    return found


def contents(folder):
    """Everything that lies in a folder: each file, and each value of each database, decompressed where it can be."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        yield path.name, path.read_bytes()
        if path.suffix == ".db":
            yield from values(path)


def values(path):
    """Each value of each table of a database."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table, column, text in framed_texts(connection):
            yield f"{path.name}: {table}.{column}, whole", text
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own names
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    yield f"{path.name}: {table}", data
                    with suppress(zlib.error):  # not everything is compressed
                        yield f"{path.name}: {table}, decompressed", zlib.decompress(data)


def found(folder, key):
    """Where the key is, and how it is written there."""
    told = spellings(key)
    return {(where, how) for where, data in contents(folder) for how, text in told.items() if text in data}


def wants_tool(body):
    """Whether a request is one of the second step."""
    return "tools" in body


def replies(kind, key):
    """A server's answers: one of a kind that tells the key."""

    def reply(body):  # noqa: PLR0911 - a table
        match kind:
            case "a 401 that repeats it":
                return 401, error("authentication_error", f"invalid x-api-key: {key}")
            case "a 403 that repeats it":
                return 403, error("permission_error", f"{key} may not")
            case "a 400 that repeats it":
                return 400, error("invalid_request_error", f"what is {key}?")
            case "a text that repeats it" if not wants_tool(body):
                return 200, message(f"Your key is {key}, keep it.")
            case "a refusal that repeats it" if not wants_tool(body):
                details = {"type": "refusal", "category": None, "explanation": f"not with {key}"}
                return 200, message(f"No, {key}.", stop="refusal", stop_details=details)
            case "a call that repeats it" if wants_tool(body):
                return 200, message(call({"word": key, key: key}, body["tools"][0]["name"]), stop="tool_use")
            case "an invalid call that repeats it" if wants_tool(body):
                return 200, message(call({"word": [key]}, body["tools"][0]["name"]), stop="tool_use")
        if wants_tool(body):
            return 200, message(call({"word": "hello"}, body["tools"][0]["name"]), stop="tool_use")
        return 200, message("Hello!")

    return reply


CODES = {
    "nothing that repeats it": 0,
    "a 401 that repeats it": 3,
    "a 403 that repeats it": 3,
    "a 400 that repeats it": 1,
    "a text that repeats it": 0,
    "a refusal that repeats it": 1,
    "a call that repeats it": 0,
    "an invalid call that repeats it": 1,
}


@pytest.mark.parametrize("whose", KEYS)
@pytest.mark.parametrize("kind", CODES)
def test_a_key_is_in_no_file(kind, whose, tmp_path, fork_server):
    """After a run in which the server tells the key, it is in no file in any spelling, and in nothing that was said."""
    key = KEYS[whose]
    with serving(Told(replies(kind, key))) as server:
        (tmp_path / "echo.yaml").write_text(PIPELINE.format(url=server.url), "utf-8")
        (tmp_path / "rows.jsonl").write_text('{"id": 1}\n{"id": 2}\n', "utf-8")
        ended = fork_server.call(tmp_path, "run", "echo.yaml", "-v", ANTHROPIC_API_KEY=key)
    assert ended.code == CODES[kind], ended.err
    assert list((tmp_path / ".yamlgen").glob("*.db"))
    assert not found(tmp_path, key)
    assert key not in ended.out + ended.err
    if kind == "a text that repeats it":
        assert (tmp_path / "out/rows.jsonl").read_text("utf-8").count("secret]") == 2, "the rest of the answer is kept"


def test_the_search_finds_what_is_there(tmp_path):
    """The search above would find a key in each of its spellings, compressed in a database too."""
    key = KEYS["a gateway's"]
    for how, text in spellings(key).items():
        (tmp_path / "file").write_bytes(b"before" + text + b"after")
        assert ("file", how) in found(tmp_path, key)
    (tmp_path / "file").write_bytes(base64.b64encode(b"x-api-key: " + key.encode() + b" and more"))
    assert found(tmp_path, key)
    (tmp_path / "file").unlink()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("CREATE TABLE t (v BLOB)")
        connection.execute("INSERT INTO t VALUES (?)", (zlib.compress(key.encode() * 2),))
    assert ("a.db: t, decompressed", "plain") in found(tmp_path, key)
