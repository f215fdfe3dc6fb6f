"""Mutants of snapshots, state transfer and the catalogue (FAULTS §2)."""

from typing import Any

from trilemma.sim.mutation import mutant


@mutant("N1", "cp", "a snapshot is labelled with what is applied now, not with what its pinned view reflects")
def _n1() -> list[tuple[Any, str, Any]]:
    from trilemma.node.applied import Label, encode_label
    from trilemma.node.raft_switch import RaftSwitch

    def label_of(self: Any, view: Any) -> bytes:
        found = self._rows.applied
        return encode_label(
            Label(found.index, found.term, found.stamp_ms, self._raft.configuration, self._raft.grants_leases)
        )

    return [(RaftSwitch, "label_of", label_of)]


@mutant("N2", "cp", "the rows of a snapshot are switched to, the log is cut in a later step that a crash can prevent")
def _n2() -> list[tuple[Any, str, Any]]:
    import msgspec

    from trilemma.node.raft_switch import RaftSwitch
    from trilemma.replication.raft.replica import Raft
    from trilemma.storage.port import LogRecord

    prepare, install = RaftSwitch.prepare, Raft.install

    def without_base(self: Any, generation: int, label: bytes) -> Any:
        record = prepare(self, generation, label)
        body = msgspec.msgpack.encode({"generation": generation})
        self.record = LogRecord(record.kind, record.shard, 0, 0, 0, body)
        return self.record

    def untold(self: Any, *args: Any, **kwargs: Any) -> None:
        install(self, *args, **kwargs)
        self._core._base_changed = False

    return [(RaftSwitch, "prepare", without_base), (Raft, "install", untold)]


@mutant("N7", "cp", "the rows of a snapshot are loaded into those that are there")
def _n7() -> list[tuple[Any, str, Any]]:
    from trilemma.node.raft_shard import RaftShard
    from trilemma.storage.port import RowBatch
    from trilemma.storage.rowkey import shard_range

    original = RaftShard.switch

    def merge(self: Any, generation: int, label: bytes, engine: Any) -> None:
        head = len(shard_range(self.shard, 0)[0]) - 1
        new = {row[0][head:] for row in engine.scan(*shard_range(self.shard, generation), 1 << 30)}
        prefix = shard_range(self.shard, generation)[0][:head]
        old = engine.scan(*shard_range(self.shard, self.generation), 1 << 30)
        left = [(prefix + key[head:], value) for key, value in old if key[head:] not in new]
        engine.write(RowBatch(left, (), ()))
        original(self, generation, label, engine)

    return [(RaftShard, "switch", merge)]


@mutant("O12", "cp", "the record that switches is written before the new rows are flushed")
def _o12() -> list[tuple[Any, str, Any]]:
    from trilemma.node.receiver import Receiver

    original = Receiver._loaded

    def hasty(self: Any, shard: Any, incoming: Any) -> None:
        original(self, shard, incoming)
        if incoming.step == "loaded":
            incoming.step = "flushed"

    return [(Receiver, "_loaded", hasty)]


@mutant("O15", "ap", "only what the receiver wrote itself is put on top of the rows that came")
def _o15() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.leaderless.replica import Leaderless

    original = Leaderless.held_above

    def only_own(self: Any, vector: Any) -> Any:
        found = original(self, vector)
        return None if found is None else [batch for batch in found if batch.origin == self.node]

    return [(Leaderless, "held_above", only_own)]


# Found by this simulator


@mutant("H9", "ap", "batches that only the rows of a start hold are not handed on")
def _h9() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.leaderless.retention import Retention

    original = Retention.found

    def found(self: Any, origin: Any, dropped: int, batches: Any) -> None:
        original(self, origin, dropped, ())

    return [(Retention, "found", found)]


@mutant("H10", "ap", "rows that came in a transfer are said to reflect what is delivered behind them, not applied yet")
def _h10() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.leaderless.replica import Leaderless

    original = Leaderless.install

    def install(self: Any, vector: Any) -> None:
        original(self, vector)
        self.deliver_early()

    return [(Leaderless, "install", install)]


def _reports_count_too_early() -> list[tuple[Any, str, Any]]:
    """Masks H11: no two nodes let go what the other lacks, so that hardly a transfer is given up."""
    from trilemma.crdt.vector import covers, meet
    from trilemma.replication.leaderless.replica import Leaderless

    def collect(self: Any) -> None:
        if self.keeps_all:
            return
        durable = self.holdings.durable
        reports = [self.holdings.of_peers.get(peer, {}) for peer in self.peers]
        if all(covers(durable, report) for report in reports):
            self._drop(meet([durable, *reports]))
        elif self._retention.is_over_bound:
            majority = (len(self.peers) + 1) // 2 + 1
            for origin, own in durable.items():
                held = sorted([own, *(report.get(origin, 0) for report in reports)], reverse=True)
                self._retention.drop(origin, min(held[majority - 1], own))

    return [(Leaderless, "_collect", collect)]


@mutant(
    "H11",
    "ap",
    "a receiver does not say that it has given up or forgotten a transfer, and its donor waits",
    _reports_count_too_early,
)
def _h11() -> list[tuple[Any, str, Any]]:
    from trilemma.node.donor import Donor
    from trilemma.node.receiver import Receiver

    load = Receiver.load

    def give_up(self: Any, shard: Any, incoming: Any) -> None:
        del self._incoming[shard]

    def ignore_the_unknown(self: Any, shard: Any, donor: Any, chunk: Any) -> None:
        known = self._incoming.get(shard)
        if known is not None and (known.donor, known.number) == (donor, chunk.number):
            load(self, shard, donor, chunk)

    return [
        (Receiver, "_give_up", give_up),
        (Donor, "asked", Donor.begin),
        (Receiver, "load", ignore_the_unknown),
    ]
