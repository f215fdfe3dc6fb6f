"""What a run left, put into a report: verdicts, shares, figures, and the notes that a reader must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trilemma.check import staleness
from trilemma.check.availability import side_shares
from trilemma.check.fault import Fault
from trilemma.check.hierarchy import fill
from trilemma.check.history import Operation
from trilemma.check.report.data import Report, Subject
from trilemma.check.verdict import unknown
from trilemma.target import measure, nemesis
from trilemma.target.disturber import Disturber
from trilemma.target.judge import MODELS, find_unjudged, find_vacuity, judge
from trilemma.target.load import FINAL_TROUBLE_S, Lane
from trilemma.target.plan import Plan
from trilemma.target.port import Target
from trilemma.target.standing import breaks, by_model
from trilemma.target.wire import PATIENCE_S

HIDDEN_APPENDS = (
    "{names}: APPEND writes the whole string, so of two concurrent ones one is shown and the other is hidden, not "
    "merged: such appends count as lost in tables. No promise of mode ap is broken by them; judged here is that the "
    "replicas converge and that requests are answered."
)


@dataclass(slots=True)
class Result:
    """A run's report, and all that its clients recorded."""

    report: Report
    operations: list[Operation]
    figures: dict[str, "Figures"] = field(default_factory=dict)
    """By keyspace."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured of a keyspace, for tables."""

    stale_reads: int
    reads: int
    stale_worst_us: int
    t_visibility: Mapping[int, float]
    """By t, in microseconds."""
    k_staleness: Mapping[int, float]
    """By k."""
    lost_writes: int
    standstill_us: int
    answered: measure.Answered


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a run left, on its way to a report."""

    target: Target
    plan: Plan
    disturber: Disturber
    lanes: Sequence[Lane]
    digests: Mapping[str, dict[str, str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    has_settled: bool = True
    left_out: Sequence[str] = ()
    """The nodes that were given up while they were read at the end."""

    def result(self) -> Result:
        """Judge, and return the report with what was recorded."""
        figures = {lane.keyspace.name: self._figures(lane) for lane in self.lanes}
        return Result(self._report([self._subject(lane) for lane in self.lanes]), self._operations(), figures)

    def unjudged(self) -> Result:
        """Return what was recorded of a run that was broken off, judged as unknown: it may not have been brought to
        rest, and who breaks off a run does not wait for checkers."""
        return Result(self._report([self._unjudged(lane) for lane in self.lanes]), self._operations())

    def _report(self, subjects: Sequence[Subject]) -> Report:
        return Report(
            title=f"{self.target.name} under {self.plan.nemesis}",
            target=self.target.name,
            workload=self.plan.workload,
            nemesis=self.plan.nemesis,
            subjects=subjects,
            faults=self.disturber.faults,
            settings=self._settings(),
            notes=self._notes(),
        )

    def _operations(self) -> list[Operation]:
        return [each for lane in self.lanes for each in lane.history]

    def _unjudged(self, lane: Lane) -> Subject:
        return Subject(
            name=lane.keyspace.name,
            mode=lane.keyspace.mode,
            model=MODELS[self.plan.workload],
            operations=lane.history.operations,
            verdicts=[unknown("interrupt", "the run was broken off, and nothing of it is judged")],
        )

    def _subject(self, lane: Lane) -> Subject:
        digests = self.digests.get(lane.keyspace.name, {})
        verdicts, observed = judge(lane, self.plan.workload, self.disturber.outages, digests)
        vacuity = find_vacuity(self.plan.workload, lane.operations, self.plan.nemesis, len(self.disturber.faults))
        if vacuity is not None:
            verdicts.append(vacuity)
        if self.disturber.failure:
            verdicts.append(unknown("nemesis", self.disturber.failure))
        if self.left_out and "convergent" in lane.keyspace.promises:
            verdicts.append(unknown("final reads", self._said_of_left_out()))
        stale = measure.staleness(lane.operations)
        models = by_model(self.plan.workload, lane.history, [*verdicts, *observed])
        observed += breaks(models, [*verdicts, *observed])
        subject = Subject(
            name=lane.keyspace.name,
            mode=lane.keyspace.mode,
            model=MODELS[self.plan.workload],
            operations=lane.history.operations,
            verdicts=verdicts,
            observed=observed,
            shares=side_shares(measure.with_aborts_answered(lane.operations), self._named_faults(), stale),
            staleness=staleness.describe(stale),
            digests=digests,
        )
        return fill(subject, models)

    def _said_of_left_out(self) -> str:
        return (
            f"{', '.join(self.left_out)} did not answer the final reads for {FINAL_TROUBLE_S:.0f} s and was left out: "
            "what it holds at the end is not known"
        )

    def _named_faults(self) -> list[Fault]:
        """Return the faults, each told with its kind, so that a pause and a kill of one node stay apart."""
        return [fault._replace(what=f"{fault.kind}: {fault.what}") for fault in self.disturber.faults]

    def _figures(self, lane: Lane) -> Figures:
        stale = measure.staleness(lane.operations)
        lost = measure.lost_writes(lane.operations, lane.finals)
        standstill = measure.standstill_us(lane.operations, self.disturber.faults)
        share = measure.answered(measure.with_aborts_answered(lane.operations), self.disturber.faults)
        ages_us = [each.age_us for each in stale if each.versions]
        return Figures(
            stale_reads=len(ages_us),
            reads=len(stale),
            stale_worst_us=max(ages_us, default=0),
            t_visibility=staleness.t_visibilities(stale),
            k_staleness=staleness.k_stalenesses(stale),
            lost_writes=len(lost),
            standstill_us=standstill,
            answered=share,
        )

    def _settings(self) -> dict[str, str]:
        plan = self.plan
        return {
            "time": f"{plan.time_s:g} s",
            "seed": str(plan.seed),
            "clients": f"{plan.clients} per node and keyspace",
            "rate": f"{plan.rate} per second in all",
            "patience": f"{PATIENCE_S:g} s",
            **{lane.keyspace.name: lane.keyspace.settings for lane in self.lanes if lane.keyspace.settings},
            **{f"version of {name}": version for name, version in self.versions.items()},
        }

    def _notes(self) -> list[str]:
        notes = list(self.target.notes())
        if self.plan.nemesis in (*nemesis.LINK_KINDS, "mix") and self.target.links is not None:
            notes.append(self.target.links.means)
        if self.plan.nemesis in (*nemesis.PROCESS_KINDS, "mix") and self.target.processes is not None:
            notes.append("Nodes were killed with SIGKILL and paused with SIGSTOP, by their process ids.")
        if self.plan.nemesis == "mix" and self.target.links is None:
            notes.append("Links were left alone: that needs network namespaces, thus Linux and root.")
        if self.plan.nemesis != "none":
            notes.append("Clocks were not touched: clock faults exist in the simulator only.")
        lagging = [lane.keyspace.name for lane in self.lanes if "causal" in lane.keyspace.promises]
        if self.plan.workload == "appends" and lagging:
            notes.append(HIDDEN_APPENDS.format(names=", ".join(lagging)))
        if not self.has_settled:
            notes.append("The replicas had not caught up with each other when the final reads were made.")
        if self.left_out:
            notes.append(f"{self._said_of_left_out()}.")
        for keyspace in (lane.keyspace for lane in self.lanes):
            unjudged = find_unjudged(keyspace, self.plan.workload)
            if unjudged:
                promised = ", ".join(unjudged)
                notes.append(f"{keyspace.name} also promises, but {self.plan.workload} cannot show: {promised}.")
        if self.disturber.failure:
            notes.append(self.disturber.failure)
        return notes
