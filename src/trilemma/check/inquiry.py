"""What nodes tell of their replicas when they are asked: digests, hidden writes, tokens, how many hold a write.

Operations, of one keyspace: `digests` (result: per replica keyspace, shard, what its rows reflect, digest), `conflicts`
(result: per key db, key, the shown write and the hidden ones, each as value, node, ms), `counted_write` (result: the
reply, and on how many other replicas WAIT says it is), `named_write` (the only one of its key; result: the reply, and
the token that names it), `awaited_read` (result: the value, and whether CAP WAIT said that the token is reached).
Source: docs/promises.md, "Commands that look into it".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.receipt import Terms, plainly
from trilemma.check.verdict import Verdict, invalid, valid

DIGESTS_CHECKER: Final = "digests of what reflects the same"
CONFLICTS_CHECKER: Final = "conflicts"
COUNTS_CHECKER: Final = "replicas that hold a write"
TOKENS_CHECKER: Final = "tokens"

_Row = tuple[Any, str, str]


def _told(operations: Iterable[Operation], kind: str) -> list[Operation]:
    return [each for each in operations if each.kind == kind and each.outcome == "ok"]


def check_digests(operations: Iterable[Operation], held: Mapping[str, Mapping[str, str]]) -> Verdict:
    """Judge that rows that reflect the same have one digest, whenever and wherever.

    Args:
        held: at the end, by shard and node, what each replica reflects and its digest, parted by the last space.
    """
    first: dict[tuple[str, str], tuple[str, list[Operation]]] = {}
    for shard, replicas in held.items():
        for reflects, _, digest in (text.rpartition(" ") for text in replicas.values()):
            first.setdefault((shard, reflects), (digest, []))
    for each in _told(operations, "digests"):
        for _, number, told_reflects, told in each.result:
            shard, reflects, digest = str(number), told_reflects.decode(), told.decode()
            known, by = first.setdefault((shard, reflects), (digest, [each]))
            if known != digest:
                reason = f"what reflects {reflects} of shard {shard} has the digests {known} and {digest}"
                return invalid(DIGESTS_CHECKER, reason, [*by, each])
    return valid(DIGESTS_CHECKER)


def check_conflicts(operations: Sequence[Operation]) -> Verdict:
    """Judge that a key which is said to hide something has writes of several nodes, each sent by then: no two of one
    node are concurrent."""
    written = {each.argument: each for each in plainly(operations) if each.kind == "write" and each.outcome != "fail"}
    keys = {each.key for each in written.values()}
    for told in _told(operations, "conflicts"):
        for _, key, shown, hidden in told.result:
            writes = [written.get(each[0]) for each in (shown, *hidden)]
            nodes = [each[1] for each in (shown, *hidden)]
            is_named = all(each is not None and each.key == key and each.invoke_us <= told.end_us for each in writes)
            if key in keys and not (hidden and is_named and len(set(nodes)) == len(nodes)):
                reason = f"{key!r} is said to hide {[each[0] for each in hidden]} under {shown[0]!r}, of {nodes}"
                return invalid(CONFLICTS_CHECKER, reason, [told, *[each for each in writes if each is not None]])
    return valid(CONFLICTS_CHECKER)


def check_counts(operations: Iterable[Operation], terms: Terms) -> Verdict:
    """Judge what WAIT counts behind an acknowledged write, beside the replica that took it.

    It may speak of a later write, so at the least it counts what each one is on that is acknowledged or may be soon: a
    majority (`cp`, `ca`), or its own node alone (`ap`).
    """
    for each in _told(operations, "counted_write"):
        count, least = each.result[1], 0 if each.mode == "ap" else terms.replicas // 2
        if isinstance(count, int) and not least <= count <= terms.replicas - 1:
            return invalid(COUNTS_CHECKER, f"{count} other replicas hold it, of {terms.replicas} in all", [each])
    return valid(COUNTS_CHECKER)


def check_tokens(operations: Iterable[Operation]) -> Verdict:
    """Judge that who waited for a token reads what it names: the only write of its key."""
    for each in _told(operations, "awaited_read"):
        value, is_reached = each.result
        if is_reached and value is None:
            return invalid(TOKENS_CHECKER, f"{each.key!r} is absent, though the token that names it is reached", [each])
    return valid(TOKENS_CHECKER)
