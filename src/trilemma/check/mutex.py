"""Mutual exclusion: no two holders at once, fencing tokens that grow, no write accepted with an older token.

Operations on a lock: `acquire` (argument: the lease in microseconds, None for no end; result: the fencing token, or
None; False where it got nothing), `release` (result: False or 0 where nothing was released), and `write` (argument:
(token, value): a write to what the lock guards, `ok` where it was accepted).
A process holds the lock for certain from the end of an `ok` acquire until it asks for release, or until its lease has
run out, counted from when it asked for the lock: both are the least that it was promised. A `fail` acquired nothing, an
`info` nothing for certain; a release that failed, or released nothing, ended nothing. A release in doubt may take
effect at any later time, so that its process holds nothing for certain any more: let it go on under a new number. A
lock is not reentrant.
Source: Kleppmann, "How to do distributed locking", 2016; Burrows, "The Chubby lock service", OSDI 2006, section 2.4
(sequencers); Jepsen, `knossos.model/mutex` and `fenced-mutex` of the Hazelcast tests. Twins: every pair of operations,
and brute force over a sequential lock, in the tests.
Cost: O(n log n).
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from trilemma.check.history import END_OF_TIME_US, History, Operation
from trilemma.check.models.mutex import is_refusal
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "mutual exclusion"
TOKENS: Final = "fencing tokens"
WRITES: Final = "fenced writes"


class _Holding(NamedTuple):
    """A time for which a process held the lock for certain."""

    from_us: int
    until_us: int
    acquire: Operation
    release: Operation | None


def check_mutex(operations: Iterable[Operation], lease_error_us: int = 0) -> Verdict:
    """Judge that no lock had two holders at once.

    Args:
        lease_error_us: by how much clocks may differ over a lease, to the store's benefit.

    Returns:
        `unknown` where no lock was held twice at all.
    """

    def check(key: bytes, group: list[Operation]) -> Verdict | None:
        holdings = sorted(_holdings(group, lease_error_us), key=lambda each: each.from_us)
        longest: _Holding | None = None
        for holding in holdings:
            if longest is not None and holding.from_us < longest.until_us:
                reason = (
                    f"process {longest.acquire.process} and process {holding.acquire.process} "
                    f"both held {key!r} at {holding.from_us} us"
                )
                return invalid(CHECKER, reason, _operations(longest, holding))
            if longest is None or holding.until_us > longest.until_us:
                longest = holding
        return valid(CHECKER, f"{len(holdings)} times held") if len(holdings) > 1 else None

    return _by_key(operations, check, CHECKER, "no lock was held twice")


def _holdings(operations: list[Operation], lease_error_us: int) -> Iterable[_Holding]:
    """Yield when a lock was held for certain, by whom; times of no length are left out."""
    happened = History(each for each in operations if each.outcome != "fail" and not is_refusal(each))
    for session in happened.by_process().values():
        in_doubt = (place for place, each in enumerate(session) if each.kind == "release" and each.outcome == "info")
        release: Operation | None = None
        for each in reversed(session[: next(in_doubt, len(session)) + 1]):
            if each.kind == "release":
                release = each
            if each.kind != "acquire" or each.outcome != "ok":
                continue
            until_us = END_OF_TIME_US if release is None else release.invoke_us
            if each.argument is not None:
                until_us = min(until_us, each.invoke_us + each.argument - lease_error_us)
            if each.end_us < until_us:
                yield _Holding(each.end_us, until_us, each, release)


def _operations(*holdings: _Holding) -> list[Operation]:
    return [each for holding in holdings for each in (holding.acquire, holding.release) if each is not None]


def check_tokens(operations: Iterable[Operation]) -> Verdict:
    """Judge that a token is greater than all that were granted before it was asked for, and is granted once.

    Returns:
        `unknown` where no lock granted two tokens.
    """

    def check(key: bytes, group: list[Operation]) -> Verdict | None:
        grants = [each for each in group if each.kind == "acquire" and each.outcome == "ok" and each.result is not None]
        granted: dict[Any, Operation] = {}
        for grant in grants:
            other = granted.setdefault(grant.result, grant)
            if other is not grant:
                return invalid(TOKENS, f"the token {grant.result!r} of {key!r} was granted twice", [other, grant])
        clash = _find_older(grants, lambda each: each.result)
        if clash is not None:
            before, grant = clash
            reason = f"{key!r} granted the token {grant.result!r} after it had granted {before.result!r}"
            return invalid(TOKENS, reason, [before, grant])
        return valid(TOKENS, f"{len(grants)} tokens") if len(grants) > 1 else None

    return _by_key(operations, check, TOKENS, "no lock granted two tokens")


def check_fenced_writes(operations: Iterable[Operation]) -> Verdict:
    """Judge that no write was accepted after one with a newer token had been.

    Returns:
        `unknown` where no two writes were accepted behind one lock.
    """

    def check(key: bytes, group: list[Operation]) -> Verdict | None:
        writes = [each for each in group if each.kind == "write" and each.outcome == "ok"]
        clash = _find_older(writes, lambda each: each.argument[0])
        if clash is not None:
            before, write = clash
            reason = (
                f"a write with the token {write.argument[0]!r} was accepted behind {key!r} "
                f"after one with the token {before.argument[0]!r}"
            )
            return invalid(WRITES, reason, [before, write])
        return valid(WRITES, f"{len(writes)} writes") if len(writes) > 1 else None

    return _by_key(operations, check, WRITES, "no two writes were accepted behind one lock")


def _find_older(operations: list[Operation], token: Callable[[Operation], Any]) -> tuple[Operation, Operation] | None:
    """Return an operation that was over before another began, with a greater token than that one; or None."""
    ended = sorted(operations, key=lambda each: each.end_us)
    greatest: Operation | None = None
    index = 0
    for operation in sorted(operations, key=lambda each: each.invoke_us):
        while index < len(ended) and ended[index].end_us < operation.invoke_us:
            if greatest is None or token(ended[index]) > token(greatest):
                greatest = ended[index]
            index += 1
        if greatest is not None and token(greatest) > token(operation):
            return greatest, operation
    return None


def _by_key(
    operations: Iterable[Operation], check: Callable[[bytes, list[Operation]], Verdict | None], checker: str, vain: str
) -> Verdict:
    found = [check(key, group) for key, group in History(operations).by_key().items()]
    judged = [verdict for verdict in found if verdict is not None]
    return combine(judged, checker) if judged else unknown(checker, vain)
