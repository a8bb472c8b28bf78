"""The names of the modes of structured output: ours and instructor's."""

from __future__ import annotations

from typing import Any, Final, Literal

from instructor.v2.core.mode import DEPRECATED_TO_CORE, Mode

from yamlgen.errors import Code, UsageError
from yamlgen.suggestions import nearest

OutputMode = Literal["auto", "native", "tools", "json"]

_OURS: Final[tuple[OutputMode, ...]] = ("auto", "native", "tools", "json")
_CORE: Final[dict[Mode, OutputMode]] = {
    Mode.TOOLS: "tools",
    Mode.JSON: "json",
    Mode.MD_JSON: "json",
    Mode.JSON_SCHEMA: "native",
}


def _theirs() -> dict[str, OutputMode]:
    names: dict[str, OutputMode] = {}
    for mode in Mode:
        ours = _CORE.get(DEPRECATED_TO_CORE.get(mode, mode))
        if ours is not None and (mode in _CORE or mode.name.startswith("ANTHROPIC_")):
            names |= {mode.name.lower(): ours, mode.value.lower(): ours}
    return names


def mode_named(name: Any) -> OutputMode:
    """Return the mode of a name, ours or instructor's, or of a member of instructor's enum.

    Raises:
        UsageError: there is no such mode for Anthropic's models.
    """
    word = str(name.value if isinstance(name, Mode) else name).lower()
    known: dict[str, OutputMode] = {**_theirs(), **{mode: mode for mode in _OURS}}
    if word not in known:
        near = nearest(word, known)
        hint = f"did you mean `{near}`? " if near else ""
        listed = ", ".join([*_OURS, *sorted(set(known) - set(_OURS))])
        raise UsageError(f"there is no mode `{name}`", code=Code.WRONG_VALUE, hint=f"{hint}modes: {listed}")
    return known[word]
