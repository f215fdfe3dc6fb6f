"""Numbers of connections: two that one node had without a restart between them must not have the same."""

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from random import Random

import pytest

from trilemma.check.connection import walk
from trilemma.check.connection_number import Life, find_shared
from trilemma.check.history import Operation

TWIN_ROUNDS = 1_500
LAST_US = 7


def asked(process: int, begin_us: int, end_us: int, told: object = 7, node: str = "n1") -> Operation:
    commands = ((b"CLIENT", b"ID"),)
    return Operation(process, begin_us, end_us, "session", b"k", commands, (("ok", told),), "ok", node)


def silent(process: int, begin_us: int, end_us: int, node: str = "n1") -> Operation:
    return asked(process, begin_us, end_us, b"PONG", node)._replace(argument=((b"PING",),))


SHARED = {
    "at one time": [asked(1, 0, 1), asked(2, 5, 6), silent(1, 8, 9)],
    "both for long": [asked(1, 0, 1), silent(2, 0, 3), silent(1, 8, 9), asked(2, 20, 21)],
    "one after the other, while a third was there": [
        silent(3, 0, 1), asked(1, 2, 3), asked(2, 5, 6), silent(3, 8, 9),
    ],
    "one after the other, while two others took turns": [
        silent(3, 0, 1), asked(1, 2, 3), silent(4, 4, 5), silent(3, 8, 9), asked(2, 10, 11), silent(4, 12, 13),
    ],
    "a step that was refused in part": [
        asked(1, 0, 1), asked(2, 5, 6), silent(1, 8, 9)._replace(outcome="info", complete_us=None),
    ],
}  # fmt: skip

APART = {
    "one after the other, where a restart may be between": [asked(1, 0, 1), asked(2, 5, 6)],
    "both for long, but nobody was there between": [asked(1, 0, 1), silent(1, 4, 5), asked(2, 6, 7), silent(2, 9, 10)],
    "other numbers": [asked(1, 0, 1), asked(2, 5, 6, 8), silent(1, 8, 9)],
    "at other nodes": [asked(1, 0, 1), asked(2, 5, 6, node="n2"), silent(1, 8, 9)],
    "one connection that asks twice": [asked(1, 0, 1), asked(1, 5, 6), silent(1, 8, 9)],
    "who was never answered again": [asked(1, 0, 1), asked(2, 5, 6), silent(1, 8, 9)._replace(result=())],
}


@pytest.mark.parametrize("name", SHARED)
def test_two_connections_of_one_node_with_one_number_are_found(name: str) -> None:
    verdict = walk(SHARED[name]).verdict
    assert verdict.is_invalid
    assert "were told one number" in verdict.reason
    assert {each.argument for each in verdict.witness} == {((b"CLIENT", b"ID"),)}
    assert len(verdict.witness) == 2


@pytest.mark.parametrize("name", APART)
def test_a_number_may_be_had_again_after_a_restart_and_at_another_node(name: str) -> None:
    assert walk(APART[name]).verdict.is_valid


# The twin: every set of restarts, and every one of the times between two in which each connection can have been there.


def is_explained(lives: Sequence[Life]) -> bool:
    """Say whether restarts can have been such that no two connections between the same two have one number. Each moment
    of a stamp is one of two: what has the same stamp may have been in any order."""
    moments = range(1, 2 * LAST_US + 2)
    cuts = (chosen for count in range(4) for chosen in combinations(moments, count))
    return any(_fits(lives, [0, *chosen, 2 * LAST_US + 2], set()) for chosen in cuts)


def _fits(lives: Sequence[Life], cuts: list[int], taken: set[tuple[int, int | None]]) -> bool:
    if not lives:
        return True
    life, *others = lives
    for place, (begin, end) in enumerate(pairwise(cuts)):
        can_be = all(2 * (each.complete_us or 0) + 1 >= begin and 2 * each.invoke_us < end for each in life.answered)
        if can_be and (place, life.number) not in taken and _fits(others, cuts, {*taken, (place, life.number)}):
            return True
    return False


def drawn(rng: Random) -> Iterable[Life]:
    for process in range(rng.randint(2, 4)):
        at_us, steps = rng.randrange(4), []
        for _ in range(rng.randint(1, 2)):
            end_us = min(at_us + rng.randrange(3), LAST_US)
            steps.append(asked(process, at_us, end_us))
            at_us = min(end_us + rng.randrange(4), LAST_US)
        yield Life("n1", steps, rng.randrange(2), steps[0])


def test_what_is_found_no_restarts_explain() -> None:
    rng = Random(131)
    found = missed = explained = 0
    for _ in range(TWIN_ROUNDS):
        lives = list(drawn(rng))
        is_right, shared = is_explained(lives), find_shared(lives)
        assert not (is_right and shared), lives
        found, missed, explained = found + bool(shared), missed + (not is_right and not shared), explained + is_right
    assert min(found, explained) > TWIN_ROUNDS // 8, (found, explained)
    assert found > 3 * missed, (found, missed)
