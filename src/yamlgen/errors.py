"""All errors of yamlgen: their codes and the exception classes; `diagnostics` has those of a pipeline file.

An error has a fact, a place and a fix. Its code is stable: scripts may rely on it. Exceptions of third-party packages
are converted to these classes where they are raised. All of them can be pickled, because a row may fail in another
process than the one that reports it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from yamlgen.excerpts import brief
from yamlgen.exit_codes import ExitCode

if TYPE_CHECKING:
    from yamlgen.value_objects import Attempt, SystemicFailure

LACKING = "add `default(...)` for a value that a row may lack, or skip such rows with `when`"
"""The fix of an error about a value that a row does not have."""

LACKING_IN_OUTPUT = "add `default(...)` for a value that a row may lack, or drop such rows with `where`"
"""The same in an expression of an output."""

E = TypeVar("E", bound="YamlgenError")


class Code(StrEnum):
    """The stable code of each kind of error.

    The first digit is the area: 0 YAML syntax, 1 keys and types, 2 references, 3 files and settings, 4 the input of a
    run, 5 a row, 6 the end of a run.
    """

    UNREADABLE = "YG001"
    NOT_YAML = "YG002"
    NOT_UTF8 = "YG003"
    TOO_LARGE = "YG004"
    TOO_DEEP = "YG005"
    EMPTY = "YG006"
    NOT_A_MAPPING = "YG007"
    DUPLICATE_KEY = "YG008"
    NOT_A_STRING_KEY = "YG009"
    CUSTOM_TAG = "YG010"
    SEVERAL_DOCUMENTS = "YG011"
    ALIAS_LOOP = "YG012"
    ALIAS_BOMB = "YG013"
    UNKNOWN_ANCHOR = "YG014"
    BAD_MERGE = "YG015"
    BAD_NUMBER = "YG016"

    UNKNOWN_KEY = "YG101"
    MISSING_KEY = "YG102"
    WRONG_TYPE = "YG103"
    WRONG_VALUE = "YG104"
    CONFLICT = "YG105"
    BAD_NAME = "YG106"

    TEMPLATE_SYNTAX = "YG201"
    UNKNOWN_NAME = "YG202"
    UNKNOWN_PARAM = "YG203"
    UNKNOWN_STEP = "YG204"
    UNKNOWN_FIELD = "YG205"
    UNKNOWN_COLUMN = "YG206"
    CYCLE = "YG207"
    FORBIDDEN = "YG208"
    UNKNOWN_FILTER = "YG209"
    MAY_BE_NULL = "YG210"
    NOT_A_LIST = "YG211"
    NEVER_EQUAL = "YG212"
    WRONG_KIND = "YG213"
    UNFILLED = "YG214"
    LOST_TEXT = "YG215"
    EQUAL_REQUESTS = "YG216"
    UNNEEDED_STEP = "YG217"
    BAD_SQL = "YG218"
    UNSTABLE_SQL = "YG219"
    BAD_STAGE = "YG220"

    UNKNOWN_MODEL_ALIAS = "YG301"
    NO_MODEL = "YG302"
    SECRET = "YG303"  # noqa: S105 - the code of the error about secrets
    PLAIN_HTTP = "YG304"
    SAMPLING_REFUSED = "YG305"
    SETTING_REFUSED = "YG306"
    MISSING_FILE = "YG310"
    OUTSIDE_FOLDER = "YG311"
    BAD_SCHEMA = "YG312"
    BAD_REFERENCE = "YG313"
    REMOTE_REFERENCE = "YG314"
    UNKNOWN_KEYWORD = "YG315"
    OUTPUT_PATH = "YG316"
    NAME_TAKEN = "YG317"
    UNKNOWN_FORMAT = "YG318"
    BAD_MODULE = "YG319"
    UNKNOWN_FUNCTION = "YG320"
    WRONG_ARGUMENT = "YG321"
    BAD_DRAW = "YG322"
    BAD_MATRIX = "YG323"
    UNLISTED_FILE = "YG324"
    WRONG_SHAPE = "YG325"
    JSON_COLUMN = "YG326"
    NO_EXTRA = "YG327"

    UNDECLARED_PARAM = "YG401"
    BAD_PARAM = "YG402"
    MISSING_PARAM = "YG403"
    BAD_OVERRIDE = "YG404"
    MISSING_INPUT = "YG405"
    BAD_INPUT = "YG406"
    NOT_AN_OBJECT = "YG407"
    DUPLICATE_ID = "YG408"
    NO_ROWS = "YG409"
    INPUT_CHANGED = "YG410"
    NO_REVISION = "YG411"
    BAD_LOCK = "YG412"
    LOCK_DIFFERS = "YG413"

    ROW_TEMPLATE = "YG501"
    BAD_REQUEST = "YG502"
    INVALID_OUTPUT = "YG503"
    REFUSED = "YG504"
    TRUNCATED = "YG505"
    CONTEXT_EXCEEDED = "YG506"
    UNKNOWN_STOP = "YG507"
    NOT_A_MESSAGE = "YG508"
    DEADLINE = "YG509"
    TRANSPORT = "YG510"
    NO_TEXT = "YG511"
    NOT_STORED = "YG512"
    CALL_FAILED = "YG513"
    CALL_TIMEOUT = "YG514"
    INVALID_VALUE = "YG515"
    WORKER_LOST = "YG516"
    INTERNAL = "YG599"

    NO_KEY = "YG601"
    KEY_REJECTED = "YG602"
    PAYMENT = "YG603"
    FORBIDDEN_MODEL = "YG604"
    UNKNOWN_MODEL = "YG605"
    SPEND_LIMIT = "YG606"
    SAME_ERROR = "YG607"
    UNREACHABLE = "YG608"
    PAUSED_TOO_LONG = "YG609"
    DISK = "YG610"
    STOPPED = "YG611"
    LIMIT = "YG612"
    BUSY = "YG613"
    STORE_PLACE = "YG614"
    STORE_DAMAGED = "YG615"
    STORE_VERSION = "YG616"
    NO_RUN = "YG617"
    NO_PRICE = "YG618"
    NOT_CONFIRMED = "YG619"
    BAD_HEADER = "YG620"
    SCARCE = "YG621"
    DETACHED = "YG622"
    FAILED_STAGE = "YG623"


ANSWERED = frozenset(
    {Code.INVALID_OUTPUT, Code.REFUSED, Code.TRUNCATED, Code.CONTEXT_EXCEEDED, Code.UNKNOWN_STOP, Code.NO_TEXT}
)
"""The errors of rows whose model has answered: a plain run does not send their requests again, `retry` does."""

_USELESS = ANSWERED - {Code.REFUSED}


_anchors: list[Path] = []


@contextmanager
def anchored() -> Iterator[None]:
    """Make `near` use the current working directory, even if an author's function changes it during the block."""
    with suppress(OSError):  # the working directory was deleted
        _anchors.append(Path.cwd())
    try:
        yield
    finally:
        _anchors.clear()


def near(path: Path) -> str:
    """Return a path for a message: relative to the working directory if it is inside it, otherwise as it was typed."""
    try:
        here = _anchors[-1] if _anchors else Path.cwd()
        relative = os.path.relpath(path, here)
    except OSError:  # the working directory was deleted
        return str(path)
    if relative.startswith("..") and path.is_relative_to(here):  # such as `here/../data`, typed as `../data`
        return str(path.relative_to(here))
    return str(path) if relative.startswith("..") else relative


class YamlgenError(Exception):
    """The base class of all errors that yamlgen raises. `str(error)` is the message, with the hint in brackets.

    Args:
        message: the fact in one sentence, with the place if there is one.
        code: the kind of error.
        hint: how to fix it.

    Attributes:
        request_id: the API's id of the request, if the API answered it with an error.
    """

    exit_code: ExitCode = ExitCode.ENVIRONMENT

    def __init__(self, message: str, *, code: Code, hint: str | None = None) -> None:
        super().__init__(brief(message))
        self.code = code
        self.hint = hint and brief(hint)
        self.request_id: str | None = None

    @property
    def message(self) -> str:
        """The fact without the hint."""
        return str(self.args[0])

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other attributes, which may include `message`. The error itself does not change."""
        assert all(hasattr(self, name) for name in changes), changes  # noqa: S101 - catches a misspelled name
        args = (brief(changes.pop("message")), *self.args[1:]) if "message" in changes else self.args
        return _rebuild(type(self), args, {**self.__dict__, **changes}).with_traceback(self.__traceback__)

    def __str__(self) -> str:
        return _told(self.message, self.hint)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def fact_of(error: BaseException) -> str:
    """Return the message of an error without its hint, for use in another message."""
    return error.message if isinstance(error, YamlgenError) else str(error)


def _told(message: str, hint: str | None) -> str:
    return f"{message} ({hint})" if hint else message


def _rebuild(cls: type[E], args: tuple[Any, ...], state: Mapping[str, Any]) -> E:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(YamlgenError):
    """The call is wrong: for example an undeclared parameter, an override of an unknown key, or an invalid row."""

    exit_code = ExitCode.USAGE


class EnvironmentProblem(YamlgenError):  # noqa: N818 - named after the problem
    """The pipeline is valid, but its environment has a problem: no key, no input file, no disk space, no network."""


class MissingKey(EnvironmentProblem, ValueError):  # noqa: N818 - named after the problem
    """The API key is missing, or cannot be sent in a request."""


class NotOffered(UsageError, NotImplementedError):  # noqa: N818 - named after the problem
    """An option that `AnthropicLLM` accepts by name, but does not support."""


class RunStopped(YamlgenError):  # noqa: N818 - not every stop is an error
    """The whole run ended early: for example a rejected key, an unknown model, a spend limit, or a full disk."""


class Interrupted(RunStopped):
    """The run was asked to stop, and stopped."""


class Incomplete(RunStopped):
    """The run completed without the rows whose requests it was not allowed to send; its output was not written."""

    exit_code = ExitCode.FAILED_ROWS


class FailedStage(RunStopped):
    """Rows of a stage failed, so the pipelines that need its output did not run."""

    exit_code = ExitCode.FAILED_ROWS


class Detached(RunStopped):
    """The run ended while the API processes its batches; a later run collects their results."""

    exit_code = ExitCode.DETACHED


class LimitReached(RunStopped):
    """The run ended early at a limit set by its author, or was not confirmed."""

    exit_code = ExitCode.LIMIT


class RowError(YamlgenError):
    """One row failed at one step. The other rows continue.

    Attributes:
        request: the body of the last request, as sent, or `None` if no request was made.
        attempts: all billed answers, including invalid ones.
        key: the key of the first request, or empty if no request was made.
        parts: the errors of the items that failed, if the step has several items. Then `attempts` contains the attempts
            of all items, and `key` is not used.
        status: the HTTP status, if the API refused the request; otherwise 0.
        is_useless: whether the answer was billed and is unusable: cut off, empty, unreadable, or invalid under the
            schema. Default: depends on the code.
        doubt: set if so many requests fail in the same way that the other rows may fail too.
        variant: the name of the step's variant whose model received the request, or empty.
        wanted: the key of the last request, which differs from `key` after a re-ask or a larger request.
        refused: the keys of the first requests to the models that have refused before.
        source: the template or expression that could not be evaluated, and the offset in it; otherwise `None`.
    """

    exit_code = ExitCode.FAILED_ROWS

    def __init__(  # noqa: PLR0913 - all details of a failure, by name
        self,
        message: str,
        *,
        code: Code,
        hint: str | None = None,
        request: Mapping[str, Any] | None = None,
        attempts: tuple[Attempt, ...] = (),
        key: bytes = b"",
        parts: tuple[RowError, ...] = (),
        status: int = 0,
        is_useless: bool | None = None,
        source: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.request = request
        self.attempts = attempts
        self.key = key
        self.parts = parts
        self.status = status
        self.is_useless = code in _USELESS if is_useless is None else is_useless
        self.doubt: SystemicFailure | None = None
        self.variant = ""
        self.wanted = b""
        self.refused: tuple[bytes, ...] = ()
        self.source = source
