"""Mutants of forwarding, replies, sessions, the catalogue and time on `cp` and `ca` (FAULTS §2)."""

from typing import Any

from trilemma.sim.mutation import mutant


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
        for (target, _), requests in list(self._outgoing._batches.items()):
            if not self._around.has_path(target[0]):
                for request in requests:
                    request.finish(refusal.down(self.keyspace, "the leader is out of reach"), 0)
        original(self, mono_us)

    return [(Route, "advance", advance)]


@mutant("H13", "cp", "what an executor gives back goes to the front of what waits, one after the other")
def _h13() -> list[tuple[Any, str, Any]]:
    from itertools import count

    from trilemma.node.route import Route

    original, numbers = Route.retry, count(1)

    def retry(self: Any, request: Any) -> None:
        original(self, request)
        request.number = -next(numbers)

    return [(Route, "retry", retry)]


@mutant("H14", "cp", "a read among writes is sent on when their executor is replaced, the writes behind it stay")
def _h14() -> list[tuple[Any, str, Any]]:
    from trilemma.node.outgoing import Outgoing

    return [(Outgoing, "_may_go_on", staticmethod(lambda request, busy: True))]


@mutant("H15", "ap", "a write that a lost executor may have carried out is sent again to the next one")
def _h15() -> list[tuple[Any, str, Any]]:
    from trilemma.node.outgoing import Outgoing

    original = Outgoing._give_up_on_the_lost

    def send_again(self: Any, keyspace: Any) -> None:
        target = self._around.remote_target(self._shard)
        for (executor, _), requests in list(self._batches.items()):
            for request in requests if target not in (None, executor) else ():
                if request.holder is requests and not self._is_at_its_own(request):
                    self._retry(request)
        original(self, keyspace)

    return [(Outgoing, "_give_up_on_the_lost", send_again)]


@mutant("H16", "ap", "the answer to a repeated batch leaves before what it tells of is durable")
def _h16() -> list[tuple[Any, str, Any]]:
    from trilemma.cluster.stream import InStream

    original = InStream.keep
    return [(InStream, "keep", lambda self, reply, token: original(self, reply, 0))]


@mutant("H17", "ap", "a read whose executor is lost is sent on although a write behind it may have been carried out")
def _h17() -> list[tuple[Any, str, Any]]:
    from trilemma.node.outgoing import Outgoing

    return [(Outgoing, "_rescue", lambda self, keyspace, read, newest: self._retry(read))]


@mutant("X5", "cp", "'did not happen' is said of what may have happened")
def _x5() -> list[tuple[Any, str, Any]]:
    from trilemma.node import refusal

    return [(refusal, "uncertain", refusal.down)]


@mutant("P1", "cp", "a transaction's commands take effect in two entries")
def _p1() -> list[tuple[Any, str, Any]]:
    from trilemma.node.execute import run
    from trilemma.node.raft_execution import RaftExecution
    from trilemma.node.raft_shard import RaftShard

    apply_commands, run_unit = RaftExecution._apply_commands, RaftShard._run
    late: dict[int, list[Any]] = {}

    def apply(self: Any, entry: Any, proposed: Any) -> None:
        self._rows.begin(entry)
        for part in late.pop(id(self._rows), []):
            run(self._rows.view, part.db, part.argv, 2)
        apply_commands(self, entry, proposed)

    def execute(self: Any, entry: Any, unit: Any) -> Any:
        if len(unit.parts) < 2 or any(part.argv[0] != b"SET" for part in unit.parts) or unit.watches:
            return run_unit(self, entry, unit)
        late.setdefault(id(self._rows), []).extend(unit.parts[1:])
        first = unit.parts[0]
        return [run(self._rows.view, first.db, first.argv, unit.protocol)] + [b"+OK\r\n"] * (len(unit.parts) - 1)

    return [(RaftExecution, "_apply_commands", apply), (RaftShard, "_run", execute)]


@mutant("P4", "cp", "replies leave as they are ready, not in the order of their commands")
def _p4() -> list[tuple[Any, str, Any]]:
    from trilemma.node.replies import Replies

    original = Replies.take_bytes

    def take(self: Any, durable: int) -> Any:
        ready = [slot for slot in self._slots if slot.data is not None and slot.token <= durable]
        waiting = [slot for slot in self._slots if slot not in ready]
        self._slots.clear()
        self._slots.extend(ready + waiting)
        return original(self, durable)

    return [(Replies, "take_bytes", take)]


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
