"""The question before a dear run, as a person at a terminal answers it."""

import io
import sys

import pytest

from yamlgen.cli import main

MESSAGE = "`limits.confirm_above_usd` is 0"


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self):
        """It is."""
        return True


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        ("n", 4, MESSAGE),
        (EOFError(), 4, MESSAGE),
        (KeyboardInterrupt(), 130, "stopped: Ctrl-C"),
    ],
    ids=["no", "Ctrl-D", "Ctrl-C"],
)
def test_what_is_no_yes_sends_nothing(monkeypatch, answer, code, told):
    """Ctrl-D is no answer, and so no consent; Ctrl-C is what it is. What is told stands on a line of its own."""

    def asked(_text):
        if isinstance(answer, str):
            sys.stderr.write(f"{answer}\n")  # as a terminal shows what is typed
            return answer
        raise answer

    monkeypatch.setattr("click.termui.visible_prompt_func", asked)
    arguments = ["--simulate", "--set", "limits.confirm_above_usd=0", "--progress", "plain"]
    monkeypatch.setattr(sys, "argv", ["yamlgen", "run", "small.yaml", *arguments])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    monkeypatch.setattr(sys, "stderr", Terminal(screen := io.BytesIO(), encoding="utf-8"))
    with pytest.raises(SystemExit) as ended:
        main()
    *_, fact, hint, explanation = screen.getvalue().decode().splitlines()
    assert ended.value.code == code
    assert told in fact
    assert hint.startswith("  = nothing was sent")
    assert "Continue?" not in fact
    assert explanation.startswith("For an explanation: ")
