"""The search for one order of the operations of all keys, under any order that some of them must keep.

The twin of `search` for consistency models without real time: what is given is which operation must come before which.
A level is the state of every key and the operations that may be next. Reads take effect as soon as they are possible;
then the others are tried, the earliest invoked first. A visit (operations done, states) is made once, and a level is
given up where a waiting result can no longer come about (`Reach`): its key's state is out of reach, and every write
that could bring it back is done. Owns the algorithm only. Source: as `search`; for sequential consistency Gibbons and
Korach, SIAM J. Comput. 26(4), 1997, section 3 (NP-complete, hence the bounds).
"""

from collections.abc import Hashable, Iterable
from typing import Any, Final

from trilemma.check.deadline import Deadline
from trilemma.check.history import Operation
from trilemma.check.levels import Walk
from trilemma.check.model import Model

REACH_PAIRS_MAX: Final = 4_000_000
"""Pairs of a result and a write of its key that are looked at beforehand: about a second."""

_NOBODY: Final = -1


class _Level:
    """The states on the way: what was chosen, which reads followed at once, what is still to be tried."""

    __slots__ = ("candidates", "chosen", "states", "taken", "tried")

    def __init__(self, chosen: int, states: tuple[Any, ...]) -> None:
        self.chosen = chosen
        self.states = states
        self.taken: list[int] = []
        self.candidates: list[int] = []
        self.tried: set[Hashable] = set()


class OrderSearch(Walk[_Level]):
    """One run of the search over operations of any keys (none of outcome `fail`)."""

    __slots__ = (
        "_done",
        "_has_reach",
        "_key",
        "_model",
        "_ops",
        "_reads",
        "_ready",
        "_revived",
        "_states",
        "_successors",
        "_supplies",
        "_unsupplied",
        "_visited",
        "_waits_for",
    )

    def __init__(
        self,
        operations: list[Operation],
        model: Model[Any],
        order: Iterable[tuple[int, int]],
        steps_max: int,
        deadline: Deadline | None = None,
    ) -> None:
        """Args: order: pairs of positions in `operations`, of which the first must come before the second."""
        super().__init__(steps_max, deadline)
        self._ops = operations
        self._model = model
        self._reads = [each.outcome == "ok" and model.is_read(each) for each in operations]
        numbers: dict[bytes, int] = {}
        self._key = [numbers.setdefault(each.key, len(numbers)) for each in operations]
        self._states: tuple[Any, ...] = (model.initial,) * len(numbers)
        self._done = 0
        self._waiting = sum(each.outcome == "ok" for each in operations)
        self._visited: set[tuple[int, tuple[Any, ...]]] = set()
        self._successors: list[list[int]] = [[] for _ in operations]
        self._waits_for = [0] * len(operations)
        for before, after in order:
            self._successors[before].append(after)
            self._waits_for[after] += 1
        by_invocation = sorted(range(len(operations)), key=lambda index: operations[index].invoke_us)
        self._ready = dict.fromkeys(index for index in by_invocation if not self._waits_for[index])
        self._find_supplies(len(numbers))

    def _find_supplies(self, keys: int) -> None:
        """For every result, count the writes that can bring it within reach; list what each write does that for."""
        self._supplies = [0] * len(self._ops)
        self._revived: list[list[int]] = [[] for _ in self._ops]
        self._unsupplied: list[set[int]] = [set() for _ in range(keys)]
        reach = self._model.reach
        groups: list[list[int]] = [[] for _ in range(keys)]
        for index, key in enumerate(self._key):
            groups[key].append(index)
        self._has_reach = sum(len(group) ** 2 for group in groups) <= REACH_PAIRS_MAX
        if reach is None or not self._has_reach:
            return
        for key, group in enumerate(groups):
            writes = [index for index in group if not self._reads[index]]
            for index in group:
                if self._ops[index].outcome != "ok":
                    continue
                for write in writes:
                    if write != index and reach.revives(self._ops[write], self._ops[index]):
                        self._supplies[index] += 1
                        self._revived[write].append(index)
                if not self._supplies[index]:
                    self._unsupplied[key].add(index)

    def run(self) -> bool | None:
        """Return whether there is a legal order; None when a bound was reached first."""
        if not all(self._is_hopeful(key, self._states[key]) for key in range(len(self._states))):
            return False
        return self.walk(self._enter(_Level(_NOBODY, self._states)))

    def _try_next(self, levels: list[_Level]) -> _Level | None:
        level = levels[-1]
        while level.candidates:
            index = level.candidates.pop()
            key = self._key[index]
            if self._is_like_one_tried(index, level):
                continue
            self.steps_left -= 1
            legal, after = self._model.step(level.states[key], self._ops[index])
            if not legal or self._is_made_vain(levels, index, after):
                continue
            following = _Level(index, (*level.states[:key], after, *level.states[key + 1 :]))
            self._take(index)
            if self._is_hopeful(key, after):
                entered = self._enter(following)
                if entered is not None:
                    return entered
            else:
                self._put_back(index)
        return None

    def _is_like_one_tried(self, index: int, level: _Level) -> bool:
        """Whether one was tried here that nothing tells from this one; of unknown outcome, so nobody waits for it."""
        alike = self._model.alike
        if alike is None or self._ops[index].outcome == "ok":
            return False
        name = (self._key[index], alike(self._ops[index]))
        if name in level.tried:
            return True
        level.tried.add(name)
        return False

    def _is_made_vain(self, levels: list[_Level], index: int, after: Any) -> bool:
        """Whether the last choice, of unknown outcome, left no trace: then the order without it is the better one."""
        last = levels[-1]
        if last.chosen == _NOBODY or last.taken or self._ops[last.chosen].outcome == "ok":
            return False
        key = self._key[index]
        if key != self._key[last.chosen]:
            return False
        self.steps_left -= 1
        return self._model.step(levels[-2].states[key], self._ops[index]) == (True, after)

    def _is_hopeful(self, key: int, state: Any) -> bool:
        """Whether every waiting result of a key is within reach, or a waiting write can bring it there."""
        reach = self._model.reach
        return reach is None or all(reach.within(state, self._ops[index]) for index in self._unsupplied[key])

    def _enter(self, level: _Level) -> _Level | None:
        """Let reads take effect and list the candidates; undo it and return None if this level leads nowhere new."""
        fresh = [index for index in self._ready if self._reads[index]]
        while fresh:
            index = fresh.pop()
            self.steps_left -= 1
            if self._model.step(level.states[self._key[index]], self._ops[index])[0]:
                fresh.extend(each for each in self._take(index) if self._reads[each])
                level.taken.append(index)
        if not self._waiting:
            return level
        visit = (self._done, level.states)
        if visit in self._visited:
            self._leave(level)
            return None
        self._visited.add(visit)
        candidates = [index for index in self._ready if not self._reads[index]]
        candidates.sort(key=self._urgency, reverse=True)
        level.candidates = candidates
        return level

    def _urgency(self, index: int) -> tuple[bool, int]:
        operation = self._ops[index]
        return operation.outcome != "ok", operation.invoke_us

    def _leave(self, level: _Level) -> None:
        for index in reversed(level.taken):
            self._put_back(index)
        if level.chosen != _NOBODY:
            self._put_back(level.chosen)

    def _take(self, index: int) -> list[int]:
        """Take an operation away; return those that are ready now."""
        del self._ready[index]
        self._done |= 1 << index
        self._waiting -= self._ops[index].outcome == "ok"
        self._unsupplied[self._key[index]].discard(index)
        for result in self._revived[index]:
            self._supplies[result] -= 1
            if not self._supplies[result] and not self._done >> result & 1:
                self._unsupplied[self._key[result]].add(result)
        fresh = []
        for after in self._successors[index]:
            self._waits_for[after] -= 1
            if not self._waits_for[after]:
                self._ready[after] = None
                fresh.append(after)
        return fresh

    def _put_back(self, index: int) -> None:
        for after in self._successors[index]:
            if not self._waits_for[after]:
                del self._ready[after]
            self._waits_for[after] += 1
        for result in self._revived[index]:
            self._supplies[result] += 1
            self._unsupplied[self._key[result]].discard(result)
        self._done &= ~(1 << index)
        self._waiting += self._ops[index].outcome == "ok"
        if self._has_reach and not self._supplies[index] and self._ops[index].outcome == "ok":
            self._unsupplied[self._key[index]].add(index)
        self._ready[index] = None
