"""Bank transfers as an application should write them: WATCH, read, MULTI, SET both, EXEC. Judged by sum and by search.

Operations, for the Redis model: `command` (MGET: a look at accounts) and `transaction` (argument: the MGET that the
transfer relied on, then the two SETs; result: what was read, then the two replies). WATCH promises that what was read
still holds when EXEC runs, so a transfer reads and writes at one moment. An aborted transfer did nothing.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from trilemma.workload.reply import judge, judge_transaction
from trilemma.workload.step import Command, Recorded, Reply, Step

OPENING_BALANCE: Final = 100
"""What every account holds at first."""


class Bank:
    """Transfers between accounts of one group, each in two steps of one process: look (WATCH and MGET), then transfer.

    A process whose look failed looks again. While a look is under way its process only audits, because EXEC drops all
    watches; for the same reason no other generator may send EXEC on that connection. Before all else, send `opening`.
    """

    def __init__(self, rng: Random, prefix: bytes, accounts: int = 4, audit_share: float = 0.3):
        self._rng = rng
        self._group = b"%s{bank}" % prefix
        self._accounts = tuple(b"%s%d" % (self._group, number) for number in range(accounts))
        self._audit_share = audit_share
        self._looking: set[int] = set()
        self._looked: dict[int, tuple[Command, tuple[int, int]]] = {}

    @property
    def accounts(self) -> tuple[bytes, ...]:
        """The keys of the accounts."""
        return self._accounts

    @property
    def total(self) -> int:
        """What all accounts hold together, always."""
        return OPENING_BALANCE * len(self._accounts)

    def opening(self, process: int) -> Step:
        """Return the step that opens the accounts."""
        balance = b"%d" % OPENING_BALANCE
        command = (b"MSET", *(word for account in self._accounts for word in (account, balance)))
        return Step(process, (command,), "command", self._group, command)

    def next(self, process: int) -> Step:
        """Return the transfer that this process has looked up, else an audit of all accounts, else a look."""
        looked = self._looked.pop(process, None)
        if looked is not None:
            return self._transfer(process, *looked)
        if process in self._looking or self._rng.random() < self._audit_share:
            return self._audit(process)
        look = (b"MGET", *self._rng.sample(self._accounts, 2))
        self._looking.add(process)
        return Step(process, ((b"WATCH", *look[1:]), look), "command", self._group, look)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step, and remember what a look showed."""
        if step.kind == "transaction":
            recorded = judge_transaction(step, replies)
            return recorded if recorded.outcome != "ok" else Recorded("ok", (step.note, *recorded.result))
        is_look = step.commands[0][0] == b"WATCH"
        if is_look:
            self._looking.discard(step.process)
        if len(replies) < len(step.commands):
            return Recorded("info")
        recorded = judge(replies[-1])
        if is_look and judge(replies[0]) == Recorded("ok", b"OK"):
            self._remember(step, recorded)
        return recorded

    def finals(self, process: int) -> list[Step]:
        """Return one audit."""
        return [self._audit(process)]

    def _audit(self, process: int) -> Step:
        command = (b"MGET", *self._accounts)
        return Step(process, (command,), "command", self._group, command)

    def _remember(self, step: Step, recorded: Recorded) -> None:
        shown: Any = recorded.result
        if isinstance(shown, tuple) and all(isinstance(each, bytes) and each.isdigit() for each in shown):
            self._looked[step.process] = (step.commands[1], (int(shown[0]), int(shown[1])))

    def _transfer(self, process: int, look: Command, balances: tuple[int, int]) -> Step:
        amount = self._rng.randint(0, balances[0])
        after = (balances[0] - amount, balances[1] + amount)
        sets = [(b"SET", account, b"%d" % balance) for account, balance in zip(look[1:], after, strict=True)]
        commands = ((b"MULTI",), *sets, (b"EXEC",))
        seen = tuple(b"%d" % balance for balance in balances)
        return Step(process, commands, "transaction", self._group, (look, *sets), note=seen)
