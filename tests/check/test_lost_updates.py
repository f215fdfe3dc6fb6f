"""Lost updates: read-then-write pairs that put themselves over what they had not seen; agreement with all orders."""

from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import Any

import pytest

from trilemma.check.history import Operation
from trilemma.check.lost_updates import check_lost_updates
from trilemma.check.overwriting import ATOMIC, surely_written, written
from trilemma.check.redis_entry import Data, Entry
from trilemma.check.redis_model import reply
from trilemma.check.verdict import Validity

ROUNDS = 1_500


def done(process: int, begin: int, end: int | None, *words: str, result: Any = b"OK", outcome: Any = "ok") -> Operation:
    command = tuple(word.encode() for word in words)
    return Operation(process, begin, end, "command", command[1], command, result, outcome)


def read(process: int, begin: int, end: int, value: bytes | None, key: str = "k") -> Operation:
    return done(process, begin, end, "GET", key, result=value)


OPENED = done(0, 0, 1, "SET", "k", "100")

LOST: dict[str, list[Operation]] = {
    "a write that tells what it replaced comes in between": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "7", "GET", result=b"100")),
        done(1, 20, 21, "SET", "k", "90"),
    ],
    "both read, then both write": [
        *(read(1, 10, 11, b"100"), read(2, 12, 13, b"100")),
        *(done(1, 20, 21, "SET", "k", "90"), done(2, 30, 31, "SET", "k", "80")),
    ],
    "both write the same value": [
        *(read(1, 10, 11, b"100"), read(2, 12, 13, b"100")),
        *(done(1, 20, 31, "SET", "k", "90"), done(2, 20, 31, "SET", "k", "90")),
    ],
    "the value that is there is set again, and what it replaces is told": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "GETSET", "k", "100", result=b"100")),
        done(1, 20, 21, "SET", "k", "90"),
    ],
    "the value that is there is set again, and only what it replaced tells when": [
        *(read(1, 10, 11, b"100"), done(2, 12, 30, "GETSET", "k", "100", result=b"100")),
        *(done(1, 20, 21, "SET", "k", "90"), read(3, 40, 41, b"90")),
    ],
    "an increment comes in between": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "INCR", "k", result=101), done(1, 20, 21, "SET", "k", "90")),
    ],
    "a write that was not based on anything comes in between": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "7"), done(1, 20, 21, "SET", "k", "90")),
    ],
    "a lock is deleted that is another's by now": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "mine"), done(1, 20, 21, "DEL", "k", result=1)),
    ],
    "the store let a guarded transaction through": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "7")),
        Operation(1, 20, 21, "transaction", b"k", ((b"SET", b"k", b"90"),), (b"OK",)),
    ],
    "both read, then both write what must be there": [
        *(read(1, 10, 11, b"100"), read(2, 12, 13, b"100")),
        *(done(1, 20, 21, "SET", "k", "90", "XX"), done(2, 30, 31, "SET", "k", "80", "xx")),
    ],
    "both read, then both write the same part": [
        *(done(1, 10, 11, "GETRANGE", "k", "0", "0", result=b"1"), read(2, 12, 13, b"100")),
        *(done(1, 20, 21, "SETRANGE", "k", "0", "2", result=3), done(2, 30, 31, "SETRANGE", "k", "0", "3", result=3)),
    ],
    "the same part is written as it was": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SETRANGE", "k", "1", "0", result=3)),
        *(done(1, 20, 21, "SETRANGE", "k", "0", "20", result=3),),
    ],
    "a part is written over all that came in between": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "777")),
        *(done(1, 20, 21, "SETRANGE", "k", "0", "2", result=3),),
    ],
    "all is written over a part that came in between": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SETRANGE", "k", "0", "2", result=3)),
        *(done(1, 20, 21, "SET", "k", "90"),),
    ],
    "two add to the end that both had read": [
        *(done(process, 10 + process, 12 + process, "STRLEN", "k", result=3) for process in (1, 2)),
        *(done(process, 20 + process, 30, "SETRANGE", "k", "3", "x", result=4) for process in (1, 2)),
    ],
    "intervals overlap, and only the values tell": [
        *(read(1, 10, 25, b"100"), read(2, 10, 25, b"100")),
        *(done(1, 26, 40, "SET", "k", "90"), done(2, 26, 40, "SET", "k", "80")),
    ],
}

KEPT: dict[str, list[Operation]] = {
    "what was set tells what it replaced, so it builds on no earlier read": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "7")),
        *(done(1, 20, 21, "SET", "k", "90", "get", result=b"7"), read(1, 22, 23, b"90")),
        *(done(1, 24, 25, "SET", "k", "80"), read(2, 30, 31, b"80")),
    ],
    "one after the other": [
        *(read(1, 10, 11, b"100"), done(1, 12, 13, "SET", "k", "90")),
        *(read(2, 20, 21, b"90"), done(2, 22, 23, "SET", "k", "80")),
    ],
    "two parts are written side by side": [
        *(done(1, 10, 11, "GETRANGE", "k", "0", "0", result=b"1"), read(2, 12, 13, b"100")),
        *(done(1, 20, 21, "SETRANGE", "k", "0", "2", result=3), done(2, 30, 31, "SETRANGE", "k", "1", "33", result=3)),
        read(3, 40, 41, b"233"),
    ],
    "what is appended is beside what is written": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "APPEND", "k", "7", result=4)),
        *(done(1, 20, 21, "SETRANGE", "k", "2", "9", result=4), read(3, 40, 41, b"1097")),
    ],
    "nothing is put nowhere": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "INCR", "k", result=101)),
        done(1, 20, 21, "SETRANGE", "k", "-1", "2", result="ERR offset is out of range"),
        done(1, 22, 23, "SETRANGE", "k", "0", "", result=3),
    ],
    "what must be there is gone": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "GETDEL", "k", result=b"100")),
        done(1, 20, 21, "SET", "k", "90", "XX", result=None),
    ],
    "what is put over another's write is told, and by the same command": [
        *(read(1, 10, 11, b"100"), read(2, 12, 13, b"100")),
        *(done(1, 20, 21, "GETSET", "k", "90", result=b"100"), done(2, 30, 31, "GETSET", "k", "80", result=b"90")),
    ],
    "increments": [done(1, 10, 30, "INCR", "k", result=102), done(2, 10, 30, "INCR", "k", result=101)],
    "the other one's write was refused": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "7", outcome="fail"), done(1, 20, 21, "SET", "k", "90")),
    ],
    "the other one's write may never have happened": [
        *(
            read(1, 10, 11, b"100"),
            done(2, 12, None, "SET", "k", "7", outcome="info"),
            done(1, 20, 21, "SET", "k", "9"),
        ),
    ],
    "what came in between was seen": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "k", "7")),
        *(read(1, 14, 15, b"7"), done(1, 20, 21, "SET", "k", "6")),
    ],
    "the deletion found nothing to delete": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "DEL", "k", result=1), done(1, 20, 21, "DEL", "k", result=0)),
    ],
    "zero is added": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "INCRBY", "k", "0", result=100), done(1, 20, 21, "SET", "k", "90")),
        *(read(1, 30, 31, b"90"), done(2, 32, 33, "DECRBY", "k", "0", result=90), done(1, 40, 41, "SET", "k", "80")),
    ],
    "a fraction is added that is zero, or too small to be seen": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "INCRBYFLOAT", "k", "0.0", result=b"100")),
        *(done(2, 14, 15, "INCRBYFLOAT", "k", "1e-30", result=b"100"), done(1, 20, 21, "SET", "k", "90")),
    ],
    "nothing is appended": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "APPEND", "k", "", result=3), done(1, 20, 21, "SET", "k", "90")),
    ],
    "one transaction adds and takes away again": [
        read(1, 10, 11, b"100"),
        Operation(2, 12, 13, "transaction", b"k", ((b"INCR", b"k"), (b"DECR", b"k")), (101, 100)),
        done(1, 20, 21, "SET", "k", "90"),
    ],
    "one transaction takes away and puts there again": [
        read(1, 10, 11, b"100"),
        Operation(2, 12, 13, "transaction", b"k", ((b"DEL", b"k"), (b"SETNX", b"k", b"100")), (1, 1)),
        done(1, 20, 21, "SET", "k", "90"),
    ],
    "another key": [
        *(read(1, 10, 11, b"100"), done(2, 12, 13, "SET", "j", "7"), done(1, 20, 21, "SET", "k", "90")),
    ],
}


@pytest.mark.parametrize("name", LOST)
def test_a_lost_update_is_found(name: str) -> None:
    verdict = check_lost_updates([OPENED, *LOST[name]])
    assert verdict.is_invalid, verdict
    assert len(verdict.witness) >= 3


@pytest.mark.parametrize("name", KEPT)
def test_what_loses_nothing_is_left_alone(name: str) -> None:
    assert check_lost_updates([OPENED, *KEPT[name]]).is_valid


def test_a_history_without_updates_is_no_pass() -> None:
    assert check_lost_updates([]).validity is Validity.UNKNOWN
    assert check_lost_updates([OPENED, read(1, 10, 11, b"100")]).validity is Validity.UNKNOWN


def test_a_command_that_the_model_does_not_know_is_no_pass() -> None:
    known = KEPT["one after the other"]
    assert check_lost_updates([OPENED, *known, done(1, 90, 91, "LPUSH", "k", "x")]).validity is Validity.UNKNOWN
    assert (
        check_lost_updates([OPENED, *known, done(1, 90, 91, "SET", "k", "x", "EX", "9")]).validity is Validity.UNKNOWN
    )


def test_a_history_that_has_no_order_at_all_is_not_called_a_lost_update() -> None:
    odd = read(2, 90, 91, b"from nowhere")
    assert check_lost_updates([OPENED, *KEPT["one after the other"], odd]).validity is Validity.UNKNOWN


# The twin: every order, with the versions of keys counted.


def orders(history: list[Operation]) -> Any:
    happened = [each for each in history if each.outcome == "ok"]
    doubtful = [each for each in history if each.outcome == "info"]
    for chosen in range(1 << len(doubtful)):
        some = happened + [each for index, each in enumerate(doubtful) if chosen >> index & 1]
        for order in permutations(some):
            if not any(late.precedes(early) for index, early in enumerate(order) for late in order[index + 1 :]):
                yield order


NOTHING_PUT = (b"SETRANGE", b"k", b"0", b"")


def plays(order: tuple[Operation, ...], bases: dict[Operation, Operation]) -> tuple[bool, bool]:
    """Say whether Redis could have answered so in this order, and whether nothing came between reads and writes."""
    data: Data = {}
    version, seen, kept = 0, {}, True
    for each in order:
        before = dict(data)
        told = reply(data, each.argument)
        if each.outcome == "ok" and told != each.result:
            return False, False
        seen[each] = version
        is_blind = each.argument[0] in (b"SET", b"SETRANGE", b"GETSET") and each.argument != NOTHING_PUT
        puts = is_blind and (each.argument[3:] != (b"XX",) or b"k" in before)
        is_write = puts or data != before
        if is_write and each in bases:
            kept = kept and bases[each] in seen and seen[bases[each]] == version
        version += is_write
    return True, kept


def based(history: list[Operation]) -> dict[Operation, Operation]:
    bases = {}
    for process in {each.process for each in history}:
        last = None
        for each in sorted((each for each in history if each.process == process), key=lambda each: each.invoke_us):
            if each.argument[0] == b"GET":
                last = each if each.outcome == "ok" else last
            elif each.outcome != "fail":
                is_void = each.outcome == "ok" and each.argument[3:] == (b"XX",) and each.result is None
                is_told = is_void or each.argument[3:] == (b"GET",)
                if last is not None and each.argument[0] in (b"SET", b"SETRANGE", b"DEL") and not is_told:
                    bases[each] = last
                last = None
    return bases


IDLE = (
    *(("INCRBY", "0"), ("DECRBY", "0"), ("INCRBYFLOAT", "0.0"), ("INCRBYFLOAT", "1e-30"), ("APPEND", "")),
    *(("GETSET", "1"), ("SET", "1", "GET"), ("SET", ""), ("SETRANGE", "0", "")),
)
"""Commands that may leave all as it was."""


def forged(rng: Random) -> list[Operation]:
    """Three processes on one key, in turns that a shuffled clock widens; a reply is spoilt now and then."""
    data: Data = {}
    moments = [0] * 3
    history = []
    for number in range(rng.randint(3, 6)):
        process = rng.randrange(3)
        words = rng.choice(
            [
                *(("GET",), ("GET",), ("SET", str(rng.randrange(3))), ("SET", str(number)), ("INCR",), ("DEL",)),
                *(("SET", str(number), "XX"), ("SETRANGE", "0", str(rng.randrange(3)))),
                rng.choice(IDLE),
            ]
        )
        command = (words[0].encode(), b"k", *(word.encode() for word in words[1:]))
        begin = max(moments[process] + 1, 4 * number - rng.randrange(9))
        end = max(begin, 4 * number + rng.randrange(6))
        moments[process] = end
        outcome = "info" if rng.random() < 0.1 else "fail" if rng.random() < 0.05 else "ok"
        if words[0] == "INCRBYFLOAT":
            outcome = "ok"  # how a sum was rounded that was not told, nobody knows
        result = reply(data, command) if outcome == "ok" or (outcome == "info" and rng.random() < 0.5) else None
        if rng.random() < 0.05:
            result = b"1"
        process += 3 * number if outcome == "info" else 0
        told = result if outcome == "ok" else None
        ends = None if outcome == "info" else end
        history.append(Operation(process, begin, ends, "command", b"k", command, told, outcome))  # type: ignore[arg-type]
    return history


def test_the_checker_never_disagrees_with_all_orders() -> None:
    rng = Random(8)
    seen = dict.fromkeys(Validity, 0)
    for _ in range(ROUNDS):
        history = forged(rng)
        bases = based(history)
        found = [plays(order, bases) for order in orders(history)]
        verdict = check_lost_updates(history)
        seen[verdict.validity] += 1
        if any(kept for _, kept in found):
            updates = any(each in bases or each.argument[0] in ATOMIC for each in history if each.outcome == "ok")
            assert verdict.is_valid if updates else verdict.validity is Validity.UNKNOWN, (history, verdict)
        elif any(legal for legal, _ in found):
            assert verdict.is_invalid, (history, verdict)
        else:
            assert not verdict.is_valid, (history, verdict)
    assert min(seen.values()) > ROUNDS // 50, seen


WRITES = (
    *(("SET", "1"), ("SET", "1", "XX"), ("SET", "1", "NX"), ("SET", "1", "GET"), ("INCR",), ("DECR",), ("INCRBY", "1")),
    *(("APPEND", "0"), ("SETRANGE", "0", "1"), ("SETNX", "1"), ("DEL",), ("UNLINK",), ("GETDEL",), ("MSET", "1")),
    *(("MSETNX", "1"), ("RENAME", "j"), ("COPY", "j", "REPLACE"), ("GET",)),
)


def test_what_is_surely_written_is_written_whatever_was_there_before() -> None:
    rng = Random(9)
    sure = unsure = 0
    for _ in range(4 * ROUNDS):
        words = [rng.choice((*WRITES, *IDLE)) for _ in range(rng.choice((1, 1, 2, 3)))]
        commands = tuple(
            (name.encode(), rng.choice((b"k", b"k", b"j")), *(each.encode() for each in more)) for name, *more in words
        )
        before = {key: Entry(rng.choice((b"", b"0", b"1", b"x"))) for key in (b"k", b"j") if rng.random() < 0.7}
        after = dict(before)
        replies = tuple(reply(after, command) for command in commands)
        operation = Operation(1, 0, 1, "transaction", b"k", commands, replies)
        found, all_written = surely_written(operation), written(operation, before, after)
        assert found <= all_written, (before, after, operation)
        sure += len(found)
        unsure += len(all_written - found)
    assert min(sure, unsure) > ROUNDS // 4, (sure, unsure)


def test_a_long_history_of_careful_clients_is_judged_within_the_bound() -> None:
    rng, history, value, at = Random(2), [OPENED], 100, 10
    for number in range(2_000):
        process, taken = rng.randrange(5), rng.randrange(3)
        history.append(read(process, at, at + 3, b"%d" % value))
        value -= taken
        history.append(done(process, at + 4, at + 7, "SET", "k", str(value)))
        if number % 10 == 0:
            history.append(read(9, at, at + 9, b"%d" % value))
        at += 10
    check: Callable[[list[Operation]], Any] = check_lost_updates
    assert check(history).is_valid


def test_what_a_transaction_wrote_and_removed_again_was_put_over_nothing_where_nothing_was() -> None:
    set_and_taken = ((b"SET", b"k", b"7"), (b"GETDEL", b"k"))
    taken = [read(1, 10, 11, b"100"), Operation(2, 12, 13, "transaction", b"k", set_and_taken, (b"OK", b"7"))]
    commands = ((b"APPEND", b"k", b"0"), (b"DEL", b"k"))
    passing = Operation(1, 20, 21, "transaction", b"k", commands, (1, 1))
    assert check_lost_updates([OPENED, *taken, passing]).is_valid
    over = Operation(1, 20, 21, "transaction", b"k", commands, (4, 1))
    other = done(2, 14, 15, "SET", "k", "new")
    assert check_lost_updates([OPENED, *taken, other, over]).is_invalid


def test_a_witness_is_as_it_was_recorded_also_of_keys_that_belong_together() -> None:
    history = [
        done(0, 0, 1, "MSET", "a", "1", "b", "1"),
        *(read(1, 10, 11, b"1", "b"), read(2, 10, 11, b"1", "b")),
        *(done(1, 20, 21, "SET", "b", "2"), done(2, 22, 23, "SET", "b", "3")),
    ]
    verdict = check_lost_updates(history)
    assert verdict.is_invalid
    assert set(verdict.witness) <= set(history)
