"""Questions of an `ap` shard to other replicas: what do you hold? Asked for reads with READ n, and for barriers.

Owns which units are asked about, which wait for answers, how many and until when; what is asked waits until enough
replicas have answered and what they hold is here as well, so that its execution shows it (PROTOCOLS §5). A barrier asks
all, and wants whatever they had made by then. Does not execute units: those whose answers have come are handed back.

READ may be altered to less while something waits. What is asked for later, of fewer replicas or of none, is then not
handed back before what is in front of it in its session (Batch.line): the reply in front would be the newer one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trilemma.base.ids import NodeId
from trilemma.base.time import US_PER_MS
from trilemma.command.table import lookup_argv
from trilemma.crdt.vector import covers
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal, refusal
from trilemma.node.batch import Waiter
from trilemma.node.unit import Path, Unit
from trilemma.replication.leaderless.questions import Answer
from trilemma.replication.leaderless.replica import Leaderless

TRANSACTION_PATIENCE = 7, 8
"""The part of TIMEOUT that a transaction waits for answers: then it is refused, for certain, by who would execute it,
before who sent it on has to call it UNCERTAIN."""


def asks_others(unit: Unit) -> bool:
    """Say whether READ n concerns a unit: a read, of single keys or of all, and a transaction that reads or watches.

    A write that also returns what was there (INCR, GETSET) is a write. What waits is not overtaken by its own session:
    reads wait for earlier writes and are waited for, and behind all else that is asked about nothing is dispatched.
    """
    if not unit.argv:
        return bool(unit.watches) or any(_shows_keys(part.argv) for part in unit.parts)
    name = unit.argv[0]
    return name in internal.SHOWING_KEYS if name[:1] == b"\x00" else unit.path is Path.READ


def _shows_keys(argv: list[bytes]) -> bool:
    return argv[0] in internal.SHOWING_KEYS if argv[0][:1] == b"\x00" else not lookup_argv(argv).is_write


@dataclass(slots=True)
class _Asked:
    """What waits until enough replicas have said what they hold, and it is here."""

    question: int
    wanted: int
    """How many others must have answered."""
    is_barrier: bool
    """Whether what they had made, but did not hold durably yet, must be here as well."""
    deadline_us: int
    waiters: list[Waiter]

    def lines(self) -> set[object]:
        """Return the lines in which something waits here that a read behind it must not overtake."""
        return set() if self.is_barrier else {_line(waiter) for waiter in self.waiters}


class Questions:
    """One replica's questions. `name` is this node's, for refusals."""

    def __init__(self, name: str, replica: Leaderless, keyspace: Keyspace) -> None:
        self._name = name
        self._replica = replica
        self._keyspace = keyspace
        self._mono_us = 0
        self._up: frozenset[NodeId] = frozenset()
        self.reads: list[Waiter] = []
        """Units that enough replicas are to be asked about."""
        self.barriers: list[Waiter] = []
        """Units that are to see whatever any replica has taken by now."""
        self._asked: list[_Asked] = []
        self._answered: list[Waiter] = []

    def take_answered(self, keyspace: Keyspace, mono_us: int, up: frozenset[NodeId]) -> list[Waiter]:
        """Ask for this turn's reads and barriers; return the units of which enough replicas have answered."""
        if not self.reads and not self.barriers and not self._asked:
            return []
        self._keyspace, self._mono_us, self._up = keyspace, mono_us, up
        waiting, self.reads = self.reads, []
        barriers, self.barriers = self.barriers, []
        self._ask([each for each in waiting if _is_read(each)], keyspace.read_count - 1, is_barrier=False)
        self._ask([each for each in waiting if not _is_read(each)], keyspace.read_count - 1, is_barrier=False)
        self._ask(barriers, len(self._replica.peers), is_barrier=True)
        left: list[_Asked] = []
        ahead: set[object] = set()
        for asked in self._asked:
            if not self._is_over(asked, ahead):
                left.append(asked)
                ahead |= asked.lines()
        self._asked = left
        answered, self._answered = self._answered, []
        return answered

    def _ask(self, waiters: list[Waiter], wanted: int, *, is_barrier: bool) -> None:
        if not waiters:
            return
        reached = sum(peer in self._up for peer in self._replica.peers)
        if reached < wanted:
            total = len(self._keyspace.replicas)
            text = refusal.reaches(self._name, reached + 1, total, wanted + 1)
            self._refuse(waiters, text)
            return
        deadline_us = self._mono_us + self._patience_us(waiters)
        self._asked.append(_Asked(self._replica.gossip.ask(), wanted, is_barrier, deadline_us, waiters))

    def _patience_us(self, waiters: list[Waiter]) -> int:
        timeout_us = self._keyspace.timeout_ms * US_PER_MS
        part, whole = (1, 1) if _is_read(waiters[0]) else TRANSACTION_PATIENCE
        return timeout_us * part // whole

    def keep(self, keeps: Callable[[Waiter], bool]) -> None:
        """Go on waiting with the units, barriers apart, of which this is said; the caller has answered the others."""
        self.reads = [waiter for waiter in self.reads if keeps(waiter)]
        for asked in self._asked:
            if not asked.is_barrier:
                asked.waiters = [waiter for waiter in asked.waiters if keeps(waiter)]

    def _refuse(self, waiters: list[Waiter], reason: str) -> None:
        for batch, place in waiters:
            batch.complete(place, refusal.down(self._keyspace, reason, batch.units[place]), 0)

    def _is_over(self, asked: _Asked, ahead: set[object]) -> bool:
        """Deal with what was asked for if the answers have come, or did not in time; say whether that is done.

        Args:
            ahead: the lines in which something asked for earlier waits on.
        """
        answers = self._replica.gossip.answers[asked.question]
        if sum(self._has_come(asked, peer, answer) for peer, answer in answers.items()) >= asked.wanted:
            waiters, asked.waiters = asked.waiters, []
            for waiter in waiters:
                (asked.waiters if ahead and _line(waiter) in ahead else self._answered).append(waiter)
            if asked.waiters:
                return False
        elif self._mono_us >= asked.deadline_us:
            text = f"{1 + len(answers)} of {1 + asked.wanted} replicas answered in time"
            self._refuse(asked.waiters, text)
        else:
            return False
        self._replica.gossip.forget(asked.question)
        return True

    def _has_come(self, asked: _Asked, peer: NodeId, answer: Answer) -> bool:
        vector = self._replica.vector
        is_made_here = not asked.is_barrier or vector.get(peer, 0) >= answer.made
        return is_made_here and covers(vector, answer.durable)

    def lines(self) -> set[object]:
        """Return the lines in which something waits that a read behind it must not overtake, however few it asks."""
        if not self.reads and not self._asked:
            return set()
        return {_line(waiter) for waiter in self.reads}.union(*(asked.lines() for asked in self._asked))

    def deadlines_us(self) -> list[int]:
        """Return until when what is asked waits."""
        return [asked.deadline_us for asked in self._asked]


def _line(waiter: Waiter) -> object:
    batch, place = waiter
    return batch.line(place)


def _is_read(waiter: Waiter) -> bool:
    batch, place = waiter
    return batch.units[place].is_read
