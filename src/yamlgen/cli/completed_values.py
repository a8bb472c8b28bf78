"""What completes the values of options and arguments: the callbacks of click, which ask `api.completion_words`.

They load what they need when a shell asks. Whatever they raise is caught at the end, and the shell gets nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from yamlgen.api.completion_words import CompletionWord

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

FILE: Final = "file"
"""The type of an item that lets the shell complete any file."""

FOLDER: Final = "dir"
"""The type of an item that lets the shell complete any folder."""

PATH: Final = "path"
"""The type of a pipeline or of a folder."""

OPEN: Final = "open"
"""The type of a word that goes on, so that no space follows."""

WORD: Final = "plain"

_HOLDERS: Final = ("pipeline", "paths", "arguments", "where", "which")
"""The parameters that hold pipelines."""

_GAP: Final = "\ufffd"
"""Stands for the value that is being typed; it is no file."""


class CommandLine(NamedTuple):
    """The words of a command line without the program, around the one that is being typed."""

    before: list[str]
    word: str
    after: list[str]


def complete_parameter(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete `-p NAME=VALUE`."""
    from yamlgen.api.completion_words import parameter_words  # noqa: PLC0415 - loads the YAML parser

    found = parameter_words(_targets(context, parameter), typed)
    given = _names_before(context, parameter)
    return _items((word for word in found if word.text.partition("=")[0] not in given), typed)


def complete_override(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete `--set PATH=VALUE`."""
    from yamlgen.api.completion_words import override_words  # noqa: PLC0415 - loads the YAML parser

    return _items(override_words(_targets(context, parameter), typed), typed)


def complete_step(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the name of a step."""
    from yamlgen.api.completion_words import names_in  # noqa: PLC0415 - loads the YAML parser

    return _items(names_in(_targets(context, parameter), "steps"), typed)


def complete_output(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete `-o [NAME=]PATH`: the names of outputs, and files."""
    from yamlgen.api.completion_words import CompletionWord, names_in  # noqa: PLC0415 - loads the YAML parser

    names = [] if "=" in typed else names_in(_targets(context, parameter), "outputs")
    found = _items((CompletionWord(f"{name.text}=", is_open=True) for name in names), typed)
    return found or [CompletionItem(typed, type=FILE)]


def complete_output_name(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the name of an output."""
    from yamlgen.api.completion_words import names_in  # noqa: PLC0415 - loads the YAML parser

    return _items(names_in(_targets(context, parameter), "outputs"), typed)


def complete_run(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the name of a run."""
    from yamlgen.api.completion_words import ENDINGS, run_words  # noqa: PLC0415 - loads SQLite

    given = _given(context, parameter)
    store = given.get("store")
    targets = [path for path in _paths(given) if path.suffix in ENDINGS or path.exists()]  # or it is a run
    simulated = bool(given.get("simulate"))
    return _items(run_words(targets, _expanded(store) if store else None, typed, simulated=simulated), typed)


def complete_pipeline(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the path of a pipeline, a test file or a folder."""
    from yamlgen.api.completion_words import pipeline_paths  # noqa: PLC0415 - loads SQLite

    return [CompletionItem(word.text, type=PATH) for word in pipeline_paths(typed)]


def complete_pipeline_or_run(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete `[PIPELINE] [RUN]`."""
    return [
        each for complete in (complete_run, complete_pipeline) for each in _attempt(complete, context, parameter, typed)
    ]


def complete_file(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Let the shell complete any file."""
    return [CompletionItem(typed, type=FILE)]


def complete_folder(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Let the shell complete a folder."""
    return [CompletionItem(typed, type=FOLDER)]


def complete_example(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete the name of a shipped pipeline."""
    from yamlgen.api.examples import examples  # noqa: PLC0415 - only for this option

    return [CompletionItem(name, help=purpose) for name, purpose in examples().items() if name.startswith(typed)]


def complete_kind(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete a part of the language, as `context` takes it."""
    from yamlgen.api.agent_context import kinds  # noqa: PLC0415 - only for this argument

    return [CompletionItem(kind) for kind in kinds() if kind.startswith(typed)]


def complete_topic(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete a topic of the manual."""
    from yamlgen.manual import topics  # noqa: PLC0415 - only for this argument

    return [CompletionItem(name, help=title) for name, title in topics().items() if name.startswith(typed)]


def complete_code(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Complete an error code, written in each way that `explain` accepts."""
    from yamlgen.errors import Code  # noqa: PLC0415 - only for this argument

    wanted = typed.upper()
    wanted = f"YG{wanted}" if wanted.isdigit() else wanted
    return [CompletionItem(str(code)) for code in sorted(map(str, Code)) if code.startswith(wanted)]


def words_of(*words: str) -> Completer:
    """Return what completes one of these words; one that ends with `=` or `:` goes on."""

    def complete(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
        fitting = (word for word in words if word.startswith(typed))
        return [CompletionItem(word, type=OPEN if word.endswith(("=", ":")) else WORD) for word in fitting]

    return complete


def _attempt(
    complete: Completer, context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    try:
        return complete(context, parameter, typed)
    except Exception:  # noqa: BLE001 - a shell gets what the other one finds
        return []


def _items(words: Iterable[CompletionWord], typed: str) -> list[CompletionItem]:
    """Return the items of the words that begin with what was typed, each once."""
    found = {word.text: word for word in words if word.text.startswith(typed)}
    return [CompletionItem(each.text, type=OPEN if each.is_open else WORD, help=each.about) for each in found.values()]


def _given(context: click.Context, parameter: click.Parameter) -> dict[str, Any]:
    """Return the parameters of the command, also those that stand after the word that is being typed."""
    line = context.find_object(CommandLine)
    if line is None:
        return context.params
    gap = [] if isinstance(parameter, click.Argument) else [line.word if line.word.startswith("-") else _GAP]
    depth, above = 0, context.parent
    while above is not None:
        depth, above = depth + 1, above.parent
    words = [*line.before, *gap, *line.after][depth:]
    return context.command.make_context(context.info_name, words, context.parent, resilient_parsing=True).params


def _names_before(context: click.Context, parameter: click.Parameter) -> set[str]:
    """Return the names that an option `NAME=VALUE` has already set."""
    given = context.params.get(parameter.name or "")
    return set(given) if isinstance(given, dict) else set()


def _targets(context: click.Context, parameter: click.Parameter) -> list[Path]:
    """Return the pipelines and folders on the command line."""
    return _paths(_given(context, parameter))


def _paths(given: dict[str, Any]) -> list[Path]:
    found = [given[name] for name in _HOLDERS if given.get(name)]
    return [_expanded(path) for each in found for path in (each if isinstance(each, tuple) else [each])]


def _expanded(path: Path | str) -> Path:
    """Return a path as the shell will give it: with the user's folder and with variables."""
    return Path(os.path.expandvars(path)).expanduser()
