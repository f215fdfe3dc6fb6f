"""Assertions over a recording: each passes only where a checker says valid, and fails with the witness.

`unknown` is no pass: an empty history, a search that gave up, or commands that a checker does not know fail too. Owns
which checker answers which question; the checkers are in `check`.
"""

import time
from typing import TYPE_CHECKING, Final

from trilemma.check.causal import CHECKER as CAUSAL
from trilemma.check.causal import check_causal
from trilemma.check.convergence import check_convergence, check_equal_reads
from trilemma.check.counter import check_final_sums
from trilemma.check.history import Operation
from trilemma.check.lost import CHECKER as LOST
from trilemma.check.lost import check_lost_writes
from trilemma.check.lost_updates import check_lost_updates
from trilemma.check.program_order import why_unordered
from trilemma.check.redis_entry import Refusal, integer
from trilemma.check.redis_history import (
    READS,
    Command,
    as_registers,
    as_shared,
    check_commands,
    commands_of,
    judged,
    keys_of,
    refusal,
)
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid
from trilemma.client.attempts import told_apart
from trilemma.client.final_reads import unseen
from trilemma.client.keyspaces import keyspace_of
from trilemma.client.recording import Recording

if TYPE_CHECKING:
    from trilemma.client.stage import StageCluster

AGREE_S: Final = 10.0
"""How long replicas may take to agree once all is whole: many rounds of gossip."""

POLL_S: Final = 0.01

_BLIND: Final = frozenset({b"SET", b"MSET", b"DEL", b"UNLINK"})
"""Commands whose replies say nothing of what was there."""


_EMPTYING: Final = frozenset({b"FLUSHALL", b"FLUSHDB", b"KEYSPACE"})
"""Recorded commands that take away keys which they do not name, of any keyspace. Of KEYSPACE only DROP is recorded."""

_SIGNS: Final = {b"INCR": 1, b"INCRBY": 1, b"DECR": -1, b"DECRBY": -1}
"""Commands that add an integer, with its sign."""


def require(verdict: Verdict) -> None:
    """Pass only where the verdict is valid.

    Raises:
        AssertionError: with the verdict's reason and witness.
    """
    if not verdict.is_valid:
        hint = "" if verdict.is_invalid else "\n(unknown is not a pass)"
        raise AssertionError(verdict.describe() + hint)


def assert_linearizable(history: Recording) -> None:
    """Assert that all recorded commands took effect one at a time, each between its call and its reply.

    Final reads, if there are any, are judged too, and that what is executed once (CAP ONCE) is always told its first
    reply. What `cp` and `ca` keyspaces promise.
    """
    require(_shown(history) or told_apart(history.retold) or check_commands([*history.operations, *history.finals]))


def assert_no_lost_updates(history: Recording) -> None:
    """Assert that no write which followed a read of its key was put over a write that the read had not seen.

    This is about the application: it fails where the store did what it promises and the application relied on more.
    """
    require(_shown(history) or check_lost_updates(history.operations))


def assert_no_lost_writes(history: Recording) -> None:
    """Assert that what was acknowledged is there at the end, or was replaced; call `history.read_finals` before.

    What changed after the final reads, or while they were made, they cannot show: call `read_finals` again.
    Keys that are only SET, read and deleted, and keys that are only incremented, can be judged; on `ap` keyspaces those
    that are only SET, together with the causal order. A key of which every command failed must be absent.
    """
    if not history.finals:
        require(unknown(LOST, "no final reads: call history.read_finals(cluster) when all is whole"))
    require(
        _shown(history)
        or unseen(history.operations, history.finals)
        or _unplaced(history, LOST)
        or combine([_lost(history, *each) for each in _by_keyspace(history).items()], LOST)
    )


def assert_causal(history: Recording) -> None:
    """Assert that no effect was seen before its cause, nor anything half or backwards: what `ap` promises.

    Keys that are only SET and read can be judged, each value written once; a keyspace of several shards cannot, nor a
    process that did two things at once, as where a pipeline's command was sent again (CAP ONCE) after what followed it.
    """
    require(
        _shown(history)
        or _unplaced(history, CAUSAL)
        or combine([_causal([*done, *finals]) for done, finals in _by_keyspace(history).values()], CAUSAL)
    )


def assert_converged(cluster: "StageCluster", seconds: float = AGREE_S) -> None:
    """Assert that all replicas come to hold the same, within some seconds; the cluster must be whole.

    Raises:
        AssertionError: with the digests that differ.
    """
    end = time.monotonic() + seconds
    while True:
        verdict = check_convergence(cluster.digests())
        if verdict.is_valid or time.monotonic() > end:
            break
        time.sleep(POLL_S)
    require(verdict)


def _shown(history: Recording) -> Verdict | None:
    """Return `unknown` for a history that cannot show anything: nothing changed, or nothing was looked at, or keys were
    taken away that nobody named."""
    tried = [command[0] for each in history.operations if each.outcome != "fail" for command in commands_of(each)]
    emptying = next((name for name in tried if name in _EMPTYING), None)
    if emptying is not None:
        return unknown("history", f"{emptying.decode()} takes away keys that it does not name")
    done = [command for each in history.operations if each.outcome == "ok" for command in commands_of(each)]
    if not done:
        return unknown("history", "no recorded command was answered")
    if all(command[0] in READS for command in done):
        return unknown("history", "no recorded command changed anything")
    if all(command[0] in _BLIND for command in done) and not history.finals:
        return unknown("history", "no recorded command looked at anything")
    return None


def _unplaced(history: Recording, checker: str) -> Verdict | None:
    """Ask the nodes for their keyspaces; return `unknown` where nobody can tell which one something belongs to."""
    history.learn_modes()
    names = history.untold()
    if names:
        told = " and ".join(map(repr, names))
        return unknown(
            checker,
            f"no node told whether {told} before a key's colon names a keyspace: assert while the cluster runs, or "
            "after history.read_finals(cluster)",
        )
    for each in history.operations:
        homes = {keyspace_of(key, history.modes) for key in _keys(each)}
        if each.outcome != "fail" and len(homes) > 1:
            return unknown(checker, f"an operation has keys of two keyspaces: {each.describe()}")
    return None


def _by_keyspace(history: Recording) -> dict[str, tuple[list[Operation], list[Operation]]]:
    """Return per keyspace what was recorded, and the final reads."""
    groups: dict[str, tuple[list[Operation], list[Operation]]] = {}
    for operations, place in ((history.operations, 0), (history.finals, 1)):
        for each in operations:
            groups.setdefault(keyspace_of(each.key, history.modes), ([], []))[place].append(each)
    return groups


def _causal(operations: list[Operation]) -> Verdict:
    shared = as_shared(operations)
    if shared is None:
        return unknown(CAUSAL, "only keys that are SET and read can be judged")
    why = why_unordered(operations)
    return unknown(CAUSAL, why) if why else check_causal(shared)


def _lost(history: Recording, keyspace: str, parts: tuple[list[Operation], list[Operation]]) -> Verdict:
    done, finals = parts
    if history.modes.get(keyspace) == "ap":
        return combine([_causal([*done, *finals]), check_equal_reads(finals), *_hidden(done, finals)], LOST)
    touched = {key for each in done if each.outcome != "fail" for key in _keys(each)}
    tried = [each for each in done if each.outcome != "fail" or each.key in touched]
    verdicts = [_lost_in_order(tried, finals)] if tried else []
    return combine([*verdicts, *_untouched(history, [read for read in finals if read.key not in touched])], LOST)


def _keys(operation: Operation) -> set[bytes]:
    return {key for command in commands_of(operation) for key in keys_of(command)}


def _untouched(history: Recording, finals: list[Operation]) -> list[Verdict]:
    """Judge that keys are absent at the end which only commands named that failed; nothing where there are none, or
    where commands that the model does not know may have written keys that nobody sees in them."""
    if not finals or any(refusal(each) for each in history.operations if each.outcome != "fail"):
        return []
    shown = next((read for read in finals if read.result is not None), None)
    if shown is None:
        return [valid(LOST)]
    failed = [each for each in history.operations if shown.key in _keys(each)]
    reason = f"the final value {shown.result!r} of {shown.key!r} was written by nobody: all that named it had failed"
    return [invalid(LOST, reason, [*failed, shown])]


def _lost_in_order(done: list[Operation], finals: list[Operation]) -> Verdict:
    finals_of: dict[bytes, list[Operation]] = {}
    for read in finals:
        finals_of.setdefault(read.key, []).append(read)

    def check(group: list[Operation]) -> Verdict:
        keys = {key for each in group if each.outcome != "fail" for key in _keys(each)}
        reads = [read for key in sorted(keys & finals_of.keys()) for read in finals_of[key]]
        quick = _lost_registers(group, reads) or (_lost_sums(group, reads) if len(keys) == 1 else None)
        if quick is not None and not quick.is_valid:
            return quick
        # Replies tell of an order, too: that of a DEL, what was there before it.
        thorough = _lost_otherwise(group, reads)
        return thorough if quick is None or thorough.is_invalid else quick

    return judged(done, LOST, check)


def _hidden(done: list[Operation], finals: list[Operation]) -> list[Verdict]:
    """Judge that no key is absent at the end that was written, and never deleted, on `ap`."""
    absent = [each._replace(kind="read") for each in finals if each.result is None]
    keys = {each.key for each in absent}
    writes = [
        each._replace(kind="write", key=key, argument=value)
        for each in as_shared(done) or ()
        if each.kind == "multi_write"
        for key, value in each.argument
        if key in keys
    ]
    return [check_lost_writes(writes, absent)] if writes else []


def _lost_registers(group: list[Operation], finals: list[Operation]) -> Verdict | None:
    """Judge a key that is SET, read and deleted; None for others."""
    plain = [each for each in group if each.argument[0] not in (b"DEL", b"UNLINK")]
    registers, reads = as_registers(plain), as_registers(finals)
    if registers is None or reads is None or any(len(each.argument) > 2 for each in group if each not in plain):
        return None
    removed = [each._replace(kind="delete") for each in group if each not in plain and each.result != 0]
    return check_lost_writes([*registers, *removed], [each._replace(key=group[0].key) for each in reads])


def _lost_sums(group: list[Operation], finals: list[Operation]) -> Verdict | None:
    """Judge a key that is incremented and read; None for others, and where sums cannot tell. What was answered with an
    error added nothing."""
    adds = []
    for each in group:
        command = each.argument if each.kind == "command" else (b"",)
        if command[0] in _SIGNS:
            amount = None if each.outcome == "fail" or isinstance(each.result, str) else _amount(command)
            adds += [] if amount is None else [each._replace(kind="add", argument=amount)]
        elif command[0] not in READS:
            return None
    sums = [
        each._replace(
            kind="read", argument=None, result=_number(b"0" if each.result is None else each.result), key=group[0].key
        )
        for each in finals
    ]
    if any(each.outcome == "info" for each in adds) and any(each.result != sums[0].result for each in sums):
        # What is in doubt may take effect between two final reads: only an order tells whether it did.
        alone = combine([check_final_sums(adds, [each]) for each in sums], LOST)
        return alone if alone.is_invalid else None
    return check_final_sums(adds, sums)


def _amount(command: Command) -> int | None:
    """Return what INCR and its like add; None where they add nothing, for what is given is not one integer."""
    words = 3 if command[0] in (b"INCRBY", b"DECRBY") else 2
    if len(command) != words:
        return None
    amount = _number(command[2]) if words == 3 else 1
    return _SIGNS[command[0]] * amount if isinstance(amount, int) else None


def _number(text: bytes) -> int | bytes:
    """Return an integer as Redis would read it; other texts as they are."""
    try:
        return integer(text)
    except Refusal:
        return text


def _lost_otherwise(group: list[Operation], finals: list[Operation]) -> Verdict:
    """Judge other keys: final reads must fit into an order of everything else."""
    verdict = check_commands([*group, *finals])
    if verdict.is_valid or (verdict.is_invalid and check_commands(group).is_valid):
        return verdict._replace(checker=LOST)
    return unknown(LOST, f"the run itself may have no order, so what is lost cannot be told: {verdict.reason}")
