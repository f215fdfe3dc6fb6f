"""What nodes tell of their replicas when they are asked: digests, hidden writes, tokens, how many hold a write.

Operations, of one keyspace: `digests` (result: per replica keyspace, shard, what its rows reflect, digest), `conflicts`
(result: per key db, key, the shown write and the hidden ones, each as value, node, ms), `counted_write` (result: the
reply, and on how many other replicas WAIT says it is), `named_write` (the only one of its key; result: the reply, and
the token that names it), `awaited_read` (result: the value, and whether CAP WAIT said that the token is reached; what
it said where that is neither `OK` nor a refusal).
Source: docs/promises.md, "Commands that look into it".
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as NoBase64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.receipt import Terms, is_count, is_vector, plainly
from trilemma.check.refusal import is_refusal
from trilemma.check.verdict import Verdict, invalid, unknown, valid

DIGESTS_CHECKER: Final = "digests of what reflects the same"
CONFLICTS_CHECKER: Final = "conflicts"
COUNTS_CHECKER: Final = "replicas that hold a write"
TOKENS_CHECKER: Final = "tokens"

_INDEX: Final = re.compile(rb"index \d+")
_VECTOR_PREFIX: Final = b"vector "
_DIGEST: Final = re.compile(rb"[0-9a-f]{32}")

_TOKEN_PREFIX: Final = b"t1."
_NAMES_NOTHING: Final = b"\x80"
"""An empty map of msgpack: a token of which this is all names nothing."""


def _told(operations: Iterable[Operation], kind: str) -> list[Operation]:
    return [each for each in operations if each.kind == kind and each.outcome == "ok"]


def check_digests(operations: Iterable[Operation], held: Mapping[str, Mapping[str, str]], terms: Terms) -> Verdict:
    """Judge that each node shows a row per replica that it has, of the same shards as others, and that rows that
    reflect the same have one digest, whenever and wherever.

    Args:
        held: at the end, by shard and node, what each replica reflects and its digest, parted by the last space.
    """
    first: dict[tuple[str, str], tuple[str, list[Operation]]] = {}
    for shard, replicas in held.items():
        for reflects, _, digest in (text.rpartition(" ") for text in replicas.values()):
            first.setdefault((shard, reflects), (digest, []))
    shards: set[int] = set()
    for each in _told(operations, "digests"):
        if not _are_rows(each, each.node in terms.holders):
            return invalid(DIGESTS_CHECKER, f"{each.node} shows {each.result!r} as what its replicas hold", [each])
        shown = {row[1] for row in each.result}
        if shown and shards and shown != shards:
            return invalid(DIGESTS_CHECKER, f"{each.node} shows the shards {shown}, where {shards} were shown", [each])
        shards |= shown
        for _, number, told_reflects, told in each.result:
            shard, reflects, digest = str(number), told_reflects.decode(), told.decode()
            known, by = first.setdefault((shard, reflects), (digest, [each]))
            if known != digest:
                reason = f"what reflects {reflects} of shard {shard} has the digests {known} and {digest}"
                return invalid(DIGESTS_CHECKER, reason, [*by, each])
    return valid(DIGESTS_CHECKER)


def _are_rows(asked: Operation, has_replica: bool) -> bool:
    """Say whether a reply has a row per shard of the keyspace that was asked for: some where there is a replica."""
    told = asked.result
    if not isinstance(told, tuple) or bool(told) is not has_replica or not all(_is_row(each, asked) for each in told):
        return False
    return len({number for _, number, _, _ in told}) == len(told)


def _is_row(row: Any, asked: Operation) -> bool:
    if not isinstance(row, tuple) or len(row) != 4 or not all(isinstance(each, bytes) for each in row[2:]):
        return False
    keyspace, number, reflects, digest = row
    if keyspace != asked.keyspace.encode() or not is_count(number, 1) or _DIGEST.fullmatch(digest) is None:
        return False
    if asked.mode == "ap":
        return reflects.startswith(_VECTOR_PREFIX) and is_vector(reflects.removeprefix(_VECTOR_PREFIX))
    return _INDEX.fullmatch(reflects) is not None


def check_conflicts(operations: Sequence[Operation], terms: Terms) -> Verdict:
    """Judge that a key which is said to hide something has writes of several nodes, each sent by then: no two of one
    node are concurrent. The one that is shown is the newest by its stamp, and all are in database 0. A stamp of 0 ms is
    that of a node which could not trust its wall clock yet (PROTOCOLS §5.10).

    Of keys, and values, that these operations do not know nobody can tell: a keyspace has others' too.
    """
    written = {each.argument: each for each in plainly(operations) if each.kind == "write" and each.outcome != "fail"}
    keys = {each.key for each in written.values()}
    for told in _told(operations, "conflicts"):
        if not isinstance(told.result, tuple) or not all(map(_is_conflict, told.result)):
            return invalid(CONFLICTS_CHECKER, f"{told.result!r} lists no hidden writes", [told])
        if len({row[:2] for row in told.result}) < len(told.result):
            return invalid(CONFLICTS_CHECKER, f"{told.result!r} lists a key twice", [told])
        for db, key, shown, hidden in told.result:
            sides = (shown, *hidden)
            writes = [written.get(each[0]) for each in sides]
            if key not in keys and not any(writes):
                continue
            nodes = [each[1] for each in sides]
            is_named = all(each is not None and each.key == key and each.invoke_us <= told.end_us for each in writes)
            is_right = is_named and all(map(lambda write, node: _took(write, node, terms), writes, nodes))
            is_newest = all(shown[2] >= each[2] for each in hidden)
            if not (is_right and is_newest and db == 0 and len(set(nodes)) == len(nodes)):
                reason = f"{key!r} is said to hide {[each[0] for each in hidden]} under {shown[0]!r}, of {nodes}"
                return invalid(CONFLICTS_CHECKER, reason, [told, *[each for each in writes if each is not None]])
    return valid(CONFLICTS_CHECKER)


def _is_conflict(row: Any) -> bool:
    """Say whether a row has the form of db, key, what is shown, and what is hidden: one write or more."""
    if not isinstance(row, tuple) or len(row) != 4 or not isinstance(row[3], tuple) or not row[3]:
        return False
    return is_count(row[0], 0) and isinstance(row[1], bytes) and all(map(_is_side, (row[2], *row[3])))


def _is_side(told: Any) -> bool:
    if not isinstance(told, tuple) or len(told) != 3:
        return False
    return isinstance(told[0], bytes) and isinstance(told[1], bytes) and is_count(told[2], 0)


def _took(write: Operation | None, node: bytes, terms: Terms) -> bool:
    """Say whether a node may have taken a write: the one asked, where it holds a replica; else any that does."""
    takers = {write.node} & terms.holders if write is not None else frozenset[str]()
    return node in [name.encode() for name in takers or terms.holders]


def check_counts(operations: Iterable[Operation], terms: Terms) -> Verdict:
    """Judge what WAIT counts behind an acknowledged write, beside the replica that took it.

    It may speak of a later write, so at the least it counts what each one is on that is acknowledged or may be soon: a
    majority (`cp`, `ca`), or its own node alone (`ap`).
    """
    for each in _told(operations, "counted_write"):
        count, least = each.result[1], 0 if each.mode == "ap" else terms.replicas // 2
        if not is_count(count, least) or count > terms.replicas - 1:
            return invalid(COUNTS_CHECKER, f"{count!r} other replicas hold it, of {terms.replicas} in all", [each])
    return valid(COUNTS_CHECKER)


def check_tokens(operations: Sequence[Operation], terms: Terms) -> Verdict:
    """Judge that tokens are tokens, and that who waited for one reads what it names: the only write of its key.

    A node that holds a replica holds for good what its own tokens name, so that there each of them is reached.

    Returns:
        `unknown` where tokens were waited for and none was ever reached: nothing shows that any would be.
    """
    named = _told(operations, "named_write")
    for each in named:
        if not is_refusal(each.result[1]) and not _is_token(each.result[1]):
            return invalid(TOKENS_CHECKER, f"{each.result[1]!r} is no token that names something", [each])
    givers = {each.key: each for each in named}
    awaited = _told(operations, "awaited_read")
    for each in awaited:
        reason = _misled(each, givers.get(each.key), terms)
        if reason:
            return invalid(TOKENS_CHECKER, reason, [each])
    reached = sum(each.result[1] for each in awaited)
    if awaited and not reached:
        return unknown(TOKENS_CHECKER, f"none of the tokens was reached that were waited for, {len(awaited)} times")
    return valid(TOKENS_CHECKER, f"{reached} tokens reached")


def _misled(awaited: Operation, giver: Operation | None, terms: Terms) -> str:
    """Return what is wrong with what a wait for a token came to, or nothing."""
    value, is_reached = awaited.result
    if not isinstance(is_reached, bool):
        return f"CAP WAIT was answered {is_reached!r}"
    if is_reached and value is None:
        return f"{awaited.key!r} is absent, though the token that names it is reached"
    if not is_reached and giver is not None and giver.node == awaited.node and giver.node in terms.holders:
        return f"{awaited.node} does not hold what its own token names"
    return ""


def _is_token(told: Any) -> bool:
    """Say whether a reply has the form of a token that names something."""
    if not isinstance(told, bytes) or not told.startswith(_TOKEN_PREFIX):
        return False
    try:
        named = urlsafe_b64decode(told.removeprefix(_TOKEN_PREFIX))
    except NoBase64:
        return False
    return named not in (b"", _NAMES_NOTHING)
