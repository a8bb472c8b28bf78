"""The model of a step, its settings, and the address of the API.

A step's own settings take precedence over its model's, key by key. A step without `model` uses the pipeline's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from yamlgen.diagnostics import Diagnostic
from yamlgen.environment import variable
from yamlgen.errors import Code
from yamlgen.option_names import by_surface, override
from yamlgen.parsing.secret_scan import looks_random
from yamlgen.parsing.source_map import DataPath
from yamlgen.pipeline.batch_checks import is_batched
from yamlgen.pipeline.header_names import header_fault
from yamlgen.pipeline.key_fixes import FIXES
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.pipeline.setting_checks import ResolvedSettings, check_settings
from yamlgen.redaction import redact
from yamlgen.steps.config_fields import FromVariable, ModelRuntime, ModelSettings, Price, Settings, Text
from yamlgen.suggestions import correction, knowing, listing, nearest

PUBLIC_URL = "https://api.anthropic.com"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def resolve(
    parsed: ParsedFile, name: str, step: Settings, model: Text | ModelSettings | None, place: DataPath
) -> tuple[Settings | None, list[Diagnostic]]:
    """Return the settings of a step's model, or `None` if it is unknown, and their diagnostics.

    Args:
        parsed: the file.
        name: the name of the step.
        step: the step.
        model: the value of the step's `model`, or of an entry of its matrix.
        place: the path of that value.
    """
    at: DataPath = ("steps", name)
    resolved = ResolvedSettings()
    problems: list[Diagnostic] = []
    known = not parsed.is_broken(*place, "id") and not parsed.is_broken(*at, "id")
    if inherits(model):
        known = not parsed.is_broken("model", "id") and known
        known = _take(parsed, parsed.pipeline.model, ("model",), resolved, problems) and known
    known = _take(parsed, model, place, resolved, problems) and known
    resolved.take(step, at)
    is_told = _stands_elsewhere(parsed, name) or (model is None and not _names_none(parsed, name))
    if known and "id" not in resolved.values and not is_told:
        problems.append(_no_model(parsed, name, model))
    problems.extend(
        check_settings(
            parsed,
            resolved,
            official=is_official(_runtime_of(parsed, model)),
            batched=is_batched(parsed, name),
            by_tool=_may_use_tool(step),
        )
        if not parsed.is_broken_within("runtime")
        else ()
    )
    settings = Settings.model_validate(resolved.values)
    return (settings if "id" in resolved.values else None), problems


def _may_use_tool(step: Settings) -> bool:
    """Return whether the schema of a step may be requested with a tool."""
    output = getattr(step, "output", None)
    return output is not None and output.schema_ is not None and output.mode in ("auto", "tools")


def inherits(model: Text | ModelSettings | None) -> bool:
    """Check whether a step's `model` inherits from the pipeline's model: it has no id."""
    return not isinstance(model, str) and (model is None or model.id is None)


def price_of(parsed: ParsedFile, model: Text | ModelSettings | None, settings: Settings) -> Price | None:
    """Return the price that the author set for a model. An alias's price does not apply to another `id` in the step."""
    own = parsed.pipeline.model
    for each in (model, own) if inherits(model) else (model,):
        part = each if isinstance(each, ModelSettings) else parsed.pipeline.models.get(each or "")
        if part is not None and part.price is not None:
            return part.price if part.id in (None, settings.id) else None
    return None


def connection_of(parsed: ParsedFile, model: Text | ModelSettings | None) -> ModelRuntime | None:
    """Return the connection that the author set for a model, key by key; `None` if it has that of the file."""
    found: ModelRuntime | None = None
    for each in (parsed.pipeline.model, model) if inherits(model) else (model,):
        part = each if isinstance(each, ModelSettings) else parsed.pipeline.models.get(each or "")
        if part is not None and part.runtime is not None:
            found = part.runtime if found is None else part.runtime.over(found)
    return found


def check_model(parsed: ParsedFile) -> Iterator[Diagnostic]:
    """Yield the diagnostics for the pipeline's own model, independent of the steps that use it."""
    model, place = parsed.pipeline.model, ("model",)
    problems: list[Diagnostic] = []
    _take(parsed, model, place, ResolvedSettings(), problems)
    yield from problems
    unsure = parsed.is_broken("steps") or any(path[0] == "steps" or len(path) == 1 for path in parsed.broken)
    if model is None or problems or unsure:
        return
    asking = {name: named for name, step in parsed.pipeline.steps.items() if (named := step.models_named())}
    mark = parsed.document.mark(place, key=True)
    if any(("model",) in named and inherits(named["model",]) for named in asking.values()):
        return
    if any(parsed.document.mark(("steps", name, "model")).file != mark.file == parsed.shown for name in asking):
        return  # `--set` replaces the models of the steps
    why = "each step that uses a model sets its own" if asking else "no step uses a model"
    hint = "remove it, or remove `model` from the steps that should use it" if asking else "remove it"
    if asking and mark.file != parsed.shown:
        name, named = next(iter(asking.items()))
        alias = named.get(("model",))
        is_alias = isinstance(alias, str) and alias in parsed.pipeline.models
        hint = f"write `{override(f'models.{alias}.id' if is_alias else f'steps.{name}.model', '...')}`"
    yield Diagnostic(Code.CONFLICT, f"`model` at the top has no effect: {why}", mark, hint, "warning")


def _take(
    parsed: ParsedFile,
    model: Text | ModelSettings | None,
    place: DataPath,
    resolved: ResolvedSettings,
    problems: list[Diagnostic],
) -> bool:
    """Apply a model's settings over those resolved so far; return false if a missing `id` must not be reported."""
    if isinstance(model, str):
        return _take_named(parsed, model, place, resolved, problems)
    if model is not None:
        resolved.take(model, place)
    return True


def _take_named(
    parsed: ParsedFile, model: str, path: DataPath, resolved: ResolvedSettings, problems: list[Diagnostic]
) -> bool:
    """Resolve an alias or id of a model; return false if a missing `id` must not be reported."""
    if "models" not in parsed.document.data and not parsed.is_broken("models"):
        resolved.values["id"], resolved.paths["id"] = model, path
        return True
    alias = parsed.pipeline.models.get(model)
    if alias is not None:
        resolved.take(alias, ("models", model))
        return not parsed.is_broken("models", model, "id")
    if model not in parsed.names("models") and not parsed.is_broken("models", model) and not parsed.is_stray(model):
        message = f"`models` has no model `{model}`"
        near = nearest(model, parsed.names("models"))
        named = next((name for name, each in parsed.pipeline.models.items() if each.id == model), None)
        mark = parsed.document.mark(path)
        if named is not None:
            hint: str | None = (
                f"`{named}` has this id: write `{_naming(path, named, is_set=mark.file != parsed.shown)}`"
            )
        elif near is None and "-" in model and path[-1] != "model":
            hint = f"add an alias under `models`, as in `other: {{id: {model}}}`, and write the alias here"
        elif near is None and "-" in model:
            written = _naming(path, f"{{id: {model}}}", is_set=mark.file != parsed.shown)
            hint = f"for an id, write `{written}`"
        else:
            hint = correction(model, sorted(parsed.names("models")), "models")
        problems.append(Diagnostic(Code.UNKNOWN_MODEL_ALIAS, message, mark, knowing(hint, parsed.names("models"))))
    return False


def _naming(path: DataPath, value: str, *, is_set: bool) -> str:
    """Return how to write a model at a path: in the file, or in the option that sets it."""
    if is_set:
        name = ".".join(map(str, path))
        return override(name, by_surface(command=f"'{value}'" if " " in value else value, python=value))
    return f"model: {value}" if path[-1] == "model" else value


def _no_model(parsed: ParsedFile, name: str, model: Text | ModelSettings | None) -> Diagnostic:
    mark, top, fix = parsed.document.mark, parsed.pipeline.model, "add `id: claude-haiku-5-5`"
    asked = top if model is None else model
    if isinstance(asked, str):
        return Diagnostic(Code.NO_MODEL, f"model `{asked}` has no `id`", mark(("models", asked), key=True), fix)
    if top is not None:
        return Diagnostic(Code.NO_MODEL, "`model` at the top has no `id`", mark(("model",)), fix)
    if model is not None:
        message = f"the model of step `{name}` has no `id`"
        return Diagnostic(Code.NO_MODEL, message, mark(("steps", name, "model"), key=True), fix)
    first, *others = [each for each in parsed.pipeline.steps if _names_none(parsed, each)]
    message = f"steps {listing([first, *others])} have no model" if others else f"step `{first}` has no model"
    places = f"to {'each' if others else 'it'}, or at the top of the file as the default of all steps"
    hint = f"add `model: {next(iter(parsed.pipeline.models), 'claude-haiku-5-5')}` {places}"
    return Diagnostic(Code.NO_MODEL, message, mark(("steps", first), key=True), hint)


def _stands_elsewhere(parsed: ParsedFile, name: str) -> bool:
    """Check whether a misplaced `model` was reported."""
    return any(at[-1] == "model" and (len(at) == 2 or at[:2] == ("steps", name)) for at in parsed.broken)  # noqa: PLR2004


def _names_none(parsed: ParsedFile, name: str) -> bool:
    """Check whether a step that uses a model does not set it."""
    at, step = ("steps", name), parsed.pipeline.steps[name]
    is_told = any(parsed.is_broken(*at, key) for key in ("model", "id", "matrix"))
    is_told = is_told or (parsed.is_broken(*at, "prompt") and not parsed.document.data["steps"][name])
    return not is_told and step.models_named() == {("model",): None} and getattr(step, "id", None) is None


def is_official(runtime: Runtime) -> bool:
    """Check whether requests go to Anthropic itself, not to a gateway, which may have its own models."""
    address = runtime.base_url or variable("ANTHROPIC_BASE_URL") or PUBLIC_URL
    return address.rstrip("/").lower() == PUBLIC_URL


def plain_http(base_url: str, runtime: Runtime) -> bool:
    """Check whether an address sends the key unencrypted to another machine without `allow_http`."""
    parts = urlsplit(base_url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK and not runtime.allow_http


def address_fault(base_url: str) -> str | None:
    """Return why an address cannot be used, as the end of a sentence, or `None` if it can.

    The path of a request is appended to the address, so the address cannot have a query or a fragment. Text that may
    contain a key is not repeated.
    """
    if "?" in base_url or "#" in base_url:
        return f"contains a {'query' if '?' in base_url else 'fragment'}"
    if "@" in base_url.rpartition("://")[2].partition("/")[0]:
        return "contains a user name or a password"
    try:
        parts = urlsplit(base_url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", base_url):
            return None
    except ValueError:
        pass
    is_one = re.search("[.:/]", base_url)  # otherwise it may be a key
    return f"is {redact(base_url):.80}, which is not an address" if is_one else "is not an address"


def normalised(base_url: str) -> str:
    """Return the one spelling of an address: lower case except for the path, no default port, no last `/`."""
    parts = urlsplit(base_url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def check_connections(parsed: ParsedFile) -> Iterator[Diagnostic]:
    """Yield the diagnostics for the connection of the file, and for those of its models."""
    pipeline = parsed.pipeline
    yield from _check_connection(parsed, ("runtime",), pipeline.runtime, pipeline.runtime)
    yield from _check_workers(parsed)
    models: dict[DataPath, Text | ModelSettings | None] = {
        ("models", name): each for name, each in pipeline.models.items()
    }
    models["model",] = pipeline.model
    models |= {
        ("steps", name, *at): each for name, step in pipeline.steps.items() for at, each in step.models_named().items()
    }
    for path, model in models.items():
        if isinstance(model, ModelSettings) and model.runtime is not None:
            yield from _check_connection(parsed, (*path, "runtime"), model.runtime, _runtime_of(parsed, model))


def _runtime_of(parsed: ParsedFile, model: Text | ModelSettings | None) -> Runtime:
    """Return the connection of a model, with what it has from that of the file."""
    own = connection_of(parsed, model)
    return parsed.pipeline.runtime if own is None else own.over(parsed.pipeline.runtime)


def _check_connection(
    parsed: ParsedFile, path: DataPath, written: Runtime | ModelRuntime, whole: Runtime
) -> Iterator[Diagnostic]:
    """Yield the diagnostics for a connection, `written` at a path, and `whole` with what it has from the file's."""
    address, key, mark = written.base_url, written.api_key_env, parsed.document.mark
    if key is not None and looks_random(key):
        message = "this looks like an API key, which a pipeline must not contain"
        yield Diagnostic(Code.SECRET, message, mark((*path, "api_key_env")), FIXES["api_key_env"])
    elif key is not None and written.auth in ("profile", "federation"):
        message = f"`api_key_env` has no effect with `auth: {written.auth}`"
        yield Diagnostic(Code.CONFLICT, message, mark((*path, "api_key_env"), key=True), "remove one of them")
    if address and address_fault(address):
        message = f'`{".".join(map(str, path))}.base_url` cannot be the string "{address}"'
        yield Diagnostic(Code.WRONG_VALUE, message, mark((*path, "base_url")), FIXES["base_url"])
    elif address and plain_http(address, whole):
        hint = "write `https://`, or add `allow_http: true` for a gateway in a private network"
        yield Diagnostic(
            Code.PLAIN_HTTP, "`http://` would send the API key unencrypted", mark((*path, "base_url")), hint
        )
    elif address and (rest := re.search(r"/v1(/messages)?/?$", address)):
        message = f"`base_url` ends before `{rest[0]}`, which is added to it"
        yield Diagnostic(Code.WRONG_VALUE, message, mark((*path, "base_url")), f"remove `{rest[0]}`", "warning")
    yield from _check_headers(parsed, path, written.headers)


def _check_workers(parsed: ParsedFile) -> Iterator[Diagnostic]:
    """Yield a warning if there are processes for Python functions, but no step that calls one."""
    unsure = any(path[0] == "steps" or len(path) == 1 for path in parsed.broken)
    has_code = any(step.has_code for step in parsed.pipeline.steps.values())
    if parsed.pipeline.runtime.python_workers and not has_code and not unsure:
        mark = parsed.document.mark(("runtime", "python_workers"), key=True)
        message = "`runtime.python_workers` has no effect: no step has `kind: python`"
        yield Diagnostic(Code.CONFLICT, message, mark, "remove it", "warning")


def _check_headers(
    parsed: ParsedFile, path: DataPath, headers: Mapping[str, FromVariable] | None
) -> Iterator[Diagnostic]:
    """Yield the diagnostics for the headers that are sent with every request of a connection."""
    seen: dict[str, str] = {}
    for name, value in (headers or {}).items():
        mark = parsed.document.mark((*path, "headers", name), key=True)
        fault = header_fault(name, in_file=True)
        if fault is not None:
            yield Diagnostic(
                fault.code, f"`{'.'.join(map(str, path))}.headers` sets `{name}`, which {fault.fact}", mark, fault.fix
            )
        elif name.lower() in seen:
            message = f"`{name}` and `{seen[name.lower()]}` are the same header"
            yield Diagnostic(Code.CONFLICT, message, mark, "remove one of them")
        seen.setdefault(name.lower(), name)
        if looks_random(value.env):
            at = parsed.document.mark((*path, "headers", name, "env"))
            message = "this looks like a secret, which a pipeline must not contain"
            yield Diagnostic(Code.SECRET, message, at, "write the name of an environment variable that contains it")
