"""Keys are never printed: not from the environment, not from a file that should not hold them, in text or in JSON."""

import json

import pytest

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
}
CALLS = (
    ("validate", "a.yaml"),
    ("validate", "a.yaml", "--output-format", "json"),
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
