"""Virtual time: a heap of events. Same seed, same order: ties are broken by the order in which events were made."""

import heapq
from collections.abc import Callable

Action = Callable[[], object]


class Scheduler:
    """The only clock of a simulation, in microseconds."""

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Action]] = []
        self._made = 0

    def at(self, time_us: int, action: Action) -> None:
        """Do something at a time; the past means now."""
        self._made += 1
        heapq.heappush(self._heap, (max(time_us, self.now_us), self._made, action))

    def after(self, delay_us: int, action: Action) -> None:
        """Do something after a delay."""
        self.at(self.now_us + delay_us, action)

    def run_until(self, time_us: int, until: Callable[[], bool] | None = None) -> bool:
        """Run all events up to a time, or until a condition holds after one of them; return whether it held."""
        heap = self._heap
        while heap and heap[0][0] <= time_us:
            self.now_us, _, action = heapq.heappop(heap)
            action()
            if until is not None and until():
                return True
        self.now_us = time_us
        return False

    @property
    def events(self) -> int:
        """How many events were made so far."""
        return self._made
