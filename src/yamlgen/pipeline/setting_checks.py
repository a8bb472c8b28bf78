"""A step's settings, held against what the table of models says, and against the API's rules for all of them.

Owns the warnings about what one model refuses: the table has a date, so they stop no run. What the API refuses of every
model is an error. Where the table says nothing (gateways, fine-tunes), nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from yamlgen import model_capabilities
from yamlgen.errors import Code, Diagnostic, Mark
from yamlgen.model_capabilities import CHECKED, EFFORTS, LEAST_TOP_P, OFF, OLD_VERSION, SAMPLING, Capabilities
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.steps.config_fields import Settings, Thinking
from yamlgen.suggestions import listing


class ResolvedSettings:
    """A step's settings, and where in the file each of them stands."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.paths: dict[str, DataPath] = {}

    def take(self, part: Settings, path: DataPath) -> None:
        """Lay a part's settings over those before it."""
        for key in part.model_fields_set & set(Settings.model_fields):
            self.values[key] = getattr(part, key)
            self.paths[key] = (*path, key)


def check_settings(parsed: ParsedFile, resolved: ResolvedSettings, *, official: bool) -> Iterator[Diagnostic]:
    """What the API would refuse of a step's settings.

    Args:
        parsed: the file.
        resolved: the settings.
        official: whether they go to Anthropic's own address, of whose models the table knows all.
    """
    found = _Suitability(parsed, resolved, official=official)
    yield from found.stops()
    yield from found.thinking_faults()
    if "id" in resolved.values:
        yield from found.model()
        yield from found.sampling()
        yield from found.thinking()
        yield from found.effort()
        yield from found.length()


class _Suitability:
    """What is said of one step's settings."""

    def __init__(self, parsed: ParsedFile, resolved: ResolvedSettings, *, official: bool) -> None:
        self._parsed = parsed
        self._paths = resolved.paths
        self._settings = Settings.model_validate(resolved.values)
        self._id = self._settings.id or ""
        self._able: Capabilities = model_capabilities.of(self._id)
        self._official = official and not parsed.is_broken_within("runtime")
        at = resolved.paths.get("thinking", ())
        self._thinking_is_whole = not any(path[: len(at)] == at for path in parsed.broken) if at else True

    def _mark(self, name: str, *more: str | int, key: bool = False) -> Mark:
        return self._parsed.document.mark((*self._paths[name], *more), key=key)

    def _warning(self, message: str, mark: Mark, hint: str, code: Code = Code.SETTING_REFUSED) -> Diagnostic:
        return Diagnostic(code, message, mark, hint, "warning")

    def model(self) -> Iterator[Diagnostic]:
        """A model that the API lacks, or will: of another address nothing is known."""
        if not self._official:
            return
        able, newest = self._able, model_capabilities.successor_of(self._id)
        if able.lifecycle == "retired":
            message = f"`{self._id}` has retired: the API answers 404 (as of {CHECKED})"
            yield self._warning(message, self._mark("id"), f"`{newest}` follows it; a gateway may still serve it")
        elif able.retires is not None:
            message = f"`{self._id}` is deprecated: it retires on {able.retires} (as of {CHECKED})"
            yield self._warning(message, self._mark("id"), f"`{newest}` follows it")
        elif not able.known and (
            (near := model_capabilities.meant(self._id)) or re.fullmatch(r"claude-[^/.]*", self._id)
        ):
            message = f"the API has no model `{self._id}` (as of {CHECKED})"
            hint = f"did you mean `{near}`?" if near else "a newer one is sent all the same"
            yield self._warning(message, self._mark("id"), hint)

    def sampling(self) -> Iterator[Diagnostic]:
        """Settings of sampling, which older models take under the older version of the API."""
        able, version = self._able, self._parsed.pipeline.runtime.api_version
        given = [key for key in SAMPLING if getattr(self._settings, key) is not None]
        thinks = self._settings.thinks
        for key in given:
            mark = self._mark(key, key=True)
            if able.sampling is False:
                hint = "remove it: only models up to 4.6 take it"
                yield self._warning(f"`{self._id}` refuses `{key}`", mark, hint, Code.SAMPLING_REFUSED)
            elif self._parsed.is_broken_within("runtime"):
                continue
            elif version != OLD_VERSION and (able.known or self._official):
                message = f"the API refuses `{key}` under its version {version}"
                hint = f'remove it, or set `runtime.api_version: "{OLD_VERSION}"` for a model up to 4.6'
                yield self._warning(message, mark, hint, Code.SAMPLING_REFUSED)
            elif able.sampling and thinks:
                yield from self._while_thinking(key, mark)
        if able.sampling and able.lifecycle != "retired" and {"temperature", "top_p"} <= set(given):
            message = f"`{self._id}` takes `temperature` or `top_p`, not both"
            yield self._warning(message, self._mark("top_p", key=True), "remove one", Code.SAMPLING_REFUSED)

    def _while_thinking(self, key: str, mark: Mark) -> Iterator[Diagnostic]:
        value = getattr(self._settings, key)
        if (key == "temperature" and value != 1) or key == "top_k" or (key == "top_p" and value < LEAST_TOP_P):
            bound = f" below {LEAST_TOP_P}" if key == "top_p" else ""
            message = f"the API refuses `{key}`{bound} while a model thinks"
            yield self._warning(message, mark, "remove it, or `thinking`", Code.SAMPLING_REFUSED)

    def stops(self) -> Iterator[Diagnostic]:
        """Stop sequences of white space, which no model takes."""
        for index, text in enumerate(self._settings.stop_sequences or ()):
            if not text.strip():
                message = "the API refuses a stop sequence of white space"
                mark = self._mark("stop_sequences", index)
                yield Diagnostic(Code.WRONG_VALUE, message, mark, "remove it, or write a word such as `END`")

    def thinking_faults(self) -> Iterator[Diagnostic]:
        """What is wrong with `thinking` by itself, whatever the model."""
        thinking = self._settings.thinking
        if not isinstance(thinking, Thinking) or not self._thinking_is_whole:
            return
        mark, kind = self._mark("thinking", key=True), self._settings.thinking_type
        if kind == "enabled" and thinking.budget_tokens is None:
            needed = "`type` or `budget_tokens`" if thinking.type is None else "`budget_tokens` beside `type: enabled`"
            hint = "write `{budget_tokens: 2048}`, or `adaptive`"
            yield Diagnostic(Code.MISSING_KEY, f"`thinking` needs {needed}", mark, hint)
        elif kind != "enabled" and thinking.budget_tokens is not None:
            message = f"`budget_tokens` says nothing beside `type: {kind}`"
            place = self._mark("thinking", "budget_tokens", key=True)
            yield Diagnostic(Code.CONFLICT, message, place, "remove it; `effort` says how much it thinks")
        if kind in OFF and thinking.display is not None:
            place = self._mark("thinking", "display", key=True)
            yield Diagnostic(Code.CONFLICT, "`display` says nothing where thinking is off", place, "remove it")

    def thinking(self) -> Iterator[Diagnostic]:
        """A type of thinking that the model does not take, and a budget that leaves nothing for the answer."""
        kind, taken, thinking = self._settings.thinking_type, self._able.thinking, self._settings.thinking
        if isinstance(thinking, Thinking) and thinking.type is None and thinking.budget_tokens is None:
            return  # an error that was told: it says nothing of how it thinks
        if kind is not None and taken is not None and kind not in taken and self._thinking_is_whole:
            shown = "thinking with a budget" if kind == "enabled" else f"`thinking: {kind}`"
            yield self._warning(f"`{self._id}` takes no {shown}", self._mark("thinking"), _instead(kind, taken))
        most = self._settings.answer_limit
        if isinstance(thinking, Thinking) and (thinking.budget_tokens or 0) >= most and kind == "enabled":
            message = f"thinking may take {thinking.budget_tokens} tokens, and `max_tokens` is {most}"
            mark = self._mark("thinking", "budget_tokens")
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, "`max_tokens` covers thinking and answer: raise it")

    def effort(self) -> Iterator[Diagnostic]:
        """A level of effort that the model does not take, at all or without thinking."""
        effort, able = self._settings.effort, self._able
        if effort is None or able.efforts is None:
            return
        kind = self._settings.thinking_type
        most = able.most_effort_off if kind in OFF and kind in (able.thinking or ()) else None
        if not able.efforts:
            yield self._warning(f"`{self._id}` takes no `effort`", self._mark("effort", key=True), "remove it")
        elif effort not in able.efforts:
            message = f"`{self._id}` takes no `effort: {effort}`"
            yield self._warning(message, self._mark("effort"), f"it takes {listing(able.efforts)}")
        elif most is not None and EFFORTS.index(effort) > EFFORTS.index(most):
            message = f"`{self._id}` takes `effort` up to `{most}` under `thinking: {kind}`"
            yield self._warning(message, self._mark("effort"), f"lower it to `{most}`, or let it think: `adaptive`")

    def length(self) -> Iterator[Diagnostic]:
        """More tokens than the model writes."""
        most, limit = self._settings.max_tokens, self._able.max_output_tokens
        if most is not None and limit is not None and most > limit:
            message = f"`{self._id}` writes at most {limit} tokens"
            yield self._warning(message, self._mark("max_tokens"), f"lower it to {limit}")


def _instead(kind: str, taken: tuple[str, ...]) -> str:
    """What to write in place of a type of thinking, for a model that takes others."""
    if kind in OFF:
        off = next((each for each in taken if each in OFF), None)
        return f"write `{off}`" if off else "remove it: this model always thinks, and least under `effort: low`"
    if "adaptive" in taken:
        return "write `adaptive`; `effort` says how much it thinks"
    return "write `{budget_tokens: 2048}`" if "enabled" in taken else "remove it: this model does not think"
