"""A walk over begins and commits: each after what must come before it, and none that exclude each other at one time.

It never turns back, so that it may get stuck although there is a way through: `commits` knows what to do then. A point
is twice the place of its transaction, and one more if it is the commit.
Cost: O(points * log) for as many steps.
"""

from collections.abc import Hashable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final

BEGIN: Final = 0
COMMIT: Final = 1


class Walk:
    """Which point comes next: any that holds up nobody, else the begin of one that can commit at once, else any."""

    def __init__(self, groups: Mapping[Hashable, Sequence[int]], ends_us: Mapping[int, int]) -> None:
        """Take for each key who must not overlap, by place, and when each of these was over for its client."""
        self._ends_us = ends_us
        self._keys: dict[int, list[Hashable]] = {}
        for key, group in groups.items():
            for place in group:
                self._keys.setdefault(place, []).append(key)
        self._free: list[int] = []
        self._soon: list[tuple[int, int]] = []
        self._later: list[tuple[int, int]] = []
        self._blocked: dict[Hashable, list[int]] = {}
        self._held: set[Hashable] = set()
        self._begun: set[int] = set()

    def reach(self, point: int, missing: list[int]) -> None:
        """Note that no more than one point is missing before this one."""
        place = point >> 1
        if place not in self._keys or (point & 1 and place in self._begun):
            if not missing[point]:
                self._free.append(point)
        elif not missing[2 * place]:
            heap = self._soon if missing[2 * place + COMMIT] == 1 else self._later
            heappush(heap, (self._ends_us[place], place))

    def take(self, missing: list[int]) -> int | None:
        """Return the next point to walk; None where there is none."""
        if self._free:
            point = self._free.pop()
            if point & 1:
                self._release(point >> 1, missing)
            return point
        for heap in (self._soon, self._later):
            while heap:
                _, place = heappop(heap)
                held = next((key for key in self._keys[place] if key in self._held), None)
                if held is not None:
                    self._blocked.setdefault(held, []).append(place)
                elif place not in self._begun:
                    self._begun.add(place)
                    self._held.update(self._keys[place])
                    return 2 * place
        return None

    def _release(self, place: int, missing: list[int]) -> None:
        for key in self._keys.get(place, ()):
            self._held.discard(key)
            for other in self._blocked.pop(key, ()):
                self.reach(2 * other, missing)
