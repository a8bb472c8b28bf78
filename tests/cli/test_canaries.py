"""Keys are never printed: not from the environment, not from a file that should not hold them, in text or in JSON."""

import asyncio
import json
import re
import sqlite3
import threading
import time
import zlib
from contextlib import closing, contextmanager, suppress

import pytest

from framed_texts import framed_texts
from key_spellings import spellings
from scripted_api import Reply, ScriptedServer, error, events, message, refusal, said, spoken

CANARY = "sk-ant-canary03-Zx9yQw_8vUtSrQpOn-MlKjIhGfEdCbA"
PLAIN = "canary-without-a-known-shape-4711"

GOOD = """\
version: 1
input: {rows: [{id: a}]}
steps:
  one: {model: claude-haiku-5-5, max_tokens: 1024, prompt: "Say {{ row.id }}."}
output: {path: out/rows.jsonl}
"""

LEAKS = {
    "in a prompt": GOOD.replace("Say", f"Use {CANARY} to say"),
    "in a block": GOOD.replace('"Say {{ row.id }}."', f"'{CANARY}\n\n      and more'"),
    "in runtime": GOOD + f"runtime: {{api_key: {CANARY}, timeout: 5}}\n",
    "in runtime, of another shape": GOOD + f"runtime:\n  api_key: {PLAIN}\n",
    "in a flow, of another shape": GOOD + f"runtime: {{timeout: 5, api_key: {PLAIN}, max_retries: x}}\n",
    "quoted, of another shape": GOOD + f'runtime: {{"api_key": "{PLAIN}", max_retries: x}}\n',
    "quoted, with spaces": GOOD + "runtime: {'api_key' : \"two canary, words\", max_retries: x}\n",
    "under api_key_env": GOOD + f"runtime: {{api_key_env: {CANARY}}}\n",
    "in a key": GOOD + f"x-{CANARY}: 1\n",
    "as an unknown key": GOOD + f"{CANARY}: 1\n",
    "as a model": GOOD.replace("claude-haiku-5-5", CANARY),
    "in an address": GOOD + f"runtime: {{base_url: 'https://user:{CANARY}@example.com'}}\n",
    "beside another mistake": GOOD.replace("prompt:", "promt:").replace("Say", CANARY),
    "in a comment of a wrong line": GOOD.replace('."}', f'.", promt: 1}} # {CANARY}'),
    "in a broken file": GOOD + f"runtime: {{api_key: {CANARY}\n",
    "in the rows": GOOD.replace("id: a", f"id: {CANARY}"),
    "in a parameter's default": GOOD + f"params: {{key: {{type: string, default: {CANARY}}}}}\n",
    "in a schema": GOOD.replace('."}', f'.", output: {{schema: {{type: string, const: {CANARY}}}}}}}'),
    "as a file": GOOD.replace('"Say {{ row.id }}."', f"{{file: {CANARY}.md}}"),
    "under api_key_env, of another shape": GOOD + f"runtime: {{api_key_env: {PLAIN}}}\n",
    "under api_key_env, as a mapping": GOOD + f"runtime: {{api_key_env: {{{PLAIN}: 1}}}}\n",
    "under api_key_env, like a name": GOOD + "runtime: {api_key_env: canary4711abcdefghijkl}\n",
    "as the address": GOOD + f"runtime: {{base_url: {PLAIN}}}\n",
    "in an address, of another shape": GOOD + "runtime: {base_url: 'https://me:canary@example.com'}\n",
    "in the query of an address": GOOD + "runtime: {base_url: 'https://example.com/?k=canary'}\n",
    "in headers": GOOD + f"runtime: {{headers: {{x-gateway: {PLAIN}, timeout: x}}}}\n",
    "in a block of headers": GOOD + f"runtime:\n  headers:\n    - x-gateway\n    - {PLAIN}\n  timeout: x\n",
    "under a name that is twice": GOOD + f"runtime:\n  headers:\n    a: {PLAIN}\n    a: {PLAIN}\n",
    "on the line below": GOOD + f"runtime:\n  ? auth_token\n  : {PLAIN}\n  auth_token: |\n    {PLAIN}\n",
    "in a comment, by its name": GOOD + f"runtime: {{timeout: x}}  # auth_token = {PLAIN}\n",
    "in a broken file, by its name": GOOD + f"runtime: {{auth_token: '{PLAIN}\n",
    "in a model": GOOD.replace("model: claude-haiku-5-5", f"model: {{id: claude-haiku-5-5, token: [{PLAIN}, {{}}]}}"),
    "in a step": GOOD.replace("prompt:", f"password: {PLAIN}, promt:"),
    "at the top": GOOD + f"gateway_key: '{PLAIN}'\n",
    "in a parameter's default, by its name": GOOD + f"params: {{api_key: {{type: integer, default: {PLAIN}}}}}\n",
    "in arguments": GOOD.replace(
        "output:", f"  two: {{kind: python, call: no:no, args: {{auth_token: '{PLAIN}'}}}}\noutput:"
    ),
}
for name in ("auth_token", "auth-token", "authToken", "autth_token", "key", "token", "password", "x-api-key", "apikey"):
    LEAKS[f"under {name}"] = GOOD + f"runtime: {{timeout: x, {name}: {PLAIN}}}\n"
for name in ("api_kye", "Authorization", "secret", "api_key_envs", "HEADERS"):
    LEAKS[f"under {name}, in a block"] = GOOD + f"runtime:\n  timeout: x\n  {name}: 'Bearer {PLAIN}'\n"
CALLS = (
    ("validate", "a.yaml"),
    ("validate", "a.yaml", "--output-format", "json"),
    ("validate", "a.yaml", "--output-format", "sarif"),
    ("render", "a.yaml"),
    ("render", "a.yaml", "--row", "1"),
    ("run", "a.yaml", "--simulate", "--progress", "none"),
    ("run", "a.yaml", "--simulate", "--output-format", "json", "-v"),
)


def check(told):
    """No canary, nor half of one, is in what was said."""
    for text in (told.out, told.err):
        assert "canary" not in text
        assert CANARY[20:30] not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("where", LEAKS)
def test_a_key_in_a_file_is_not_printed(where, call, tmp_path, monkeypatch):
    """Wherever a key stands in a pipeline, no command prints it; where it is a mistake, that is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(LEAKS[where], "utf-8")
    for arguments in CALLS:
        check(call(*arguments))


@pytest.mark.parametrize("where", ["in a prompt", "in runtime", "in runtime, of another shape", "in the rows"])
def test_a_key_in_a_file_is_a_mistake(where, call, tmp_path, monkeypatch):
    """A key in a pipeline is an error with its place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(LEAKS[where], "utf-8")
    told = call("validate", "a.yaml", "--output-format", "json")
    assert told.code == 1
    assert "YG303" in {problem["code"] for problem in json.loads(told.out)["diagnostics"]}


@pytest.mark.parametrize("option", ["-p", "--set"])
def test_a_key_in_an_option_is_not_printed(option, call, tmp_path, monkeypatch):
    """A key in `-p` or `--set` is not echoed by the message about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD, "utf-8")
    for name in ("no", "runtime.api_key", "steps.one.model.no"):
        for arguments in CALLS:
            check(call(*arguments, option, f"{name}={CANARY}"))
            check(call(*arguments, option, f"{name}=[{CANARY}"))


OPTIONS = [
    *(
        f"{name}={PLAIN}"
        for name in ("runtime.auth_token", "runtime.api_key_env", "runtime.base_url", "runtime.no.key")
    ),
    *(f"{name}=[{PLAIN}" for name in ("runtime.headers", "key", "steps.one.password")),
    f"runtime={{headers: {{a: {PLAIN}}}, timeout: x}}",
    "runtime.base_url=https://me:canary@example.com",
    f"models.no.token={PLAIN}",
    f"params.api_key={{type: integer, default: {PLAIN}}}",
    f"api_key:{PLAIN}",
    f"key={{a: {PLAIN}}}",
]


@pytest.mark.parametrize("given", OPTIONS)
@pytest.mark.parametrize("option", ["-p", "--set"])
def test_what_stands_under_the_name_of_a_key_in_an_option_is_not_printed(option, given, call, tmp_path, monkeypatch):
    """Whatever its shape: neither in text nor in JSON."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(f"{GOOD}params: {{key: {{type: integer, default: 1}}}}\n", "utf-8")
    for arguments in CALLS[:3]:
        told = call(*arguments, option, given)
        check(told)
        assert told.code


QUIET = """\
version: 1
input: {rows: [{id: a, key: b, token: c}]}
params: {key: {type: string, default: d}}
steps:
  key: {kind: compute, values: {token: row.token, key: params.key}}
  token:
    model: claude-haiku-5-5
    max_tokens: 1O24
    prompt: |
      Key: {{ row.key }}. Password: {{ row.pass }}
    output:
      schema: {type: object, properties: {password: {type: strnig}, key: {type: text}}}
output: {path: out/rows.jsonl}
"""


def test_what_is_only_named_like_a_key_is_shown(call, tmp_path, monkeypatch):
    """Schemas, expressions, templates and numbers under such names are no keys: their lines can be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(QUIET, "utf-8")
    told = call("validate", "a.yaml")
    assert "max_tokens: 1O24" in told.err
    assert "{{ row.pass }}" in told.err
    assert "*" not in told.err
    assert "[secret]" not in told.err


def test_what_may_be_a_key_is_found_quickly(call, tmp_path, monkeypatch):
    """However often a name of a key stands in a broken file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("api_key: {\n" * 20_000 + "{{" * 20_000, "utf-8")
    started = time.process_time()
    check(call("validate", "a.yaml"))
    assert time.process_time() - started < 20


@pytest.mark.parametrize("key", [CANARY, PLAIN])
def test_the_key_of_the_environment_is_never_written(key, call, tmp_path, monkeypatch):
    """The key that is used is in no message, no row, no failed row, no record and no store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    (tmp_path / "a.yaml").write_text(GOOD, "utf-8")
    for arguments in CALLS:
        check(call(*arguments))
    check(call("run", "a.yaml", "--simulate", "--fault", "refusal=1", "-v"))
    dead = ("--set", "runtime.base_url=http://127.0.0.1:9", "--set", "runtime.max_retries=0")
    told = call("run", "a.yaml", *dead)
    assert told.code == 3
    check(told)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {".db", ".json", ".jsonl"} <= {path.suffix for path in written}
    assert not [path for path in written if b"canary" in path.read_bytes()]


USED = "canary-9d1c7f_of-a-gateway"
TOLD = " ".join(spellings(USED).values())
IN_A_LINE = " ".join(text for text in spellings(USED).values() if text.isprintable() and text.isascii())
"""The key that is used, in all its spellings: as a text, and as a header may hold it."""

BLOCKS = [
    {"type": "text", "text": f"You sent {TOLD}!"},
    {"type": "tool_use", "id": TOLD, "name": TOLD, "input": {TOLD: [TOLD]}},
    {"type": "thinking", "thinking": TOLD, "signature": TOLD},
    {"type": TOLD, TOLD: {"deep": TOLD}},
]
HEADERS = ("request-id", "retry-after", "anthropic-ratelimit-requests-remaining", "anthropic-organization-id", "server")
USAGE = {"input_tokens": 1, "output_tokens": 1, "service_tier": TOLD, TOLD: TOLD}


def page(title):
    """A page of HTML that holds the key."""
    return f"<html><title>{title}</title>{TOLD}</html>".encode()


def streamed(**changed):
    """The events of a message, some of them changed."""
    parts = spoken(f"You sent {TOLD}!")
    return events(*[{**part, **changed.get(part["type"], {})} for part in parts])


def text_of(text):
    """What changes the piece of a stream to another one, out of place."""
    return {"index": 7, "delta": {"type": "text_delta", "text": text}}


POSITIONS = {
    "the content": Reply(message(*BLOCKS)),
    "what is said of it": Reply(message("Hi.", id=TOLD, model=TOLD, role=TOLD, usage=USAGE, container={TOLD: TOLD})),
    "the stop reason": Reply(message("Hi.", stop=TOLD, stop_sequence=TOLD)),
    "a refusal": said("No.", stop="refusal", stop_details={"type": "refusal", "explanation": TOLD}),
    "a wrong content": Reply({**message(), "content": TOLD}),
    "a broken body": Reply(json.dumps(message(f"You sent {TOLD}!", id=TOLD)).encode()[:-9]),
    "no message": Reply({"you": TOLD}),
    "a text in its place": Reply(f"You sent {TOLD}!".encode(), kind="text/plain"),
    "a page in its place": Reply(page(USED), kind="text/html"),
    "its type": Reply(b"Hi.", kind=f"text/{USED}; charset={USED}"),
    "an error inside": Reply(error("overloaded_error", TOLD, details={"error_code": TOLD})),
    "its kind": Reply(error(TOLD, "no")),
    "a gateway's error": Reply({"error": {"message": [TOLD], "code": TOLD}}),
    "a refused request": refusal(400, f"you sent {TOLD}", details={"error_code": TOLD, "more": TOLD}),
    "a kind of refusal": Reply({"type": TOLD, "error": {"type": TOLD, "message": TOLD}, "request_id": TOLD}, 400),
    "a gateway's refusal": Reply({"detail": {TOLD: TOLD}}, 422),
    "a refusing page": Reply(page(USED.upper()), 400, kind="text/html"),
    "a refusing text": Reply(f"{'x' * 450} {TOLD} {'y' * 5000}".encode(), 400, kind="text/plain"),
    "many in a text": Reply(USED.encode() * 300, 400, kind="text/plain"),
    "a broken server": refusal(500, TOLD),
    "a stream": streamed(message_start={"message": {**message(), "id": TOLD, "model": TOLD}}),
    "the end of a stream": streamed(message_delta={"delta": {"stop_reason": TOLD}, "usage": {TOLD: TOLD}}),
    "a broken stream": streamed(content_block_delta=text_of(TOLD)),
    "an error in a stream": events(spoken("x")[0], error("api_error", TOLD)),
    "an error of a kind in a stream": events(spoken("x")[0], error(TOLD, TOLD)),
}
"""Where a server may repeat the key; in its headers it always does."""

LOOPBACK = """\
version: 1
runtime: {{base_url: "{url}", max_retries: 0}}
input: {{rows: {rows}}}
steps: {{told: {{model: claude-haiku-5-5, max_tokens: 30000, prompt: "Row {{{{ row.id }}}}"}}}}
output: {{path: out/rows.jsonl, provenance: true}}
"""


@contextmanager
def serving(server):
    """A scripted server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(30)
    try:
        yield server.url
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def written(folder):
    """All that lies in a folder: each file, and each value of each database, unpacked and whole."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as connection:
                tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                rows = [row for name in tables for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608
                yield from (("the store", text) for _, _, text in framed_texts(connection))
            for value in (value for row in rows for value in row):
                data = value if isinstance(value, bytes) else str(value).encode()
                with suppress(zlib.error):
                    data = zlib.decompress(data)
                yield "the store", data


def once(text):
    """A text in which nothing is escaped more than once."""
    return re.sub(r"\\+", r"\\", text)


FORMS = {how: {spelt[3:-3], once(spelt)[3:-3]} for how, spelt in spellings(USED).items()}
"""What is looked for: without the ends, which in base64 are changed by what stands beside them."""


def held(data):
    """How the key stands in a text, if it does."""
    text = data if isinstance(data, str) else data.decode(errors="replace")
    told = (text, once(text))
    return [how for how, forms in FORMS.items() if any(form in each for form in forms for each in told)]


def test_a_key_that_a_server_repeats_is_nowhere(call, tmp_path, monkeypatch):
    """In every position of a response, in every spelling: neither said, nor in any file, nor in the store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", USED)
    replies = [said("Hi.")] * 5 + list(POSITIONS.values())
    for reply in replies:
        reply.headers.update(dict.fromkeys(HEADERS, IN_A_LINE))
    rows = json.dumps([{"id": number} for number in range(len(replies))])
    with serving(ScriptedServer(lambda body: replies[int(body["messages"][0]["content"].split()[1])])) as url:
        (tmp_path / "a.yaml").write_text(LOOPBACK.format(url=url, rows=rows), "utf-8")
        ran = call("run", "a.yaml", "-v", "--output-format", "json")
    assert ran.code == 1, ran.err
    told = [ran, call("runs", "failed", "a.yaml"), call("runs", "show", "a.yaml")]
    assert not [held(each.out + each.err) for each in told if held(each.out + each.err)]
    files = [*written(tmp_path / "out"), *written(tmp_path / ".yamlgen")]
    assert {"the store", "rows.jsonl", "rows.failed.jsonl", "rows.run.json"} <= {name for name, _ in files}
    assert not [(name, held(data)) for name, data in files if held(data)]
    ends = [line for name, data in files if name in ("rows.jsonl", "rows.failed.jsonl") for line in data.splitlines()]
    assert len(ends) == len(replies)
    assert b"You sent [secret]" in b"".join(ends), "the rest of an answer is kept"
