"""Lost acknowledged writes: what the store said was done must still be there, or have been replaced by what saw it.

Questions, all asked with final reads, made after the run has come to rest:
- `check_lost_writes`: registers under one order (`cp`, `ca`): the final value is not older than an acknowledged write.
- `check_lost_elements`: strings that only grow by unique tokens: every acknowledged token is there, none twice.
- `check_lost_keys` and `check_returned_keys`: the keys of whole databases: none gone that no removal can have seen,
  none there that one must have seen.
- `check_lost_dots`: `ap` with receipts: every acknowledged dot is shown, or covered by the context of another write.
For `ap` without receipts see `causal`, given the final reads as part of the history.
Twins: orders of the writes, and times of effect of what is done to keys, in the tests.
Source: Jepsen `checker.clj` (set-full); Preguica et al., arXiv:1011.5808 (dots and contexts); FAULTS §4.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "lost acknowledged writes"

Dot = tuple[str, int]
"""A write's name on `ap`: the node that took it, and its number there."""


def check_lost_writes(operations: Iterable[Operation], finals: Sequence[Operation]) -> Verdict:
    """Judge whether each register's final value is at least as new as every acknowledged write.

    Args:
        operations: `write` (argument: a unique value), `delete`, and others, which are ignored.
        finals: final reads, of any number of replicas.

    Cost: O(n) per final read.
    """
    return _by_key(operations, finals, ("write", "delete"), _check_register)


def _check_register(writes: list[Operation], read: Operation) -> Verdict:
    sources = [each for each in writes if _written(each) == read.result and each.outcome != "fail"]
    if not sources and read.result is not None:
        return invalid(CHECKER, f"the final value {read.result!r} of {read.key!r} was written by nobody", [read])
    for write in writes:
        if write.outcome == "ok" and all(source.precedes(write) for source in sources):
            reason = f"{read.key!r} ends as {read.result!r}, although a later write was acknowledged"
            return invalid(CHECKER, reason, [write, read, *sources])
    return valid(CHECKER)


def _written(write: Operation) -> object:
    return write.argument if write.kind == "write" else None


def check_lost_elements(
    operations: Iterable[Operation], finals: Sequence[Operation], separator: bytes = b";"
) -> Verdict:
    """Judge whether each string ends with every acknowledged token in it once, and with no token from nowhere.

    Args:
        operations: `append` (argument: a unique token that ends with `separator`), and others, which are ignored.
    """

    def check(appends: list[Operation], read: Operation) -> Verdict:
        shown = [token + separator for token in (read.result or b"").split(separator) if token]
        tried = {each.argument for each in appends if each.outcome != "fail"}
        counts = dict.fromkeys(shown, 0)
        for token in shown:
            counts[token] += 1
        for token, count in counts.items():
            if count > 1 or token not in tried:
                fault = "twice" if count > 1 else "although nobody's append can have put it there"
                return invalid(CHECKER, f"{read.key!r} ends with {token!r} in it {fault}", [read])
        for each in appends:
            if each.outcome == "ok" and each.argument not in counts:
                return invalid(CHECKER, f"{read.key!r} ends without {each.argument!r}", [each, read])
        return valid(CHECKER)

    return _by_key(operations, finals, ("append",), check)


def check_lost_dots(operations: Iterable[Operation], shown: Mapping[bytes, Iterable[Dot]]) -> Verdict:
    """Judge whether every acknowledged dot is shown at the end or was seen by a write that replaced it.

    Args:
        operations: writes with `receipt` (their dot) and `context` (a mapping from node to the highest number that the
            executor had seen); others are ignored. A write without an answer has neither and replaces nothing we know.
        shown: for each key the dots of its final values, hidden ones included.
    """
    verdicts = []
    for key, group in History(each for each in operations if each.receipt is not None).by_key().items():
        present = set(shown.get(key, ()))
        for write in group:
            replaced = any(_covers(other, write) for other in group if other is not write)
            if write.outcome == "ok" and write.receipt not in present and not replaced:
                reason = f"{write.receipt!r} on {key!r} is gone, and no write had seen it"
                return invalid(CHECKER, reason, [write])
        verdicts.append(valid(CHECKER))
    return combine(verdicts, CHECKER)


def _covers(later: Operation, write: Operation) -> bool:
    node, number = write.receipt
    return later.context is not None and bool(later.context.get(node, 0) >= number)


_Check = Callable[[list[Operation], Operation], Verdict]


def _by_key(
    operations: Iterable[Operation], finals: Sequence[Operation], kinds: tuple[str, ...], check: _Check
) -> Verdict:
    writes = History(each for each in operations if each.kind in kinds).by_key()
    reads = History(each for each in finals if each.outcome == "ok").by_key()
    missing = [key for key, group in writes.items() if key not in reads and any(each.outcome == "ok" for each in group)]
    if missing:
        return unknown(CHECKER, f"no final read of {missing[0]!r}")
    return combine((check(writes.get(key, []), read) for key, group in reads.items() for read in group), CHECKER)


def check_lost_keys(operations: Iterable[Operation], finals: Sequence[Operation]) -> Verdict:
    """Judge whether every key is there that was put after the last attempt to remove it had ended.

    On `ap` a removal takes away what it has seen: never what came later.

    Args:
        operations: `put`, `delete` (argument: the key), `flush`, and others, which are ignored. A history's key is a
            database, its argument one of the keys in it.
        finals: `read_keys` (result: the keys), and others, which are ignored.
    """

    def check(changes: list[Operation], read: Operation) -> Verdict:
        if read.kind != "read_keys":
            return valid(CHECKER)
        changes = [each for each in changes if each.outcome != "fail"]
        puts = [each for each in changes if each.kind == "put" and each.outcome == "ok"]
        for put in puts:
            removals = [each for each in changes if each.kind != "put" and each.argument in (None, put.argument)]
            if put.argument not in read.result and all(each.precedes(put) for each in removals):
                return invalid(CHECKER, f"{read.key!r} ends without {put.argument!r}", [put, read])
        return valid(CHECKER)

    return _by_key(operations, finals, ("put", "delete", "flush"), check)


def check_returned_keys(operations: Iterable[Operation], finals: Sequence[Operation]) -> Verdict:
    """Judge whether no key is there of which each put was followed by a removal at the same node.

    A node sees its own writes, so such a removal has seen the put, and takes it away for good.

    Args:
        operations, finals: as for `check_lost_keys`; operations name their nodes.
    """

    def check(changes: list[Operation], read: Operation) -> Verdict:
        for key in read.result if read.kind == "read_keys" else ():
            puts = [each for each in changes if each.kind == "put" and each.argument == key and each.outcome != "fail"]
            removals = [
                each for each in changes if each.kind != "put" and each.outcome == "ok" and each.argument in (None, key)
            ]
            if all(any(put.precedes(each) and put.node == each.node for each in removals) for put in puts):
                return invalid(CHECKER, f"{read.key!r} ends with {key!r}, which was removed", [*puts[-1:], read])
        return valid(CHECKER)

    return _by_key(operations, finals, ("put", "delete", "flush"), check)
