"""Mutants of Raft's log and elections on `cp` and `ca` (FAULTS §2)."""

from typing import Any

from trilemma.sim.masks import elections_are_plain, leaders_stay
from trilemma.sim.mutation import mutant


def _leaders_begin_late() -> list[tuple[Any, str, Any]]:
    """Masks R1: a leader's first entry, its own or a client's, goes out right behind those of older terms, and settles
    them too."""
    from trilemma.replication.port import EntryKind
    from trilemma.replication.raft.core import Core
    from trilemma.replication.raft.leader import Leader

    late_us = 300_000
    make, init, tick = Core.make_entry, Leader.__init__, Leader.tick
    deadline, holds_back = Leader.__dict__["deadline_us"], Leader.__dict__["holds_back"]

    def make_later(self: Any, kind: Any, body: bytes) -> int:
        return self.log.last_index if kind is EntryKind.NOOP else make(self, kind, body)

    def begin(self: Any, core: Any) -> None:
        init(self, core)
        self.begins_us = core.now.mono_us + late_us

    def tick_late(self: Any) -> None:
        if self.begins_us is not None and self._core.now.mono_us >= self.begins_us:
            self.begins_us = None
            make(self._core, EntryKind.NOOP, b"")
        tick(self)

    def until(self: Any) -> int:
        found: int = deadline.fget(self)
        return found if self.begins_us is None else min(found, self.begins_us)

    def is_held_back(self: Any) -> bool:
        return self.begins_us is not None or holds_back.fget(self)

    return [
        (Core, "make_entry", make_later),
        (Leader, "__init__", begin),
        (Leader, "holds_back", property(is_held_back)),
        (Leader, "tick", tick_late),
        (Leader, "deadline_us", property(until)),
    ]


@mutant("R1", "cp", "an entry of an older term is committed by counting its copies", _leaders_begin_late)
def _r1() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.commit import CommitRule
    from trilemma.replication.raft.core import Core

    return [
        (CommitRule, "_may_commit", lambda self, index: index > self._log.base_index),
        (Core, "_must_not_be_committed", lambda self, first: None),
    ]


@mutant("R2", "cp", "a vote is answered before it is durable", elections_are_plain)
def _r2() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.replica import Raft

    return [(Raft, "_waits_for_sync", lambda self: False)]


@mutant("R3", "cp", "the vote of a term is forgotten by whoever follows a leader in it", elections_are_plain)
def _r3() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.follower import Follower
    from trilemma.replication.raft.roles import Roles

    follow, append_entries = Roles.follow, Follower.append_entries

    def forget(self: Any, leader: Any, wait_us: int) -> None:
        follow(self, leader, wait_us)
        self._core.state.voted_for = None

    def forget_when_told(self: Any, leader: Any, message: Any) -> None:
        append_entries(self, leader, message)
        self._core.state.voted_for = None

    return [(Roles, "follow", forget), (Follower, "append_entries", forget_when_told)]


def _elections_are_plain_and_leaders_stay() -> list[tuple[Any, str, Any]]:
    """Masks R4: with pre-votes an answer must come twice in both rounds of an election; and a leader steps down when
    its links go, which is before another one can be elected."""
    return [*leaders_stay(), *elections_are_plain()]


@mutant(
    "R4",
    "cp",
    "answers are counted, not voters: one that comes twice counts twice",
    _elections_are_plain_and_leaders_stay,
)
def _r4() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.core import Core
    from trilemma.replication.raft.election import Ballot

    def count(self: Any, voter: Any, granted: bool) -> None:
        chosen = self._granted if granted else self._refused
        chosen.add((voter, len(chosen)))

    return [(Ballot, "count", count), (Core, "_must_not_be_committed", lambda self, first: None)]


@mutant("R6", "cp", "a vote is given whatever the candidate's log lacks")
def _r6() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft import votes
    from trilemma.replication.raft.core import Core

    return [
        (votes, "is_up_to_date", lambda log, last_index, last_term: True),
        (Core, "_must_not_be_committed", lambda self, first: None),
    ]


@mutant("R7", "cp", "entries that agree are cut off all the same")
def _r7() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.core import Core
    from trilemma.replication.raft.follower import Follower

    return [
        (Follower, "_conflicts", lambda self, index, term: True),
        (Core, "_must_not_be_committed", lambda self, first: None),
        (Follower, "_disk_must_hold", lambda self, index: None),
    ]


@mutant("R9", "cp", "a follower commits what it has not compared with the leader's log")
def _r9() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.core import Core
    from trilemma.replication.raft.follower import Follower

    return [
        (Follower, "_committable", lambda self, leader_commit: min(leader_commit, self._core.log.last_index)),
        (Core, "_must_not_be_committed", lambda self, first: None),
    ]


@mutant("R10", "cp", "an append is acknowledged before it is durable")
def _r10() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.follower import Follower

    return [
        (Follower, "_durable_index", lambda self: self._received_index),
        (Follower, "_disk_must_hold", lambda self, index: None),
    ]


@mutant("R12", "cp", "a refused pre-vote does not spread a higher term")
def _r12() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.votes import Votes

    return [(Votes, "_learn_from_refusal", lambda self, message: None)]
