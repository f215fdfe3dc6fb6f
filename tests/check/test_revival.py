"""Counters begun at rest on keys that were gone; agreement with the model of Redis that begins with nothing."""

from collections.abc import Iterable
from random import Random

from trilemma.check.history import Operation
from trilemma.check.redis_entry import Data
from trilemma.check.redis_model import reply
from trilemma.check.revival import check_revivals
from trilemma.check.verdict import Validity, Verdict

ROUNDS = 4_000


def judged(*replies: tuple[bytes, object], outcome: str = "ok") -> Verdict:
    return check_revivals(history(replies, outcome))


def history(replies: Iterable[tuple[bytes, object]], outcome: str) -> list[Operation]:
    words = {b"INCRBY": (b"INCRBY", b"k", b"7"), b"GET": (b"GET", b"k"), b"PTTL": (b"PTTL", b"k")}
    return [
        Operation(1, number * 10, number * 10 + 5, "command", b"k", words[name], reply, outcome)  # type: ignore[arg-type]
        for number, (name, reply) in enumerate(replies)
    ]


def test_a_counter_begun_at_rest_shows_what_was_added_and_lives_for_ever() -> None:
    assert judged((b"INCRBY", 7), (b"GET", b"7"), (b"PTTL", -1)).is_valid


def test_a_counter_that_is_gone_at_once_or_takes_over_a_deadline_is_found() -> None:
    assert judged((b"INCRBY", 7), (b"GET", None), (b"PTTL", -2)).is_invalid
    assert judged((b"INCRBY", 7), (b"GET", b"7"), (b"PTTL", 97_000)).is_invalid


def test_what_an_earlier_life_of_the_key_held_is_found_in_the_reply() -> None:
    assert judged((b"INCRBY", 12), (b"GET", b"12"), (b"PTTL", -1)).is_invalid


def test_a_key_that_was_not_begun_says_nothing() -> None:
    assert not judged((b"INCRBY", "CLUSTERDOWN"), (b"GET", None), (b"PTTL", -2), outcome="fail").is_invalid
    assert not check_revivals([]).is_invalid


# The twin: Redis without any key, command after command. What was not answered changed nothing and says nothing.


def explained(operations: Iterable[Operation]) -> bool:
    data: Data = {}
    return all(reply(data, each.argument) == each.result for each in operations if each.outcome == "ok")


def drawn(rng: Random, key: bytes) -> list[Operation]:
    """Draw the look at one key that was gone, mostly with the right replies."""
    amount = rng.choice((7, 0, -3))
    commands = [(b"INCRBY", key, b"%d" % amount), (b"GET", key), (b"PTTL", key), (b"GET", key)][: rng.randint(1, 4)]
    data: Data = {}
    made = []
    for number, command in enumerate(commands):
        right = reply(data, command)
        told = rng.choice((None, b"7", b"0", 7, 5, -1, -2, 97_000)) if rng.random() < 0.1 else right
        outcome = rng.choice(("ok", "ok", "ok", "ok", "info", "fail"))
        result = told if outcome == "ok" else None
        made.append(Operation(1, number * 10, number * 10 + 5, "command", key, command, result, outcome))  # type: ignore[arg-type]
    return made


def test_no_look_at_keys_that_were_gone_is_judged_otherwise_than_by_the_model() -> None:
    rng = Random(6)
    seen = dict.fromkeys(Validity, 0)
    for _ in range(ROUNDS):
        groups = [drawn(rng, key) for key in (b"k", b"l")[: rng.randint(1, 2)]]
        verdict = check_revivals([each for group in groups for each in group])
        seen[verdict.validity] += 1
        begun = [group for group in groups if group[0].outcome == "ok"]
        is_explained = all(map(explained, begun))
        assert verdict.is_invalid == (not is_explained), (groups, verdict)
        assert verdict.is_valid == (is_explained and len(begun) == len(groups)), (groups, verdict)
    assert min(seen.values()) > ROUNDS // 10, seen
