"""Mutants of CAP ONCE (FAULTS §2). They are looked for by the workload that retries."""

from dataclasses import replace
from typing import Any

from trilemma.sim.mutation import mutant
from trilemma.sim.options import Options

RETAINED_BYTES = 500


def _retrying(options: Options) -> Options:
    """Return options whose clients send increments with CAP ONCE, and retry."""
    return replace(options, workloads=("once",))


def _retrying_beside_snapshots(options: Options) -> Options:
    """Return such options for replicas that keep so little of their logs that the others return by snapshot."""
    return replace(_retrying(options), retained_bytes=RETAINED_BYTES)


@mutant("N4", "cp", "a snapshot leaves the tokens of CAP ONCE out", vary=_retrying_beside_snapshots)
def _n4() -> list[tuple[Any, str, Any]]:
    from trilemma.node.receiver import Receiver
    from trilemma.storage import rowkey
    from trilemma.storage.port import RowBatch

    original = Receiver._loaded

    def loaded(self: Any, shard: Any, incoming: Any) -> None:
        original(self, shard, incoming)
        generation = incoming.generation
        tokens = rowkey.head(shard, generation, rowkey.ONCE), rowkey.head(shard, generation, rowkey.AGE + 1)
        self._engine.write(RowBatch((), [rowkey.meta_key(shard, generation, b"once")], [tokens]))

    return [(Receiver, "_loaded", loaded)]


@mutant("X1", "cp", "the tokens of CAP ONCE are lost with their leader, as if its memory held them", vary=_retrying)
def _x1() -> list[tuple[Any, str, Any]]:
    import msgspec

    from trilemma.node.once import is_once
    from trilemma.node.raft_shard import RaftShard

    original = RaftShard._run

    def run(self: Any, entry: Any, unit: Any) -> Any:
        if is_once(unit):
            name, token, *command = unit.argv
            unit = msgspec.structs.replace(unit, argv=[name, b"%b in term %d" % (token, entry.term), *command])
        return original(self, entry, unit)

    return [(RaftShard, "_run", run)]


@mutant("X3", "cp", "a client retries under a new token each time", vary=_retrying)
def _x3() -> list[tuple[Any, str, Any]]:
    from itertools import count

    from trilemma.workload.once import Once

    original = Once._again
    fresh = count()

    def again(self: Any, process: int, token: bytes) -> Any:
        step = original(self, process, token)
        cap, once, _, *command = step.commands[0]
        return step._replace(commands=((cap, once, b"fresh%d" % next(fresh), *command),))

    return [(Once, "_again", again)]
