"""The requests of a route that are not answered yet, by when they have to be.

Owns the order of deadlines, and that what is answered is soon let go, however long something else goes on waiting.
Does not know what is said to whom time is up for.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from trilemma.base.limits import MIB
from trilemma.node.request import Request
from trilemma.node.unit import Unit, argument_bytes

SWEEP_REQUESTS = 64
"""So many answered requests may stay, or as many as there are open ones, until they are looked for."""

SWEEP_BYTES = 4 * MIB
"""The same in bytes of their arguments."""


def _weight(unit: Unit) -> int:
    """Return about how many bytes a unit's arguments hold: a key alone is never long."""
    argv = unit.argv
    return len(argv[-1]) if 0 < len(argv) <= 3 else argument_bytes(unit)


class Deadlines:
    """A heap of requests by deadline. Cost of a request: its place in the heap, and one more look at most."""

    __slots__ = ("_bytes", "_heap", "_sweep_bytes", "_sweep_requests")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Request]] = []
        self._bytes = 0
        self._sweep_requests = SWEEP_REQUESTS
        self._sweep_bytes = SWEEP_BYTES

    def __bool__(self) -> bool:
        return bool(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Request]:
        """Return all, in no order; some may be answered."""
        return (request for _, _, request in self._heap)

    def add(self, request: Request) -> None:
        """Take in a request that has its number."""
        heappush(self._heap, (request.deadline_us, request.number, request))
        self._bytes += _weight(request.unit)
        if len(self._heap) > self._sweep_requests or self._bytes > self._sweep_bytes:
            self._sweep()

    def _sweep(self) -> None:
        self._heap = [each for each in self._heap if not each[2].is_done]
        heapify(self._heap)
        self._bytes = sum(_weight(request.unit) for _, _, request in self._heap)
        self._sweep_requests = max(SWEEP_REQUESTS, 2 * len(self._heap))
        self._sweep_bytes = max(SWEEP_BYTES, 2 * self._bytes)

    def overdue(self, mono_us: int) -> Iterator[Request]:
        """Return, first deadline first, those whose time is up and that are not answered; they are let go."""
        while self._heap and (self._heap[0][2].is_done or self._heap[0][0] <= mono_us):
            request = heappop(self._heap)[2]
            if not request.is_done:
                yield request

    def clear(self) -> None:
        """Let go of all."""
        self._heap.clear()
        self._bytes = 0

    @property
    def next_us(self) -> int | None:
        """The first deadline, of a request that may be answered; None where there is nothing."""
        return self._heap[0][0] if self._heap else None
