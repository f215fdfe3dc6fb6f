"""At most once: an effect that came twice and a reply that was made anew are found, and a dumb twin agrees."""

from itertools import product
from random import Random

import pytest

from trilemma.check.history import Operation
from trilemma.check.once import check_first_replies, check_once, merged
from trilemma.check.verdict import Validity


def attempt(start_us: int, end_us: int | None, token: bytes, amount: int, result: object = None) -> Operation:
    """An attempt: ok where there is an integer, refused where there is an error, in doubt where there is nothing."""
    outcome = "ok" if isinstance(result, int) else "fail" if isinstance(result, str) else "info"
    return Operation(1, start_us, end_us, "once", b"k", (token, amount), result, outcome)  # type: ignore[arg-type]


def read(start_us: int, end_us: int, result: int) -> Operation:
    return Operation(2, start_us, end_us, "read", b"k", None, result)


def worst(operations: list[Operation], finals: list[Operation]) -> Validity:
    found = {verdict.validity for verdict in check_once(operations, finals)}
    return next(each for each in (Validity.INVALID, Validity.UNKNOWN, Validity.VALID) if each in found)


def test_attempts_under_one_token_become_one_increment() -> None:
    attempts = [attempt(5, 9, b"a", 3), attempt(10, 12, b"a", 3, 3), attempt(11, 20, b"a", 3, 3)]
    assert [
        (each.kind, each.argument, each.invoke_us, each.complete_us, each.outcome) for each in merged(attempts)
    ] == [("add", 3, 5, 12, "ok")]


def test_a_token_that_was_only_refused_did_nothing_and_one_in_doubt_may_have() -> None:
    refused = [attempt(1, 2, b"a", 3, "CLUSTERDOWN"), attempt(3, 4, b"a", 3, "CLUSTERDOWN")]
    assert merged(refused)[0].outcome == "fail"
    assert merged([*refused, attempt(5, 6, b"a", 3)])[0].outcome == "info"


def test_an_increment_that_was_executed_twice_is_found_by_the_sum() -> None:
    attempts = [attempt(1, 2, b"a", 3), attempt(3, 4, b"a", 3, 3)]
    assert worst(attempts, [read(9, 10, 3)]) is Validity.VALID
    assert worst(attempts, [read(9, 10, 6)]) is Validity.INVALID


def test_a_reply_that_was_made_anew_is_found() -> None:
    verdict = check_first_replies([attempt(1, 2, b"a", 3, 3), attempt(3, 4, b"a", 3, 7)])
    assert verdict.is_invalid
    assert "answered 3, then 7" in verdict.reason
    assert len(verdict.witness) == 2


def test_retries_after_the_run_count_too() -> None:
    attempts = [attempt(1, 2, b"a", 3)]
    assert worst(attempts, [attempt(5, 6, b"a", 3, 3), read(9, 10, 3)]) is Validity.VALID
    assert worst(attempts, [attempt(5, 6, b"a", 3, 3), read(9, 10, 0)]) is Validity.INVALID


def test_where_no_attempt_was_answered_nothing_is_known() -> None:
    assert worst([attempt(1, 2, b"a", 3)], [read(9, 10, 0)]) is Validity.UNKNOWN


def played(random: Random, twice: float, forget: float) -> tuple[list[Operation], list[Operation]]:
    """Play attempts against a counter, one after the other; with some chance one counts twice, or is answered anew."""
    total, replies, operations = 0, dict[bytes, int](), []
    for place in range(random.randrange(2, 12)):
        token, time_us = b"%d" % random.randrange(4), place * 10
        amount = 10 ** int(token)
        draw = random.random()
        if draw < 0.2:
            operations.append(attempt(time_us, time_us + 5, token, amount, "CLUSTERDOWN"))
            continue
        if token not in replies or random.random() < twice:
            total += amount
            if token not in replies or random.random() < forget:
                replies[token] = total
        operations.append(attempt(time_us, time_us + 5, token, amount, replies[token] if draw < 0.7 else None))
    return operations, [read(1_000, 1_001, total)]


def twin(operations: list[Operation], finals: list[Operation]) -> bool:
    """Look for a choice of the doubtful tokens, and of an order in which tokens first counted, that explains it all.

    Attempts never overlap, so the order is that of the first attempts that counted.
    """
    tokens = sorted({each.argument[0] for each in operations})
    sent = {token: [each for each in operations if each.argument[0] == token] for token in tokens}
    choices = []
    for token in tokens:
        until_answer = []
        for each in sent[token]:
            until_answer.append(each)
            if each.outcome == "ok":
                break
        answered = any(each.outcome == "ok" for each in sent[token])
        places = [each for each in until_answer if each.outcome != "fail"]
        if not answered and any(each.outcome == "info" for each in sent[token]):
            choices.append([*places, None])
        else:
            choices.append(list(places) or [None])
    return any(explains(operations, finals, dict(zip(tokens, choice, strict=True))) for choice in product(*choices))


def explains(operations: list[Operation], finals: list[Operation], counted: dict[bytes, Operation | None]) -> bool:
    total, replies = 0, dict[bytes, int]()
    for each in operations:
        token, amount = each.argument
        if counted[token] is each:
            total += amount
            replies[token] = total
        if each.outcome == "ok" and replies.get(token) != each.result:
            return False
    return finals[0].result == total


@pytest.mark.parametrize("seed", range(300))
def test_it_refuses_only_what_a_dumb_twin_cannot_explain_and_misses_only_what_doubt_hides(seed: int) -> None:
    random = Random(seed)
    operations, finals = played(random, twice=0.0, forget=0.0)
    assert twin(operations, finals)
    assert worst(operations, finals) is not Validity.INVALID
    operations, finals = played(random, twice=0.5, forget=0.5)
    # What the checker refuses the twin cannot explain; it is weaker than the twin only in its bounds on replies.
    if worst(operations, finals) is Validity.INVALID:
        assert not twin(operations, finals)
    elif not twin(operations, finals):
        assert any(each.outcome == "info" for each in operations)
