"""One run: a store is started, driven, disturbed, healed, left to rest, read everywhere, stopped and judged.

Owns the order of these, and that everything is stopped whatever happens. Source: FAULTS §1 (safety phase, then
liveness); Jepsen `core.clj` (run!).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.report.data import Report, Subject
from trilemma.check.verdict import Validity, Verdict, unknown
from trilemma.target import measure, nemesis
from trilemma.target.disturber import Disturber
from trilemma.target.judge import MODELS, find_vacuity, judge
from trilemma.target.load import Lane, Load
from trilemma.target.port import NotSentError, Target, TargetError
from trilemma.target.wire import PATIENCE_S

REST_S: Final = 2.0
"""How long clients go on, at least, after the last fault: recovery belongs to the run."""

TIME_S_MAX: Final = 3_600.0
CLIENTS_MAX: Final = 50
RATE_MAX: Final = 10_000

_US_PER_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do. `clients` is per node and keyspace, `rate` in steps per second over all of them."""

    workload: str = "registers"
    nemesis: str = "none"
    time_s: float = 60.0
    clients: int = 2
    rate: int = 300
    seed: int = 0


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
    lost_writes: int
    standstill_us: int
    answered: measure.Answered


def refuse_impossible(target: Target, plan: Plan) -> None:
    """Refuse a plan that cannot be carried out.

    Raises:
        TargetError: with the reason.
    """
    if plan.workload not in target.workloads:
        raise TargetError(f"{target.name} takes the workloads {', '.join(target.workloads)}, not {plan.workload}")
    if plan.nemesis not in nemesis.NEMESES:
        raise TargetError(f"there is no nemesis {plan.nemesis!r}; there are {', '.join(nemesis.NEMESES)}")
    for value, name, most in (
        (plan.time_s, "time", TIME_S_MAX),
        (plan.clients, "clients", CLIENTS_MAX),
        (plan.rate, "rate", RATE_MAX),
    ):
        if not 0 < value <= most:
            raise TargetError(f"{name} is more than 0 and at most {most:g}, not {value:g}")


def _refuse_nemesis(target: Target, kind: str) -> None:
    """Refuse a nemesis that a started target cannot suffer."""
    if kind in nemesis.LINK_KINDS and target.links is None:
        raise TargetError(
            f"the links of {target.name} cannot be disturbed here: {kind} needs network namespaces, thus Linux and "
            "root (for Trilemma: LAB); kill and pause need neither"
        )
    if kind in nemesis.PROCESS_KINDS and target.processes is None:
        raise TargetError(f"the processes of {target.name} are not ours to {kind}")
    if kind == "mix" and target.links is None and target.processes is None:
        raise TargetError(f"{target.name} cannot be disturbed")


def _mixed_kinds(target: Target) -> tuple[str, ...]:
    kinds: tuple[str, ...] = ()
    if target.links is not None:
        kinds += nemesis.LINK_KINDS
    if target.processes is not None:
        kinds += nemesis.PROCESS_KINDS
    return kinds


def run(target: Target, plan: Plan, say: Callable[[str], None] = lambda text: None) -> Result:
    """Carry out a plan on a target, and judge it.

    Args:
        say: told what happens, in sentences, from several threads.

    Raises:
        TargetError: the target cannot be started or disturbed as planned; it is stopped all the same.
    """
    refuse_impossible(target, plan)
    try:
        say(f"{target.name} starts")
        target.start()
        _refuse_nemesis(target, plan.nemesis)
        return _drive(target, plan, say)
    except NotSentError as problem:
        raise TargetError(f"{target.name} could not be asked: {problem}") from problem
    finally:
        target.stop()


def _drive(target: Target, plan: Plan, say: Callable[[str], None]) -> Result:
    faults = nemesis.plan(plan.nemesis, target.nodes, plan.time_s, plan.seed, _mixed_kinds(target))
    load = Load(target, plan.workload, plan.clients, plan.rate, plan.seed)
    disturber = Disturber(target, faults, say)
    load.open()
    began = time.monotonic()
    load.start()
    disturber.start()
    try:
        time.sleep(max(0.0, began + plan.time_s - time.monotonic()))
        disturber.stop()
        if disturber.faults:
            time.sleep(max(0.0, REST_S - (time.monotonic() - disturber.faults[-1].until_us / 1_000_000)))
    finally:
        disturber.stop()
        load.stop()
    say("all is whole; replicas come to rest")
    has_settled = target.settle()
    load.read_finals()
    digests = {lane.keyspace.name: dict(target.digests(lane.keyspace)) for lane in load.lanes}
    versions = dict(target.versions())
    target.forget({each.key for lane in load.lanes for each in lane.operations})
    say("stopped; the history is judged")
    target.stop()
    found = _Found(target, plan, disturber, load.lanes, digests, versions, has_settled)
    return found.result()


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that a run left, on its way to a report."""

    target: Target
    plan: Plan
    disturber: Disturber
    lanes: Sequence[Lane]
    digests: Mapping[str, dict[str, str]]
    versions: Mapping[str, str]
    has_settled: bool

    def result(self) -> Result:
        report = Report(
            title=f"{self.target.name} under {self.plan.nemesis}",
            target=self.target.name,
            workload=self.plan.workload,
            nemesis=self.plan.nemesis,
            subjects=[self._subject(lane) for lane in self.lanes],
            faults=self.disturber.faults,
            settings=self._settings(),
            notes=self._notes(),
        )
        operations = [each for lane in self.lanes for each in lane.history]
        return Result(report, operations, {lane.keyspace.name: self._figures(lane) for lane in self.lanes})

    def _subject(self, lane: Lane) -> Subject:
        digests = self.digests[lane.keyspace.name]
        verdicts, observed = judge(lane, self.plan.workload, self.disturber.outages, digests)
        vacuity = find_vacuity(lane.operations, self.plan.nemesis, len(self.disturber.faults))
        if vacuity is not None:
            verdicts.append(vacuity)
        if self.disturber.failure:
            verdicts.append(unknown("nemesis", self.disturber.failure))
        satisfied, broken = place([*verdicts, *observed])
        return Subject(
            name=lane.keyspace.name,
            mode=lane.keyspace.mode,
            model=MODELS[self.plan.workload],
            operations=lane.history.operations,
            verdicts=verdicts,
            observed=observed,
            satisfied=satisfied,
            broken=broken,
            shares=measure.shares(
                measure.with_aborts_answered(lane.operations), self.disturber.faults, self.target.nodes
            ),
            staleness=_staleness(self._figures(lane)),
            digests=digests,
        )

    def _figures(self, lane: Lane) -> Figures:
        stale = measure.staleness(lane.operations)
        lost = measure.lost_writes(lane.operations, lane.finals)
        standstill = measure.standstill_us(lane.operations, self.disturber.faults)
        share = measure.answered(measure.with_aborts_answered(lane.operations), self.disturber.faults)
        return Figures(stale.stale, stale.reads, stale.worst_us, len(lost), standstill, share)

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
        if not self.has_settled:
            notes.append("The replicas had not caught up with each other when the final reads were made.")
        if self.disturber.failure:
            notes.append(self.disturber.failure)
        return notes


def _staleness(figures: Figures) -> dict[str, str]:
    if not figures.reads:
        return {}
    worst = f", the worst by {figures.stale_worst_us / _US_PER_MS:.0f} ms" if figures.stale_reads else ""
    return {"stale reads": f"{figures.stale_reads} of {figures.reads}{worst}"}


_CHAIN: Final = ("linearizable", "causal convergence")


def place(verdicts: Sequence[Verdict]) -> tuple[list[str], list[str]]:
    """Return the strongest models that hold and the weakest that do not, among those that were checked.

    Nothing is inferred from an unknown. Convergence stands beside the chain of the others.
    """
    held = [name for name in _CHAIN if _all(verdicts, name, Validity.VALID)]
    broken = [name for name in _CHAIN if _any_invalid(verdicts, name)]
    satisfied, unsatisfied = held[:1], broken[-1:]
    if _all(verdicts, "convergence", Validity.VALID):
        satisfied.append("eventual convergence")
    if _any_invalid(verdicts, "convergence"):
        unsatisfied.append("eventual convergence")
    return satisfied, unsatisfied


def _all(verdicts: Sequence[Verdict], name: str, validity: Validity) -> bool:
    found = [each.validity for each in verdicts if each.checker.startswith(name)]
    return bool(found) and all(each is validity for each in found)


def _any_invalid(verdicts: Sequence[Verdict], name: str) -> bool:
    return any(each.is_invalid for each in verdicts if each.checker.startswith(name))
