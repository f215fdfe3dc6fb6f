"""The search: witnesses, bounds, agreement with polynomial judges, and histories with a planted fault."""

import time
from random import Random
from typing import Any

import pytest

from trilemma.check import model as models
from trilemma.check.brute import is_linearizable
from trilemma.check.deadline import Deadline
from trilemma.check.forge import disturb, forge
from trilemma.check.fuzz import CASES
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_by_search, check_linearizable
from trilemma.check.register import check_register
from trilemma.check.verdict import Validity


def test_search_agrees_with_the_zones_on_histories_too_long_for_brute_force() -> None:
    rng = Random(6)

    def draw(rng: Random, number: int) -> tuple[str, Any]:
        return ("write", b"%d" % number) if rng.random() < 0.4 else ("read", None)

    def run(state: Any, operation: Operation) -> tuple[Any, Any]:
        return (state, state) if operation.kind == "read" else (b"OK", operation.argument)

    seen = set()
    for _ in range(300):
        history = disturb(rng, forge(rng, 40, None, draw, run), rng.randrange(3))
        verdict = check_by_search(history, models.register())
        assert verdict.validity is check_register(history).validity
        seen.add(verdict.validity)
    assert seen == {Validity.VALID, Validity.INVALID}


def test_witness_of_a_stale_read_names_the_read_and_what_it_missed() -> None:
    history = [Operation(1, 10 * i, 10 * i + 5, "write", b"k", i, None) for i in range(30)]
    history.append(Operation(2, 400, 401, "read", b"k", None, 12))
    history += [Operation(3, 500 + i, 500 + i, "read", b"k", None, 29) for i in range(20)]
    verdict = check_linearizable(history, models.register())
    assert verdict.is_invalid
    assert len(verdict.witness) == 3
    written = [each.argument for each in verdict.witness if each.kind == "write"]
    assert written[0] == 12
    assert written[1] > 12
    assert verdict.witness[-1].result == 12


def test_a_witness_calls_nothing_in_doubt_that_was_acknowledged() -> None:
    history = [
        Operation(0, 0, 5, "write", b"k", 1),
        Operation(1, 1, 2, "read", b"k", None, 1),
        Operation(2, 3, 4, "read", b"k", None, None),
    ]
    verdict = check_linearizable(history, models.register())
    assert verdict.witness == tuple(history)
    assert history[2].describe() in verdict.reason, "it is at the end of this one that no order is left"


def test_a_witness_takes_no_operation_for_one_that_failed_and_is_alike() -> None:
    taken = Operation(1, 6, 7, "dequeue", b"k", None, None)
    history = [taken._replace(outcome="fail"), Operation(0, 0, 2, "enqueue", b"k", 3), taken]
    assert check_linearizable(history, models.QUEUE).witness == tuple(history[1:])


@pytest.mark.parametrize("name", CASES)
def test_a_witness_is_of_the_history_as_it_was_and_cannot_be_ordered(name: str) -> None:
    case, rng, invalid = CASES[name], Random(7), 0
    for _ in range(400):
        history = disturb(rng, forge(rng, rng.randint(2, 6), case.model.initial, case.draw, case.run), rng.randrange(4))
        verdict = check_linearizable(history, case.model)
        if verdict.is_invalid:
            assert set(map(repr, verdict.witness)) <= set(map(repr, history)), (history, verdict)
            assert not is_linearizable(list(verdict.witness), case.model), (history, verdict)
            invalid += 1
    assert invalid > 10


def test_search_that_reaches_its_bound_is_unknown_never_valid() -> None:
    adds = [Operation(i, 0, None, "add", b"k", 1 << i, None, "info") for i in range(16)]
    impossible = Operation(99, 1, 2, "read", b"k", None, 1 << 16)
    assert check_linearizable([*adds, impossible], models.COUNTER, steps_max=1_000).validity is Validity.UNKNOWN


def test_search_that_reaches_its_deadline_is_unknown_never_valid() -> None:
    looks = iter(range(1_000_000))
    adds = [Operation(i, 0, None, "add", b"k", 1 << i, None, "info") for i in range(16)]
    impossible = Operation(99, 1, 2, "read", b"k", None, 1 << 16)
    deadline = Deadline.after(3.0, lambda: float(next(looks)))
    verdict = check_linearizable([*adds, impossible], models.COUNTER, deadline=deadline)
    assert verdict.validity is Validity.UNKNOWN
    assert "time" in verdict.reason
    assert next(looks) < 10, "a search looks at the clock until it is over, and no more"


def test_a_sum_that_no_addition_can_take_back_is_given_up_early() -> None:
    adds = [Operation(i, 0, None, "add", b"k", 1 << i, None, "info") for i in range(16)]
    impossible = Operation(99, 1, 2, "read", b"k", None, -1)
    assert check_linearizable([*adds, impossible], models.COUNTER, steps_max=1_000).is_invalid


def test_many_operations_that_nothing_tells_apart_do_not_make_a_search_long() -> None:
    adds = [Operation(i, 0, None, "add", b"k", 1, None, "info") for i in range(40)]
    impossible = Operation(99, 1, 2, "read", b"k", None, 41)
    assert check_linearizable([*adds, impossible], models.COUNTER, steps_max=10_000).is_invalid


def test_witness_ends_with_the_operation_at_which_the_history_first_fails() -> None:
    early = [Operation(1, 0, 1, "write", b"k", 1), Operation(2, 2, 3, "read", b"k", None, 7)]
    later = [Operation(3, 10 + i, 10 + i, "read", b"k", None, 8) for i in range(5)]
    write = Operation(4, 0, None, "write", b"k", 8, None, "info")
    for check in (check_linearizable, check_by_search):
        verdict = check([*early, write, *later], models.register())
        assert verdict.is_invalid
        assert verdict.witness == (early[1],)


def test_registers_with_unique_values_need_no_search() -> None:
    history = [Operation(i, 0, 1_000, "write", b"k", i) for i in range(200)]
    history += [Operation(999, 2_000 + i, 2_000 + i, "read", b"k", None, 7 + i) for i in range(2)]
    assert check_linearizable(history, models.register(), steps_max=1).is_invalid
    assert check_linearizable(history[:-1], models.register(), steps_max=1).is_valid


def test_where_values_repeat_or_are_compared_registers_are_searched() -> None:
    twice = [Operation(1, 0, 1, "write", b"k", 1), Operation(1, 2, 3, "write", b"k", 1)]
    seen = Operation(2, 4, 5, "read", b"k", None, 1)
    assert check_linearizable([*twice, seen], models.register()).is_valid
    assert check_linearizable([*twice, seen._replace(result=2)], models.register()).is_invalid
    swap = Operation(3, 4, 5, "cas", b"k", (1, 2), True)
    assert check_linearizable([*twice, swap, swap._replace(invoke_us=6, complete_us=7)], models.register()).is_invalid


def test_keys_are_judged_apart() -> None:
    good = [Operation(1, 0, 1, "add", b"a", 1, 1), Operation(1, 2, 3, "read", b"a", None, 1)]
    bad = [Operation(1, 0, 1, "add", b"b", 1, 1), Operation(1, 2, 3, "read", b"b", None, 0)]
    verdict = check_linearizable(good + bad, models.COUNTER)
    assert verdict.is_invalid
    assert {each.key for each in verdict.witness} == {b"b"}


def test_unknown_operation_may_take_effect_late_or_never() -> None:
    doubtful = Operation(1, 0, None, "add", b"k", 5, None, "info")
    reads = [Operation(2, 10, 11, "read", b"k", None, 0), Operation(2, 20, 21, "read", b"k", None, 5)]
    assert check_linearizable([doubtful, *reads], models.COUNTER).is_valid
    assert check_linearizable([doubtful, reads[0]], models.COUNTER).is_valid
    back = Operation(2, 30, 31, "read", b"k", None, 0)
    assert check_linearizable([doubtful, *reads, back], models.COUNTER).is_invalid


def _busy_history(rng: Random, clients: int, rounds: int) -> list[Operation]:
    """Overlapping appends and reads of one key by many clients, each taking effect within its interval."""
    state, history, free = b"", [], [0] * clients
    for number in range(rounds):
        process = rng.randrange(clients)
        moment = 10 * number
        invoke = max(free[process], moment - rng.randrange(10 * clients))
        complete = moment + 1 + rng.randrange(5 * clients)
        free[process] = moment + 1
        if rng.random() < 0.5:
            state += b"%d;" % number
            history.append(Operation(process, invoke, complete, "append", b"k", b"%d;" % number, len(state)))
        else:
            history.append(Operation(process, invoke, complete, "read", b"k", None, state))
    return history


@pytest.mark.parametrize("stale", [False, True])
def test_busy_key_with_fifty_clients_is_judged_within_the_bound(stale: bool) -> None:
    history = _busy_history(Random(7), 50, 600)
    if stale:
        at = max(i for i, each in enumerate(history) if each.kind == "read")
        early = next(each for each in history[100:] if each.kind == "read")
        history[at] = history[at]._replace(result=early.result)
    begin = time.process_time()
    assert check_linearizable(history, models.APPEND).is_invalid == stale
    assert time.process_time() - begin < 20
