"""Mutants of reads and of the leases that let them be served here on `cp` and `ca` (FAULTS §2)."""

from typing import Any

from trilemma.sim.masks import candidates_are_eager, leaders_stay, minorities_answer
from trilemma.sim.mutation import mutant


@mutant("C1", "cp", "reads are served by a leader that has committed nothing in its own term")
def _c1() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.read_index import ReadIndex

    return [(ReadIndex, "_commit_index_is_current", lambda self, own_term_committed: True)]


@mutant("C2", "cp", "reads are served without confirming leadership", leaders_stay)
def _c2() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.read_index import ReadIndex

    return [(ReadIndex, "_is_confirmed", lambda self, number, majority_round: True)]


def _applying_lags() -> list[tuple[Any, str, Any]]:
    """Masks C3: what is committed in a turn is applied in it, so that hardly any read comes in between."""
    from trilemma.replication.raft.core import Core

    original = Core.take_committed

    def take(self: Any) -> Any:
        self.bounds = self.bounds._replace(apply_bytes=1)
        return original(self)

    return [(Core, "take_committed", take)]


@mutant("C3", "cp", "a read does not wait until what it must see is applied", _applying_lags)
def _c3() -> list[tuple[Any, str, Any]]:
    from trilemma.node.raft_reads import RaftReads

    original = RaftReads.serve

    def serve(self: Any) -> None:
        self._confirmed = [(0, waiters) for _, waiters in self._confirmed]
        original(self)

    return [(RaftReads, "serve", serve)]


def _leaders_stay_and_are_replaced_soon() -> list[tuple[Any, str, Any]]:
    """Masks C4: a leader steps down when its links go; a node that reaches no majority refuses before any replica is
    asked; and candidates take their time, longer than such a lease outlasts the right one."""
    return [*leaders_stay(), *candidates_are_eager()]


@mutant(
    "C4",
    "cp",
    "a leader's lease counts from when the answers came, and leaves no margin for clocks that drift",
    _leaders_stay_and_are_replaced_soon,
)
def _c4() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.authority import Authority
    from trilemma.replication.raft.leader import Leader
    from trilemma.replication.raft.timing import refusal_us

    original = Leader.accepted

    def accepted(self: Any, peer: Any, message: Any) -> None:
        original(self, peer, message)
        if peer in self.peers:
            self.peers[peer].answered_us = self._core.now.mono_us

    return [
        (Leader, "accepted", accepted),
        (Authority, "lease_until_us", property(lambda self: self.majority_us + refusal_us(self._core.timing))),
    ]


@mutant("I1", "ca", "a replica reads keys that entries it has not applied touch")
def _i1() -> list[tuple[Any, str, Any]]:
    from trilemma.node.dirty import DirtyKeys

    return [(DirtyKeys, "is_clean", lambda self, unit, applied_index: True)]


@mutant("I2", "ca", "an entry commits although a possible lease holder lacks it")
def _i2() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.commit import CommitRule

    return [(CommitRule, "_on_lease_holders", lambda self, durable, holders, index: index)]


@mutant("O3", "cp", "a follower's lease runs from when the grant arrived", minorities_answer)
def _o3() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.leases import HeldLease

    return [(HeldLease, "_starts_us", lambda self, sent_us, received_us: received_us)]


def _leases_are_long() -> list[tuple[Any, str, Any]]:
    """Leases are short, and candidates take their time."""
    import msgspec

    from trilemma.replication.raft.core import Core

    original = Core.__init__

    def begin(self: Any, shard: Any, node: Any, timing: Any, *rest: Any) -> None:
        original(self, shard, node, msgspec.structs.replace(timing, lease_us=900_000), *rest)

    return [*candidates_are_eager(), (Core, "__init__", begin)]


def _leases_are_long_and_leaders_stay() -> list[tuple[Any, str, Any]]:
    """Masks O4: leases are short, candidates take their time, and a leader steps down when its links go, so that little
    is left of a lease when another leader has been elected."""
    return [*leaders_stay(), *_leases_are_long()]


@mutant(
    "O4",
    "cp",
    "a voter that starts gives its vote at once, whatever lease it stood behind",
    _leases_are_long_and_leaders_stay,
)
def _o4() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.election import Refusal

    return [(Refusal, "_after_start", lambda self, starts_us, has_a_past: starts_us)]


def _commits_lag() -> list[tuple[Any, str, Any]]:
    """Masks O5: what all hold is committed at once, also while one of them is down, so that hardly any replica starts
    with entries that are not; and readers under a lease are told of commits, and apply them, at once: by each message,
    and each renewal of the lease names the newest."""
    from trilemma.replication.raft.follower import Follower
    from trilemma.replication.raft.leader import Leader
    from trilemma.replication.raft.leases import HeldLease
    from trilemma.replication.raft.sender import Sender

    late_us, lending_us, told_us, late_after_grant_us = 300_000, 500_000, 100_000, 1_200_000
    granted, committable = HeldLease.granted, Follower._committable
    commit, init, deadline = Leader._commit, Leader.__init__, Leader.__dict__["deadline_us"]
    watch_links = Leader._watch_links

    def begin(self: Any, core: Any) -> None:
        self.commits_us = self.missed_us = 0
        init(self, core)

    def watch(self: Any) -> None:
        core = self._core
        now_us = core.now.mono_us
        for peer in self.peers.keys() - core.up:
            self.peers[peer].lease_request, self.missed_us = 0, now_us
        are_lent = all(progress.lease_request for progress in self.peers.values())
        if self.authority.own_term_committed and not are_lent and now_us < self.missed_us + lending_us:
            self.commits_us = now_us + told_us
        watch_links(self)

    def commit_late(self: Any) -> None:
        core = self._core
        if core.now.mono_us < self.commits_us:
            return
        before = core.commit_index
        commit(self)
        if core.commit_index > before:
            self.commits_us = core.now.mono_us + late_us

    def until(self: Any) -> int:
        found: int = deadline.fget(self)
        core = self._core
        is_due = self.commits_us > core.now.mono_us and core.commit_index < core.log.last_index
        return min(found, self.commits_us) if is_due else found

    def renewed(self: Any, request: int, lease_us: int, commit_index: int, mono_us: int) -> None:
        named = self.read_index if self.lives(mono_us) else commit_index
        granted(self, request, lease_us, named, mono_us)

    def committable_late(self: Any, named: int) -> int:
        core = self._core
        if not core.held.lives(core.now.mono_us):
            return committable(self, named)
        if not hasattr(core, "lent_us"):
            core.lent_us = core.now.mono_us
        is_withheld = core.now.mono_us < core.lent_us + late_after_grant_us
        return core.commit_index if is_withheld else committable(self, named)

    return [
        (HeldLease, "granted", renewed),
        (Follower, "_committable", committable_late),
        (Leader, "__init__", begin),
        (Leader, "_watch_links", watch),
        (Leader, "_commit", commit_late),
        (Sender, "_must_tell", lambda self, progress: False),
        (Leader, "deadline_us", property(until)),
    ]


@mutant("O5", "ca", "the dirty keys are not looked up in the log that a start has found", _commits_lag)
def _o5() -> list[tuple[Any, str, Any]]:
    from trilemma.node.dirty import DirtyKeys

    original = DirtyKeys.__init__

    def init(self: Any, raft: Any) -> None:
        original(self, raft)
        self._seen = raft.last_index

    return [(DirtyKeys, "__init__", init)]


@mutant("O11", "ca", "leases come from a leader that has committed nothing, and outlast its own")
def _o11() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.authority import Authority

    return [
        (Authority, "_may_hold_lease", lambda self: not self.is_spent),
        (Authority, "_grant_us", lambda self: self._core.timing.lease_us),
    ]
