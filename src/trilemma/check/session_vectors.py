"""Session guarantees by what executors say that they had seen, where operations carry it.

`context` is a mapping from node to the highest number that the executor had seen from it, when it answered; a write's
`receipt` is its own (node, number). Where there is one log, both are an index in it. All of one shard: its vectors say
nothing of others. A session is one process. Demanded is more than values can show, namely of every answer that
- read your writes: a read's executor had seen all that the session wrote before (was acknowledged);
- monotonic reads: a read's executor had seen all that the executors of the session's earlier reads had;
- monotonic writes: a write's executor had seen all that the session wrote before;
- writes follow reads: a write's executor had seen all that the executors of the session's earlier reads had.
That others see a write only after what its executor had seen is for causal delivery; `causal` judges it by values.
Source: Terry et al., PDIS 1994, section 5 (read-vector and write-vector); Brzezinski et al., "Session guarantees to
achieve PRAM consistency of replicated shared objects", PPAM 2003. Twin: every pair of operations, in the tests.
Cost: O(n * size of a context).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trilemma.check.hierarchy import MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES, WRITES_FOLLOW_READS
from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

_RULES: Final = {
    READ_YOUR_WRITES: ("receipt", False),
    MONOTONIC_READS: ("context", False),
    MONOTONIC_WRITES: ("receipt", True),
    WRITES_FOLLOW_READS: ("context", True),
}
"""For each guarantee: what of earlier operations must have been seen (what was written, or what reads had seen), and by
whom (by the executors of writes, or of reads)."""

_SAID: Final = {"receipt": "written before", "context": "seen by an earlier read"}


def check_session_vectors(operations: Iterable[Operation]) -> dict[str, Verdict]:
    """Judge the four guarantees of one shard by contexts and receipts.

    Args:
        operations: kinds that contain `write` write, all others read; only those of outcome `ok` say anything.

    Returns:
        A verdict per guarantee: `unknown` where no operation of which anything was demanded carries a context.
    """
    sessions = History(each for each in operations if each.outcome == "ok").by_process()
    found: dict[str, list[Verdict]] = {name: [] for name in _RULES}
    for session in sessions.values():
        for name, (carried, of_writes) in _RULES.items():
            verdict = _check_session(name, session, carried, of_writes)
            if verdict is not None:
                found[name].append(verdict)
    return {
        name: combine(verdicts, name) if verdicts else unknown(name, "no operation told what its executor had seen")
        for name, verdicts in found.items()
    }


def _check_session(name: str, session: list[Operation], carried: str, of_writes: bool) -> Verdict | None:
    """Judge one session; None where nothing was demanded of it."""
    wanted: dict[Any, tuple[int, Operation]] = {}
    judged = 0
    for operation in session:
        if operation.context is not None and _is_write(operation) == of_writes and wanted:
            judged += 1
            seen = _vector(operation.context)
            for node, (number, earlier) in wanted.items():
                if seen.get(node, 0) < number:
                    place = node or "the log"
                    reason = f"{number} of {place} had been {_SAID[carried]}, but only {seen.get(node, 0)} was seen"
                    return invalid(name, reason, [earlier, operation])
        if _is_write(operation) == (carried == "receipt"):
            for node, number in _vector(getattr(operation, carried)).items():
                if node not in wanted or wanted[node][0] < number:
                    wanted[node] = (number, operation)
    return valid(name, f"{judged} operations") if judged else None


def _is_write(operation: Operation) -> bool:
    return "write" in operation.kind


def _vector(value: Any) -> Mapping[Any, int]:
    """Return a context or a receipt as a mapping from node to number."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, int):
        return {"": value}
    node, number = value
    return {node: number}
