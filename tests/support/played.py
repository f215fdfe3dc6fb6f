"""A workload played against one real node, step after step, as the simulator's clients play it."""

from typing import NamedTuple

from trilemma.check.history import Operation
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.solo import SoloNode, request
from trilemma.workload.step import Generator, Reply, Step

STEP_US = 1_000


class Exchange(NamedTuple):
    """A step, and what was answered: from both a generator makes what an operation records."""

    step: Step
    replies: list[Reply]


class Player:
    """Plays steps on one connection at a time; where the node closes it, on a new one."""

    def __init__(self, node: SoloNode, *, mode: str = "cp") -> None:
        self.node = node
        self.operations: list[Operation] = []
        self.exchanges: list[Exchange] = []
        """What each of the operations was made of."""
        self._mode = mode
        self._process = 0
        self._connect()

    def _connect(self) -> None:
        self._conn = self.node.connect()
        self._decoder = ReplyDecoder()
        self._process += 1

    def play(self, generator: Generator, steps: int) -> list[Operation]:
        """Play so many steps; return everything recorded."""
        for _ in range(steps):
            self._step(generator, generator.next(self._process))
        return self.operations

    def finals(self, generator: Generator) -> list[Operation]:
        """Return what the final reads show."""
        self.operations, self.exchanges = [], []
        for step in generator.finals(self._process):
            self._step(generator, step._replace(process=self._process))
        return self.operations

    def _step(self, generator: Generator, step: Step) -> None:
        node = self.node
        node.run_until(node.now.mono_us + STEP_US)
        begin_us = node.now.mono_us
        self._decoder.feed(node.send(self._conn, b"".join(request(*command) for command in step.commands)))
        replies = [plain(reply) for reply in self._decoder.replies()]
        self.exchanges.append(Exchange(step, replies))
        outcome, result = generator.record(step, replies)
        if len(replies) < len(step.commands):
            outcome = "info"
        node.run_until(node.now.mono_us + STEP_US)
        self.operations.append(
            Operation(
                self._process, begin_us, node.now.mono_us, step.kind, step.key, step.argument, result, outcome,
                node.config.name, "default", self._mode,
            )
        )  # fmt: skip
        if self._conn in node.closed:
            self._connect()
