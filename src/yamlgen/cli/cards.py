"""The cards of a preview: panels at a terminal, as wide as it is, and plain text elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from yamlgen.api.previewed_rows import Card, CardPart, ValueLine
from yamlgen.cli.messages import put, safe
from yamlgen.cli.terminal import beneath

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_INDENT: Final = 2
_WIDEST: Final = 110
_FRAME: Final = 4
"""The columns of the frame of a panel, with its padding."""

_COLOURS: Final = {"finished": "dim", "failed": "red", "missing": "yellow"}


def show_cards(cards: Iterable[Card]) -> int:
    """Print cards to stdout, and return how many there were."""
    count = 0
    print_card = _print_panel if sys.stdout.isatty() else _print_plain
    for count, card in enumerate(cards, start=1):  # noqa: B007 - the last number is the count
        print_card(card)
    return count


def show_lines(lines: Iterable[str]) -> None:
    """Print lines beneath the cards; at a terminal, they break between words."""
    for line in lines:
        if sys.stdout.isatty():
            _print(_console(), safe(line))
        else:
            put(f"{safe(line)}\n")


def _print_plain(card: Card) -> None:
    lines = [_title(card)]
    for part in card.parts:
        lines.append(f"  {part.name}{f' ({part.note})' if part.note else ''}")
        for line in part.lines:
            pad = " " * (4 + _INDENT * line.depth)
            lines.append(pad + f"{_name(line)}{line.text}{_left_out(line)}".replace("\n", f"\n{pad}  ").rstrip())
        lines.extend(f"    {remark}".replace("\n", "\n      ") for remark in part.remarks)
    put("\n".join([*lines, f"  {card.cost}", "", ""]))


def _print_panel(card: Card) -> None:
    from rich.console import Group  # noqa: PLC0415 - only for a terminal
    from rich.padding import Padding  # noqa: PLC0415
    from rich.panel import Panel  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def hanging(text: Text, depth: int) -> RenderableType:
        """Indent a text, and its second and later lines once more."""
        room = max(_INDENT, width - _FRAME - _INDENT * (depth + 1))  # a wide character has two columns
        return Padding(Text("\n" + " " * _INDENT).join(text.wrap(console, room)), (0, 0, 0, _INDENT * depth))

    def lines_of(part: CardPart) -> list[RenderableType]:
        head = Text.assemble((part.name, "bold"), (f"  {part.note}" if part.note else "", "dim"))
        made: list[RenderableType] = [head]
        for line in part.lines:
            text = Text.assemble((_name(line), "cyan"), line.text, (_left_out(line), "dim"), overflow="fold")
            made.append(hanging(text, line.depth + 1))
        made += [hanging(Text(each, "yellow", overflow="fold"), 1) for each in part.remarks]
        return made

    console = _console()
    width = min(console.width, _WIDEST)
    body = [each for part in card.parts for each in lines_of(part)]
    panel = Panel(
        Group(*body, Text(card.cost, "dim")),
        title=Text(_title(card), "bold", no_wrap=True, overflow="ellipsis"),
        title_align="left",
        border_style=_COLOURS[card.status],
        width=width,
    )
    _print(console, panel)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - only for a terminal

    return Console(file=beneath(sys.stdout), highlight=False, emoji=False, markup=False)


def _print(console: Console, shown: RenderableType) -> None:
    with console.capture() as captured:
        console.print(shown)
    sys.stdout.flush()
    terminal = beneath(sys.stdout)
    terminal.buffer.write(captured.get().encode(terminal.encoding, "backslashreplace"))
    terminal.buffer.flush()


def _title(card: Card) -> str:
    return card.title if card.status == "finished" else f"{card.title}: {card.status}"


def _name(line: ValueLine) -> str:
    if not line.name:
        return ""
    return f"{line.name} " if re.fullmatch(r"\d+\.", line.name) else f"{line.name}: "


def _left_out(line: ValueLine) -> str:
    return f"{' ' if line.text else ''}… ({line.left_out})" if line.left_out else ""
