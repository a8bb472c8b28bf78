"""A program `yamlgen` for shells, whose work is done by forks of one process that has loaded everything already.

The program hands its arguments, folder, variables and three streams to a server; the server forks, the fork works with
them as the installed program would, and the program ends with the same code. Signals do not reach the fork.
"""

import json
import os
import select
import shlex
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path

DEADLINE = 60
"""Seconds within which the server begins to serve."""

_PROGRAM = """\
#!/bin/sh
exec {python} -IS {here} {address} "$@"
"""


def installed_program(folder, fork_server):
    """Serve a program `yamlgen` in a folder, for the front of `PATH`, until the fork server ends."""
    address, program = folder / "address", folder / "yamlgen"
    words = {"python": sys.executable, "here": __file__, "address": address}
    program.write_text(_PROGRAM.format(**{name: shlex.quote(str(word)) for name, word in words.items()}), "utf-8")
    program.chmod(0o755)
    fork_server.zygote().ask({"program": str(address)})
    ends = time.monotonic() + DEADLINE
    while not address.exists():
        assert time.monotonic() < ends
        time.sleep(0.01)
    return program


def _ask(address, arguments):
    """Have a fork do the work of this process; its exit code."""
    job = json.dumps([arguments, str(Path.cwd()), dict(os.environ)]).encode()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        socket.send_fds(line, [len(job).to_bytes(8, "big")], [0, 1, 2])
        line.sendall(job)
        code = line.recv(1)
    return code[0] if code else 128 + 9


def serve(address, asker):
    """Be the server, a zygote, until its asker closes the line: never returns."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.soon")
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
        Path(f"{address}.soon").rename(address)
        while listener in select.select([listener, asker], [], [])[0]:
            line, _ = listener.accept()
            head, streams, _, _ = socket.recv_fds(line, 8, 3)
            if os.fork() == 0:
                listener.close()
                asker.close()
                _live(line, int.from_bytes(head, "big"), streams)
            line.close()
            for descriptor in streams:
                os.close(descriptor)
    os._exit(0)


def _live(line, size, streams):
    """Be the process: never returns."""
    with line.makefile("rb") as reader:
        arguments, folder, environment = json.loads(reader.read(size))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = ["yamlgen", *arguments]
    code = 70
    try:
        import_module("yamlgen.cli").main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - as Python would
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    sys.exit(_ask(sys.argv[1], sys.argv[2:]))
