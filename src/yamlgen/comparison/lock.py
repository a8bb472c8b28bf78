"""The lock of a pipeline (`NAME.lock.json`): what its last whole run was made of, in a form that git can merge.

Each value is on a line of its own, and keys are sorted. Neither a time, nor a path, nor a version of yamlgen is in it:
equal pipelines with equal answers have equal locks, in any folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yamlgen.canonical_json import encoded, one_line
from yamlgen.diagnostics import Diagnostic, InvalidPipeline, Mark
from yamlgen.errors import Code, EnvironmentProblem, near
from yamlgen.option_names import by_surface
from yamlgen.parsing.json_errors import explain
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.planning.request_costs import History
from yamlgen.planning.step_fingerprints import StepFingerprint
from yamlgen.redaction import redact

FORMAT: Final = 1
_SUFFIX: Final = ".lock.json"
_CONFLICT: Final = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_LONGEST: Final = 60


class _Part(BaseModel):
    """A part of a lock. Keys that it does not have are ignored: they are of a later version that added them."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Tokens(_Part):
    """The tokens of answers: their mean, and the number that 95% of the answers do not exceed."""

    mean: float = Field(ge=0)
    p95: int = Field(ge=0)


class LockedAnswers(_Part):
    """The answers of a step to one model in a run: a `History` for an estimate.

    Attributes:
        answered_by: the models that the answers name, sorted; an alias of the API has the name of a snapshot.
        answers: the number of answers.
        input_tokens: the tokens of their requests.
        output_tokens: their own tokens.
    """

    answered_by: list[str]
    answers: int = Field(ge=1)
    read: Tokens = Field(alias="input_tokens")
    written: Tokens = Field(alias="output_tokens")

    @property
    def output(self) -> tuple[int, int]:
        """The minimum and the maximum of output tokens, as far from the mean as the 95th percentile."""
        return max(1, round(2 * self.written.mean - self.written.p95)), max(1, self.written.p95)

    @property
    def mean_output(self) -> float:
        """The mean of output tokens."""
        return self.written.mean

    @property
    def is_lock(self) -> bool:
        """That the answers are not in a store."""
        return True

    @property
    def uncached(self) -> float:
        """A lock does not have the cached tokens."""
        return 1.0

    @property
    def seconds(self) -> float | None:
        """A lock does not have the durations."""
        return None

    def input_tokens(self, characters: int) -> float:
        """Return the mean of the input tokens."""
        del characters
        return self.read.mean


class LockedStep(_Part):
    """A step: its fingerprint (see `StepFingerprint`), and the ids of its models."""

    kind: str
    asks: dict[str, str]
    accepts: dict[str, str]
    models: list[str] = []

    @property
    def fingerprint(self) -> StepFingerprint:
        """Its fingerprint."""
        return StepFingerprint(self.kind, self.asks, self.accepts)


class LockedOutput(_Part):
    """An output: a digest of each of its keys that decides its rows and files, and the type of its rows."""

    keys: dict[str, str]
    type: dict[str, Any]


class LockedInput(_Part):
    """The input: the column of its ids, and the number and the digest of its rows in their order.

    `rows` and `digest` are null if the rows come from standard input or from Python, or could not be read.
    """

    id: str | None = None
    rows: int | None = None
    digest: str | None = None


class LockedRun(_Part):
    """The last whole run.

    Attributes:
        finished: the number of rows that finished.
        failed: the number of rows that failed.
        lost: the number of items and steps that failed and are null, in the other rows.
        answers: the answers by the names of steps, and then by the ids of the models that were asked.
        outputs: the sha256 of each output, by its name; null if it was written to standard output.
    """

    finished: int
    failed: int
    lost: int
    answers: dict[str, dict[str, LockedAnswers]]
    outputs: dict[str, str | None]


class Lock(_Part):
    """A lock. `python` has the digests of the modules of Python functions, by their path relative to the pipeline."""

    format: Literal[1] = 1
    params: dict[str, Any]
    input: LockedInput
    steps: dict[str, LockedStep]
    outputs: dict[str, LockedOutput]
    python: dict[str, str]
    run: LockedRun | None = None

    def history(self, step: str, model: str) -> History | None:
        """Return the tokens of the answers of a model in a step; `None` if the last run had none."""
        return None if self.run is None else self.run.answers.get(step, {}).get(model)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    def content(self) -> bytes:
        """Return the content of the file."""
        text = json.dumps(self.as_json(), ensure_ascii=False, indent=2, sort_keys=True)
        return encoded(one_line(redact(text))) + b"\n"


def lock_path(pipeline: Path) -> Path:
    """Return the path of the lock of a pipeline: `triage.lock.json` next to `triage.yaml`."""
    return pipeline.with_name(f"{pipeline.stem}{_SUFFIX}")


def read_lock(path: Path, shown: str | None = None) -> Lock | None:
    """Return the lock in a file; `None` if there is no file.

    Args:
        path: the file.
        shown: the file, as messages name it.

    Raises:
        InvalidPipeline: the file is not a lock that can be used.
        EnvironmentProblem: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read the lock {near(path)}: {error.strerror or error}"
        raise EnvironmentProblem(message, code=Code.BAD_LOCK, hint="check that it is a file you can read") from None
    return parse_lock(data, shown or near(path))


def parse_lock(data: bytes, shown: str) -> Lock:
    """Return the lock in the content of a file, which messages name `shown`.

    Raises:
        InvalidPipeline: the content is not a lock that can be used.
    """
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        raise _bad(shown, data[: error.start].count(b"\n") + 1, "the lock is not UTF-8") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(_CONFLICT):
            raise _bad(shown, number, "the lock has a merge conflict", _merged())
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad(shown, error.lineno, f"the lock is not JSON: {explain(error)[0]}") from None
    except (ValueError, RecursionError) as error:
        raise _bad(shown, 1, f"the lock cannot be read: {error}") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != FORMAT or isinstance(version, bool):
        what = "the lock has no `format`" if version is None else f"the lock has the format {json.dumps(version):.20}"
        newer = "update yamlgen, or write the lock again" if isinstance(version, int) and version > FORMAT else None
        message = f"{what}; this version of yamlgen reads the format {FORMAT}"
        raise _bad(shown, _line(text, shown, ("format",)), message, newer and f"{newer} with {_writes()}")
    try:
        return Lock.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        said = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        told = f"`{at}` is missing" if first["type"] == "missing" else f"`{at}`: {said}"
        raise _bad(shown, _line(text, shown, first["loc"]), f"the lock cannot be used: {told}") from None


def _bad(shown: str, line: int, message: str, hint: str | None = None) -> InvalidPipeline:
    mark = Mark(shown, line, 1, line, 1)
    return InvalidPipeline((Diagnostic(Code.BAD_LOCK, message, mark, hint or f"write it again with {_writes()}"),))


def _merged() -> str:
    return f"keep either side, and write it again with {_writes()}"


def _writes() -> str:
    return by_surface(command="`yamlgen lock`", python="`yamlgen.lock`")


def _line(text: str, shown: str, path: Sequence[str | int]) -> int:
    """Return the line of a value, or of the nearest one around it."""
    document, _ = compose(SourceText(shown, text))
    return 1 if document is None else document.mark(path).line
