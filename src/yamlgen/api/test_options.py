"""The options of a test, and which of them exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, NoReturn

from yamlgen.api.history import age_of
from yamlgen.api.run_options import RunOptions
from yamlgen.errors import Code, UsageError
from yamlgen.option_names import option


@dataclass(frozen=True)
class TestOptions:
    """How tests are run. The options are those of `yamlgen.test`, which documents them."""

    __test__ = False

    cases: str | None = None
    record: bool | Literal["all"] = False
    live: bool = False
    repeat: int = 1
    min_pass: int | None = None
    simulate: bool = False
    update: bool = False
    prune: bool = False
    older: str | None = None
    store: Path | None = None
    max_cost_usd: float | None = None
    max_requests: int | None = None
    confirm_above_usd: float | None = None
    max_concurrency: int | None = None
    yes: bool = False

    def __post_init__(self) -> None:
        if self.record not in (True, False, "all"):
            _refuse(f"`record` must be True, False or 'all', not {self.record!r}", "remove it to record nothing")
        if self.live and (self.record or self.simulate):
            other = option("record") if self.record else option("simulate")
            _refuse(f"{option('live')} and {other} cannot be combined", "remove one of them")
        if not self.replays and (self.update or self.prune):
            both = f"{option('update')} and {option('prune')}"
            fix = f"remove {option('live' if self.live else 'simulate')}"
            _refuse(f"{both} apply to recorded answers", fix)
        if self.repeat != 1 and self.replays:
            message = f"{option('repeat', 'N')} requires {option('live')}: recorded answers are always the same"
            _refuse(message, f"add {option('live')}, or remove it")
        if self.repeat < 1:
            _refuse(f"{option('repeat', 'N')} must be 1 or more", "write how often each case runs")
        if self.min_pass is not None and not 1 <= self.min_pass <= self.repeat:
            most = option("repeat", "N")
            _refuse(f"{option('min_pass', 'M')} must be from 1 to the N of {most}", f"set {most}, or a lower number")
        self._check_effects()
        _ = self.age

    def _check_effects(self) -> None:
        """Refuse the options that only runs read, without a run that reads them."""
        both = f"{option('record')} or {option('live')}"
        sends = bool(self.record) or self.live
        runs = sends or self.simulate
        for name, value, given, has_effect, needed in (
            ("store", "PATH", self.store is not None, bool(self.record), option("record")),
            ("max_cost_usd", "N", self.max_cost_usd is not None, runs, both),
            ("max_requests", "N", self.max_requests is not None, runs, both),
            ("max_concurrency", "N", self.max_concurrency is not None, runs, both),
            ("confirm_above_usd", "N", self.confirm_above_usd is not None, sends, both),
            ("yes", None, self.yes, sends, both),
        ):
            if given and not has_effect:
                kept = "no answer is kept" if name == "store" else "the simulator bills nothing"
                why = kept if runs else "recorded answers send nothing"
                _refuse(f"{option(name, value)} requires {needed}: {why}", f"remove it, or add {needed}")

    @property
    def replays(self) -> bool:
        """Whether the cases are judged on recorded answers."""
        return bool(self.record) or not (self.live or self.simulate)

    @property
    def age(self) -> timedelta | None:
        """The age of the recordings to report.

        Raises:
            UsageError: `older` is not an age.
        """
        return None if self.older is None else age_of(self.older)

    def of_runs(self) -> RunOptions:
        """Return the options of the runs that send requests."""
        return RunOptions(
            simulate=self.simulate,
            fresh=self.record == "all" or self.live,
            store=self.store if self.record else None,
            max_cost_usd=self.max_cost_usd,
            max_requests=self.max_requests,
            confirm_above_usd=self.confirm_above_usd,
            max_concurrency=self.max_concurrency,
            yes=self.yes,
            batch=False,
        )


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, code=Code.BAD_PARAM, hint=hint)
