"""What the pages of the error codes show is what a command prints: each message is brought about, and compared.

After a change of a message, rewrite the pages, and read the diff:

    YAMLGEN_REWRITE_PAGES=1 pytest tests/docs/test_error_messages.py
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager

import pytest

import git_repositories as repositories
from manual_pages import DOCS, ROOT
from scripted_api import error, message
from threaded_simulator import Told, serving
from yamlgen.simulator.server import Simulator

REWRITE = "YAMLGEN_REWRITE_PAGES" in os.environ
BROUGHT_ABOUT_ELSEWHERE = {"YG599"}
"""A fault of yamlgen's own has no cause that a test could give."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

TITLES = """\
version: 1
name: titles
model: {id: claude-haiku-5-5, max_tokens: 200}
input: {path: data/products.jsonl, id: sku}
steps:
  title: {prompt: "A title for {{ row.product }}"}
output: {path: out/titles.jsonl}
"""
ONE = ("run", "titles.yaml", "--limit", "1", "--simulate")

FUNCTIONS = """
    import pathlib


    def count(text):
        if not text:
            raise ValueError("empty text")
        return len(text.split())


    def wait():
        import time
        time.sleep(3)


    def leave():
        import os
        os._exit(3)


    def letters(text):
        return {"letters": set(text)}


    def rewrite():
        pathlib.Path(__file__).with_name("data").joinpath("products.jsonl").write_text('{"sku": "K-9"}\\n' * 3)
"""


@pytest.fixture
def scene(tmp_path, monkeypatch, call, forked_program):
    """What each message is brought about with, in a folder with a pipeline `titles.yaml` over three rows."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    scene = Scene(tmp_path, monkeypatch, call, forked_program)
    scene.file("titles.yaml", TITLES)
    scene.file("textstats.py", textwrap.dedent(FUNCTIONS))
    scene.rows(("K-1", "Kettle"), ("K-2", "Toaster"), ("K-3", "Lamp"))
    return scene


class Scene:
    """A folder, the command line, and a server."""

    def __init__(self, folder, monkeypatch, call, program):
        self.folder, self.monkeypatch, self.call, self.program = folder, monkeypatch, call, program

    def file(self, name, text):
        """Write a file, as text or bytes."""
        (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def rows(self, *rows):
        """Write the input."""
        self.file("data/products.jsonl", "".join(json.dumps({"sku": a, "product": b}) + "\n" for a, b in rows))

    def change(self, old, new):
        """Replace a part of the pipeline."""
        assert old in TITLES
        self.file("titles.yaml", TITLES.replace(old, new))

    def step(self, text):
        """Put another step in the place of the pipeline's own."""
        self.change('  title: {prompt: "A title for {{ row.product }}"}', textwrap.indent(textwrap.dedent(text), "  "))

    def printed(self, *arguments):
        """What a command prints on stderr."""
        return self.call(*arguments).err

    def ran(self, *arguments):
        """What a run over one row prints."""
        return self.printed(*ONE, *arguments)

    def process(self, *arguments, first="", then=""):
        """What a command of a process of its own prints."""
        program = f"{sys.executable} -m yamlgen" if first else self.program  # a limit of the shell is none of a fork's
        command = f"{first}{program} {' '.join(arguments)}{then}"
        return subprocess.run(  # noqa: S602 - a command line of ours
            command, shell=True, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
        ).stderr

    def answered(self, *replies, rows=1, retries=0, at_once=1):
        """What a run prints that is answered with `(status, body)`, the last one from then on."""
        left = list(replies)
        self.monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        with serving(Told(lambda _body: left.pop(0) if len(left) > 1 else left[0])) as server:
            self.monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            options = ("--limit", rows, "--set", f"runtime.max_retries={retries}", "--max-pause", "1")
            return self.printed("run", "titles.yaml", *options, "--max-concurrency", at_once)


SCENES = {}


def scene_of(code):
    """Enter a function as what brings about a code."""

    def enter(function):
        SCENES[code] = function
        return function

    return enter


SCENES |= {
    "YG001": lambda scene: scene.printed("validate", "title.yaml"),
    "YG404": lambda scene: scene.ran("--set", "input.path.name=rows.csv"),
    "YG405": lambda scene: scene.ran("--input", "data/product.jsonl"),
    "YG409": lambda scene: scene.rows() or scene.ran(),
    "YG502": lambda scene: scene.answered(
        (400, error("invalid_request_error", "prompt is too long: 1200345 tokens > 1000000 maximum"))
    ),
    "YG504": lambda scene: scene.ran("--fault", "refusal=1"),
    "YG505": lambda scene: scene.ran("--fault", "truncate=1"),
    "YG506": lambda scene: scene.answered((200, message("Once", stop="model_context_window_exceeded"))),
    "YG507": lambda scene: scene.answered((200, message("Once", stop="moderation"))),
    "YG508": lambda scene: scene.ran("--fault", "no_message=1", "--set", "runtime.max_retries=0"),
    "YG509": lambda scene: scene.ran(
        "--fault", "hang=1", "--set", "runtime.timeout=1", "--set", "runtime.max_retries=0"
    ),
    "YG510": lambda scene: scene.answered((529, error("overloaded_error", "Overloaded"))),
    "YG511": lambda scene: scene.ran("--fault", "blank=1"),
    "YG512": lambda scene: scene.ran("--offline"),
    "YG513": lambda scene: (
        scene.step("words: {kind: python, call: 'textstats:count', args: {text: '\"\"'}}") or scene.ran()
    ),
    "YG514": lambda scene: scene.step("words: {kind: python, call: 'textstats:wait', timeout: 1}") or scene.ran(),
    "YG515": lambda scene: (
        scene.step("words: {kind: python, call: 'textstats:letters', args: {text: row.product}}") or scene.ran()
    ),
    "YG516": lambda scene: (
        scene.step("words: {kind: python, call: 'textstats:leave'}") or scene.ran("--set", "runtime.python_workers=1")
    ),
    "YG601": lambda scene: scene.printed("run", "titles.yaml"),
    "YG602": lambda scene: scene.answered((401, error("authentication_error", "invalid x-api-key"))),
    "YG603": lambda scene: scene.answered((402, error("billing_error", "Your payment method was declined."))),
    "YG604": lambda scene: scene.answered((403, error("permission_error", "Your key may not use this model."))),
    "YG605": lambda scene: scene.answered((404, error("not_found_error", "model: claude-haiku-5-5"))),
    "YG606": lambda scene: scene.answered(
        (400, error("invalid_request_error", "You have reached your specified API usage limits."))
    ),
    "YG610": lambda scene: scene.process(*ONE, "-o -", then=" > /dev/full"),
    "YG612": lambda scene: scene.printed("run", "titles.yaml", "--simulate", "--max-requests", "2"),
    "YG614": lambda scene: scene.file(".yamlgen", "") or scene.ran(),
    "YG617": lambda scene: scene.ran() and scene.printed("runs", "show", "titles.yaml", "2020"),
    "YG618": lambda scene: scene.ran("--max-cost-usd", "1", "--set", "model.id=our-own-model"),
    "YG621": lambda scene: scene.process(*ONE, first="ulimit -n 15; "),
}


@scene_of("YG622")
def _(scene):
    scene.monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    with serving(Simulator(batch_delay=60)) as server:
        scene.monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        return scene.printed("run", "titles.yaml", "--batch", "--detach")


@scene_of("YG623")
def _(scene):
    tables = "{tables: {t: {pipeline: titles.yaml}}, sql: select sku from t, id: sku}"
    last = TITLES.replace("{path: data/products.jsonl, id: sku}", tables).replace("product }}", "sku }}")
    scene.file("list.yaml", last.replace("out/titles", "out/list"))
    return scene.printed("run", "list.yaml", "--simulate", "-q", "--fault", "refusal=1")


@scene_of("YG411")
def _(scene):
    repositories.plain(scene.monkeypatch)
    repositories.made(scene.folder, {})
    return scene.printed("diff", "mian")


@scene_of("YG412")
def _(scene):
    scene.printed("lock", "titles.yaml")
    lock = (scene.folder / "titles.lock.json").read_text()
    scene.file("titles.lock.json", lock.replace('"format": 1', '"format": 2'))
    return scene.printed("run", "titles.yaml", "--simulate", "--locked")


@scene_of("YG413")
def _(scene):
    scene.printed("lock", "titles.yaml")
    scene.change("A title for", "One title for")
    return scene.printed("run", "titles.yaml", "--simulate", "--locked")


@scene_of("YG003")
def _(scene):
    scene.file("titles.yaml", TITLES.encode() + "# café\n".encode("latin-1"))
    return scene.printed("validate", "titles.yaml")


@scene_of("YG004")
def _(scene):
    scene.file("titles.yaml", TITLES + "# a comment\n" * 1_000_000)
    return scene.printed("validate", "titles.yaml")


@scene_of("YG005")
def _(scene):
    scene.file("titles.yaml", f"x-data: {'[' * 65}{']' * 65}\n{TITLES}")
    return scene.printed("validate", "titles.yaml")


@scene_of("YG006")
def _(scene):
    scene.file("titles.yaml", "# nothing yet\n")
    return scene.printed("validate", "titles.yaml")


@scene_of("YG013")
def _(scene):
    lists = "".join(f"x-{n}: &list{n} [{', '.join([f'*list{n - 1}'] * 10)}]\n" for n in range(1, 7))
    scene.file("titles.yaml", f"x-0: &list0 [1]\n{lists}{TITLES}")
    return scene.printed("validate", "titles.yaml")


@scene_of("YG216")
def _(scene):
    scene.rows(*((f"K-{number}", f"Kettle {number}") for number in range(1, 22)))
    scene.step("title: {prompt: A title for a kettle}")
    return scene.printed("validate", "titles.yaml")


@scene_of("YG401")
def _(scene):
    scene.change("version: 1\n", "version: 1\nparams: {language: {type: string, default: English}}\n")
    return scene.ran("-p", "langage=French")


@scene_of("YG402")
def _(scene):
    scene.change("version: 1\n", "version: 1\nparams: {words: {type: integer}}\n")
    return scene.ran("-p", "words=many")


@scene_of("YG403")
def _(scene):
    scene.change("version: 1\n", "version: 1\nparams:\n  words: {type: integer}\n")
    return scene.ran()


@scene_of("YG406")
def _(scene):
    scene.file("data/products.jsonl", '{"sku": "K-1", "product": "Kettle"}\n{"sku": "K-2" "product": "Lamp"}\n')
    return scene.ran()


@scene_of("YG407")
def _(scene):
    scene.file("data/products.jsonl", '{"sku": "K-1", "product": "Kettle"}\n"K-2"\n')
    return scene.ran()


@scene_of("YG408")
def _(scene):
    scene.rows(("K-1", "Kettle"), ("K-2", "Toaster"), ("K-1", "Lamp"))
    return scene.ran()


@scene_of("YG410")
def _(scene):
    scene.step("words: {kind: python, call: 'textstats:rewrite'}")
    return scene.printed("run", "titles.yaml", "--simulate")


@scene_of("YG501")
def _(scene):
    scene.file("data/products.jsonl", '{"sku": "K-1", "note": "new"}\n{"sku": "K-2"}\n')
    scene.step('title: {prompt: "A title for {{ row.note }}"}')
    return scene.printed("run", "titles.yaml", "--simulate")


@scene_of("YG503")
def _(scene):
    schema = "{type: object, properties: {score: {type: integer, maximum: 10}}}"
    scene.step(f'rating: {{prompt: "Rate {{{{ row.product }}}}", output: {{schema: {schema}}}}}')
    return scene.answered((200, message('{"score": 11}')))


@scene_of("YG607")
def _(scene):
    scene.rows(*((f"K-{number}", f"Kettle {number}") for number in range(1, 51)))
    return scene.answered((400, error("invalid_request_error", "unsupported beta header")), rows=50)


@scene_of("YG608")
def _(scene):
    scene.monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    scene.monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    return scene.printed("run", "titles.yaml", "--max-pause", "1")


@scene_of("YG609")
def _(scene):
    scene.rows(*((f"K-{number}", f"Kettle {number}") for number in range(1, 31)))
    return scene.answered(
        (200, message("Steam")), (529, error("overloaded_error", "Overloaded")), rows=30, retries=20, at_once=10
    )


@scene_of("YG611")
def _(scene):
    command = [sys.executable, "-m", "yamlgen", "run", "titles.yaml", "--simulate", "--latency", "1"]
    command += ["--max-concurrency", "1"]
    with subprocess.Popen(command, cwd=scene.folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        printed = process.stderr.readline()  # what the run will send
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        return printed + process.stderr.read()


@scene_of("YG613")
def _(scene):
    with locked(scene):
        return scene.ran()


@contextmanager
def locked(scene):
    """Another process is at work on the pipeline."""
    scene.ran()
    lock = next(scene.folder.glob(".yamlgen/*.lock"))
    code = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield
        process.communicate(b"\n")


@scene_of("YG327")
def _(scene):
    scene.monkeypatch.setitem(sys.modules, "duckdb", None)
    for name in [name for name in sys.modules if name.startswith("yamlgen.data.sql_")]:
        scene.monkeypatch.delitem(sys.modules, name)
    file = scene.folder / "titles.yaml"
    query = "input:\n  tables: {p: data/products.jsonl}\n  sql: select * from p\n  id: sku"
    file.write_text(TITLES.replace("input: {path: data/products.jsonl, id: sku}", query), encoding="utf-8")
    return scene.printed("validate", "titles.yaml")


@scene_of("YG615")
def _(scene):
    scene.ran()
    for database in scene.folder.glob(".yamlgen/*.db"):
        database.write_bytes(b"not a database, " * 1000)
    return scene.ran()


@scene_of("YG616")
def _(scene):
    scene.ran()
    for database in scene.folder.glob(".yamlgen/*.db"):
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
        connection.close()
    return scene.ran()


@scene_of("YG619")
def _(scene):
    scene.monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    return scene.printed("run", "titles.yaml", "--confirm-above-usd", "0")


@scene_of("YG620")
def _(scene):
    scene.monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    scene.monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "content-length: 12")
    return scene.printed("run", "titles.yaml")


def shown(page):
    """The message on a page."""
    found = re.search(r"^## Message\n\n```text\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return found and found[1]


def message_in(printed, code):
    """The message with a code, as it is printed: an error with its place and its fix, or a row in the summary."""
    found = re.search(rf"^(error|warning)\[{code}\]:.*\n(?:[ \d].*\n)*", printed, re.MULTILINE)
    if found is None:
        found = re.search(rf"^  \d+ x {code} in .*\n      .*\n", printed, re.MULTILINE)
    assert found is not None, printed
    return textwrap.dedent(found[0])


def alike(text):
    """A message without its numbers: ports, processes and seconds differ."""
    return re.sub(r"[\d.]+|[0-9a-f]{6}\b", "0", re.sub(r"\d{8}T\d{6}-[0-9a-f]{6}", "0", text))


@pytest.mark.parametrize(
    "page", [page for page in sorted(DOCS.glob("errors/YG*.md")) if shown(page)], ids=lambda p: p.stem
)
def test_the_message_is_what_is_printed(page, scene):
    """A command prints what the page shows."""
    if page.stem in BROUGHT_ABOUT_ELSEWHERE:
        return
    printed = message_in(SCENES[page.stem](scene), page.stem)
    if REWRITE and alike(printed) != alike(shown(page)):
        old = page.read_text(encoding="utf-8")
        page.write_text(old.replace(f"```text\n{shown(page)}```", f"```text\n{printed}```", 1), encoding="utf-8")
        return
    assert alike(printed) == alike(shown(page))
