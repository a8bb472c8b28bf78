"""An editor that drives `yamlgen lsp` by its protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

WAIT = 20.0


class Editor:
    """Starts a server, and reads what it sends in a thread."""

    def __init__(self, *command: str, encodings: list[str] | None = None, process: int | None = None) -> None:
        command = command or (sys.executable, "-m", "yamlgen", "lsp")
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, **pipes)
        self.received: Queue[dict[str, Any]] = Queue()
        self.kept: list[dict[str, Any]] = []
        self.opened: set[Path] = set()
        self.number = 0
        self.errors = b""
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._drain, daemon=True).start()
        general = {"positionEncodings": encodings} if encodings else {}
        about = {"processId": process, "rootUri": None, "capabilities": {"general": general}}
        self.about = self.ask("initialize", about)
        self.tell("initialized", {})

    def _read(self) -> None:
        stream = self.process.stdout
        while header := stream.readline():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
                while stream.readline().strip():
                    pass
                self.received.put(json.loads(stream.read(length)))
            elif header.strip():
                self.received.put({"noise": header})
        self.received.put({"method": "closed"})

    def _drain(self) -> None:
        for line in self.process.stderr:
            self.errors += line

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def raw(self, content: bytes) -> None:
        """Send bytes as they are."""
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self.send({"method": method, "params": params})

    def ask(self, method: str, params: Any, *, fails: bool = False) -> Any:
        """Return the answer to a request."""
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        found = self.until(lambda each: each.get("id") == self.number and "method" not in each)
        assert ("error" in found) is fails, found
        return found.get("result")

    def until(self, fits: Callable[[dict[str, Any]], bool], wait: float = WAIT) -> dict[str, Any]:
        """Return the first message that fits, of those that were not returned yet."""
        for each in self.kept:
            if fits(each):
                self.kept.remove(each)
                return each
        while True:
            try:
                found = self.received.get(timeout=wait)
            except Empty:
                raise AssertionError(f"nothing came; stderr: {self.errors.decode()[-2000:]}") from None
            assert "noise" not in found, found
            if fits(found):
                return found
            self.kept.append(found)

    def open(self, path: Path, text: str | None = None, version: int = 1) -> str:
        """Open a file, or a buffer with another text; return its URI."""
        text = path.read_text(encoding="utf-8") if text is None else text
        self.opened.add(path)
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": version, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return path.as_uri()

    def change(self, path: Path, version: int, *changes: dict[str, Any] | str) -> None:
        """Change an open file: whole texts, or changes of ranges."""
        made = [{"text": each} if isinstance(each, str) else each for each in changes]
        document = {"uri": path.as_uri(), "version": version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": made})

    def close(self, path: Path) -> None:
        """Close a file."""
        self.opened.discard(path)
        self.tell("textDocument/didClose", {"textDocument": {"uri": path.as_uri()}})

    def told(self, path: Path, version: int | None = None, wait: float = WAIT) -> list[dict[str, Any]]:
        """Return the next diagnostics of a file, of a version of its text."""

        def fits(each: dict[str, Any]) -> bool:
            params = each.get("params", {})
            is_told = each.get("method") == "textDocument/publishDiagnostics" and params["uri"] == path.as_uri()
            return is_told and (version is None or params.get("version") == version)

        return self.until(fits, wait)["params"]["diagnostics"]

    def at(self, method: str, path: Path, line: int, character: int) -> Any:
        """Return the answer to a request about a position."""
        position = {"line": line, "character": character}
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": path.as_uri()}, "position": position})

    def forget(self) -> None:
        """Close all files, and forget what was received so far."""
        for path in list(self.opened):
            self.close(path)
        self.ask("workspace/nothing", None, fails=True)
        self.kept.clear()
        while not self.received.empty():
            self.received.get()

    def leave(self) -> int:
        """Ask the server to end, and return its exit code."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        return self.process.wait(WAIT)

    def kill(self) -> None:
        """End the server, whatever it does."""
        self.process.kill()
        self.process.wait(WAIT)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
