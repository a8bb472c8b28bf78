"""The file of recorded answers (`triage.answers.jsonl`): JSON lines in one form, made to be merged by line.

Each line is a constant, which is a part that many requests share (the system prompt, the output schema, the settings),
or a recording, whose request refers to constants by their digests. The lines are sorted. Any order is read, because a
merge by union mixes the lines of both sides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from yamlgen.canonical_json import canonical, one_line, short_digest, storable
from yamlgen.diagnostics import Diagnostic, InvalidPipeline, Mark
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.excerpts import short
from yamlgen.option_names import by_surface, option
from yamlgen.output.atomic_write import replacing
from yamlgen.parsing.json_errors import explain
from yamlgen.parsing.secret_scan import find_secrets
from yamlgen.parsing.source_map import SourceText
from yamlgen.redaction import is_secret, redact
from yamlgen.testing.recordings import RecordedAnswers, Recording
from yamlgen.value_objects import JSON

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

LARGE: Final = 1_000_000
"""The size in bytes above which a file is reported: it is read by each test, and stays in the history of git."""

_MESSAGES: Final = "messages"
_SYSTEM: Final = frozenset({"system"})
_SCHEMA: Final = frozenset({"output_config", "tools", "tool_choice"})
_CONFLICT: Final = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_NEWER: Final = "written by a newer version of yamlgen, or edited by hand"


@dataclass(frozen=True, slots=True)
class ReadAnswers:
    """What a file contains.

    Attributes:
        recordings: the recordings.
        warnings: the warnings about the file, each with its place.
    """

    recordings: RecordedAnswers
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class WrittenAnswers:
    """What was written.

    Attributes:
        size: the size of the file in bytes.
        left_out: the recordings that were not written because they contain a secret.
        warnings: what the user should know, as sentences.
    """

    size: int
    left_out: tuple[Recording, ...]
    warnings: tuple[str, ...]


class _BrokenLine(Exception):  # noqa: N818 - becomes a diagnostic
    """Why a line cannot be read, and how to fix it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class _NoConstant(_BrokenLine):
    """A line needs a constant that the file lacks."""


def read_recordings(path: Path, shown: str | None = None) -> ReadAnswers:
    """Return the recordings in a file; none if it does not exist.

    Args:
        path: the file.
        shown: the file, as messages name it.

    Raises:
        InvalidPipeline: lines of the file are broken; with a diagnostic for each.
        EnvironmentProblem: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ReadAnswers(RecordedAnswers(), ())
    except OSError as error:
        message = f"cannot read the recorded answers {near(path)}: {error.strerror or error}"
        raise EnvironmentProblem(
            message, code=Code.MISSING_INPUT, hint="check that it is a file you can read"
        ) from None
    return parse_recordings(data, shown or near(path))


def parse_recordings(data: bytes, shown: str) -> ReadAnswers:
    """Return the recordings in the content of a file, which messages name `shown`. Raises as `read_recordings`."""
    constants: dict[str, Mapping[str, JSON]] = {}
    lines: list[tuple[int, dict[str, Any]]] = []
    broken: list[Diagnostic] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _object(line)
            if "constant" in value:
                constants[_string(value, "constant")] = _part(value)
            else:
                lines.append((number, value))
        except _BrokenLine as error:
            broken.append(_diagnostic(shown, number, len(line), error))
    are_known = not broken  # otherwise, a broken line may be a constant that others need
    found: list[Recording] = []
    places: dict[Any, int] = {}
    for number, value in lines:
        try:
            found.append(_recording(value, constants))
            places[found[-1].key] = number
        except _BrokenLine as error:
            if are_known or not isinstance(error, _NoConstant):
                broken.append(_diagnostic(shown, number, 0, error))
    if broken:
        raise InvalidPipeline(tuple(sorted(broken, key=lambda each: each.mark)))
    recordings = RecordedAnswers(found)
    warnings = (_superseded(shown, places[key], recordings.get(key)) for key in recordings.superseded)
    return ReadAnswers(recordings, tuple(sorted(warnings, key=lambda each: each.mark)))


def compose_recordings(recordings: Iterable[Recording]) -> list[bytes]:
    """Return the lines of a file of recordings: first the constants, then the recordings, both sorted."""
    constants: dict[str, JSON] = {}
    lines = []
    for each in sorted(recordings, key=lambda each: each.key):
        parts = list(_parts(each.request))
        named = [short_digest(canonical(part)).hex() for part in parts]
        constants.update(zip(named, parts, strict=True))
        lines.append(_line(_written(each, named)))
    return [*(_line({"constant": name, "part": _sorted(constants[name])}) for name in sorted(constants)), *lines]


def write_recordings(
    path: Path, recordings: Iterable[Recording], *, secrets: Collection[str] = (), first: bool | None = None
) -> WrittenAnswers:
    """Replace a file of recordings. A recording with an API key in it is left out.

    Args:
        path: the file.
        recordings: all recordings that the file is to contain.
        secrets: secrets in addition to what looks like an API key.
        first: whether the user must be told what is committed; default: if the file does not exist yet.

    Raises:
        EnvironmentProblem: the file cannot be written.
    """
    safe, left_out = [], []
    for each in recordings:
        text = _text([dict(each.request), each.response, each.refusal])
        if has_secret(text, secrets):
            left_out.append(each)
        else:
            safe.append(_redacted(each) if redact(text) != text else each)
    is_first = not path.exists() if first is None else first
    lines = compose_recordings(safe)
    with replacing(path, f"recorded answers in {near(path)}") as staging:
        staging.write(path, lines)
        staging.replace()
    size = sum(map(len, lines))
    return WrittenAnswers(size, tuple(left_out), tuple(_told(path, size, left_out, is_first=is_first)))


def _told(path: Path, size: int, left_out: list[Recording], *, is_first: bool) -> Iterator[str]:
    if is_first:
        yield (
            f"{near(path)} contains the prompts, which include values of rows, and the answers; they are committed "
            "with the repository (`redact` leaves values out)"
        )
    for step in dict.fromkeys(each.step for each in left_out):
        count = sum(each.step == step for each in left_out)
        what = "1 answer" if count == 1 else f"{count:,} answers"
        yield f"{what} of step `{step}` not recorded: an API key is in the request or the answer; remove and revoke it"
    if size > LARGE:
        hint = f"record fewer rows, or drop unused recordings with {option('prune')}"
        yield f"{near(path)} has {size / 1e6:.1f} MB, more than 1 MB: {hint}"


def has_secret(text: str, secrets: Collection[str]) -> bool:
    """Return whether JSON contains an API key, or one of these secrets."""
    if any(find_secrets(SourceText("", text))):
        return True
    return any(is_secret(each) and json.dumps(each, ensure_ascii=False)[1:-1] in text for each in secrets)


def _redacted(recording: Recording) -> Recording:
    """Return a recording without anything that looks like the beginning of a key."""
    request, response, refusal = json.loads(
        redact(json.dumps([dict(recording.request), recording.response, recording.refusal]))
    )
    refused = None if refusal is None else (refusal[0], refusal[1])
    return replace(recording, request=request, response=response, refusal=refused)


def _parts(request: Mapping[str, JSON]) -> Iterator[dict[str, JSON]]:
    """Yield the constant parts of a request: the system prompt, the output schema, and the other settings."""
    rest = request.keys() - _SYSTEM - _SCHEMA - {_MESSAGES}
    for names in (_SYSTEM & request.keys(), _SCHEMA & request.keys(), rest):
        if names:
            yield {name: request[name] for name in names}


def _sorted(value: JSON) -> JSON:
    return json.loads(canonical(value))


def _written(recording: Recording, constants: list[str]) -> dict[str, JSON]:
    request: dict[str, JSON] = {"constants": constants}
    if _MESSAGES in recording.request:
        request[_MESSAGES] = recording.request[_MESSAGES]
    made: dict[str, JSON] = {
        "fingerprint": recording.fingerprint.hex(),
        "step": recording.step,
        "date": recording.date.isoformat(),
        "request": request,
    }
    if recording.refusal is None:
        made["response"] = dict(recording.response or {})
    else:
        made["refusal"] = {"status": recording.refusal[0], "message": recording.refusal[1]}
    if recording.sample:
        made["sample"] = recording.sample
    if recording.row:
        made["row"] = recording.row.hex()
    if recording.simulated:
        made["simulated"] = True
    return made


def _line(members: Mapping[str, JSON]) -> bytes:
    """Return an object as a line in UTF-8, with what breaks lines or UTF-8 as JSON escapes.

    Its own keys are sorted. Those of an answer keep their order, which is the order of the output.
    """
    return storable(one_line(_text({name: members[name] for name in sorted(members)}))).encode() + b"\n"


def _text(value: JSON) -> str:
    return _ENCODER.encode(value)


def _object(line: bytes) -> dict[str, Any]:
    text = line.decode("utf-8", "replace").strip()
    if text.startswith(_CONFLICT):
        raise _BrokenLine("this is the mark of a merge conflict", "keep the lines of both sides, and remove the marks")
    try:
        line.decode()
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        what = "truncated or broken" if text.startswith("{") else "not a recording"
        raise _BrokenLine(f"the line is {what}: {_fact(error)}", _anew()) from None
    if not isinstance(value, dict):
        raise _BrokenLine("the line is not a JSON object", _anew())
    return value


def _fact(error: Exception) -> str:
    """Return why a line cannot be parsed, with the column."""
    if isinstance(error, json.JSONDecodeError):
        return f"{explain(error)[0]} (column {error.colno})"
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8 (byte {error.start + 1} of the line)"
    return "a value is nested too deeply" if isinstance(error, RecursionError) else short(str(error))


def _anew() -> str:
    """Return the fix of a broken line."""
    again = by_surface(command="`yamlgen test --record`", python="`yamlgen.test(record=True)`")
    return f"restore the line from git, or delete it and record the answer again with {again}"


def _recording(value: Mapping[str, Any], constants: Mapping[str, Mapping[str, JSON]]) -> Recording:
    request = value.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("constants"), list):
        raise _BrokenLine("`request` is not a recorded request", _anew())
    body: dict[str, JSON] = {}
    for name in request["constants"]:
        if not isinstance(name, str) or name not in constants:
            raise _NoConstant(f"the constant `{short(str(name))}` is not in the file", _anew())
        body |= constants[name]
    if _MESSAGES in request:
        body[_MESSAGES] = request[_MESSAGES]
    if not _are_objects(body.get(_MESSAGES, [])):
        raise _BrokenLine("`request.messages` is not a list of objects", _anew())
    try:
        day = date.fromisoformat(_string(value, "date"))
    except ValueError:
        raise _BrokenLine("`date` is not a date such as 2026-11-02", _anew()) from None
    try:
        fingerprint, row = bytes.fromhex(_string(value, "fingerprint")), bytes.fromhex(str(value.get("row", "")))
    except ValueError:
        raise _BrokenLine("`fingerprint` or `row` is not hexadecimal", _anew()) from None
    response, refusal, sample = value.get("response"), value.get("refusal"), value.get("sample", 0)
    if isinstance(response, dict) is isinstance(refusal, dict):
        raise _BrokenLine("the line must have either a `response` or a `refusal`", _anew())
    if isinstance(response, dict):
        _check_response(response)
    if type(sample) is not int:
        raise _BrokenLine("`sample` is not an integer", _anew())
    refused = _refusal(refusal) if isinstance(refusal, dict) else None
    made = response if isinstance(response, dict) else None
    return Recording(
        fingerprint,
        _string(value, "step"),
        body,
        made,
        refused,
        day,
        sample,
        row,
        simulated=value.get("simulated") is True,
    )


def _check_response(response: Mapping[str, Any]) -> None:
    """Raise an error if an answer does not have the shape of one, as after an edit by hand."""
    if not _are_objects(response.get("content", [])):
        raise _BrokenLine("`response.content` is not a list of objects", _anew())
    usage = response.get("usage", {})
    counts = [usage.get(name) for name in usage if name.endswith("_tokens")] if isinstance(usage, dict) else ["none"]
    if any(type(count) not in (int, type(None)) for count in counts):
        raise _BrokenLine("`response.usage` does not contain numbers of tokens", _anew())


def _are_objects(value: JSON) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _refusal(value: Mapping[str, Any]) -> tuple[int, str]:
    status = value.get("status")
    if type(status) is not int:
        raise _BrokenLine("`refusal.status` is not an integer", _anew())
    return status, _string(value, "message")


def _string(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise _BrokenLine(
            f"`{name}` is {'missing' if found is None else 'not a string'}; the line is {_NEWER}", _anew()
        )
    return found


def _part(value: Mapping[str, Any]) -> Mapping[str, JSON]:
    part = value.get("part")
    if not isinstance(part, dict):
        raise _BrokenLine(f"`part` is not an object; the line is {_NEWER}", _anew())
    if short_digest(canonical(part)).hex() != value["constant"]:
        raise _BrokenLine("the constant was edited: its content does not have its digest", _anew())
    return part


def _diagnostic(shown: str, line: int, length: int, error: _BrokenLine) -> Diagnostic:
    return Diagnostic(Code.BAD_INPUT, error.message, Mark(shown, line, 1, line, max(length, 1) + 1), error.hint)


def _superseded(shown: str, line: int, recording: Recording) -> Diagnostic:
    message = f"the request of step `{recording.step}` is recorded with two answers: that of {recording.date} is used"
    prune = by_surface(command="`yamlgen test --prune`", python="`yamlgen.test(prune=True)`")
    hint = f"{prune} removes the older one"
    return Diagnostic(Code.BAD_INPUT, message, Mark(shown, line, 1, line, 2), hint, severity="warning")
