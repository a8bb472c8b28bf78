"""`yamlgen lsp`, driven by its protocol. One process serves all tests; each of its checks also prints to stdout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from editor import WAIT, Editor

STEP = "model: claude-haiku-5-5, max_tokens: 100"
GOOD = f"""\
version: 1
input: {{rows: [{{text: hello}}]}}
steps:
  note: {{prompt: "Say {{{{ row.text }}}}.", {STEP}}}
output: {{path: out/notes.jsonl}}
"""
WRONG = GOOD.replace("row.text", "row.txt")


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file in which the server's reads are noted."""
    return tmp_path_factory.mktemp("noted") / "events"


@pytest.fixture(scope="module")
def server(noted: Path) -> Iterator[Editor]:
    """Start the server that serves all tests, with every read noted."""
    made = Editor(sys.executable, str(Path(__file__).parents[1] / "audited_server.py"), str(noted), "0.02")
    yield made
    made.kill()


@pytest.fixture
def editor(server: Editor) -> Editor:
    """Return the editor, which has forgotten what other tests did."""
    server.forget()
    return server


def codes(told: list[dict[str, Any]]) -> list[str]:
    """Return the codes of diagnostics."""
    return [each["code"] for each in told]


def piped(editor: Editor, path: Path, text: str) -> list[dict[str, Any]]:
    """Return the diagnostics of a file that is opened, asked about where it names another folder, and closed."""
    path.write_text(text, encoding="utf-8")
    editor.open(path)
    told = editor.told(path)
    named = re.search("outside/|link|folder/", text)
    if named is not None:
        before = text[: named.end()]
        for method in ("hover", "definition", "completion"):
            editor.at(method, path, before.count("\n"), len(before.rpartition("\n")[2]))
    editor.close(path)
    assert editor.told(path) == []
    return told


def test_the_buffer_is_checked_not_the_file(editor: Editor, tmp_path: Path) -> None:
    """The range, code, severity and text of a diagnostic are those of the buffer."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(GOOD, encoding="utf-8")
    editor.open(path, WRONG)
    (told,) = editor.told(path, 1)
    assert told["range"] == {"start": {"line": 3, "character": 25}, "end": {"line": 3, "character": 32}}
    assert (told["code"], told["severity"], told["source"]) == ("YG206", 1, "yamlgen")
    assert told["message"] == "unknown column `txt`\ndid you mean `text`?"
    editor.change(path, 2, GOOD)
    assert editor.told(path, 2) == []


def test_a_buffer_that_was_never_saved_is_checked(editor: Editor, tmp_path: Path) -> None:
    """Its file need not exist."""
    path = tmp_path / "new.yamlgen.yaml"
    editor.open(path, WRONG)
    assert codes(editor.told(path)) == ["YG206"]


def test_other_yaml_stays_silent(editor: Editor, tmp_path: Path) -> None:
    """A file that is no pipeline has no diagnostics, even if it is not YAML."""
    other, path = tmp_path / "compose.yaml", tmp_path / "pipeline.yaml"
    editor.open(other, "services: {web: {image: x}\n")
    editor.open(path, WRONG)
    editor.told(path)
    assert not [each for each in editor.kept if each.get("params", {}).get("uri") == other.as_uri()]


def test_a_pipeline_stays_one_while_it_is_broken(editor: Editor, tmp_path: Path) -> None:
    """A mistake in `steps` does not hide the others."""
    path = tmp_path / "pipeline.yaml"
    editor.open(path, GOOD)
    assert editor.told(path, 1) == []
    editor.change(path, 2, "stps: [")
    assert codes(editor.told(path, 2)) == ["YG002"]
    editor.change(path, 3, GOOD)
    assert editor.told(path, 3) == []


def test_ranges_of_changes_count_utf_16(editor: Editor, tmp_path: Path) -> None:
    """A character beyond the first plane counts twice, and only the line ends of the protocol end lines."""
    path = tmp_path / "pipeline.yaml"
    editor.open(path, GOOD.replace("Say", "\U0001f600\x85\u2028"))
    assert editor.told(path, 1) == []
    start = {"line": 3, "character": 18 + 4 + 1 + 3 + 4}
    end = {**start, "character": start["character"] + 4}
    editor.change(path, 2, {"range": {"start": start, "end": end}, "text": "wrong"})
    (told,) = editor.told(path, 2)
    assert told["message"] == "unknown column `wrong`\nknown: `text`"
    assert told["range"]["start"] == {"line": 3, "character": start["character"] - 4}


def test_mistakes_in_a_prompt_are_told_there_and_disappear(editor: Editor, tmp_path: Path) -> None:
    """A prompt that is open is checked with the open pipelines that read it."""
    path, prompt = tmp_path / "pipeline.yaml", tmp_path / "prompt.md"
    prompt.write_text("Say\n{{ row.txt }}", encoding="utf-8")
    editor.open(path, GOOD.replace('"Say {{ row.text }}."', "{file: prompt.md}"))
    assert editor.told(path) == []
    (told,) = editor.told(prompt)
    assert told["range"]["start"] == {"line": 1, "character": 3}
    editor.open(prompt, "Say\n{{ row.text }}")
    assert editor.told(prompt) == []
    editor.change(prompt, 2, "\u00e9\U0001f600 {{ row.txt }}")
    (told,) = editor.told(prompt, 2)
    assert told["range"]["start"] == {"line": 0, "character": 7}
    editor.close(path)
    assert editor.told(prompt, 2) == []


def test_a_test_file_is_checked_with_the_buffer_of_its_pipeline(editor: Editor, tmp_path: Path) -> None:
    """A change of the pipeline checks the test file again."""
    path, suite = tmp_path / "pipeline.yaml", tmp_path / "pipeline.test.yaml"
    path.write_text(GOOD, encoding="utf-8")
    editor.open(suite, "version: 1\npipeline: pipeline.yaml\ncases:\n  - {name: one, row: {text: a}}\n")
    assert editor.told(suite) == []
    editor.open(path)
    assert editor.told(suite) == []
    editor.change(path, 2, GOOD.replace("row.text", "row.words"))
    assert "YG206" in codes(editor.told(suite))


def test_a_file_that_is_deleted_and_saved_is_noticed(editor: Editor, tmp_path: Path) -> None:
    """What the editor tells of files checks the pipelines again."""
    path, prompt = tmp_path / "pipeline.yaml", tmp_path / "prompt.md"
    prompt.write_text("Say {{ row.text }}", encoding="utf-8")
    editor.open(path, GOOD.replace('"Say {{ row.text }}."', "{file: prompt.md}"))
    assert editor.told(path) == []
    prompt.unlink()
    editor.tell("workspace/didDeleteFiles", {"files": [{"uri": prompt.as_uri()}]})
    assert codes(editor.told(path)) == ["YG310"]
    prompt.write_text("Say {{ row.text }}", encoding="utf-8")
    editor.tell("textDocument/didSave", {"textDocument": {"uri": prompt.as_uri()}})
    assert editor.told(path) == []


def test_a_rename_moves_the_diagnostics(editor: Editor, tmp_path: Path) -> None:
    """Nothing is left at the old name."""
    old, new = tmp_path / "old.yaml", tmp_path / "a name;with #signs%.yaml"
    old.write_text(WRONG, encoding="utf-8")
    editor.open(old)
    assert codes(editor.told(old)) == ["YG206"]
    old.rename(new)
    editor.tell("workspace/didRenameFiles", {"files": [{"oldUri": old.as_uri(), "newUri": new.as_uri()}]})
    editor.close(old)
    editor.open(new)
    assert codes(editor.told(new)) == ["YG206"]
    assert not [each for each in editor.kept if codes(each.get("params", {}).get("diagnostics", []))]


def test_a_link_and_its_file_are_two_buffers(editor: Editor, tmp_path: Path) -> None:
    """Each is checked with its own text."""
    path, link = tmp_path / "pipeline.yaml", tmp_path / "link.yaml"
    link.symlink_to(path)
    editor.open(path, GOOD)
    editor.open(link, GOOD)
    editor.change(path, 2, WRONG)
    assert codes(editor.told(path, 2)) == ["YG206"]


def test_a_file_may_be_open_under_two_uris(editor: Editor, tmp_path: Path) -> None:
    """When one is closed, the other lives on."""
    path, document = tmp_path / "pipeline.yaml", {"uri": (tmp_path / "pipelin").as_uri() + "%65.yaml"}
    editor.open(path, GOOD)
    assert editor.told(path, 1) == []
    editor.tell("textDocument/didOpen", {"textDocument": {**document, "languageId": "", "version": 7, "text": WRONG}})
    assert codes(editor.told(path, 1)) == ["YG206"]
    editor.tell("textDocument/didClose", {"textDocument": document})
    assert editor.told(path, 1) == []
    editor.change(path, 2, WRONG)
    assert codes(editor.told(path, 2)) == ["YG206"]


def test_a_certain_fix_is_offered(editor: Editor, tmp_path: Path) -> None:
    """A fix is offered where its diagnostic is, unless the editor wants something else."""
    path = tmp_path / "pipeline.yaml"
    editor.open(path, WRONG)
    (told,) = editor.told(path)
    context = {"diagnostics": [told]}
    asked = {"textDocument": {"uri": path.as_uri()}, "range": told["range"], "context": context}
    (action,) = editor.ask("textDocument/codeAction", asked)
    (edit,) = action["edit"]["changes"][path.as_uri()]
    assert (action["kind"], edit["newText"]) == ("quickfix", "text")
    nowhere = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    assert editor.ask("textDocument/codeAction", {**asked, "range": nowhere}) == []
    assert editor.ask("textDocument/codeAction", {**asked, "context": {**context, "only": ["refactor"]}}) == []


def test_hover_definition_and_completion_answer_from_the_buffer(editor: Editor, tmp_path: Path) -> None:
    """Each answer comes from the text as it is now."""
    path = tmp_path / "pipeline.yaml"
    editor.open(path, GOOD)
    shown = editor.at("hover", path, 3, 31)
    assert "string" in shown["contents"]["value"]
    assert '"hello"' in shown["contents"]["value"]
    (place,) = editor.at("definition", path, 3, 31)
    assert (place["uri"], place["range"]["start"]["line"]) == (path.as_uri(), 1)
    editor.change(path, 2, GOOD.replace("row.text", "row."))
    (item,) = editor.at("completion", path, 3, 29)
    assert (item["label"], item["textEdit"]["newText"]) == ("text", "text")


def test_a_place_of_a_file_that_is_not_open_has_no_answer(editor: Editor, tmp_path: Path) -> None:
    """No answer is no error."""
    assert editor.at("hover", tmp_path / "closed.yaml", 0, 0) is None
    assert editor.at("completion", tmp_path / "closed.yaml", 99, 99) == []


OUTSIDE = {
    "path": 'input: {path: "../outside/rows.csv"}',
    "absolute path": 'input: {path: "ABOVE/outside/rows.csv"}',
    "link": "input: {path: link.csv}",
    "link to a folder": "input: {path: folder/rows.csv}",
    "pattern": 'input: {path: "../outside/*.csv"}',
    "pattern of links": 'input: {path: "l*.csv"}',
    "folder": "input: {folder: ../outside}",
    "query": 'input: {sql: "select * from t", tables: {t: ../outside/rows.csv}, id: a}',
    "stage": 'input: {sql: "select * from t", tables: {t: {pipeline: ../outside/stage.yaml}}, id: a}',
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_input_outside_the_folder_is_not_read(editor: Editor, tmp_path: Path, noted: Path, name: str) -> None:
    """Its columns are unknown, which is no mistake."""
    folder = outside_of(tmp_path)
    written = OUTSIDE[name].replace("ABOVE", str(tmp_path))
    text = GOOD.replace("input: {rows: [{text: hello}]}", written)
    assert piped(editor, folder / "pipeline.yaml", text) == []
    assert "/outside" not in noted.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "step",
    [
        f"prompt: {{file: ../outside/prompt.md}}, {STEP}",
        f"prompt: {{file: link.md}}, {STEP}",
        f'prompt: "{{{{ row.text }}}}", output: {{schema: ../outside/schema.json}}, {STEP}',
        'kind: python, call: "linked:f", args: {x: row.text}',
        'kind: python, call: "own:f", args: {x: row.text}, keep: true, reads: ["../outside/*.csv"]',
    ],
)
def test_a_part_outside_the_folder_is_not_read(editor: Editor, tmp_path: Path, noted: Path, step: str) -> None:
    """A prompt, a schema, a module and other files outside are unknown, which is no mistake; no module runs."""
    folder = outside_of(tmp_path)
    text = GOOD.replace(f'prompt: "Say {{{{ row.text }}}}.", {STEP}', step)
    assert step in text
    told = piped(editor, folder / "pipeline.yaml", text)
    assert [each for each in told if each["severity"] == 1] == []
    assert "/outside" not in noted.read_text(encoding="utf-8")
    assert not (tmp_path / "was_run").exists()


def outside_of(above: Path) -> Path:
    """Make a folder beside another, with links into it, and modules that must not run; return it."""
    outside, folder = above / "outside", above / "project"
    outside.mkdir()
    folder.mkdir()
    (outside / "rows.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (outside / "prompt.md").write_text("{{ row.nothing }}", encoding="utf-8")
    (outside / "schema.json").write_text('{"type": "strin"}', encoding="utf-8")
    (outside / "stage.yaml").write_text(WRONG, encoding="utf-8")
    module = f"open({str(above / 'was_run')!r}, 'w')\ndef f(x): return x\n"
    (outside / "linked.py").write_text(module, encoding="utf-8")
    (folder / "own.py").write_text(module, encoding="utf-8")
    for link, target in (("link.csv", "rows.csv"), ("link.md", "prompt.md"), ("linked.py", "linked.py")):
        (folder / link).symlink_to(outside / target)
    (folder / "folder").symlink_to(outside)
    return folder


def test_nothing_but_the_folders_of_open_files_is_read(
    editor: Editor, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, noted: Path
) -> None:
    """No other file is read by all these tests, no process is started, nothing is connected."""
    (tmp_path / "rows.csv").write_text("text\nhello\n", encoding="utf-8")
    query = 'input: {sql: "select * from t", tables: {t: rows.csv}, id: text}'
    assert piped(editor, tmp_path / "pipeline.yaml", GOOD.replace("input: {rows: [{text: hello}]}", query)) == []
    events = [each.partition(" ")[::2] for each in noted.read_text(encoding="utf-8").splitlines()]
    assert events
    inside = str(tmp_path_factory.getbasetemp())
    beyond = {each for each in events if not each[1].startswith(inside)}
    assert not beyond


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "steps: \ud800",
        "[" * 100_000,
        "\t:\n\t-",
        "steps: '" + "x" * 10_000_000,
        "steps:\n" + "- [a\n" * 5_000,
    ],
    ids=["empty", "null", "surrogate", "deep", "tabs", "ten megabytes", "unclosed"],
)
def test_a_broken_buffer_ends_nothing(editor: Editor, tmp_path: Path, text: str) -> None:
    """It has a diagnostic, and the next state of the buffer is checked."""
    path = tmp_path / "broken.yamlgen.yaml"
    editor.open(path, text)
    assert codes(editor.told(path, 1))
    for method in ("hover", "definition", "completion"):
        editor.at(method, path, 0, 5)
    editor.change(path, 2, WRONG)
    assert codes(editor.told(path, 2)) == ["YG206"]


def test_broken_messages_end_nothing(editor: Editor, tmp_path: Path) -> None:
    """Unknown methods are answered with an error, and addresses that are no file are passed over."""
    editor.raw(b"garbage\r\n\r\n\xff\xfe\r\nContent-Length: 5\r\n\r\n{{{{{")
    editor.send({"id": "odd", "method": "nothing/known", "params": {}})
    assert editor.until(lambda each: each.get("id") == "odd")["error"]["code"] == -32601
    editor.change(tmp_path / "never_opened.yaml", 3, "x")
    for uri in ("untitled:Untitled-1", "file:///a%00b.yaml", "http://x/y.yaml", "file://host/x.yaml", "%%%"):
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": WRONG}
        editor.tell("textDocument/didOpen", {"textDocument": document})
    assert codes(piped(editor, tmp_path / "pipeline.yaml", WRONG)) == ["YG206"]


def test_a_pipe_as_input_is_not_waited_for(editor: Editor, tmp_path: Path) -> None:
    """A pipe has no columns until a run reads it."""
    os.mkfifo(tmp_path / "rows.jsonl")
    text = GOOD.replace("{rows: [{text: hello}]}", "{path: rows.jsonl}")
    assert piped(editor, tmp_path / "pipeline.yaml", text) == []


def test_two_thousand_lines_are_checked(editor: Editor, tmp_path: Path) -> None:
    """A mistake at the end of a long file is told."""
    steps = "".join(f"  s{n}:\n    prompt: 'Say {{{{ row.text }}}}'\n    max_tokens: 9\n\n" for n in range(500))
    text = GOOD.replace("version: 1", "version: 1\nmodel: claude-haiku-5-5").replace("steps:\n", f"steps:\n{steps}")
    assert text.count("\n") > 2000
    path = tmp_path / "long.yaml"
    editor.open(path, text.replace("row.text }}.", "row.txt }}."))
    (told,) = editor.told(path)
    assert told["range"]["start"]["line"] == 2004


def test_a_real_server_waits_for_a_pause_and_leaves_as_the_protocol_demands(tmp_path: Path) -> None:
    """Several changes are checked once; positions count bytes where the editor prefers that."""
    editor = Editor(encodings=["utf-8", "utf-16"])
    try:
        assert editor.about["capabilities"]["positionEncoding"] == "utf-8"
        path = tmp_path / "pipeline.yaml"
        editor.open(path, WRONG.replace("Say", "\u00e9\U0001f600"))
        for version in range(2, 6):
            editor.change(path, version, {"range": {"start": END, "end": END}, "text": "\n"})
        (told,) = editor.told(path)
        assert told["range"]["start"] == {"line": 3, "character": 25 - 3 + 6}
        assert not [each for each in editor.kept if each.get("method") == "textDocument/publishDiagnostics"]
        assert editor.leave() == 0
        assert editor.errors == b""
    finally:
        editor.kill()


END = {"line": 5, "character": 0}


@pytest.mark.parametrize("way", ["exit", "end of input", "editor dies"])
def test_the_server_ends_with_its_editor(way: str) -> None:
    """The exit code is that of the protocol."""
    other = subprocess.Popen(["sleep", "60"])
    editor = Editor(process=other.pid)
    try:
        if way == "exit":
            editor.tell("exit", None)
        elif way == "end of input":
            editor.process.stdin.close()
        else:
            other.kill()
            other.wait(WAIT)
        assert editor.process.wait(WAIT) == {"exit": 1, "end of input": 0, "editor dies": 1}[way]
    finally:
        editor.kill()
        other.kill()
        other.wait(WAIT)
