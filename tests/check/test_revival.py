"""Counters begun at rest on keys that were gone."""

from collections.abc import Iterable

from trilemma.check.history import Operation
from trilemma.check.revival import check_revivals
from trilemma.check.verdict import Verdict


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
