"""Mutants of Raft, leases, the disk, forwarding and the session: what FAULTS §2 lists for `cp` and `ca`."""

from typing import Any

from trilemma.sim.mutation import mutant

# Raft log and election


def _leaders_begin_late() -> list[tuple[Any, str, Any]]:
    """Masks R1: a leader's first entry goes out right behind those of older terms, and settles them too."""
    from trilemma.replication.port import EntryKind
    from trilemma.replication.raft.core import Core
    from trilemma.replication.raft.leader import Leader

    late_us = 150_000
    make, init, tick, deadline = Core.make_entry, Leader.__init__, Leader.tick, Leader.__dict__["deadline_us"]

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

    return [
        (Core, "make_entry", make_later),
        (Leader, "__init__", begin),
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


def _voters_trust_their_start() -> list[tuple[Any, str, Any]]:
    """Masks R2: a voter that starts refuses votes for the time of a lease, and by then the term has moved on."""
    from trilemma.replication.raft.election import Refusal

    return [(Refusal, "_after_start", lambda self, starts_us, has_a_past: starts_us)]


def _candidates_are_eager() -> list[tuple[Any, str, Any]]:
    """Masks C4: candidates take their time, so that little is left of a lease when another leader has been elected."""
    from trilemma.replication.raft.timing import ElectionTimer

    def soon_us(self: Any) -> int:
        drawn: int = self._random.between(0, 60_000)
        return drawn

    return [(ElectionTimer, "stagger_us", soon_us)]


def _leases_are_long() -> list[tuple[Any, str, Any]]:
    """Leases are short, and candidates take their time."""
    import msgspec

    from trilemma.replication.raft.core import Core

    original = Core.__init__

    def begin(self: Any, shard: Any, node: Any, timing: Any, *rest: Any) -> None:
        original(self, shard, node, msgspec.structs.replace(timing, lease_us=900_000), *rest)

    return [*_candidates_are_eager(), (Core, "__init__", begin)]


def _elections_are_plain() -> list[tuple[Any, str, Any]]:
    """Masks R2, R3 and O14: with pre-votes, and voters that stand by their leader, two candidates hardly ever ask for
    the same term's votes."""
    from trilemma.replication.raft.campaign import Candidacy, PreCampaign
    from trilemma.replication.raft.roles import Roles
    from trilemma.replication.raft.votes import Votes

    original = Roles.campaign

    def campaign(self: Any, begun: Any) -> None:
        original(self, Candidacy(self._core, transfer=False) if isinstance(begun, PreCampaign) else begun)

    return [
        *_voters_trust_their_start(),
        (Votes, "_are_refused", lambda self: False),
        (Roles, "campaign", campaign),
    ]


def _leaders_stay() -> list[tuple[Any, str, Any]]:
    """Masks C2: a leader steps down when its links go, which is before another one can be elected; and a node
    that reaches no majority refuses before any replica is asked."""
    from trilemma.node.executors import Executors
    from trilemma.node.raft_shard import RaftShard
    from trilemma.replication.raft.authority import Authority
    from trilemma.replication.raft.timing import NEVER_US

    return [
        (Authority, "is_lost", lambda self: False),
        (Authority, "lost_us", property(lambda self: NEVER_US)),
        (RaftShard, "why_down", lambda self, up: None),
        (Executors, "why_down", lambda self, shard: None),
    ]


def _leaders_stay_and_are_replaced_soon() -> list[tuple[Any, str, Any]]:
    """Masks C4: a leader steps down when its links go; a node that reaches no majority refuses before any replica is
    asked; and candidates take their time, longer than such a lease outlasts the right one."""
    return [*_leaders_stay(), *_candidates_are_eager()]


def _commits_lag() -> list[tuple[Any, str, Any]]:
    """Masks O5: what all hold is committed at once, so that hardly any replica starts with entries that are not; and
    readers under a lease are told of commits at once."""
    from trilemma.replication.raft.leader import Leader
    from trilemma.replication.raft.sender import Sender

    late_us, late_after_return_us = 300_000, 500_000
    commit, init, deadline = Leader._commit, Leader.__init__, Leader.__dict__["deadline_us"]
    watch_links = Leader._watch_links

    def begin(self: Any, core: Any) -> None:
        self.commits_us = 0
        self.were_up = core.up
        init(self, core)

    def watch(self: Any) -> None:
        core = self._core
        if core.up - self.were_up:
            self.commits_us = core.now.mono_us + late_after_return_us
        self.were_up = core.up
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

    return [
        (Leader, "__init__", begin),
        (Leader, "_watch_links", watch),
        (Leader, "_commit", commit_late),
        (Sender, "_must_tell", lambda self, progress: False),
        (Leader, "deadline_us", property(until)),
    ]


def _applying_lags() -> list[tuple[Any, str, Any]]:
    """Masks C3: what is committed in a turn is applied in it, so that hardly any read comes in between."""
    from trilemma.replication.raft.core import Core

    original = Core.take_committed

    def take(self: Any) -> Any:
        self.bounds = self.bounds._replace(apply_bytes=1)
        return original(self)

    return [(Core, "take_committed", take)]


@mutant("R2", "cp", "a vote is answered before it is durable", _elections_are_plain)
def _r2() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.replica import Raft

    return [(Raft, "_waits_for_sync", lambda self: False)]


@mutant("R3", "cp", "the vote of a term is forgotten by whoever follows a leader in it", _elections_are_plain)
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
    return [*_leaders_stay(), *_elections_are_plain()]


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


@mutant("R15", "cp", "rows and the applied index enter the engine in two batches")
def _r15() -> list[tuple[Any, str, Any]]:
    from trilemma.storage.memory import MemoryEngine
    from trilemma.storage.port import RowBatch

    original = MemoryEngine.write

    def write(self: Any, batch: RowBatch) -> None:
        applied = [put for put in batch.puts if put[0].endswith(b"applied")]
        original(self, RowBatch([put for put in batch.puts if put not in applied], batch.deletes, batch.delete_ranges))
        if applied:
            original(self, RowBatch(applied, (), ()))

    return [(MemoryEngine, "write", write)]


# Reads


@mutant("C1", "cp", "reads are served by a leader that has committed nothing in its own term")
def _c1() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.read_index import ReadIndex

    return [(ReadIndex, "_commit_index_is_current", lambda self, own_term_committed: True)]


@mutant("C2", "cp", "reads are served without confirming leadership", _leaders_stay)
def _c2() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.read_index import ReadIndex

    return [(ReadIndex, "_is_confirmed", lambda self, number, majority_round: True)]


@mutant("C3", "cp", "a read does not wait until what it must see is applied", _applying_lags)
def _c3() -> list[tuple[Any, str, Any]]:
    from trilemma.node.raft_reads import RaftReads

    original = RaftReads.serve

    def serve(self: Any) -> None:
        self._confirmed = [(0, waiters) for _, waiters in self._confirmed]
        original(self)

    return [(RaftReads, "serve", serve)]


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


# Disk


@mutant("D1", "cp", "a failed sync is taken for done at the second attempt, though its pages are gone")
def _d1() -> list[tuple[Any, str, Any]]:
    from trilemma.sim.disk import Disk

    synced, crash = Disk._synced, Disk.crash

    def forget(self: Any, epoch: int) -> None:
        if epoch == self._epoch and self.fails_next_sync:
            self.fails_next_sync = False
            self.__class__.lost.setdefault(id(self), []).append(self._syncing)
        synced(self, epoch)

    def lose(self: Any) -> None:
        tokens = self.__class__.lost.pop(id(self), [])
        for number, writes in self.log._segments.items():
            self.log._segments[number] = [write for write in writes if write.token not in tokens or not write.token]
        crash(self)

    Disk.lost = {}  # type: ignore[attr-defined]
    return [(Disk, "_synced", forget), (Disk, "crash", lose)]


@mutant("D2", "cp", "a node refuses to start on a log whose last write was torn")
def _d2() -> list[tuple[Any, str, Any]]:
    from trilemma.storage.memory import MemoryLog

    crash, recover = MemoryLog.crash, MemoryLog.recover

    def tear(self: Any, draw: Any = None) -> None:
        before = sum(map(len, self._segments.values()))
        crash(self, draw)
        self.is_torn = getattr(self, "is_torn", False) or sum(map(len, self._segments.values())) < before

    def refuse(self: Any) -> Any:
        if getattr(self, "is_torn", False):
            raise ValueError("short last record")
        return recover(self)

    return [(MemoryLog, "crash", tear), (MemoryLog, "recover", refuse)]


# Leases


@mutant("I1", "ca", "a replica reads keys that entries it has not applied touch")
def _i1() -> list[tuple[Any, str, Any]]:
    from trilemma.node.dirty import DirtyKeys

    return [(DirtyKeys, "is_clean", lambda self, unit, applied_index: True)]


@mutant("I2", "ca", "an entry commits although a possible lease holder lacks it")
def _i2() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.commit import CommitRule

    return [(CommitRule, "_on_lease_holders", lambda self, durable, holders, index: index)]


@mutant("O3", "cp", "a follower's lease runs from when the grant arrived")
def _o3() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.leases import HeldLease

    return [(HeldLease, "_starts_us", lambda self, sent_us, received_us: received_us)]


def _leases_are_long_and_leaders_stay() -> list[tuple[Any, str, Any]]:
    """Masks O4: leases are short, candidates take their time, and a leader steps down when its links go, so that little
    is left of a lease when another leader has been elected."""
    return [*_leaders_stay(), *_leases_are_long()]


@mutant(
    "O4",
    "cp",
    "a voter that starts gives its vote at once, whatever lease it stood behind",
    _leases_are_long_and_leaders_stay,
)
def _o4() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.election import Refusal

    return [(Refusal, "_after_start", lambda self, starts_us, has_a_past: starts_us)]


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


# Forwarding, replies, sessions


@mutant("O6", "cp", "a forwarded batch that comes twice is executed twice")
def _o6() -> list[tuple[Any, str, Any]]:
    from trilemma.cluster.stream import InStream

    return [(InStream, "take", lambda self, forward: ([forward], None))]


@mutant("O10", "cp", "a write that was forwarded is refused when the path to the leader goes")
def _o10() -> list[tuple[Any, str, Any]]:
    from trilemma.node import refusal
    from trilemma.node.route import Route

    original = Route.advance

    def advance(self: Any, mono_us: int) -> None:
        for (target, _), requests in list(self._forwarded.items()):
            if not self._around.has_path(target[0]):
                for request in requests:
                    request.finish(refusal.down(self.keyspace, "the leader is out of reach"), 0)
        original(self, mono_us)

    return [(Route, "advance", advance)]


@mutant("X5", "cp", "'did not happen' is said of what may have happened")
def _x5() -> list[tuple[Any, str, Any]]:
    from trilemma.node import refusal

    return [(refusal, "uncertain", refusal.down)]


@mutant("P1", "cp", "a transaction's commands take effect in two entries")
def _p1() -> list[tuple[Any, str, Any]]:
    from trilemma.node.execute import run
    from trilemma.node.raft_shard import RaftShard

    apply_commands, run_unit = RaftShard._apply_commands, RaftShard._run
    late: dict[int, list[Any]] = {}

    def apply(self: Any, entry: Any, proposed: Any) -> None:
        self._rows.begin(entry)
        for part in late.pop(id(self), []):
            run(self._rows.view, part.db, part.argv, 2)
        apply_commands(self, entry, proposed)

    def execute(self: Any, entry: Any, unit: Any) -> Any:
        if len(unit.parts) < 2 or any(part.argv[0] != b"SET" for part in unit.parts) or unit.watches:
            return run_unit(self, entry, unit)
        late.setdefault(id(self), []).extend(unit.parts[1:])
        first = unit.parts[0]
        return [run(self._rows.view, first.db, first.argv, unit.protocol)] + [b"+OK\r\n"] * (len(unit.parts) - 1)

    return [(RaftShard, "_apply_commands", apply), (RaftShard, "_run", execute)]


@mutant("P4", "cp", "replies leave as they are ready, not in the order of their commands")
def _p4() -> list[tuple[Any, str, Any]]:
    from trilemma.node.session import Session

    original = Session.take_bytes

    def take(self: Any) -> Any:
        ready = [slot for slot in self._slots if slot.data is not None]
        waiting = [slot for slot in self._slots if slot.data is None]
        self._slots.clear()
        self._slots.extend(ready + waiting)
        return original(self)

    return [(Session, "take_bytes", take)]


# Log, catalogue and time


@mutant("O2", "cp", "rows enter the engine before their entries are durable here")
def _o2() -> list[tuple[Any, str, Any]]:
    from trilemma.storage.overlay import ShardRows

    original = ShardRows.seal
    return [(ShardRows, "seal", lambda self, token: original(self, 0))]


@mutant("O9", "cp", "reads judge expiry by the wall clock of the node")
def _o9() -> list[tuple[Any, str, Any]]:
    from trilemma.node.raft_rows import RaftRows
    from trilemma.node.raft_shard import RaftShard

    original = RaftShard.advance

    def advance(self: Any, now: Any, up: Any, offsets_ms: Any = None) -> None:
        self._rows.wall_ms = now.wall_us // 1_000
        original(self, now, up, offsets_ms)

    def begin(self: Any, _log_time_ms: int) -> None:
        self.view.begin(self.applied.index, self.wall_ms, self.wall_ms, self.applied.index)

    return [(RaftShard, "advance", advance), (RaftRows, "begin_read", begin)]


@mutant("O14", "cp", "a new segment does not say again whom this node has voted for", _elections_are_plain)
def _o14() -> list[tuple[Any, str, Any]]:
    import msgspec

    from trilemma.node.log import NodeLog
    from trilemma.replication.raft import follower, replica
    from trilemma.replication.raft.core import Core
    from trilemma.replication.raft.state import decode_state, state_record
    from trilemma.storage.port import RecordKind

    original = NodeLog.__init__

    def init(self: Any, recovered: Any, segment_bytes: int, restate: Any) -> None:
        def forgetful() -> list[Any]:
            records = []
            for record in restate():
                if record.kind == RecordKind.SHARD_STATE:
                    state = msgspec.structs.replace(decode_state(record.body), term=0, voted_for=None)
                    records.append(state_record(record.shard, state))
                else:
                    records.append(record)
            return records

        original(self, recovered, segment_bytes, forgetful)

    return [
        (NodeLog, "__init__", init),
        (replica, "invariant", lambda holds, message: None),
        (follower, "invariant", lambda holds, message: None),
        (Core, "_must_not_be_committed", lambda self, first: None),
    ]


@mutant("O17", "cp", "log time is the leader's wall clock as it stands")
def _o17() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.raft.log_time import LogTime

    def advance(self: Any, now: Any) -> None:
        elapsed_us = max(now.mono_us - self._mono_us, 0)
        self._mono_us = now.mono_us
        self._value_us = now.wall_us if self._leads else self._value_us + elapsed_us

    return [(LogTime, "advance", advance)]


@mutant(
    "O16", "cp", "the prefix of a keyspace in the making is fenced when its entry is applied, not once it is durable"
)
def _o16() -> list[tuple[Any, str, Any]]:
    from trilemma.node.system_shard import SystemShard

    def refresh(self: Any) -> None:
        prepared = self.catalogue.prepared
        names = [] if prepared is None else [prepared.keyspace.name]
        self.fences = {name.encode(): f"keyspace '{name}' is being created or dropped" for name in names}

    return [(SystemShard, "refresh_fences", refresh)]
