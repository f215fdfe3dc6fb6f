"""What operators do at any moment: have a leader hand over, alter a keyspace, set a clock."""

from collections.abc import Callable

from trilemma.base.ids import ConnId, ShardId
from trilemma.node.machine import Node
from trilemma.sim.faults.harm import Harm
from trilemma.sim.faults.strike import Strike
from trilemma.sim.process import Process
from trilemma.sim.solo import request

CLOCK_STEP_US = 3_000_000

ALTERED = {
    "cp": ("READ", ("linearizable", "lease", "local")),
    "ca": ("TIMEOUT", ("1900", "2000")),
    "ap": ("TIMEOUT", ("1400", "1500")),
}
"""By mode: a setting of a keyspace that may be altered at any moment, and to what."""


class _Operator:
    """Sends one command and hears its reply, or nothing."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def receive(self, conn: ConnId, data: bytes) -> None:
        """See Caller."""
        self._heard(data)

    def lost(self, conn: ConnId) -> None:
        """See Caller."""


class OperatorFaults:
    """Leaders that are told to hand over, settings altered, clocks set."""

    def __init__(self, harm: Harm) -> None:
        self._harm = harm

    def kinds(self) -> dict[str, Strike]:
        """Return what this family can do, by name."""
        return {
            "hand_over": self._hand_over,
            "alter": self._alter,
            "clock_step": self._clock_step,
        }

    def _hand_over(self, _lasts_us: int) -> None:
        """Have the leader of some shard begin to hand over, as an operator may at any moment."""
        process, shard = self._harm.any(), self._harm.rng.choice((0, 1024, 2048))
        heir = self._harm.any().member.id

        def ask(node: Node) -> None:
            replica = node.replicas.get(ShardId(shard))
            if replica is not None and replica.hand_to(heir):
                self._harm.fired["hand_over"] += 1
                self._harm.trace("hand_over", f"shard {shard}: {process.name} to n{heir}")

        process.give(ask)

    def _alter(self, _lasts_us: int) -> None:
        """Alter the keyspace that is driven, as an operator may at any moment, to what promises as much."""
        options = self._harm.cluster.options
        word, values = ALTERED[options.mode]
        process, value = self._harm.any(), self._harm.rng.choice(values)

        def altered(reply: bytes) -> None:
            self._harm.trace("altered", f"{word} {value}: {reply.decode().strip()}")
            if reply.startswith(b"+OK"):
                self._harm.fired["alter"] += 1

        caller = _Operator(altered)
        conn = self._harm.cluster.connect(process.member.id, caller)
        if conn is not None:
            self._harm.trace("alter", f"{word} {value} at {process.name}")
            self._harm.cluster.send(conn, request("KEYSPACE", "ALTER", options.keyspace, word, value))

    def _clock_step(self, _lasts_us: int) -> None:
        process = self._harm.any()
        by_us = self._harm.rng.randint(-CLOCK_STEP_US, CLOCK_STEP_US)
        if self._harm.cluster.options.mode == "ap":
            process = self._harm.rng.choice(self._with_clocks_that_may_be_wrong())
        if process.node is None:
            return
        self._harm.fired["clock_step"] += 1
        self._harm.trace("clock_step", f"{process.name} by {by_us} us")
        process.clock.step(by_us)

    def _with_clocks_that_may_be_wrong(self) -> list[Process]:
        """Return a minority of the replicas, and who has none: deadlines on `ap` are judged by what most wall clocks
        of the replicas say, so most of them are right. Where there is one replica all nodes are asked."""
        processes = list(self._harm.cluster.processes.values())
        replicas = self._harm.cluster.options.replicas
        if replicas in (0, 1):
            replicas = len(processes)
        return processes[: (replicas - 1) // 2] + processes[replicas:]
