"""What must come before what among a few operations, and why they therefore cannot all be put in one order.

Owns the reasons that a drawing shows, nothing of the verdict: a checker has found that there is no order, this looks
for a ring of demands that a person can follow. Demands are of three kinds: one was over before the other began (or, for
models without real time, came earlier in its session); one read what the other wrote; and what follows from these two
for values that were replaced. Where operations have no meaning here (counters, queues), or values repeat, none is
found and none is shown. Source: Adya's read, write and anti-dependencies; saturation as in Bouajjani et al., POPL 2017.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.history import Operation

ROUNDS_MAX: Final = 64
"""Rounds of drawing conclusions: each adds a demand or is the last, and rings are found after a few."""

_SESSION_WORDS: Final = ("causal", "session", "sequential", "monotonic", "read your", "writes follow", "PRAM")
"""Checkers with one of these in their name demand the order of sessions, not that of real time."""


class Demand(NamedTuple):
    """The operation at index `first` must come before that at `then`; `kind` is over, read, replaced
    or follows (from the others)."""

    first: int
    then: int
    kind: str
    why: str


class Access(NamedTuple):
    """What one operation read and wrote, by key."""

    reads: Mapping[bytes, Any]
    writes: Mapping[bytes, Any]


def access(operation: Operation) -> Access:
    """Return what is known of an operation's reads and writes; nothing for kinds without registers."""
    known = operation.outcome == "ok"
    key, argument, result = operation.key, operation.argument, operation.result
    if operation.kind == "read":
        return Access({key: result} if known else {}, {})
    if operation.kind == "write":
        return Access({}, {key: argument})
    if operation.kind == "multi_read" and known:
        return Access(dict(zip(argument, result, strict=False)), {})
    if operation.kind == "multi_write":
        return Access({}, dict(argument))
    if operation.kind == "command":
        return _commands([argument], [result] if known else [])
    if operation.kind == "transaction":
        return _commands(argument, result if known and isinstance(result, tuple) else [])
    return Access({}, {})


def _commands(commands: Sequence[tuple[bytes, ...]], replies: Sequence[Any]) -> Access:
    reads: dict[bytes, Any] = {}
    writes: dict[bytes, Any] = {}
    for index, (name, *words) in enumerate(commands):
        reply = replies[index] if index < len(replies) else ()
        if name == b"SET" and len(words) == 2:
            writes[words[0]] = words[1]
        elif name == b"MSET":
            writes.update(zip(words[::2], words[1::2], strict=False))
        elif name in (b"GET", b"MGET") and reply != ():
            values = (reply,) if name == b"GET" else reply
            reads.update((key, each) for key, each in zip(words, values, strict=False) if key not in writes)
    return Access(reads, writes)


def follows_real_time(checker: str) -> bool:
    """Say whether a checker holds operations to real time, judged by its name."""
    return not any(word in checker for word in _SESSION_WORDS)


def demands(operations: Sequence[Operation], real_time: bool) -> list[Demand]:
    """Return what must come before what, conclusions included; at most one demand per pair and kind."""
    found: dict[tuple[int, int], Demand] = {}
    accesses = [access(each) for each in operations]
    sources = _sources(accesses)
    for (reader, key), writer in sources.items():
        if writer is not None and writer != reader:
            why = f"{letter(reader)} read what {letter(writer)} wrote"
            found[writer, reader] = Demand(writer, reader, "read", why)
        del key
    for first, one in enumerate(operations):
        for then, other in enumerate(operations):
            same = one.process == other.process and one.node == other.node
            if first != then and one.precedes(other) and (real_time or same):
                why = f"{letter(first)} was over before {letter(then)} began"
                found.setdefault((first, then), Demand(first, then, "over", why))
    for _ in range(ROUNDS_MAX):
        if not _conclude(found, accesses, sources):
            break
    return list(found.values())


def _sources(accesses: Sequence[Access]) -> dict[tuple[int, bytes], int | None]:
    """Return for each read whose write is known that write; None where it saw that nothing had been written."""
    found: dict[tuple[int, bytes], int | None] = {}
    for reader, each in enumerate(accesses):
        for key, seen in each.reads.items():
            writers = [
                index for index, other in enumerate(accesses) if key in other.writes and other.writes[key] == seen
            ]
            if seen is None and not writers:
                found[reader, key] = None
            elif len(writers) == 1:
                found[reader, key] = writers[0]
    return found


def _conclude(
    found: dict[tuple[int, int], Demand],
    accesses: Sequence[Access],
    sources: Mapping[tuple[int, bytes], int | None],
) -> bool:
    """Add what follows from the demands so far; return whether anything did."""
    after = _reachable(found, len(accesses))
    added = False
    for (reader, key), source in sources.items():
        for writer, each in enumerate(accesses):
            if key not in each.writes or writer in (source, reader):
                continue
            if (source is None or writer in after[source]) and (reader, writer) not in found:
                what = "nothing yet" if source is None else f"the value of {letter(source)}"
                why = f"{letter(reader)} saw {what}, which {letter(writer)} replaced"
                found[reader, writer] = Demand(reader, writer, "replaced", why)
                added = True
            if source is not None and reader in after[writer] and (writer, source) not in found:
                why = f"{letter(reader)} came after {letter(writer)} and saw the value of {letter(source)}"
                found[writer, source] = Demand(writer, source, "follows", why)
                added = True
    return added


def _reachable(found: Mapping[tuple[int, int], Demand], count: int) -> list[set[int]]:
    following: list[list[int]] = [[] for _ in range(count)]
    for first, then in found:
        following[first].append(then)
    after: list[set[int]] = []
    for start in range(count):
        reached: set[int] = set()
        waiting = list(following[start])
        while waiting:
            each = waiting.pop()
            if each not in reached:
                reached.add(each)
                waiting += following[each]
        after.append(reached)
    return after


def ring(found: Sequence[Demand]) -> list[Demand]:
    """Return the plainest ring of demands: each must come before the next, the last before the first; or nothing."""
    following: dict[int, list[Demand]] = {}
    for demand in found:
        following.setdefault(demand.first, []).append(demand)
    best: list[Demand] = []
    for start in following:
        path = _path_back(start, following)
        if path and (not best or _length(path) < _length(best)):
            best = path
    return best


def _length(path: Sequence[Demand]) -> tuple[int, int]:
    """Return how hard a ring is to follow: by its demands, then by those that a third operation is needed for."""
    return len(path), sum(demand.kind == "follows" for demand in path)


def _path_back(start: int, following: Mapping[int, list[Demand]]) -> list[Demand]:
    came: dict[int, Demand] = {}
    queue = [start]
    for each in queue:  # grows while it is walked
        for demand in following.get(each, ()):
            if demand.then == start:
                path = [demand]
                while path[0].first != start:
                    path.insert(0, came[path[0].first])
                return path
            if demand.then not in came:
                came[demand.then] = demand
                queue.append(demand.then)
    return []


def letter(index: int) -> str:
    """Return what an operation is called in a drawing: A to Z, then A1 and so on."""
    return chr(ord("A") + index % 26) + (str(index // 26) if index >= 26 else "")
