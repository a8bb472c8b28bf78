"""The report of `doctor`: one check for each thing that a run needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal

from yamlgen.errors import YamlgenError
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The result of one check.

    Attributes:
        subject: what was checked: `input`, `key`, `address`, `proxy`, `certificates`, `headers`, `api`, `clock`,
            `model`, `quota`, `store` or `disk`.
        state: `ok`; `warning`, if a run works but something may surprise you; `problem`, if a run would not work.
        fact: what was found.
        place: where it is set or used; `None` if there is no such place.
        fix: what to do about a warning or a problem.
        code: the code of the error with which a run would end.
        connection: the connection that it is about, such as `models.judge.runtime`; `None` if a pipeline has only one.
    """

    subject: str
    state: Literal["ok", "warning", "problem"]
    fact: str
    place: str | None = None
    fix: str | None = None
    code: str | None = None
    connection: str | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What `doctor` found.

    Attributes:
        checks: the checks, in the order in which a run depends on them.
    """

    checks: tuple[HealthCheck, ...]

    @property
    def problems(self) -> tuple[HealthCheck, ...]:
        """The checks that found a problem."""
        return tuple(check for check in self.checks if check.state == "problem")

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was found that would stop a run."""
        return not self.problems

    def as_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        return {"healthy": self.is_healthy, "checks": [check.as_json() for check in self.checks]}


@dataclass
class CheckList:
    """The checks that were made until now.

    Attributes:
        made: the checks.
        connection: the connection that the next checks are about; `None` if they are about none, or the only one.
    """

    made: list[HealthCheck] = field(default_factory=list)
    connection: str | None = None

    def ok(self, subject: str, fact: str, place: str | None = None) -> None:
        """Add a check that found nothing wrong."""
        self.made.append(HealthCheck(subject, "ok", fact, place, connection=self.connection))

    def warn(self, subject: str, fact: str, fix: str | None, place: str | None = None) -> None:
        """Add a check that found something that may surprise."""
        self.made.append(HealthCheck(subject, "warning", fact, place, fix, connection=self.connection))

    def fail(self, subject: str, fact: str, fix: str | None, place: str | None = None, code: str | None = None) -> None:
        """Add a check that found what would stop a run."""
        self.made.append(HealthCheck(subject, "problem", fact, place, fix, code, self.connection))

    @contextmanager
    def checking(self, subject: str) -> Iterator[None]:
        """Make a problem of an error with which a run would end."""
        try:
            yield
        except YamlgenError as error:
            self.fail(subject, error.message, error.hint, code=str(error.code))
