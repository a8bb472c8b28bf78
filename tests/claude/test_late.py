"""A loop that stands still past a deadline: answers that came meanwhile are read, not thrown away and paid again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripted_api import Reply, ScriptedServer, asking, events, message, outcomes, spoken
from yamlgen.errors import Code
from yamlgen.row_result import Answer


class Threaded(ThreadingHTTPServer):
    """One that takes many connections at once."""

    daemon_threads = True
    request_queue_size = 128


class Answering:
    """A server in threads of its own, which answers after some seconds also while a loop or a process stands still."""

    def __init__(self, seconds, body=None, kind="application/json"):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(handler):  # noqa: N805
                self.came += 1
                handler.rfile.read(int(handler.headers["content-length"]))
                time.sleep(seconds)
                content = body or json.dumps(message("x" * 200_000)).encode()
                handler.send_response(200)
                handler.send_header("content-type", kind)
                handler.send_header("content-length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)
                self.answered += 1

        self.came = self.answered = 0
        self.server = Threaded(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


STREAM = events(*spoken("Hi there.")).body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_came_while_the_loop_stood_still_is_read(stream):
    """A slow template blocks the loop for longer than `timeout`: all that was answered meanwhile is kept."""
    body, kind = (STREAM, "text/event-stream") if stream else (None, "application/json")

    async def main(url):
        async with asking(url, timeout=1.0, max_tokens=30_000 if stream else 100, concurrency=64) as model:
            tasks = [asyncio.ensure_future(model(f"{number}")) for number in range(16)]
            await asyncio.sleep(0.3)
            time.sleep(1.5)  # noqa: ASYNC251 - the loop is to stand still
            return await outcomes(*tasks)

    with Answering(0.5, body, kind) as server:
        found = asyncio.run(main(server.url))
    assert [outcome for outcome in found if not isinstance(outcome, Answer)] == []
    assert server.came == server.answered == 16


def test_what_never_came_is_overdue_after_the_loop_stood_still():
    """A loop that stood still gives a silent server little more time."""

    async def main():
        async with ScriptedServer(Reply(wait=9)) as server, asking(server.url, timeout=0.5, max_retries=0) as model:
            task = asyncio.ensure_future(model())
            await asyncio.sleep(0.2)
            time.sleep(1)  # noqa: ASYNC251
            started = time.monotonic()
            return (await outcomes(task))[0], time.monotonic() - started

    outcome, seconds = asyncio.run(main())
    assert outcome.code == Code.DEADLINE
    assert seconds < 2.5


PIPELINE = """\
version: 1
name: stopped
runtime: {{base_url: "{url}", timeout: 3, max_retries: 0}}
input:
  rows: [{rows}]
steps:
  a: {{model: m, prompt: "A word about {{{{ row.topic }}}}."}}
output: {{path: out.jsonl}}
"""


def test_what_came_while_the_process_was_stopped_is_read(tmp_path):
    """A process that is stopped for twice its `timeout` while the server answers loses no answer."""
    path = tmp_path / "stopped.yaml"
    with Answering(2.0) as server:
        rows = ", ".join(f"{{topic: t{number}}}" for number in range(20))
        path.write_text(PIPELINE.format(url=server.url, rows=rows), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("yamlgen")), "run", str(path), "--quiet"]
        with subprocess.Popen(command, env=os.environ | {"ANTHROPIC_API_KEY": "any"}) as child:
            deadline = time.monotonic() + 60
            while server.came < 20 and time.monotonic() < deadline:
                time.sleep(0.02)
            child.send_signal(signal.SIGSTOP)
            time.sleep(6)
            child.send_signal(signal.SIGCONT)
            assert child.wait(60) == 0
    assert server.came == server.answered == 20
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 20
