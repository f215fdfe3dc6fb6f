"""Mutants of the disk, the log's segments and the rows on `cp` and `ca` (FAULTS §2)."""

from typing import Any

from trilemma.sim.masks import elections_are_plain
from trilemma.sim.mutation import mutant


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


@mutant("H18", "cp", "a start takes for durable what a failed sync left in memory, and the next loss of power takes it")
def _h18() -> list[tuple[Any, str, Any]]:
    from trilemma.sim.disk import Disk
    from trilemma.storage.memory import MemoryLog
    from trilemma.storage.segment import CorruptLogError

    synced, crash, recover = Disk._synced, MemoryLog.crash, MemoryLog.recover

    def note(self: Any, epoch: int) -> None:
        if epoch == self._epoch and self.fails_next_sync:
            self.log.failed_token = self._syncing
        synced(self, epoch)

    def end(self: Any, draw: Any = None) -> None:
        failed = self.__dict__.pop("failed_token", 0)
        if failed:
            self.hollow = getattr(self, "hollow", set()) | _undurable(self, failed)
            crash(self, lambda bound: bound - 1)  # the process ends, not the power: all of it reads back
        else:
            crash(self, draw)
            self.is_holed = getattr(self, "is_holed", False) or _cut(self)

    def refuse(self: Any) -> Any:
        if getattr(self, "is_holed", False):
            raise CorruptLogError("a segment is shorter than the one behind it says")
        return recover(self)

    return [(Disk, "_synced", note), (MemoryLog, "crash", end), (MemoryLog, "recover", refuse)]


def _undurable(log: Any, token: int) -> set[tuple[int, int]]:
    """Return where what a sync up to a token was for stands: segment, and position in it."""
    return {
        (number, position)
        for number, writes in log._segments.items()
        for position, write in enumerate(writes)
        if log._durable < write.token <= token
    }


def _cut(log: Any) -> bool:
    """Take away what is hollow, and what is behind it in its segment; return whether a segment follows that knows."""
    hollow = {(number, position) for number, position in getattr(log, "hollow", ()) if number in log._segments}
    log.hollow = set()
    for number, position in hollow:
        log._segments[number] = log._segments[number][:position]
    newest = max(log._segments, default=0)
    log._segments = {number: writes for number, writes in log._segments.items() if writes}
    log._reindex()
    return any(number < newest for number, _ in hollow)


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


@mutant("O2", "cp", "rows enter the engine before their entries are durable here")
def _o2() -> list[tuple[Any, str, Any]]:
    from trilemma.storage.overlay import ShardRows

    original = ShardRows.seal
    return [(ShardRows, "seal", lambda self, token: original(self, 0))]


@mutant("O14", "cp", "a new segment does not say again whom this node has voted for", elections_are_plain)
def _o14() -> list[tuple[Any, str, Any]]:
    import msgspec

    from trilemma.node.log import NodeLog
    from trilemma.replication.raft import appends, follower, replica
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
        (appends, "invariant", lambda holds, message: None),
        (replica, "invariant", lambda holds, message: None),
        (follower, "invariant", lambda holds, message: None),
        (Core, "_must_not_be_committed", lambda self, first: None),
    ]
