"""instructor is imported in a thread, after the first request was sent, and only if an answer needs it."""

import subprocess
import sys

import pytest

from yamlgen.claude import instructor_import
from yamlgen.errors import EnvironmentProblem

PROGRAM = """
import asyncio, gc, json, os, sys, threading
gc.disable()  # half of the time of such imports
from pathlib import Path
import yamlgen

SEEN = []
FAILS = {fails!r}

class Broken:
    def find_spec(self, name, path=None, target=None):
        if FAILS and name == "instructor.v2.core.function_calls":
            raise ImportError("no such thing")
        return None

sys.meta_path.insert(0, Broken())
MESSAGE = json.dumps({{
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "stop_sequence": None,
    "content": [{{"type": "text", "text": json.dumps({{"a": 1}})}}], "stop_reason": "end_turn",
    "usage": {{"input_tokens": 1, "output_tokens": 1}},
}})

async def take(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    if head.startswith(b"POST"):
        SEEN.append("openai" in sys.modules)
        if not FAILS:
            while "openai" not in sys.modules:  # the answer waits for the import, which must not wait for it
                await asyncio.sleep(0.01)
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\nconnection: close\\r\\ncontent-length: "
                 + str(len(MESSAGE)).encode() + b"\\r\\n\\r\\n" + MESSAGE.encode())
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{{server.sockets[0].getsockname()[1]}}"
    Path("p.yaml").write_text(
        "version: 1\\ninput: {{rows: [{{n: 1}}]}}\\nruntime: {{base_url: '" + url + "'}}\\nsteps:\\n  s:\\n"
        "    model: claude-haiku-5-5\\n    prompt: '{{{{ row.n }}}}'\\n    output: {{schema: {{type: object, "
        "additionalProperties: false, required: [a], properties: {{a: {{type: integer}}}}}}}}\\n"
        "output: {{path: out.jsonl}}\\n")
    try:
        result = await yamlgen.arun("p.yaml")
        print("finished", result.report.finished)
    except yamlgen.YamlgenError as error:
        print("error", error.code, error.message)
        FAILS = globals()["FAILS"] = False
        result = await yamlgen.arun("p.yaml")
        print("again", result.report.finished, "requests", len(SEEN))
    print("early" if SEEN[0] else "late")

asyncio.run(main())
sys.stdout.flush()
os._exit(0)  # to take all these modules apart takes a second
"""


def outcome(folder, *, fails):
    """What the program prints."""
    command = [sys.executable, "-c", PROGRAM.format(fails=fails)]
    environment = {"ANTHROPIC_API_KEY": "any", "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_request_is_sent_before_the_import(tmp_path):
    """A server that answers only once the import has begun is answered by it."""
    assert outcome(tmp_path, fails=False) == ["finished 1", "late"]


def test_a_failed_import_loses_no_paid_answer(tmp_path):
    """The run stops with the reason; the next one uses the stored answer, and sends nothing."""
    error, again, _ = outcome(tmp_path, fails=True)
    assert error.startswith("error YG327 the package instructor cannot be imported: ImportError: no such thing")
    assert again == "again 1 requests 1"


def test_a_missing_package_is_reported_before_anything_is_sent(monkeypatch):
    """Its name is looked up without importing it."""
    monkeypatch.setattr(instructor_import, "find_spec", lambda _: None)
    monkeypatch.setattr(instructor_import, "check_installed", instructor_import.check_installed.__wrapped__)
    with pytest.raises(EnvironmentProblem, match="needs the package instructor, which is not installed"):
        instructor_import.check_installed()


def test_importing_it_elsewhere_at_the_same_time_does_not_deadlock():
    """A host that imports instructor while the thread does gets it, and so does the thread."""
    code = (
        "import asyncio, gc, os\ngc.disable()\nfrom yamlgen.claude.instructor_import import InstructorImport\n"
        "async def main():\n    ours = InstructorImport()\n    waiting = asyncio.ensure_future(ours.finished())\n"
        "    await asyncio.sleep(0.001)\n    import instructor.v2.core.client\n"
        "    waiting.cancel()\n    await ours.finished()\n    assert ours.is_done\n"
        "asyncio.run(main())\nos._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
