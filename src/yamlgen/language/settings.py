"""Which model a step asks, with which settings, and at which address.

Owns the rule that a step's own settings win over its model's, key by key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from yamlgen.environment import variable
from yamlgen.errors import Code, Diagnostic, redact
from yamlgen.language.deviations import FIXES
from yamlgen.language.document import DataPath
from yamlgen.language.draft import Draft
from yamlgen.language.kinds import Generate
from yamlgen.language.parts import ModelSettings, Price, Settings, Text
from yamlgen.language.secret import looks_random
from yamlgen.language.spec import Runtime
from yamlgen.language.suitability import Resolved, unsuited
from yamlgen.language.words import nearest, suggestion

PUBLIC_URL = "https://api.anthropic.com"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def resolve(
    draft: Draft, name: str, step: Generate, model: Text | ModelSettings | None, place: DataPath
) -> tuple[Settings | None, list[Diagnostic]]:
    """The settings of a model that a step asks, `None` when none is known, and what is wrong with them.

    Args:
        draft: the file.
        name: the step's.
        step: the step.
        model: as it stands under the step's `model`, or in its matrix.
        place: where that is.
    """
    at: DataPath = ("steps", name)
    resolved = Resolved()
    problems: list[Diagnostic] = []
    known = not draft.is_broken(*place, "id") and not draft.is_broken(*at, "id")
    if isinstance(model, Settings):
        resolved.take(model, place)
    elif isinstance(model, str):
        known = _take_named(draft, model, place, resolved, problems) and known
    resolved.take(step, at)
    if known and "id" not in resolved.values:
        problems.append(_no_model(draft, name, model))
    problems.extend(unsuited(draft, resolved, official=is_official(draft.pipeline.runtime)))
    settings = Settings.model_validate(resolved.values)
    return (settings if "id" in resolved.values else None), problems


def price_of(draft: Draft, model: Text | ModelSettings | None, settings: Settings) -> Price | None:
    """What the author says that a model costs: an alias's price is not that of another `id` in the step."""
    part = model if isinstance(model, ModelSettings) else draft.pipeline.models.get(model or "")
    return part.price if part is not None and part.id in (None, settings.id) else None


def _take_named(draft: Draft, model: str, path: DataPath, resolved: Resolved, problems: list[Diagnostic]) -> bool:
    """Resolve a string that names a model; false when there is nothing more to say about the model."""
    if "models" not in draft.document.data and not draft.is_broken("models"):
        resolved.values["id"], resolved.paths["id"] = model, path
        return True
    alias = draft.pipeline.models.get(model)
    if alias is not None:
        resolved.take(alias, ("models", model))
        return not draft.is_broken("models", model, "id")
    if model not in draft.names("models") and not draft.is_broken("models", model) and not draft.is_stray(model):
        message = f"no model `{model}` stands under `models`"
        near = nearest(model, draft.names("models"))
        if near is None and "-" in model:
            hint: str | None = f"an id stands under `id`: `model: {{id: {model}}}`"
        else:
            hint = suggestion(model, sorted(draft.names("models")), "models")
        problems.append(Diagnostic(Code.UNKNOWN_MODEL_ALIAS, message, draft.document.mark(path), hint))
    return False


def _no_model(draft: Draft, name: str, model: Text | ModelSettings | None) -> Diagnostic:
    if isinstance(model, str):
        mark = draft.document.mark(("models", model), key=True)
        return Diagnostic(Code.NO_MODEL, f"model `{model}` has no `id`", mark, "add `id: claude-haiku-5-5`")
    if model is not None:
        mark = draft.document.mark(("steps", name, "model"), key=True)
        message = f"the model of step `{name}` has no `id`"
        return Diagnostic(Code.NO_MODEL, message, mark, "add `id: claude-haiku-5-5`")
    mark = draft.document.mark(("steps", name), key=True)
    hint = f"add `model: {next(iter(draft.pipeline.models), 'claude-haiku-5-5')}`"
    return Diagnostic(Code.NO_MODEL, f"step `{name}` names no model", mark, hint)


def is_official(runtime: Runtime) -> bool:
    """Whether requests go to Anthropic itself: not to a gateway, which may have models of its own."""
    address = runtime.base_url or variable("ANTHROPIC_BASE_URL") or PUBLIC_URL
    return address.rstrip("/").lower() == PUBLIC_URL


def plain_http(base_url: str, runtime: Runtime) -> bool:
    """Whether an address would carry the key in the open, beyond this machine, without the author's leave."""
    parts = urlsplit(base_url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK and not runtime.allow_http


def address_fault(base_url: str) -> str | None:
    """What keeps a client from being pointed at an address, as the end of a sentence; `None` where nothing does.

    The path of a request is written behind the address: behind a query or a fragment it would be a part of that, and
    answers are kept under an address without them. What may hold a key is not repeated.
    """
    if "?" in base_url or "#" in base_url:
        return f"holds a {'query' if '?' in base_url else 'fragment'}"
    if "@" in base_url.rpartition("://")[2].partition("/")[0]:
        return "holds a name or a password"
    try:
        parts = urlsplit(base_url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", base_url):
            return None
    except ValueError:
        pass
    is_one = re.search("[.:/]", base_url)  # what is none may be a key
    return f"is {redact(base_url):.80}, which is no address" if is_one else "holds no address"


def check_runtime(draft: Draft) -> Iterator[Diagnostic]:
    """What is wrong with the way to the API."""
    runtime = draft.pipeline.runtime
    if looks_random(runtime.api_key_env):
        mark = draft.document.mark(("runtime", "api_key_env"))
        message = "this looks like a key, and no key stands in a pipeline"
        yield Diagnostic(Code.SECRET, message, mark, FIXES["api_key_env"])
    if runtime.base_url and address_fault(runtime.base_url):
        mark = draft.document.mark(("runtime", "base_url"))
        message = f'`runtime.base_url` cannot be the text "{runtime.base_url}"'
        yield Diagnostic(Code.WRONG_VALUE, message, mark, FIXES["base_url"])
    elif runtime.base_url and plain_http(runtime.base_url, runtime):
        mark = draft.document.mark(("runtime", "base_url"))
        hint = "write `https://`, or `allow_http: true` beside it for a gateway in a private network"
        yield Diagnostic(Code.PLAIN_HTTP, "plain `http://` would send the key in the open", mark, hint)
