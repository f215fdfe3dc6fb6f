"""Registers against all models: verdicts never contradict each other, and the place of a history is told."""

from random import Random
from typing import Any

from trilemma.check import hierarchy as models
from trilemma.check.history import Operation
from trilemma.check.register_models import judge_registers
from trilemma.check.verdict import Validity

FUZZ_ROUNDS = 4_000


def write(process: int, at: int, value: Any) -> Operation:
    return Operation(process, at, at + 1, "write", b"x", value)


def read(process: int, at: int, value: Any, node: str = "") -> Operation:
    return Operation(process, at, at + 1, "read", b"x", None, value, "ok", node)


def test_a_stale_read_of_another_session_is_sequential_but_not_linearizable() -> None:
    verdicts = judge_registers([write(1, 0, 1), write(1, 2, 2), read(2, 4, 1), read(2, 6, 2), read(1, 8, 2)])
    standing = models.stand(verdicts)
    assert standing.satisfied == (models.SEQUENTIAL,)
    assert standing.broken == (models.LINEARIZABLE,)


def test_a_session_that_moves_to_a_stale_node_is_not_causal() -> None:
    verdicts = judge_registers([write(1, 0, 1), read(2, 2, 1, "n1"), read(2, 4, None, "n2")])
    assert models.stand(verdicts).broken == (models.MONOTONIC_READS,)
    assert verdicts[models.CAUSAL_CONVERGENCE].is_invalid


def test_nothing_read_is_unknown_for_every_model() -> None:
    assert {each.validity for each in judge_registers([write(1, 0, 1)]).values()} == {Validity.UNKNOWN}


def test_no_verdict_contradicts_another() -> None:
    rng = Random(141)
    found: dict[tuple[str, ...], int] = {}
    for _ in range(FUZZ_ROUNDS):
        history: list[Operation] = []
        written: dict[bytes, list[Any]] = {b"x": [None], b"y": [None]}
        for number in range(rng.randint(3, 10)):
            key = rng.choice([b"x", b"y"])
            begin = 10 * number + rng.randrange(3)
            base = Operation(rng.randint(1, 3), begin, begin + 5, "read", key, node=rng.choice(["n1", "n2"]))
            if rng.random() < 0.5:
                history.append(base._replace(kind="write", argument=number))
                written[key].append(number)
            else:
                history.append(
                    base._replace(result=written[key][-1] if rng.random() < 0.7 else rng.choice(written[key]))
                )
        standing = models.stand(judge_registers(history))
        assert standing.contradicted == (), history
        found[standing.broken] = found.get(standing.broken, 0) + 1
    assert len(found) > 5
