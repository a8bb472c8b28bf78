"""What a terminal shows, and what a pipe must not: bars that move, colours, the state at the end."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from yamlgen.cli.bars import wrapped
from yamlgen.cli.display import LiveDisplay, PlainDisplay, choose

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])(?:;\d+)*m")
ANY_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WRONG = "version: 1\ninput: {rows: [{a: 1}]}\nsteps: {s: {model: m, promt: x}}\noutput: {path: o.jsonl}\n"


class Terminal:
    """A terminal of a width; what it got is read until the last process has closed it."""

    def __init__(self, width):
        self._ours, self.theirs = os.openpty()
        self._resize(width)

    def _resize(self, width):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))

    def read(self, resized=None):
        """Return what the screen got; it is resized as soon as bars are on it."""
        os.close(self.theirs)
        screen = b""
        with suppress(OSError):  # Linux says so when the other side is closed
            while part := os.read(self._ours, 65536):
                screen += part
                if resized and b"/8" in screen:
                    self._resize(resized)
        os.close(self._ours)
        return screen.decode().replace("\r\n", "\n")


@pytest.fixture
def on_terminal(program, small):
    """Run `yamlgen` with a terminal as standard error, and return its exit code, its stdout and what the screen got."""

    def run(*arguments, **variables):
        terminal, environment = Terminal(120), {**os.environ, "TERM": "xterm-256color", **variables}
        streams = {"stdin": terminal.theirs, "stdout": subprocess.PIPE, "stderr": terminal.theirs}
        process = subprocess.Popen([program, *arguments], cwd=small, env=environment, **streams)
        screen = terminal.read()
        out, _ = process.communicate(timeout=30)
        return process.returncode, out.decode(), screen

    return run


@pytest.fixture
def in_terminal(fork_server, small):
    """The same for a process that needs not be one from its start; returns its exit code and what the screen got."""

    def run(*arguments, width=120, resized=None, **variables):
        terminal = Terminal(width)
        environment = {"TERM": "xterm-256color", "NO_COLOR": "", **variables}
        process = fork_server.start(small, *arguments, terminal=os.ttyname(terminal.theirs), **environment)
        screen = terminal.read(resized)
        return process.wait().code, screen

    return run


def last_screen(text):
    """What stands on the screen at the end, without colours: a bar that was drawn again stands there once."""
    lines, row, column = [""], 0, 0
    for code, words in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])|([^\x1b\r\n]+)", text):
        if code == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif code == "\r":
            column = 0
        elif code.endswith("A"):
            row = max(0, row - int(code[2:-1]))
        elif code == "\x1b[2K":
            lines[row] = ""
        elif words:
            lines[row] = f"{lines[row][:column]:{column}}{words}{lines[row][column + len(words) :]}"
            column += len(words)
    return [line.rstrip() for line in lines]


def test_bars_move_on_a_terminal(on_terminal):
    """A terminal gets a bar for each step that moves and stands full at the end; rows go to stdout alone."""
    code, out, screen = on_terminal(
        "run", "small.yaml", "--simulate", "-o", "-", "--latency", "0.3", "--max-concurrency", "2"
    )
    assert code == 0
    assert out.count("\n") == 8
    assert ESCAPE not in out
    assert screen.count("note") > 3
    assert len(set(re.findall(r"(\d)/8", screen))) > 2
    assert COLOUR.search(screen)
    shown = last_screen(screen)
    (bar,) = [line for line in shown if "8/8" in line]
    assert re.fullmatch(r"note ━+ 8/8 +\d+\.\d/s +\d+ in +\d+ out +\$0\.\d{4} \(simulated\) +\d:\d\d:\d\d", bar)
    assert any(line.startswith("small: 8 rows finished, 0 failed") for line in shown[shown.index(bar) :])
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("width", "bar"),
    [
        (100, r"note ━+ 8/8 \d failed \d+\.\d/s \d+ in +\d+ out +<?\$0\.\d{4} \(simulated\) \d:\d\d:\d\d"),
        (60, r"note ━+ 8/8 \d failed \d+\.\d/s \d:\d\d:\d\d"),
        (52, r"note ━+ 8/8 \d failed \d:\d\d:\d\d"),
        (40, r"note 8/8 \d failed \d:\d\d:\d\d"),
        (20, r"note 8/8 \d failed"),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns(width, bar, in_terminal):
    """The tokens are left out first, then the rate, then the bar; no line of the bars wraps."""
    _, screen = in_terminal("run", "small.yaml", "--simulate", "--fault", "refusal=0.4", width=width)
    lines = [line for line in last_screen(screen) if re.match("note (━+ )?8/8", line)]
    assert [line for line in lines if re.fullmatch(bar, line)], lines
    assert max(map(len, lines)) <= width


def test_a_resize_is_followed(in_terminal):
    """Bars that were drawn for a wide terminal fit a narrow one as soon as it is narrow."""
    words = ("run", "small.yaml", "--simulate", "--latency", "0.3", "--max-concurrency", "2")
    _, screen = in_terminal(*words, width=120, resized=40)
    assert re.search("note ━+ +0/8 ", ANY_CODE.sub("", screen))
    assert [line for line in last_screen(screen) if re.fullmatch(r"note 8/8 +\d:\d\d:\d\d", line)]


def test_wrapped_lines_are_counted():
    """A narrower terminal makes two lines of one that is longer than it is wide."""
    assert wrapped([80, 40, 41, 0], 40) == 2
    assert wrapped([80, 40, 41, 0], 20) == 6
    assert wrapped([], 10) == 0


def test_failures_show_in_the_bars(in_terminal):
    """A bar counts the rows that failed, lines of `-v` stand above it, whole, and NO_COLOR takes the colours away."""
    code, screen = in_terminal("run", "small.yaml", "--simulate", "--fault", "refusal=1", "-v", NO_COLOR="1")
    assert code == 1
    shown = last_screen(screen)
    assert [line for line in shown if re.match(r"note ━+ 8/8 +8 failed", line)]
    assert len([line for line in shown if re.fullmatch(r"row \d, note: YG504: the model refused", line)]) == 8
    assert ESCAPE in screen
    assert not COLOUR.search(screen)


@pytest.mark.parametrize(
    ("terminal", "rows_shown", "kind"),
    [("xterm", False, LiveDisplay), ("dumb", False, PlainDisplay), ("xterm", True, PlainDisplay)],
)
def test_bars_are_for_terminals_that_can_draw(terminal, rows_shown, kind, monkeypatch):
    """Bars go to a terminal, and plain lines to one that cannot draw or gets the rows as well."""
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert type(choose("auto", verbose=False, rows_shown=rows_shown)) is kind


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_diagnostics_are_coloured_for_people(variables, coloured, on_terminal, small):
    """A diagnostic has colours on a terminal, and none where NO_COLOR is set."""
    (small / "small.yaml").write_text(WRONG, "utf-8")
    code, _, screen = on_terminal("validate", "small.yaml", **variables)
    assert code == 1
    assert bool(COLOUR.search(screen)) is coloured
    assert "did you mean `prompt`?" in ANY_CODE.sub("", screen)


@pytest.mark.parametrize("progress", ["auto", "plain", "live", "none"])
@pytest.mark.usefixtures("small")
def test_nothing_is_animated_into_a_pipe(progress, call):
    """Into a pipe goes no escape code and no carriage return, whatever the progress is said to be."""
    told = call("run", "small.yaml", "--simulate", "--fault", "refusal=0.5", "-v", "--progress", progress)
    assert not set(told.err) & {ESCAPE, "\r"}
    assert told.err.count("8/8") <= 1


def test_a_pipe_gets_no_colours(call, small):
    """Diagnostics into a pipe are plain."""
    (small / "small.yaml").write_text(WRONG, "utf-8")
    assert ESCAPE not in call("validate", "small.yaml").err


@pytest.mark.usefixtures("small")
def test_a_long_run_says_a_line_now_and_then(call, monkeypatch):
    """Without a terminal, a line every few seconds tells rows, rate, tokens, cost, what is left, and the pace."""
    monkeypatch.setattr("yamlgen.cli.display._EVERY", 0.2)
    lines = call("run", "small.yaml", "--simulate", "--latency", "0.1", "--max-concurrency", "1").err.splitlines()
    pattern = r"\d/8 rows, 0 failed, \d+\.\d/s, \d+ in, \d+ out(  <?\$0\.\d{4} \(simulated\))?(, about \d+\.\d s left)?"
    pattern += "; haiku-5-5: [01] in flight of 1"
    assert len([line for line in lines if re.fullmatch(pattern, line)]) >= 2
