"""Carrying out a nemesis' plan on a target, and noting every fault with its times.

Owns the thread that does it, and that all is whole again afterwards, also when the run is broken off.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from trilemma.check.availability import Outage
from trilemma.check.fault import Fault
from trilemma.check.history import END_OF_TIME_US
from trilemma.target import nemesis
from trilemma.target.nemesis import Planned
from trilemma.target.port import Link, LinkFault, Target, TargetError

CUT: Final = LinkFault(is_cut=True)
_KINDS: Final = {"one-way": "one_way"} | dict.fromkeys(("isolate", "halves", "ring", "bridge", "swizzle"), "cut")
"""What a shape of cut is called among faults; which shape it was says the run's nemesis."""


def now_us() -> int:
    """Return the clock of the history, in microseconds."""
    return time.monotonic_ns() // 1_000


class Disturber:
    """One run's nemesis. `faults` and `outages` are complete once `stop` has returned."""

    def __init__(self, target: Target, plan: Sequence[Planned], say: Callable[[str], None]) -> None:
        self.faults: list[Fault] = []
        self.outages: list[Outage] = []
        self.failure: str = ""
        """A sentence, where a fault could not be brought about or healed."""
        self._target = target
        self._plan = plan
        self._say = say
        self._stopped = threading.Event()
        self._down: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="nemesis", daemon=True)
        self._began = 0.0

    def start(self) -> None:
        """Begin with the plan."""
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Break off what is still to come, and make all whole."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            for planned in self._plan:
                if self._stopped.wait(max(0.0, planned.after_s - (time.monotonic() - self._began))):
                    return
                self._carry_out(planned)
        except (TargetError, OSError) as problem:
            self.failure = f"the nemesis gave up: {problem}"
        finally:
            self._make_whole()

    def _carry_out(self, planned: Planned) -> None:
        leader = self._target.leader() if planned.is_leader else None
        if planned.kind in nemesis.PROCESS_KINDS:
            self._process(planned, leader)
        elif planned.kind == "swizzle":
            self._swizzle(planned, leader)
        elif planned.kind in nemesis.SHAPES:
            cut = nemesis.cut_of(planned, leader)
            nodes = tuple(sorted({node for link in cut.links for node in link}))
            self._links(planned, dict.fromkeys(cut.links, CUT), Fault(planned.kind, cut.what, 0, 0, nodes, cut.sides))
        else:
            links = nemesis.bad_links(planned, leader)
            node = planned.nodes(leader)[0]
            unit = "ms" if planned.kind == "slow" else "%"
            self._links(planned, links, Fault(planned.kind, f"links of {node}: {planned.amount} {unit}", 0, 0, (node,)))

    def _links(self, planned: Planned, links: dict[Link, LinkFault], fault: Fault) -> None:
        began = now_us()
        self._apply(links)
        self._say(f"{planned.kind}: {fault.what}")
        self._stopped.wait(planned.lasts_s)
        self._apply({})
        self._note(fault, began)

    def _swizzle(self, planned: Planned, leader: str | None) -> None:
        began = time.monotonic()
        began_us = now_us()
        nodes = tuple(sorted(planned.order))
        self._say("swizzle: links are cut one node after another, and come back in another order")
        for share, links in nemesis.swizzle(planned, leader):
            self._stopped.wait(max(0.0, began + share * planned.lasts_s - time.monotonic()))
            self._apply(dict.fromkeys(links, CUT))
        self._note(Fault("swizzle", "links cut one node after another", 0, 0, nodes), began_us)

    def _apply(self, faults: dict[Link, LinkFault]) -> None:
        if self._target.links is None:
            raise TargetError("this target's links cannot be disturbed here")
        self._target.links.apply(faults)

    def _process(self, planned: Planned, leader: str | None) -> None:
        processes = self._target.processes
        if processes is None:
            raise TargetError("this target's processes cannot be disturbed")
        node = planned.nodes(leader)[0]
        others = tuple(sorted(each for each in planned.order if each != node))
        began = now_us()
        self._down[node] = planned.kind
        (processes.pause if planned.kind == "pause" else processes.kill)(node)
        self._say(f"{planned.kind}: {node}" + (", the leader" if node == leader else ""))
        self._stopped.wait(planned.lasts_s)
        what = node + (", the leader" if node == leader else "")
        self._note(Fault(planned.kind, what, 0, 0, (node,), ((node,), others)), began)
        self._bring_back(node)
        served = self._target.wait_until_served(node)
        self.outages.append(Outage(node, began, now_us() if served else END_OF_TIME_US))

    def _bring_back(self, node: str) -> None:
        processes = self._target.processes
        how = self._down.pop(node, None)
        if processes is not None and how is not None:
            (processes.resume if how == "pause" else processes.start)(node)

    def count_from(self, origin_us: int) -> None:
        """Count all times from another moment than the clock's own."""
        self.faults = [
            each._replace(from_us=each.from_us - origin_us, until_us=each.until_us - origin_us) for each in self.faults
        ]
        self.outages = [
            each._replace(
                from_us=each.from_us - origin_us,
                until_us=each.until_us if each.until_us == END_OF_TIME_US else each.until_us - origin_us,
            )
            for each in self.outages
        ]

    def _note(self, fault: Fault, began_us: int) -> None:
        kind = _KINDS.get(fault.kind, fault.kind)
        self.faults.append(fault._replace(kind=kind, from_us=began_us, until_us=now_us()))

    def _make_whole(self) -> None:
        """Heal whatever is still disturbed: nothing is, unless the plan was broken off."""
        try:
            for node in list(self._down):
                self._bring_back(node)
            if self._target.links is not None:
                self._target.links.apply({})
        except (TargetError, OSError) as problem:
            self.failure = self.failure or f"the nemesis could not heal: {problem}"
