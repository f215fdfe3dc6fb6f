"""How the run of a node ends: it left, was stopped, or broke; told once, to whoever waits and to the log.

Knows nothing of what has to be taken down, nor in which order.
"""

import asyncio

from structlog.typing import FilteringBoundLogger

from trilemma.node.leaving import SHUTDOWN_S
from trilemma.runtime.config import ServerConfig
from trilemma.runtime.refusal import DataDamaged, as_damage

GRACE_S = 1
"""The node ends its own shutdown by SHUTDOWN_S, with answers; so much later it is ended that has not come to that."""


class Ending:
    """The end of one run, on the current event loop."""

    def __init__(self, config: ServerConfig, logger: FilteringBoundLogger) -> None:
        self._config = config
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._broke_on: Exception | None = None
        self._bound: asyncio.TimerHandle | None = None
        """Ends the run though the node has not handed over; None while no shutdown is bounded."""

    async def wait(self) -> None:
        """Return when the node has left or was stopped.

        Raises:
            Exception: what broke the node.
        """
        await asyncio.shield(self._ended)

    def end(self) -> None:
        """The node has left, or was stopped; nothing where its end is told already."""
        if not self._ended.done():
            self._ended.set_result(None)

    def bound(self) -> None:
        """End the run after SHUTDOWN_S, and GRACE_S, from the first such call, unless `lift_bound` comes before."""
        if self._bound is None:
            self._bound = self._loop.call_later(SHUTDOWN_S + GRACE_S, self.end)

    def lift_bound(self) -> None:
        """Let the run go on without a bound."""
        if self._bound is not None:
            self._bound.cancel()
            self._bound = None

    def broke(self, problem: Exception) -> None:
        """The node broke on a problem."""
        self._broke_on = problem
        told = as_damage(self._config, problem)
        if not self._ended.done():
            self._ended.set_exception(told)
        self._tell(told)

    def damaged(self, problem: Exception) -> DataDamaged | None:
        """Return what to raise of a disk that fails while the node is taken down; None where `wait` tells it."""
        damage = as_damage(self._config, problem)
        if self._broke_on is not None and str(damage) == str(as_damage(self._config, self._broke_on)):
            return None
        self._tell(damage)
        return damage if isinstance(damage, DataDamaged) else None

    def _tell(self, problem: Exception) -> None:
        told = {"why": str(problem)} if isinstance(problem, DataDamaged) else {"exc_info": problem}
        self._logger.critical("the node broke and stops", **told)
