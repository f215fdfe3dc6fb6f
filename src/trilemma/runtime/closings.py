"""What a node's log says of client connections that it closes by itself: whose, and why.

Owns that clients cannot fill a disk with that: one line a second at most, which counts those not told since the one
before.
"""

import asyncio

from structlog.typing import FilteringBoundLogger

from trilemma.base.limits import limit

CLOSINGS_INTERVAL_S = limit(
    "client_closings_interval_s",
    1,
    "s",
    "clients must not fill the disk with what is said of them",
    "connections that are closed for a fault of the client's are counted, and told with the next one",
)


class Closings:
    """Tells a logger, on the current event loop."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        self._logger = logger
        self._untold: tuple[str, str] | None = None
        """The newest one that was not told, of so many: `_untold_count`."""
        self._untold_count = 0
        self._quiet: asyncio.TimerHandle | None = None

    def note(self, address: str, why: str) -> None:
        """Take note that a client is closed."""
        self._untold = address, why
        self._untold_count += 1
        if self._quiet is None:
            self._tell()

    def _tell(self) -> None:
        """Say what the newest was that was not told; keep quiet for a while after that."""
        self._quiet = None
        if self._untold is not None:
            self._quiet = asyncio.get_running_loop().call_later(CLOSINGS_INTERVAL_S, self._tell)
            self._say(*self._untold)

    def _say(self, address: str, why: str) -> None:
        more = {"more": self._untold_count - 1} if self._untold_count > 1 else {}
        self._untold, self._untold_count = None, 0
        self._logger.warning("client closed", client=address, why=why, **more)

    def stop(self) -> None:
        """Say what was not told yet, and no more."""
        if self._quiet is not None:
            self._quiet.cancel()
        if self._untold is not None:
            self._say(*self._untold)
