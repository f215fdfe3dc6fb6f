"""Owned: string and key commands of every kind, on groups of keys that one client alone uses, at one node.

What a node has acknowledged it shows, also on `ap`: a client that writes at one node what nobody else writes is
answered as one Redis would answer it, whatever befalls the others. Judged so by `check.owned`. Operations and groups
are those of `strings`; amounts of INCRBYFLOAT are decimals too, whose sums need rounding.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge_single, judge_transaction
from trilemma.workload.step import Generator, Recorded, Reply, Step
from trilemma.workload.strings import COUNTING, FRACTIONS, LOOKING, RARE, StringCommands, keys_of

ROTATION: Final = 40
"""Steps before an owner leaves a group for a fresh one: what went wrong with it stays, to be read at the end."""

DECIMALS: Final = (b"128.48", b"252.66", b"-63.02", b"0.1", b"1e17", b"-1e17")
"""Amounts whose sums come out otherwise where they are rounded on the way."""


class Owned:
    """Owners, one for each client or, where nobody asks for one, for each process."""

    def __init__(self, rng: Random, prefix: bytes) -> None:
        self._rng = rng
        self._prefix = prefix
        self._owners: list[StringCommands] = []
        self._of_process: dict[int, Generator] = {}

    def owner(self) -> Generator:
        """Return the load of a client that goes on with its keys when its connection was lost."""
        owner = StringCommands(
            Random(self._rng.getrandbits(62)),
            self._prefix,
            groups=1,
            rotation=ROTATION,
            name=b"o%d." % len(self._owners),
            rare=RARE + LOOKING + COUNTING,
            fractions=FRACTIONS + DECIMALS,
        )
        self._owners.append(owner)
        return owner

    def next(self, process: int) -> Step:
        """Return one command, or a transaction, on keys of this process alone."""
        if process not in self._of_process:
            self._of_process[process] = self.owner()
        return self._of_process[process].next(process)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step."""
        return (judge_single if step.kind == "command" else judge_transaction)(step, replies)

    def finals(self, process: int) -> list[Step]:
        """Return one transaction per group: what its keys hold, and until when."""
        steps = []
        for group in (group for owner in self._owners for group in owner.groups):
            keys = keys_of(group)
            looks = ((b"MGET", *keys), *((b"PEXPIRETIME", key) for key in keys))
            steps.append(Step(process, ((b"MULTI",), *looks, (b"EXEC",)), "transaction", group, looks))
        return steps
