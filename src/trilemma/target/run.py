"""One run: a store is started, driven, disturbed, healed, left to rest, read everywhere, stopped and judged.

Owns the order of these, and that everything is stopped, and the run's keys forgotten, whatever happens.
Source: FAULTS §1 (safety phase, then liveness); Jepsen `core.clj` (run!).
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from trilemma.target import nemesis
from trilemma.target.disturber import Disturber
from trilemma.target.findings import Found, Result
from trilemma.target.load import Load
from trilemma.target.plan import Plan, refuse_impossible
from trilemma.target.port import NotSentError, PlanError, Target, TargetError

REST_S: Final = 2.0
"""How long clients go on, at least, after the last fault: recovery belongs to the run."""


class RunInterrupt(KeyboardInterrupt):
    """Ctrl-C, or a signal that is taken for it, broke off a run. `result`: what was recorded until then, not judged."""

    def __init__(self, result: Result) -> None:
        super().__init__("the run was broken off")
        self.result = result


def _refuse_nemesis(target: Target, kind: str) -> None:
    """Refuse a nemesis that a started target cannot suffer."""
    if kind in nemesis.LINK_KINDS and target.links is None:
        raise PlanError(
            f"the links of {target.name} cannot be disturbed here: {kind} needs network namespaces, thus Linux and "
            "root (for Trilemma: LAB); kill and pause need neither"
        )
    if kind in nemesis.PROCESS_KINDS and target.processes is None:
        raise PlanError(f"the processes of {target.name} are not ours to {kind}")
    if kind == "mix" and target.links is None and target.processes is None:
        raise PlanError(f"{target.name} cannot be disturbed")


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
        PlanError: the target cannot be disturbed as planned.
        TargetError: it cannot be started, or failed on the way; it is stopped all the same.
        RunInterrupt: the run was broken off once its target was up, which is stopped all the same.
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


def _count_from_the_beginning(load: Load, disturber: Disturber) -> None:
    """Count all times from the first thing that happened: a witness is read beside a time line that begins at 0."""
    begin_us = load.begin_us()
    moments = [each.from_us for each in disturber.faults] + ([] if begin_us is None else [begin_us])
    if moments:
        load.count_from(min(moments))
        disturber.count_from(min(moments))


def _drive(target: Target, plan: Plan, say: Callable[[str], None]) -> Result:
    faults = nemesis.plan(plan.nemesis, target.nodes, plan.time_s, plan.seed, _mixed_kinds(target))
    load = Load(target, plan.workload, plan.clients, plan.rate, plan.seed)
    disturber = Disturber(target, faults, say)
    try:
        _disturb(load, disturber, plan.time_s)
        say("all is whole; replicas come to rest")
        has_settled = target.settle()
        load.read_finals()
        digests = {lane.keyspace.name: dict(target.digests(lane.keyspace)) for lane in load.lanes}
        versions = dict(target.versions())
        load.forget()
        say("stopped; the history is judged")
        target.stop()
        _count_from_the_beginning(load, disturber)
        return Found(target, plan, disturber, load.lanes, digests, versions, has_settled, load.left_out).result()
    except (KeyboardInterrupt, TargetError, NotSentError) as stop:
        disturber.stop()
        load.stop()
        with suppress(TargetError, NotSentError):
            load.forget()
        if not isinstance(stop, KeyboardInterrupt):
            raise
        _count_from_the_beginning(load, disturber)
        raise RunInterrupt(Found(target, plan, disturber, load.lanes).unjudged()) from stop


def _disturb(load: Load, disturber: Disturber, time_s: float) -> None:
    """Have the clients run, and the nemesis beside them, until all is whole again."""
    load.open()
    began = time.monotonic()
    load.start()
    disturber.start()
    try:
        time.sleep(max(0.0, began + time_s - time.monotonic()))
        disturber.stop()
        if disturber.faults:
            time.sleep(max(0.0, REST_S - (time.monotonic() - disturber.faults[-1].until_us / 1_000_000)))
    finally:
        disturber.stop()
        load.stop()
