"""The shells that complete words of `yamlgen`: how each gives a command line, and how it takes the words.

The scripts replace those of click, which lose an empty word, put a space after `NAME=`, break words of bash at `=`, and
let messages through.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import ClassVar, Final

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from yamlgen.cli.completed_values import PATH, CommandLine
from yamlgen.environment import variable

VARIABLE: Final = "_YAMLGEN_COMPLETE"
"""The environment variable by which a script asks."""

_PATIENCE: Final = 3.0
"""Seconds after which a shell gets nothing, because a file system or a store does not answer."""

_BASH: Final = """\
_yamlgen_completion() {
    local IFS=$'\\n' kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            path) compopt -o filenames; COMPREPLY+=("$value") ;;
            open) compopt -o nospace; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac 2>/dev/null
    done < <(env _YAMLGEN_COMPLETE=bash_complete COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \\
        "${1:-yamlgen}" 2>/dev/null </dev/null)
    return 0
}
complete -o nosort -F _yamlgen_completion yamlgen 2>/dev/null || complete -F _yamlgen_completion yamlgen
"""

_ZSH: Final = """\
#compdef yamlgen

_yamlgen_completion() {
    local -a response plain plain_shown open open_shown
    local -a form
    local kind value about has_paths program=${(Q)words[1]}
    response=("${(@f)$(env _YAMLGEN_COMPLETE=zsh_complete COMP_WORDS="${(pj:\\n:)words}" COMP_CWORD=$((CURRENT-1)) \\
        ${~program} 2>/dev/null </dev/null)}")
    for kind value about in "${response[@]}"; do
        case $kind in
            (dir) compset -P '*='; _files -/; return ;;
            (file) compset -P '*='; _files; return ;;
            (path) has_paths=1 ;;
            (open) open+=("$value"); open_shown+=("$about") ;;
            (plain) plain+=("$value"); plain_shown+=("$about") ;;
        esac
    done
    [[ "$open $plain" != "$open_shown $plain_shown" ]] && form=(-l)
    (( $#open )) && compadd -U -V yamlgen-open -S '' $form -d open_shown -a open
    (( $#plain )) && compadd -U -V yamlgen $form -d plain_shown -a plain
    (( has_paths )) && { _path_files -g '*.(yaml|yml)(-.)'; _path_files -/ }
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _yamlgen_completion "$@"
else
    compdef _yamlgen_completion yamlgen
fi
"""

_FISH: Final = """\
function _yamlgen_completion
    set -l line (commandline -cp | string collect)
    set -l word (commandline -ct | string collect)
    for item in (env _YAMLGEN_COMPLETE=fish_complete COMP_WORDS="$line" COMP_CWORD="$word" \\
            yamlgen 2>/dev/null </dev/null)
        set -l parts (string split -m 1 , -- $item)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case '*'
                printf '%%s\\n' $parts[2]
        end
    end
end
complete --no-files --command yamlgen --arguments '(_yamlgen_completion)'
"""

_BREAKS: Final = "=:"
"""The characters at which bash breaks words, and which names of options, parameters and keys have."""

_WIDEST: Final = 70
_COLUMN: Final = 20

_EMPTY: Final = re.compile("(?<= )(?= )")
"""The place of an empty word between two spaces."""

_SPECIAL: Final = re.compile(r"([\s\"'\\`$&|;<>()*?\[\]{}!#~])")
_SPECIAL_IN_QUOTES: Final = re.compile(r"([\"\\`$])")
"""What bash replaces or runs within double quotes."""


class Shell(ShellComplete):
    """A shell: its command line is read from the environment, as its script gives it."""

    def line(self) -> CommandLine:
        """Return the words of the command line, without quotes."""
        raise NotImplementedError

    def complete(self) -> str:
        """Return the items for the word that is being typed, as the script reads them."""
        line = self.line()
        self.ctx_args = {"obj": line}
        args = list(line.before)
        items = self.get_completions(args, line.word)
        # What click splits off, the name of an option and `=`, is a part of the word for the shell.
        name, equals, _ = line.word.partition("=")
        prefix = f"{name}=" if equals and name.startswith("-") else ""
        shown = [item for item in items if f"{item.value}".isprintable()]
        return "".join(f"{self.formatted(item, prefix)}\n" for item in shown)

    def formatted(self, item: CompletionItem, prefix: str) -> str:
        """Return an item as the script reads it.

        Args:
            item: the item.
            prefix: what the word begins with, in front of the value of the item.
        """
        raise NotImplementedError


class Bash(Shell):
    """GNU bash. It gives words as they were typed, breaks them at `=` and `:`, and inserts what it gets as it is."""

    name: ClassVar[str] = "bash"
    source_template: ClassVar[str] = _BASH

    def line(self) -> CommandLine:
        """Return the words of the command line, without quotes."""
        words, at = _words_given()
        groups = _joined(words, at)
        found = next(number for number, group in enumerate(groups) if at in group)
        typed = [words[number] for number in groups[found] if number <= at]
        last = "" if _is_break(typed[-1]) else typed[-1]
        self.begun = _unquoted("".join(typed).removesuffix(last))
        self.quote = last[:1] if last.startswith(("'", '"')) else ""
        texts = [_unquoted("".join(words[number] for number in group)) for group in groups]
        return CommandLine(texts[1:found], _unquoted("".join(typed)), texts[found + 1 :])

    def formatted(self, item: CompletionItem, prefix: str) -> str:
        """Return an item as the script reads it."""
        value = f"{prefix}{item.value}".removeprefix(self.begun)
        if item.type != PATH:
            value = _quoted(value, self.quote)
        return f"{item.type},{value.rstrip('/') or value if item.type == PATH else value}"


class Zsh(Shell):
    """The Z shell. It gives words as they were typed, and quotes what it inserts."""

    name: ClassVar[str] = "zsh"
    source_template: ClassVar[str] = _ZSH

    def line(self) -> CommandLine:
        """Return the words of the command line, without quotes."""
        words, at = _words_given()
        texts = [_unquoted(word) for word in words]
        return CommandLine(texts[1:at], texts[at], texts[at + 1 :])

    def formatted(self, item: CompletionItem, prefix: str) -> str:
        """Return an item as the script reads it."""
        text = f"{prefix}{item.value}"
        return f"{item.type}\n{text}\n{_listed(text, item.help)}"


class Fish(Shell):
    """The fish shell. It gives the text in front of the cursor only, and quotes what it inserts."""

    name: ClassVar[str] = "fish"
    source_template: ClassVar[str] = _FISH

    def line(self) -> CommandLine:
        """Return the words of the command line, without quotes."""
        typed, word = variable("COMP_WORDS") or "", variable("COMP_CWORD") or ""
        before = split_arg_string(typed.removesuffix(word))
        return CommandLine(before[1:], _unquoted(word), [])

    def formatted(self, item: CompletionItem, prefix: str) -> str:
        """Return an item as the script reads it."""
        return f"{item.type},{prefix}{item.value}" + (f"\t{_brief(item.help)}" if item.help else "")


SHELLS: Final = {shell.name: shell for shell in (Bash, Zsh, Fish)}


def complete(group: click.Command, instruction: str) -> None:
    """Print what a shell asks for in the variable of its script; nothing after any error, or if it takes too long."""
    end = threading.Timer(_PATIENCE, os._exit, (0,))
    end.daemon = True
    with suppress(BaseException), Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        end.start()
        sys.stdout.buffer.write(answer(group, instruction).encode())
        sys.stdout.buffer.flush()
    end.cancel()


def answer(group: click.Command, instruction: str) -> str:
    """Return the script of a shell for `bash_source`, or the items for its command line for `bash_complete`."""
    name, _, what = instruction.partition("_")
    shell = SHELLS[name](group, {}, "yamlgen", VARIABLE)
    return shell.source() if what == "source" else shell.complete()


def _words_given() -> tuple[list[str], int]:
    """Return the words as they were typed, and the number of the one that is being typed."""
    given, at = variable("COMP_WORDS") or "", int(variable("COMP_CWORD") or 0)
    # The script separates words by line feeds; another caller may use spaces.
    words = given.split("\n") if "\n" in given else split_arg_string(_EMPTY.sub("''", given))
    return words + [""] * (at + 1 - len(words)), at


def _joined(words: list[str], at: int) -> list[list[int]]:
    """Return the numbers of the pieces of each word that bash has broken."""
    groups: list[list[int]] = []
    for number, word in enumerate(words):
        follows = number > 1 and number - 1 != at and word and _is_break(words[number - 1])
        if number > 1 and (_is_break(word) or follows):
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _is_break(word: str) -> bool:
    return bool(word) and not word.strip(_BREAKS)


def _quoted(text: str, quote: str) -> str:
    """Return a text as bash takes it for itself, within an open quote or without one."""
    if quote == "'":
        return text.replace("'", r"'\''")
    return (_SPECIAL_IN_QUOTES if quote else _SPECIAL).sub(r"\\\1", text)


def _unquoted(word: str) -> str:
    return "".join(split_arg_string(word)[:1])


def _brief(text: str | None) -> str:
    """Return a description that fits in a line, without control characters."""
    line = "".join(each if each.isprintable() else " " for each in text or "")
    return f"{line[: _WIDEST - 1]}…" if len(line) > _WIDEST else line


def _listed(text: str, about: str | None) -> str:
    return f"{text:{_COLUMN}}  -- {_brief(about)}" if about else text
