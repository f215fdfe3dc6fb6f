"""Increments by a client that retries: each has a token, and is sent again with it until it is answered (CAP ONCE).

Operations: `once` (argument: token and amount; result: the new sum), one per attempt, so that a token appears as often
as it was sent; and `read` (result: the sum, 0 where absent). Retries go out on whichever connection draws next, also at
other nodes, while the first attempt may still be under way. Some tokens that were answered are sent again, however old:
the late duplicates of a network. What no reply was had for is sent again before the final reads, so that in the end
every increment is certain.
Source: FAULTS §2, X1 and N4; jepsen.io/analyses/jetcd-0.8.2, where a client retried under a new identity.
"""

from collections import deque
from collections.abc import Sequence
from random import Random

from trilemma.workload.counter import AMOUNT_MAX, number
from trilemma.workload.reply import judge_single
from trilemma.workload.step import Recorded, Reply, Step


class Once:
    """Increments over `keys` counters, retried; reads of them."""

    def __init__(
        self, rng: Random, prefix: bytes, keys: int = 3, read_share: float = 0.25, repeat_share: float = 0.2
    ) -> None:
        self._rng = rng
        self._keys = [b"%so%d" % (prefix, place) for place in range(keys)]
        self._read_share = read_share
        self._repeat_share = repeat_share
        self._steps: dict[bytes, Step] = {}
        """The step of each token, in the order in which they were first sent."""
        self._tokens: list[bytes] = []
        self._answered: set[bytes] = set()
        self._owed: deque[bytes] = deque()

    def next(self, process: int) -> Step:
        """Return a retry where one is owed, else a late duplicate, a read or a new increment."""
        while self._owed:
            token = self._owed.popleft()
            if token not in self._answered:
                return self._again(process, token)
        drawn = self._rng.random()
        if drawn < self._repeat_share and self._tokens:
            return self._again(process, self._rng.choice(self._tokens))
        key = self._rng.choice(self._keys)
        if drawn > 1 - self._read_share:
            return self._read(process, key)
        return self._increment(process, key)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of an attempt; what was refused or is in doubt is owed a retry."""
        recorded = judge_single(step, replies)
        if step.kind == "read":
            return recorded if recorded.outcome != "ok" else Recorded("ok", number(recorded.result or b"0"))
        token = step.argument[0]
        if recorded.outcome == "ok":
            self._answered.add(token)
        elif token not in self._answered:
            self._owed.append(token)
        return recorded

    def finals(self, process: int) -> list[Step]:
        """Return a retry per token that was never answered, then one GET per key."""
        left = [self._again(process, token) for token in self._tokens if token not in self._answered]
        return left + [self._read(process, key) for key in self._keys]

    def _again(self, process: int, token: bytes) -> Step:
        return self._steps[token]._replace(process=process)

    def _increment(self, process: int, key: bytes) -> Step:
        token = b"t%d" % len(self._tokens)
        amount = self._rng.randint(1, AMOUNT_MAX)
        command = (b"CAP", b"ONCE", token, b"INCRBY", key, b"%d" % amount)
        step = Step(process, (command,), "once", key, (token, amount))
        self._steps[token] = step
        self._tokens.append(token)
        return step

    def _read(self, process: int, key: bytes) -> Step:
        return Step(process, ((b"GET", key),), "read", key)
