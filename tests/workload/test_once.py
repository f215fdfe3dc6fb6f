"""The workload that retries: until it is answered, under the same token, and in the end nothing is in doubt."""

from collections.abc import Sequence
from random import Random

import pytest

from trilemma.check.history import Operation
from trilemma.check.once import by_token, check_once
from trilemma.check.verdict import Verdict
from trilemma.workload.once import Once
from trilemma.workload.reply import LOST
from trilemma.workload.step import Reply, Step

STEPS = 500


class OnceStore:
    """Counters with a table of tokens; `forgets`: how often it has lost a token."""

    def __init__(self, rng: Random, forgets: float) -> None:
        self._rng = rng
        self._forgets = forgets
        self._sums: dict[bytes, int] = {}
        self._replies: dict[bytes, int] = {}

    def answer(self, command: Sequence[bytes]) -> Reply:
        if command[0] == b"GET":
            return b"%d" % self._sums[command[1]] if command[1] in self._sums else None
        token, key, amount = command[2], command[4], int(command[5])
        assert (command[0], command[1], command[3]) == (b"CAP", b"ONCE", b"INCRBY")
        if token not in self._replies or self._rng.random() < self._forgets:
            self._sums[key] = self._replies[token] = self._sums.get(key, 0) + amount
        return self._replies[token]


def played(seed: int, forgets: float) -> tuple[list[Operation], list[Operation]]:
    """Play the workload on a store behind a connection that loses requests and replies."""
    rng = Random(seed)
    generator, store = Once(rng, b"o:"), OnceStore(rng, forgets)
    clock = 0

    def send(step: Step, *, is_safe: bool) -> Operation:
        nonlocal clock
        clock += 10
        fate = 1.0 if is_safe else rng.random()
        replies: Sequence[Reply]
        if fate < 0.2:
            replies = ("CLUSTERDOWN keyspace 'default' (cp): n3 reaches 1 of 3 replicas, needs 2; nothing was written",)
        elif fate < 0.3:
            replies = LOST
        else:
            replies = (store.answer(step.commands[0]),)
            if fate < 0.5:
                replies = rng.choice((LOST, ("UNCERTAIN keyspace 'default' (cp): …; it may still take effect",)))
        outcome, result = generator.record(step, replies)
        return Operation(step.process, clock, clock + 5, step.kind, step.key, step.argument, result, outcome)

    run = [send(generator.next(1), is_safe=False) for _ in range(STEPS)]
    return run, [send(step, is_safe=True) for step in generator.finals(2)]


@pytest.mark.parametrize("seed", range(20))
def test_over_a_store_that_keeps_its_tokens_every_increment_is_certain_and_counted_once(seed: int) -> None:
    run, finals = played(seed, forgets=0.0)
    assert all(verdict.is_valid for verdict in check_once(run, finals))
    attempts = by_token([*run, *finals])
    assert all(any(each.outcome == "ok" for each in each_token) for each_token in attempts.values())
    assert any(len(each_token) > 2 for each_token in attempts.values())


def test_a_store_that_forgets_tokens_is_found_out() -> None:
    def broken(verdicts: list[Verdict]) -> bool:
        return any(verdict.is_invalid for verdict in verdicts)

    assert all(broken(check_once(*played(seed, forgets=0.05))) for seed in range(20))
