"""Runs `yamlgen lsp`, and notes in a file what it opens, lists, imports, connects to or starts.

Arguments: the file, and the seconds after a change until a check. Each check also prints, which must disturb nothing.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import yamlgen.language_server.check_schedule as schedule
from yamlgen import cli

PATHS = ("open", "os.listdir", "os.scandir", "exec", "import")
FORBIDDEN = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
)


def main(noted: str, pause: str) -> None:
    """Run the server."""
    file = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    own = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), str(Path(schedule.__file__).parents[2]), "/proc/")
    own += (str(Path(__file__).parent), "/dev/null", f"{tempfile.gettempdir()}/yamlgen-", "/usr/share/zoneinfo", "<")
    own += tuple(filter(None, sys.path))

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in PATHS:
            path = arguments[0]
            if event == "exec":
                path = path.co_filename or "<no file>"
            elif event == "import":
                path = arguments[1]
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            is_beneath = event == "open" and "/" not in str(path)  # of a folder that is open
            if isinstance(path, str | os.PathLike) and not is_beneath and not str(path).startswith(own):
                os.write(file, f"{event} {path}\n".encode())
        elif event.startswith(FORBIDDEN):
            os.write(file, f"{event} !\n".encode())

    checked = schedule._checked

    def loud(*arguments: Any, **options: Any) -> Any:
        print("a check begins")  # noqa: T201
        return checked(*arguments, **options)

    schedule.PAUSE = float(pause)
    schedule._checked = loud
    sys.addaudithook(note)
    sys.argv = ["yamlgen", "lsp"]
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
