"""Causal convergence of unique-valued registers: no effect before its cause, and one arbitration of what is concurrent.

Operations: `write` (argument: the value), `read` (result), `multi_write` (argument: pairs), `multi_read` (argument:
keys; result: values); those on several keys are seen whole or not at all: of pairs with one key, only the last is ever
seen. No key is ever deleted, nor written back to what it holds at first. Reads-from is known because values are unique;
with the order of sessions it generates the causal order. Broken, in the paper's words, if
- a value was written by nobody, or overwritten by the operation that wrote it (ThinAirRead), or the causal order has a
  cycle (CyclicCO);
- absence is read although a write to the key is in the past (WriteCOInitRead);
- a value is read although a write that replaced it is in the past (WriteCORead): this includes stale reads of one's own
  writes, reads that go back in time, and half-seen transactions;
- the winners that reads saw contradict each other or the causal order (CyclicCF).

A session is one process at one node. What a node acknowledged is in the past of what it answers later, to whomever
(`node_order`); a node that comes back with its disk wiped must carry a new name in the history. To look for lost
writes, give the final reads as part of the history.
Source: Bouajjani, Enea, Guerraoui, Hamza, "On verifying causal consistency", POPL 2017, section 5 (CCv); several keys
at once as in Biswas and Enea, OOPSLA 2019; per-session search as in AWDIT, arXiv:2504.06975. Twin: in the tests.
Cost: O(n * sessions * log n).
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.causal_graph import CausalGraph, Event, ThinAirError, build
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "causal convergence"


def check_causal(
    operations: Iterable[Operation], node_order: bool = True, initial: Any = None, *, arbitrates: bool = True
) -> Verdict:
    """Judge one shard's history.

    Args:
        operations: of any keys of the shard. Other kinds than the four are refused as `unknown`.
        node_order: also demand what a node promises across its clients; off where acknowledged writes may be lost by a
            crash (`everysec`).
        initial: what each key holds at first, which reads of an absent key show; a write of it is refused.
        arbitrates: also demand that one order of concurrent writes fits all reads; without it what is judged is causal
            consistency alone (CC), where each read may have an order of its own.
    """
    try:
        graph = build(list(operations), node_order, initial)
    except ThinAirError as thin_air:
        return invalid(CHECKER, str(thin_air), thin_air.witness)
    except ValueError as refusal:
        return unknown(CHECKER, str(refusal))
    cycle = graph.order()
    if cycle:
        return invalid(CHECKER, "each of these must be before the next, and the last before the first", _ops(cycle))
    judge = _Judge(graph)
    for event in graph.events:
        verdict = judge.check(event)
        if verdict is not None:
            return verdict
    cycle = graph.find_cycle(judge.overruled) if arbitrates else []
    if cycle:
        return invalid(CHECKER, "reads saw concurrent writes win in contradicting orders", _ops(cycle))
    return valid(CHECKER, f"{len(graph.events)} operations in {graph.sessions} sessions")


def _ops(events: Iterable[Event]) -> list[Operation]:
    return [event.operation for event in events]


class _Judge:
    """Looks for bad patterns around one read after another, and collects which write overruled which."""

    def __init__(self, graph: CausalGraph) -> None:
        self._graph = graph
        self.overruled: dict[int, list[Event]] = {}
        """For each event, by number: writes to the same key that it must come after, because it won over them."""
        self._writes: dict[bytes, dict[int, list[Event]]] = {}
        for event in graph.events:
            for key, _ in event.writes:
                self._writes.setdefault(key, {}).setdefault(event.session, []).append(event)
        self._positions = {
            (key, session): [event.position for event in events]
            for key, by_session in self._writes.items()
            for session, events in by_session.items()
        }

    def check(self, read: Event) -> Verdict | None:
        for key, value in read.reads:
            source = None if value == self._graph.initial else self._graph.writers[key, value]
            for write in self._last_writes(read, key):
                if source is None:
                    reason = f"{key!r} was read as absent although a write to it came before"
                    return invalid(CHECKER, reason, [write.operation, read.operation])
                if write is source:
                    continue
                if write.saw(source):
                    reason = f"{value!r} was read from {key!r} although a write that had replaced it came before"
                    return invalid(CHECKER, reason, [source.operation, write.operation, read.operation])
                self.overruled.setdefault(source.number, []).append(write)
        return None

    def _last_writes(self, read: Event, key: bytes) -> Iterable[Event]:
        """Yield, for each session, its last write to the key in the past of the read: earlier ones add nothing."""
        for session, events in self._writes.get(key, {}).items():
            known = read.clock[session] - (session == read.session)
            index = bisect_left(self._positions[key, session], known) - 1
            if index >= 0:
                yield events[index]
