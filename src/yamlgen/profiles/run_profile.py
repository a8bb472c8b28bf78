"""The profile of a run: everything that its report shows but the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from yamlgen.profiles.compared.run_comparison import ComparedSide, RunComparison
from yamlgen.profiles.doubts.suspicion_rules import SuspicionObserver
from yamlgen.profiles.doubts.suspicions import Suspicion
from yamlgen.profiles.failure_profile import FailureObserver, FailureWay
from yamlgen.profiles.fields.field_observer import FieldObserver
from yamlgen.profiles.fields.field_profile import Agreement, Basis, Field, GroupedNumbers
from yamlgen.profiles.fields.number_groups import GroupObserver
from yamlgen.profiles.fields.sample_agreement import AgreementObserver
from yamlgen.profiles.headline import Headline, headline_of
from yamlgen.profiles.profiled_rows import ProfiledRows
from yamlgen.profiles.row_choice import ChosenRow, RowChooser, with_named
from yamlgen.profiles.step_profile import StepObserver, StepProfile, counts_of, kinds_of
from yamlgen.profiles.step_values import shapes_of
from yamlgen.store.row_scan import RowScan
from yamlgen.store.run_reader import RunEntry, RunReader
from yamlgen.value_objects import JSON


@dataclass(frozen=True, slots=True)
class RunProfile:
    """A run in numbers.

    Attributes:
        headline: what came of it.
        suspicions: what looks wrong, the most important first.
        failures: the ways in which rows failed, the most frequent first, at most 40.
        more_failures: how many failures there are of other ways.
        basis: in which rows the fields were counted.
        fields: how the values of each field are spread.
        agreements: how often samples agree.
        groups: numbers by the value of an earlier draw or of an axis of a matrix, those that differ most first.
        steps: what each step did.
        timeline: what was sent and how it went, over time: see `yamlgen.reports.timeline`; `None` if it is not known.
        why_no_timeline: why it is not known, as a sentence; empty if it is.
        chosen: the rows to look at.
        against: the run against another one; `None` if none was named.
    """

    headline: Headline
    suspicions: tuple[Suspicion, ...]
    failures: tuple[FailureWay, ...]
    more_failures: int
    basis: Basis
    fields: tuple[Field, ...]
    agreements: tuple[Agreement, ...]
    groups: tuple[GroupedNumbers, ...]
    steps: tuple[StepProfile, ...]
    timeline: Mapping[str, JSON] | None
    why_no_timeline: str
    chosen: tuple[ChosenRow, ...]
    against: RunComparison | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return the numbers as JSON values, without chosen rows, and without the exchanges of failures."""
        made = asdict(self)
        del made["chosen"]
        for way in made["failures"]:
            del way["request"], way["answers"]
        return made


def profile(
    run_reader: RunReader,
    run: RunEntry,
    *,
    most_rows: int | None,
    output: str | None = None,
    against: Callable[[ComparedSide], RunComparison] | None = None,
) -> RunProfile:
    """Return the profile of a run, from one pass over its rows.

    Args:
        run_reader: the store.
        run: the run.
        most_rows: how many rows to choose; with `None`, which shows all, only those with a reason of their own.
        output: the output whose rows are profiled, by its name; `None` for the only one, or for the values of the
            steps if there are several.
        against: compares the run with another one.
    """
    kinds = kinds_of(run.about)
    shapes, failures = shapes_of(run.about, kinds), FailureObserver(run_reader, run)
    agreements, groups = AgreementObserver(shapes), GroupObserver(shapes)
    steps = StepObserver(kinds, run.name, counts_of(run_reader, run))
    chooser, doubtful = RowChooser(run.name, most_rows), SuspicionObserver(run.about)
    with ProfiledRows(run_reader, run, output) as profiled:
        fields = FieldObserver(profiled.schema, profiled.left_out)
        for row in RowScan(run_reader, run).rows():
            for values in profiled.of(row):
                fields.add(values, row.number)
            if row.status == "finished":
                agreements.add(row)
                groups.add(row)
            failures.add(row)
            steps.add(row)
            chooser.add(row)
            doubtful.add(row)
    timeline, why_no_timeline = _timeline(run)
    headline = headline_of(run_reader, run, ways=failures.counted, models=steps.models(), now=datetime.now(UTC))
    basis, counted, did = profiled.basis(fields.rows, fields.left_out), fields.fields(), steps.steps()
    suspected = doubtful.suspicions(counted, basis)
    compared = against and against(ComparedSide(run_reader, run, headline, basis, counted, did))
    named = {
        "suspicious": [(row - 1, f"{each.place}: {each.rule}") for each in suspected for row in each.rows],
        "changed": [] if compared is None else compared.cited(),
    }
    return RunProfile(
        headline=headline,
        suspicions=suspected,
        failures=failures.ways(),
        more_failures=failures.more(),
        basis=basis,
        fields=counted,
        agreements=agreements.agreements(),
        groups=groups.groups(),
        steps=did,
        timeline=timeline,
        why_no_timeline=why_no_timeline,
        chosen=with_named(chooser.rows(), named, most_rows),
        against=compared,
    )


def _timeline(run: RunEntry) -> tuple[Mapping[str, JSON] | None, str]:
    """Return the timeline of a run, and why there is none, if there is none."""
    if run.status == "running":
        return None, "The run records its timeline at its end."
    if run.report is None:
        return None, "The run was killed before it recorded its timeline."
    if "timeline" not in run.report:
        return None, "The run was made by an earlier version of yamlgen, which recorded no timeline."
    timeline: Mapping[str, JSON] | None = run.report["timeline"]
    return timeline, "" if timeline else "The run sent nothing: its answers were in the store."
