"""Strings with unique parts: what blocks decide, what they leave to the search, and agreement with it."""

from random import Random
from typing import Any

import pytest

from trilemma.check.blocks import check_blocks
from trilemma.check.busy import forge_busy, plant_stale_read
from trilemma.check.forge import disturb, forge
from trilemma.check.fuzz import CASES
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_by_search, check_linearizable
from trilemma.check.model import STRING
from trilemma.check.verdict import Validity


def op(invoke: int, complete: int | None, kind: str, argument: Any = None, result: Any = None) -> Operation:
    outcome: Any = "ok" if complete is not None else "info"
    return Operation(invoke, invoke, complete, kind, b"k", argument, result, outcome)


def append(invoke: int, complete: int | None, value: bytes, told: int | None = None) -> Operation:
    return op(invoke, complete, "append", value, told)


def put(invoke: int, complete: int | None, value: bytes) -> Operation:
    return op(invoke, complete, "put", value)


def get(invoke: int, complete: int, value: bytes | None) -> Operation:
    return op(invoke, complete, "get", None, value)


POSSIBLE = {
    "empty": [],
    "nothing read, nothing written": [get(0, 1, None), get(2, 3, b"")],
    "appends in either order": [append(0, 9, b"a"), append(1, 9, b"b"), get(10, 11, b"ba")],
    "unseen appends before a put": [append(0, 9, b"a"), put(10, 11, b"p"), append(12, 13, b"b"), get(14, 15, b"pb")],
    "a put that nobody saw": [put(0, 1, b"p"), put(2, 3, b"q"), get(4, 5, b"q")],
    "an append of unknown outcome that comes late": [append(0, None, b"a"), get(5, 6, b""), get(7, 8, b"a")],
    "an append of unknown outcome that never comes": [append(0, None, b"a"), get(5, 6, b"")],
    "equal stamps are concurrent": [append(0, 5, b"a"), get(5, 6, b""), get(5, 6, b"a")],
    "a length that fits": [append(0, 1, b"aa", 2), append(2, 3, b"b", 3), get(4, 5, b"aab")],
    "parts told apart by the rest": [append(0, 1, b"v1"), append(2, 3, b"v12"), get(4, 5, b"v1v12")],
    "parts told apart by time": [append(0, 1, b"a"), append(0, 1, b"b"), get(2, 3, b"ab"), append(4, 5, b"ab")],
}

IMPOSSIBLE = {
    "out of thin air": [append(0, 1, b"a"), get(2, 3, b"ax")],
    "from a failed append": [append(0, 1, b"a")._replace(outcome="fail"), get(2, 3, b"a")],
    "an append read twice": [append(0, 1, b"a"), append(0, 1, b"b"), get(2, 3, b"aba")],
    "a put behind something": [append(0, 9, b"a"), put(0, 9, b"p"), get(10, 11, b"ap")],
    "part of an append": [append(0, 9, b"aa"), append(0, 9, b"b"), get(10, 11, b"baa"), get(10, 11, b"ba")],
    "reads that disagree": [append(0, 9, b"a"), append(0, 9, b"b"), get(3, 9, b"ab"), get(3, 9, b"ba")],
    "two first appends": [append(0, 9, b"a"), append(0, 9, b"b"), get(3, 9, b"a"), get(3, 9, b"b")],
    "an append after two puts": [
        put(0, 9, b"p"),
        put(0, 9, b"q"),
        append(0, 9, b"a"),
        get(0, 9, b"pa"),
        get(0, 9, b"qa"),
    ],
    "against the order of time": [append(0, 1, b"a"), append(2, 3, b"b"), get(4, 5, b"ba")],
    "read before it was written": [get(0, 1, b"a"), append(2, 3, b"a")],
    "stale": [append(0, 1, b"a"), append(0, 9, b"b"), get(2, 3, b"ab"), get(4, 5, b"a")],
    "a lost append": [append(0, 1, b"a"), append(2, 3, b"b"), append(4, 5, b"c"), get(6, 7, b"ac")],
    "a put that came back": [put(0, 1, b"p"), put(2, 3, b"q"), get(4, 5, b"q"), get(6, 7, b"p")],
    "a write between two reads": [put(0, 1, b"p"), append(2, 3, b"a"), get(4, 5, b"p")],
    "a length that does not fit": [append(0, 1, b"aa", 3), get(4, 5, b"aa")],
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_possible_history_is_valid(name: str) -> None:
    assert check_blocks(POSSIBLE[name]).is_valid
    assert check_by_search(POSSIBLE[name], STRING).is_valid


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_history_is_invalid_with_a_witness(name: str) -> None:
    verdict = check_blocks(IMPOSSIBLE[name])
    assert verdict.is_invalid
    assert verdict.witness
    assert check_by_search(IMPOSSIBLE[name], STRING).is_invalid
    assert check_linearizable(IMPOSSIBLE[name], STRING).witness


@pytest.mark.parametrize(
    "history",
    [
        [append(0, 1, b"a"), append(2, 3, b"a"), get(4, 5, b"aa")],
        [append(0, 9, b"a"), append(0, 9, b"b"), append(0, 9, b"ab"), get(10, 11, b"ab")],
        [append(0, 9, b""), get(10, 11, b"")],
        [append(0, 9, b"a", 1), put(0, 9, b"p")],
        [Operation(1, 0, 1, "add", b"k", 1)],
    ],
    ids=["written twice", "two ways to take apart", "an empty part", "an unseen length", "another operation"],
)
def test_what_blocks_cannot_decide_is_unknown_never_a_pass(history: list[Operation]) -> None:
    assert check_blocks(history).validity is Validity.UNKNOWN


def test_an_initial_value_is_the_beginning_of_what_is_read_before_a_put() -> None:
    assert check_blocks([append(0, 1, b"a"), get(2, 3, b"0a")], b"0").is_valid
    assert check_blocks([append(0, 1, b"a"), get(2, 3, b"a")], b"0").is_invalid
    assert check_blocks([get(2, 3, None)], b"0").is_invalid
    assert check_blocks([put(0, 1, b"p"), get(2, 3, b"0")], b"0").is_invalid


def test_text_is_judged_as_bytes_are() -> None:
    texts = [each._replace(argument=each.argument and each.argument.decode()) for each in IMPOSSIBLE["stale"]]
    texts = [each._replace(result=each.result and each.result.decode()) for each in texts]
    assert check_blocks(texts).is_invalid
    assert check_blocks(texts[:-1]).is_valid


@pytest.mark.parametrize("name", ["string", "tangled string"])
def test_blocks_agree_with_the_search_on_histories_too_long_for_brute_force(name: str) -> None:
    case, rng = CASES[name], Random(8)
    told = []
    for _ in range(100):
        history = disturb(rng, forge(rng, 14, case.model.initial, case.draw, case.run), rng.randrange(4))
        verdict = check_blocks(history)
        if verdict.is_valid or verdict.is_invalid:
            assert verdict.validity is check_by_search(history, STRING).validity, history
        told.append(verdict.validity)
    assert {Validity.VALID, Validity.INVALID} <= set(told)


@pytest.mark.parametrize("seed", range(3))
def test_small_busy_history_is_what_it_was_forged_to_be_by_the_search_too(seed: int) -> None:
    rng = Random(seed)
    history = forge_busy(rng, operations=60, clients=4, keys=2, unsure=0.05)
    assert check_by_search(history, STRING).is_valid
    stale = plant_stale_read(rng, history)
    assert sum(one != other for one, other in zip(history, stale, strict=True)) == 1
    assert check_by_search(stale, STRING).is_invalid


@pytest.mark.parametrize("seed", range(2))
def test_busy_history_of_fifty_clients_is_judged_without_search(seed: int) -> None:
    rng = Random(seed)
    history = forge_busy(rng, unsure=0.02 * (seed % 2))
    assert len(history) == 1_700
    assert check_linearizable(history, STRING, steps_max=1).is_valid
    verdict = check_linearizable(plant_stale_read(rng, history), STRING, steps_max=1)
    assert verdict.is_invalid
    assert len(verdict.witness) <= 4


def test_a_read_cannot_be_made_stale_where_there_are_too_few() -> None:
    with pytest.raises(ValueError, match="stale"):
        plant_stale_read(Random(1), [put(0, 1, b"p"), get(2, 3, b"p")])
