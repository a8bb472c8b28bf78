"""What reaches a terminal of names, rows, answers and file names that hold what a terminal obeys."""

import json
import logging
import os
import re
import shutil
import sys
import threading
import unicodedata
from contextlib import suppress

import pytest

from yamlgen.cli import main
from yamlgen.cli.terminal import guard, style
from yamlgen.visible_text import visible

FOREIGN = "\x1b]0;owned\x07\x1b[5m\x9b5m\x7f\x08\u202e\u2066\u061c\u2028\u200b\ufeff\U000e0041"
NAME = "\x1b]0;owned\x07\x9b5m\u202e"
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1A)")
"""The codes of colours and of the live display; none of the foreign ones."""

QUOTED = json.dumps(FOREIGN).replace(r"\udb40\udc41", r"\U000e0041")
PIPELINE = f"""\
version: 1
name: {json.dumps(NAME)}
input: {{path: {json.dumps(f"rows{NAME}.jsonl")}}}
params: {{wish: {{type: string, default: {QUOTED}}}}}
steps:
  note: {{model: claude-haiku-5-5, max_tokens: 100, prompt: "{{{{ row.text }}}} {{{{ params.wish }}}}"}}
  author: {{kind: python, call: "mine:tell", args: {{text: row.text}}}}
output: {{path: {json.dumps(f"out{NAME}/notes{NAME}.jsonl")}}}
"""

AUTHOR = """\
import sys, warnings
def tell(text):
    print("the author's", text)
    print("half a line", text, end="", file=sys.stderr, flush=True)
    if "refuse" in text:
        raise ValueError(text)
    return text
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a pipeline full of foreign text, and a run of it in the store."""
    folder = tmp_path_factory.mktemp("made")
    (folder / f"p{NAME}.yaml").write_text(PIPELINE, "utf-8")
    (folder / "mine.py").write_text(AUTHOR, "utf-8")
    rows = [{"text": f"{FOREIGN} {word}"} for word in ("take", "refuse")]
    (folder / f"rows{NAME}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of that folder, in which the test stands."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def screen(monkeypatch):
    """Do something with a terminal as stdout and stderr, in this process, and return what the screen got."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def shown(act):
        ours, theirs = os.openpty()
        got = []

        def read():
            with suppress(OSError):
                while part := os.read(ours, 65536):
                    got.append(part)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
            monkeypatch.setattr(sys, "stdout", terminal)
            monkeypatch.setattr(sys, "stderr", terminal)
            act()
            sys.stdout.flush()
            sys.stderr.flush()
        reader.join(10)
        os.close(ours)
        return b"".join(got).decode().replace("\r\n", "\n")

    return shown


def obeyed(text):
    """What of a text a terminal obeys or does not show, beside line ends and our own colours and bars."""
    left = OURS.sub("", text).replace("\r", "").replace("\n", "")
    return {c for c in left if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}


def called(*arguments):
    """The command line, to be done at a terminal."""

    def act():
        sys.argv = ["yamlgen", *arguments]
        with pytest.raises(SystemExit):
            main()

    return act


P = f"p{NAME}.yaml"
COMMANDS = {
    "validate": ["validate", P],
    "a mistake": ["validate", P, "--set", f"steps.note.{NAME}=1", "-p", f"{NAME}=1"],
    "a missing file": ["run", f"no{NAME}.yaml"],
    "an unknown command": [f"no{NAME}"],
    "an unknown option": ["run", f"--no{NAME}"],
    "a bad value": ["run", P, "--fault", NAME, "--simulate"],
    "render": ["render", P],
    "a request": ["render", P, "--row", "1"],
    "graph": ["render", P, "--graph"],
    "plan": ["plan", P, "--simulate"],
    "plan, as JSON": ["plan", P, "--simulate", "--output-format", "json"],
    "plain": ["run", P, "--simulate", "--progress", "plain", "-v"],
    "live": ["run", P, "--simulate", "--progress", "live", "-v"],
    "rows": ["run", P, "--simulate", "-o", "-"],
    "run, as JSON": ["run", P, "--simulate", "--output-format", "json"],
    "retry": ["retry", P, "--simulate"],
    "rows under bars": ["run", P, "--simulate", "-o", "-", "--progress", "live"],
    "another input": ["run", P, "--simulate", "--input", f"no{NAME}.csv"],
    "another environment": ["run", P, "--env-file", f"no{NAME}"],
    "another store": ["runs", "ls", "--store", f"no{NAME}"],
    "prune": ["runs", "prune", P, "--keep", "0", "-y"],
    "runs ls": ["runs", "ls"],
    "runs show": ["runs", "show", P],
    "a row": ["runs", "show", P, "--row", "1"],
    "a row, as JSON": ["runs", "show", P, "--row", "1", "--json"],
    "failed": ["runs", "failed", P],
    "failed, as JSON": ["runs", "failed", P, "--json"],
    "export": ["runs", "export", P],
    "export to a file": ["runs", "export", P, "-o", f"x{NAME}.jsonl"],
    "init": ["init", f"new{NAME}"],
    "schema": ["schema", "--write", f"s{NAME}.json"],
}


@pytest.fixture(scope="module")
def _run(made):
    """The run that `runs` looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        patch.setattr(sys, "argv", sys.argv)
        called("run", P, "--simulate", "-q")()


@pytest.mark.usefixtures("_run", "folder")
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_nothing_foreign_is_obeyed(arguments, screen, monkeypatch):
    """Whatever a command shows at a terminal, of foreign text it shows the escapes."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    text = screen(called(*arguments))
    assert text
    assert not obeyed(text)
    assert "owned" in text


@pytest.mark.usefixtures("_run", "folder")
@pytest.mark.parametrize("arguments", [["runs", "export", P], ["runs", "failed", P, "--json"], ["render", P]])
def test_a_pipe_gets_the_bytes(arguments, call):
    """What is no terminal gets the text as it is, as far as its format has it so."""
    assert "\u202e" in call(*arguments).out


def test_whoever_prints_is_escaped(screen):
    """Tracebacks, logs, prints and bytes pass the same place; our own colours are colours."""

    def act():
        guard()
        sys.stderr.write(style(f"red {FOREIGN}", fg="red") + "\n")
        sys.stdout.buffer.write(f"{FOREIGN}\n".encode()[:-3])
        sys.stdout.buffer.write(f"{FOREIGN}\n".encode()[-3:] + b"\xff\x9b\n")
        print(FOREIGN)  # noqa: T201 - as an author's function does
        logging.lastResort.emit(logging.makeLogRecord({"msg": FOREIGN, "levelno": logging.ERROR}))
        sys.excepthook(ValueError, ValueError(FOREIGN), None)

    text = screen(act)
    assert not obeyed(text)
    assert text.startswith(f"\x1b[31mred {visible(FOREIGN)}\x1b[0m\n{visible(FOREIGN)}\n\\xff\\x9b\n")
    assert text.count("owned") == 5


def test_words_stay_as_they_are():
    """What people write is not touched: accents, emoji, Persian, wide spaces, what was escaped before."""
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    for text in ("naïve\tcafé\n", "👩\u200d👩\u200d👧 ❤\ufe0f", persian, "a\xa0b\u3000c", visible(FOREIGN)):
        assert visible(text) == text
    assert visible("a\u200db\u200c") == r"a\u200db\u200c"
    assert json.loads(f'"{visible(FOREIGN)}"') == FOREIGN
