"""The assertions of the pytest plugin against brute force: what they pass holds, and what they call invalid is."""

from random import Random
from typing import Any

import pytest

from trilemma.check.brute import is_linearizable
from trilemma.check.history import Operation
from trilemma.check.redis_model import REDIS, reply
from trilemma.client.assertions import assert_causal, assert_linearizable, assert_no_lost_writes
from trilemma.client.keyspaces import prefix_of
from trilemma.client.recording import FINAL_PROCESS, Recording

ROUNDS = 3_000
KEYS = ((b"a", b"1"), (b"a:x", b"b:x"))
"""Two of them are also a value, and an amount; two have names before a colon that are none of a keyspace."""

DRAWN = {
    "registers": [(b"SET", "key", "value"), (b"SET", "key", "value"), (b"GET", "key"), (b"DEL", "key")],
    "counters": [(b"INCR", "key"), (b"INCRBY", "key", "amount"), (b"DECRBY", "key", b"1"), (b"GET", "key")],
    "several": [
        (b"MSET", "one", "value", "other", "value"),
        (b"MSETNX", "one", "value", "other", "value"),
        (b"MGET", "one", "other"),
        (b"EXISTS", "one", "other"),
        (b"DEL", "one", "other"),
        (b"RENAME", "one", "other"),
        (b"SET", "key", "value"),
        (b"INCR", "key"),
        (b"GET", "key"),
        (b"GET", "key"),
    ],
}


def recorded(operations: list[Operation], finals: dict[bytes, Any]) -> Recording:
    """Return a recording of operations, with final reads of one node; named as clients and `read_finals` do."""
    history = Recording()
    history.modes = {"default": "cp"}
    history._operations = [each._replace(keyspace=prefix_of(each.key)) for each in operations]
    end_us = 10 + max((each.complete_us or each.invoke_us) for each in operations)
    for number, (key, value) in enumerate(finals.items()):
        at_us = end_us + 2 * number
        read = Operation(FINAL_PROCESS, at_us, at_us + 1, "command", key, (b"GET", key), value)
        history.finals.append(read._replace(keyspace=prefix_of(key)))
    return history


def command(at_us: int, words: str, result: Any = b"OK", outcome: Any = "ok", process: int = 1) -> Operation:
    argument = tuple(word.encode() for word in words.split())
    complete_us = None if outcome == "info" else at_us + 1
    return Operation(
        process, at_us, complete_us, "command", argument[1], argument, result if outcome == "ok" else None, outcome
    )


def drawn(rng: Random, profile: str, keys: tuple[bytes, bytes], is_lossy: bool) -> Recording:
    """Return a history of a store that is right, or one that forgets some of what it did, and did what had failed."""
    data: dict[bytes, Any] = {}
    operations, at_us, process = [], 0, 1
    for number in range(rng.randint(2, 6)):
        words = {
            "one": keys[0],
            "other": keys[1],
            "key": rng.choice(keys),
            "value": rng.choice([b"v%d" % number, b"a", b""]),
            "amount": rng.choice([b"1", b"x", b"0"]),
        }
        argument = tuple(words.get(word, word) for word in rng.choice(DRAWN[profile]))  # type: ignore[call-overload]
        outcome = rng.choice(["ok", "ok", "ok", "ok", "info", "fail"])
        begin_us, at_us = at_us + 1 - rng.randint(0, 3) * (number > 0), at_us + rng.randint(2, 6)
        before = dict(data)
        result = reply(data, argument)
        is_undone = outcome == "fail" or (outcome == "info" and rng.random() < 0.5)
        if is_undone != (is_lossy and rng.random() < 0.3):
            data = before
        known = result if outcome == "ok" else None
        process = number if outcome == "info" else rng.randrange(100, 103)
        complete_us = None if outcome == "info" else at_us
        operations.append(
            Operation(
                10 * process + number, max(begin_us, 0), complete_us, "command", argument[1], argument, known, outcome
            )
        )
    return recorded(operations, {key: reply(data, (b"GET", key)) for key in keys})


def verdict(assertion: Any, history: Recording) -> str:
    try:
        assertion(history)
    except AssertionError as failure:
        return "unknown" if ": unknown" in str(failure) else "invalid"
    return "valid"


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("profile", DRAWN)
def test_no_assertion_disagrees_with_brute_force(profile: str, keys: tuple[bytes, bytes]) -> None:
    rng = Random(71)
    seen: dict[tuple[str, str], int] = {}
    for number in range(ROUNDS):
        history = drawn(rng, profile, keys, is_lossy=number % 2 == 0)
        whole = [each._replace(key=b"") for each in (*history.operations, *history.finals)]
        run_is_right = is_linearizable([each._replace(key=b"") for each in history.operations], REDIS)
        all_is_right = is_linearizable(whole, REDIS)
        linearizable, lost = verdict(assert_linearizable, history), verdict(assert_no_lost_writes, history)
        assert not (linearizable == "invalid" and all_is_right), history.describe()
        assert not (linearizable == "valid" and not all_is_right), history.describe()
        assert not (lost == "invalid" and all_is_right), history.describe()
        assert not (lost == "valid" and run_is_right and not all_is_right), history.describe()
        assert not (lost == "unknown" and linearizable == "valid"), history.describe()
        for name, told in (("linearizable", linearizable), ("lost", lost)):
            seen[name, told] = seen.get((name, told), 0) + 1
    for told in ("valid", "invalid"):
        assert seen["linearizable", told] > ROUNDS // 50, seen
        assert seen["lost", told] > ROUNDS // 50, seen


def test_a_refused_command_on_several_keys_does_not_make_one_register_of_them() -> None:
    refused = [command(0, "MSET a 1 b 2", outcome="fail"), command(5, "SET a 3")]
    right = recorded([*refused, command(10, "GET b", None)], {b"a": b"3", b"b": None})
    assert [verdict(each, right) for each in (assert_linearizable, assert_no_lost_writes)] == ["valid", "valid"]
    broken = recorded([*refused, command(10, "GET b", b"3")], {b"a": b"3", b"b": b"3"})
    assert verdict(assert_linearizable, broken) == "invalid"


@pytest.mark.parametrize("words", ["SET b 1", "GET b", "MSETNX c 2 b 2", "LPUSH b 1"])
def test_a_key_of_which_every_command_failed_is_judged_by_its_absence(words: str) -> None:
    done = [command(0, "SET a 1"), command(5, words, outcome="fail")]
    right = recorded(done, {b"a": b"1", b"b": None})
    assert verdict(assert_no_lost_writes, right) == "valid"
    broken = recorded(done, {b"a": b"1", b"b": b"2"})
    assert verdict(assert_no_lost_writes, broken) == "invalid"
    unseen = recorded([*done, command(10, "BITOP NOT b a", 1)], {b"a": b"1", b"b": b"2"})
    assert verdict(assert_no_lost_writes, unseen) == "unknown", "nobody sees that BITOP wrote it"


def test_a_key_that_only_a_failed_command_names_beside_another_is_judged_too() -> None:
    done = [command(0, "SET a 1"), command(5, "MSETNX a 2 b 2", outcome="fail")]
    assert verdict(assert_no_lost_writes, recorded(done, {b"a": b"1", b"b": None})) == "valid"
    assert verdict(assert_no_lost_writes, recorded(done, {b"a": b"1", b"b": b"2"})) == "invalid"


@pytest.mark.parametrize("words", ["SET b 2", "INCR b", "MSETNX c 2 b 2"])
def test_a_key_of_which_every_command_failed_is_judged_by_its_absence_on_ap_too(words: str) -> None:
    done = [command(0, "SET a 1"), command(5, words, outcome="fail")]
    for shown, told in ((None, "valid"), (b"2", "invalid")):
        history = recorded(done, {b"a": b"1", b"b": shown})
        history.modes = {"default": "ap"}
        history.finals = [each._replace(node=node) for node in ("n1", "n2") for each in history.finals]
        assert verdict(assert_no_lost_writes, history) == told


def test_a_history_of_failures_alone_passes_nothing() -> None:
    done = [command(0, "SET a 1", outcome="fail"), command(5, "INCR a", outcome="info", process=2)]
    assert verdict(assert_no_lost_writes, recorded(done, {b"a": None})) == "unknown"


def on_nodes(history: Recording, mode: str) -> Recording:
    """Return a recording with its final reads made at two nodes, of keyspaces of a mode."""
    history.modes = {"default": mode}
    history.finals = [each._replace(node=node) for node in ("n1", "n2") for each in history.finals]
    return history


CHANGES = ["SET b 2", "INCR b", "APPEND b 2", "MSET a 1 b 2", "GETDEL b", "DEL b"]


@pytest.mark.parametrize("mode", ["cp", "ap"])
@pytest.mark.parametrize("outcome", ["ok", "info"])
@pytest.mark.parametrize("words", CHANGES)
def test_what_no_final_read_looked_at_is_not_called_kept(words: str, outcome: str, mode: str) -> None:
    done = [command(0, "SET a 1"), command(2, words, outcome=outcome, process=2)]
    history = on_nodes(recorded(done, {b"a": b"1"}), mode)
    with pytest.raises(AssertionError, match=r"no final read of b'b' came after .*(?s:.*)unknown is not a pass"):
        assert_no_lost_writes(history)


@pytest.mark.parametrize("mode", ["cp", "ap"])
@pytest.mark.parametrize("words", CHANGES)
def test_final_reads_that_are_older_than_what_changed_a_key_judge_nothing(words: str, mode: str) -> None:
    history = on_nodes(recorded([command(0, "SET a 1"), command(2, "SET b 1")], {b"a": b"1", b"b": b"1"}), mode)
    assert verdict(assert_no_lost_writes, history) == "valid"
    first_us = next(each.invoke_us for each in history.finals if each.key == b"b")
    kept = list(history._operations)
    for begin_us, end_us in ((first_us, first_us), (first_us - 5, first_us), (first_us + 90, first_us + 99)):
        late = command(begin_us, words, process=2)._replace(complete_us=end_us)
        history._operations = [*kept, late]
        with pytest.raises(AssertionError, match=r"no final read .*read_finals\(cluster\) again"):
            assert_no_lost_writes(history)


def test_what_changes_nothing_may_come_after_the_final_reads() -> None:
    history = recorded([command(0, "SET a 1"), command(2, "GET a", b"1")], {b"a": b"1"})
    history._operations += [
        command(900, "GET a", b"1"),
        command(910, "EXISTS a", 1),
        command(920, "SET a 2", outcome="fail"),
    ]
    assert verdict(assert_no_lost_writes, history) == "valid"


def test_what_is_in_doubt_before_the_final_reads_hinders_no_judgement() -> None:
    doubtful = command(3, "SET a 2", outcome="info", process=2)
    for shown, said in ((b"1", "valid"), (b"2", "valid"), (None, "invalid")):
        assert verdict(assert_no_lost_writes, recorded([command(0, "SET a 1"), doubtful], {b"a": shown})) == said


def test_counters_of_two_keys_are_two_sums() -> None:
    looked = command(0, "MGET a b", (None, None))
    moved = [looked, command(5, "DECRBY a 5", -5), command(10, "INCRBY b 5", 5)]
    assert verdict(assert_no_lost_writes, recorded(moved, {b"a": b"-5", b"b": b"5"})) == "valid"
    assert verdict(assert_no_lost_writes, recorded(moved, {b"a": None, b"b": None})) == "invalid"


@pytest.mark.parametrize("doubtful", ["INCRBY a 5", "SET a 5"])
def test_what_is_in_doubt_may_take_effect_between_two_final_reads(doubtful: str) -> None:
    run = [command(1, "GET a", None), command(3, doubtful, outcome="info", process=2), command(4, "INCR b", 1)]
    history = recorded(run, {b"a": None, b"b": b"1"})
    first, other = history.finals
    later = first._replace(process=FINAL_PROCESS + 1, invoke_us=first.invoke_us + 4, complete_us=first.invoke_us + 5)
    for shown, said in ((b"5", "valid"), (b"6", "invalid"), (None, "valid")):
        history.finals = [first, other, later._replace(result=shown)]
        assert verdict(assert_linearizable, history) == said
        assert verdict(assert_no_lost_writes, history) == said
    history.finals = [first._replace(result=b"5"), other, later]
    assert verdict(assert_no_lost_writes, history) == "invalid", "what took effect stays"


def test_a_delete_that_told_what_it_removed_is_not_undone() -> None:
    done = [command(0, "SET a 2"), command(0, "DEL a", 1, process=2)]
    assert verdict(assert_no_lost_writes, recorded(done, {b"a": None})) == "valid"
    assert verdict(assert_no_lost_writes, recorded(done, {b"a": b"2"})) == "invalid"


@pytest.mark.parametrize("outcome", ["fail", "info"])
@pytest.mark.parametrize("words", ["MSET a 1 b", "INCRBY a", "DECRBY a", "INCR a 2"])
def test_a_command_with_a_wrong_number_of_words_breaks_no_assertion(words: str, outcome: str) -> None:
    history = recorded([command(0, words, outcome=outcome), command(5, "SET b 1")], {b"b": b"1"})
    for mode in ("cp", "ap"):
        history.modes = {"default": mode}
        for assertion in (assert_linearizable, assert_no_lost_writes, assert_causal):
            assert verdict(assertion, history) in ("valid", "unknown")
