"""Checks of a step's settings against the table of models, and against the API's rules for all models.

A setting that one model rejects is a warning, because the table may be out of date. A setting that the API rejects for
every model is an error. Models that are not in the table (gateways, fine-tunes) are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from yamlgen import model_capabilities
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.model_capabilities import CHECKED, EFFORTS, LEAST_TOP_P, OFF, OLD_VERSION, SAMPLING, Capabilities
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.pipeline.request_field_checks import check_fields, check_served
from yamlgen.steps.config_fields import Settings, Thinking
from yamlgen.suggestions import Hint, listing


class ResolvedSettings:
    """A step's settings, each with its path in the file."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.paths: dict[str, DataPath] = {}

    def take(self, part: Settings, path: DataPath) -> None:
        """Apply the settings of a part over those before it."""
        for key in part.model_fields_set & set(Settings.model_fields):
            self.values[key] = getattr(part, key)
            self.paths[key] = (*path, key)


def check_settings(
    parsed: ParsedFile, resolved: ResolvedSettings, *, official: bool, batched: bool, by_tool: bool
) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each setting of a step that the API would reject.

    Args:
        parsed: the file.
        resolved: the settings.
        official: whether requests go to Anthropic's own address, whose models are all in the table.
        batched: whether the requests are sent in batches, in which some models write longer answers.
        by_tool: whether a schema may be requested with a tool.
    """
    found = _Suitability(parsed, resolved, official=official)
    yield from found.stops()
    yield from found.thinking_faults()
    yield from found.fields(by_tool=by_tool)
    if "id" in resolved.values:
        yield from found.model()
        yield from found.sampling()
        yield from found.thinking()
        yield from found.effort()
        yield from found.length(batched=batched)
        yield from found.served(batched=batched)


class _Suitability:
    """The checks of one step's settings."""

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
        """Check whether the model exists and will exist. Only Anthropic's own address is checked."""
        if not self._official:
            return
        able, newest = self._able, model_capabilities.successor_of(self._id)
        if able.lifecycle == "retired":
            message = f"`{self._id}` is retired: the API answers 404 (as of {CHECKED})"
            hint = f"use its successor `{newest}`; a gateway may still serve `{self._id}`"
            yield self._warning(message, self._mark("id"), hint)
        elif able.retires is not None:
            message = f"`{self._id}` is deprecated: it retires on {able.retires} (as of {CHECKED})"
            yield self._warning(message, self._mark("id"), f"use its successor `{newest}`")
        elif not able.known and (
            (near := model_capabilities.meant(self._id)) or re.fullmatch(r"claude-[^/.]*", self._id)
        ):
            message = f"the API has no model `{self._id}` (as of {CHECKED})"
            hint = f"did you mean `{near}`?" if near else "if the model is newer, ignore this warning: the id is sent"
            yield self._warning(message, self._mark("id"), Hint(hint, model_capabilities.MODELS))

    def sampling(self) -> Iterator[Diagnostic]:
        """Check the sampling parameters, which older models accept with the older version of the API."""
        able, version = self._able, self._parsed.pipeline.runtime.api_version
        given = [key for key in SAMPLING if getattr(self._settings, key) is not None]
        thinks = self._settings.thinks
        for key in given:
            mark = self._mark(key, key=True)
            if able.sampling is False:
                hint = "remove it: only models up to 4.6 accept it"
                yield self._warning(f"`{self._id}` rejects `{key}`", mark, hint, Code.SAMPLING_REFUSED)
            elif self._parsed.is_broken_within("runtime"):
                continue
            elif version != OLD_VERSION and (able.known or self._official):
                message = f"the API rejects `{key}` in version {version}"
                hint = f'remove it, or set `runtime.api_version: "{OLD_VERSION}"` for a model up to 4.6'
                yield self._warning(message, mark, hint, Code.SAMPLING_REFUSED)
            elif able.sampling and thinks:
                yield from self._while_thinking(key, mark)
        if able.sampling and able.lifecycle != "retired" and {"temperature", "top_p"} <= set(given):
            message = f"`{self._id}` accepts `temperature` or `top_p`, not both"
            yield self._warning(message, self._mark("top_p", key=True), "remove one", Code.SAMPLING_REFUSED)

    def _while_thinking(self, key: str, mark: Mark) -> Iterator[Diagnostic]:
        value = getattr(self._settings, key)
        if (key == "temperature" and value != 1) or key == "top_k" or (key == "top_p" and value < LEAST_TOP_P):
            bound = f" below {LEAST_TOP_P}" if key == "top_p" else ""
            message = f"the API rejects `{key}`{bound} if the model thinks"
            yield self._warning(message, mark, "remove it, or remove `thinking`", Code.SAMPLING_REFUSED)

    def stops(self) -> Iterator[Diagnostic]:
        """Check for stop sequences of white space, which the API rejects."""
        for index, text in enumerate(self._settings.stop_sequences or ()):
            if not text.strip():
                message = "the API rejects a stop sequence that is only white space"
                mark = self._mark("stop_sequences", index)
                yield Diagnostic(Code.WRONG_VALUE, message, mark, "remove it, or write a word such as `END`")

    def thinking_faults(self) -> Iterator[Diagnostic]:
        """Check `thinking` by itself, independent of the model."""
        thinking = self._settings.thinking
        if not isinstance(thinking, Thinking) or not self._thinking_is_whole:
            return
        mark, kind = self._mark("thinking", key=True), self._settings.thinking_type
        if kind == "enabled" and thinking.budget_tokens is None:
            needed = "`type` or `budget_tokens`" if thinking.type is None else "`budget_tokens` with `type: enabled`"
            hint = "write `{budget_tokens: 2048}`, or `adaptive`"
            yield Diagnostic(Code.MISSING_KEY, f"`thinking` needs {needed}", mark, hint)
        elif kind != "enabled" and thinking.budget_tokens is not None:
            message = f"`budget_tokens` has no effect with `type: {kind}`"
            place = self._mark("thinking", "budget_tokens", key=True)
            hint = "remove it; to control how much the model thinks, use `effort`"
            yield Diagnostic(Code.CONFLICT, message, place, hint)
        if kind in OFF and thinking.display is not None:
            place = self._mark("thinking", "display", key=True)
            yield Diagnostic(Code.CONFLICT, "`display` has no effect if thinking is off", place, "remove it")

    def thinking(self) -> Iterator[Diagnostic]:
        """Check for a type of thinking that the model rejects, and a budget that leaves no tokens for the answer."""
        kind, taken, thinking = self._settings.thinking_type, self._able.thinking, self._settings.thinking
        if isinstance(thinking, Thinking) and thinking.type is None and thinking.budget_tokens is None:
            return  # already reported as an error
        if kind is not None and taken is not None and kind not in taken and self._thinking_is_whole:
            shown = "thinking with a budget" if kind == "enabled" else f"`thinking: {kind}`"
            message = f"`{self._id}` does not support {shown}"
            yield self._warning(message, self._mark("thinking"), _instead(kind, taken))
        most = self._settings.answer_limit
        if isinstance(thinking, Thinking) and (thinking.budget_tokens or 0) >= most and kind == "enabled":
            message = f"`budget_tokens` must be less than `max_tokens` ({most}), not {thinking.budget_tokens}"
            mark = self._mark("thinking", "budget_tokens")
            hint = "increase `max_tokens`, which includes the thinking and the answer"
            yield Diagnostic(Code.SETTING_REFUSED, message, mark, hint)

    def effort(self) -> Iterator[Diagnostic]:
        """Check for a level of effort that the model rejects, always or without thinking."""
        effort, able = self._settings.effort, self._able
        if effort is None or able.efforts is None:
            return
        kind = self._settings.thinking_type
        most = able.most_effort_off if kind in OFF and kind in (able.thinking or ()) else None
        if not able.efforts:
            message = f"`{self._id}` does not support `effort`"
            yield self._warning(message, self._mark("effort", key=True), "remove it")
        elif effort not in able.efforts:
            message = f"`{self._id}` does not support `effort: {effort}`"
            yield self._warning(
                message, self._mark("effort"), Hint(f"supported: {listing(able.efforts)}", able.efforts)
            )
        elif most is not None and EFFORTS.index(effort) > EFFORTS.index(most):
            message = f"`{self._id}` supports `effort` only up to `{most}` with `thinking: {kind}`"
            yield self._warning(message, self._mark("effort"), f"lower it to `{most}`, or write `thinking: adaptive`")

    def fields(self, *, by_tool: bool) -> Iterator[Diagnostic]:
        """Check the further fields of the requests."""
        if self._settings.extra_body is not None:
            yield from check_fields(self._settings.extra_body, self._mark, by_tool=by_tool)

    def served(self, *, batched: bool) -> Iterator[Diagnostic]:
        """Check how the requests are served."""
        yield from check_served(self._settings, self._able, self._mark, batched=batched)

    def length(self, *, batched: bool) -> Iterator[Diagnostic]:
        """Check for more tokens than the model can write: by itself, or in a batch."""
        given, limit, most = self._settings.max_tokens, self._able.max_output_tokens, self._able.max_batch_tokens
        if given is None or limit is None or given <= limit or (batched and given <= (most or limit)):
            return
        message, hint = f"`{self._id}` writes at most {limit} tokens", f"lower it to {limit}"
        if batched and most is not None:
            message, hint = f"`{self._id}` writes at most {most} tokens in a batch", f"lower it to {most}"
        elif batched:
            message += ", also in a batch"
        elif most is not None and given <= most:
            hint += f", or set `batch: true`: a batch allows up to {most}"
        yield self._warning(message, self._mark("max_tokens"), hint)


def _instead(kind: str, taken: tuple[str, ...]) -> str:
    """Return the hint for a type of thinking that the model rejects."""
    if kind in OFF:
        off = next((each for each in taken if each in OFF), None)
        return f"write `{off}`" if off else "remove it: this model always thinks, the least with `effort: low`"
    if "adaptive" in taken:
        return "write `adaptive`; to control how much the model thinks, use `effort`"
    return "write `{budget_tokens: 2048}`" if "enabled" in taken else "remove it: this model does not think"
