"""The search for an order of one key's operations: events in a linked list, levels on a stack, a cache of visits.

A level is a state and the operations that may be next: those invoked before the first completion that is still
waiting. On entering a level every read that is possible there takes effect at once; then the others are tried, the one
that must be over first before the rest. Four things cut the tree:
- a visit (operations done, state) is made once; the operations done are kept relative to the oldest one that is not,
  so that a key's length costs no memory per visit;
- a result that can no longer come about ends a level (`Reach`);
- of operations that the model cannot tell apart (`alike`) only the one that ends first is tried: in an order with
  another one first the two can change places;
- an operation of unknown outcome that left no trace need not have happened.

Owns the algorithm only; `linearizable` splits keys and words verdicts. Source: see there.
"""

from collections.abc import Hashable
from typing import Any, Final, TypeAlias

from trilemma.check.deadline import Deadline
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.levels import Walk
from trilemma.check.model import Model

_HEAD: Final = 0

_Visit: TypeAlias = tuple[int, int, int, Any]


class _Level:
    """A state on the way: how it was reached, which reads followed at once, what is still to be tried."""

    __slots__ = ("absorbed", "candidates", "done", "entry", "open_done", "state", "tried")

    def __init__(self, entry: int, state: Any, done: int, open_done: int) -> None:
        self.entry = entry
        self.state = state
        self.done = done
        self.open_done = open_done
        self.absorbed: list[int] = []
        self.candidates: list[int] = []
        self.tried: set[Hashable] = set()


class Search(Walk[_Level]):
    """One run of the search over the operations of one key (none of outcome `fail`)."""

    __slots__ = (
        "_alike",
        "_bit",
        "_call",
        "_deepest",
        "_model",
        "_next",
        "_ops",
        "_owner",
        "_prev",
        "_reads",
        "_return",
        "_visited",
        "blocked",
    )

    def __init__(
        self, operations: list[Operation], model: Model[Any], steps_max: int, deadline: Deadline | None = None
    ) -> None:
        super().__init__(steps_max, deadline)
        self._ops = operations
        self._model = model
        self._reads = [each.outcome == "ok" and model.is_read(each) for each in operations]
        alike = model.alike
        self._alike: list[Hashable] = [
            index if alike is None or self._reads[index] else alike(each) for index, each in enumerate(operations)
        ]
        self._waiting = sum(each.end_us != END_OF_TIME_US for each in operations)
        self._visited: set[_Visit] = set()
        self._link_events()
        self._deepest = 0
        self.blocked: int = 0
        """After a failed search: the operation whose completion no order reached."""

    def _link_events(self) -> None:
        events: list[tuple[int, int, int]] = []
        for index, operation in enumerate(self._ops):
            events.append((operation.invoke_us, 0, index))
            if operation.end_us != END_OF_TIME_US:
                events.append((operation.end_us, 1, index))
        events.sort()  # at equal stamps invocations come first: such operations are concurrent
        count = len(events)
        self._next = [*range(1, count + 2), _HEAD]
        self._prev = [_HEAD, *range(count + 1)]
        self._owner = [-1] * (count + 2)
        self._call = [False] * (count + 2)
        self._return = [0] * len(self._ops)
        self._bit = [0] * len(self._ops)
        closed = opened = 0
        for entry, (_, is_return, index) in enumerate(events, start=1):
            self._owner[entry] = index
            self._call[entry] = not is_return
            if is_return:
                self._return[index] = entry
            elif self._ops[index].end_us != END_OF_TIME_US:
                self._bit[index] = closed
                closed += 1
            else:
                self._bit[index] = opened
                opened += 1

    def run(self) -> bool | None:
        """Return whether there is a legal order; None when a bound was reached first."""
        return self.walk(self._enter(_Level(_HEAD, self._model.initial, 0, 0)))

    def _try_next(self, levels: list[_Level]) -> _Level | None:
        level = levels[-1]
        while level.candidates:
            entry = level.candidates.pop()
            index = self._owner[entry]
            if self._alike[index] in level.tried:
                continue
            level.tried.add(self._alike[index])
            self.steps_left -= 1
            legal, after = self._model.step(level.state, self._ops[index])
            if not legal or self._is_made_vain(levels, index, after):
                continue
            done, open_done = level.done, level.open_done
            if self._return[index]:
                done |= 1 << self._bit[index]
            else:
                open_done |= 1 << self._bit[index]
            self._lift(entry)
            entered = self._enter(_Level(entry, after, done, open_done))
            if entered is not None:
                return entered
        return None

    def _is_made_vain(self, levels: list[_Level], index: int, after: Any) -> bool:
        """Whether the last choice, of unknown outcome, left no trace: then the order without it is the better one."""
        last = levels[-1]
        if last.entry == _HEAD or last.absorbed or self._return[self._owner[last.entry]]:
            return False
        self.steps_left -= 1
        return self._model.step(levels[-2].state, self._ops[index]) == (True, after)

    def _enter(self, level: _Level) -> _Level | None:
        """Let reads take effect and list the candidates; undo it and return None if this level leads nowhere new."""
        model, state = self._model, level.state
        reach = model.reach
        oldest, candidates, is_dead = -1, [], False
        before = _HEAD
        while self._call[entry := self._next[before]]:
            index = self._owner[entry]
            operation = self._ops[index]
            is_read = self._reads[index]
            if is_read:
                self.steps_left -= 1
                if model.step(state, operation)[0]:
                    level.absorbed.append(entry)
                    level.done |= 1 << self._bit[index]
                    self._lift(entry)
                    continue
            else:
                candidates.append(entry)
            if self._return[index]:
                if oldest < 0:
                    oldest = self._bit[index]
                if reach is not None and not reach.within(state, operation) and self._is_hopeless(index):
                    is_dead = True
            before = entry
        if not self._waiting:
            return level
        if self._next[before] > self._deepest:
            self._deepest = self._next[before]
            self.blocked = self._owner[self._deepest]
        visit = (oldest, level.done >> oldest, level.open_done, state)
        if is_dead or visit in self._visited:
            self._leave(level)
            return None
        self._visited.add(visit)
        candidates.sort(key=self._urgency, reverse=True)
        level.candidates = candidates
        return level

    def _urgency(self, entry: int) -> int:
        """Return by which event an operation must be over; those that need not come last, in order of invocation."""
        return self._return[self._owner[entry]] or len(self._call) + entry

    def _is_hopeless(self, index: int) -> bool:
        """Whether nothing that may still come before this operation can make it possible."""
        reach = self._model.reach
        operation, end = self._ops[index], self._return[index]
        entry = self._next[_HEAD]
        while entry != end:
            if self._call[entry]:
                other = self._owner[entry]
                if not self._reads[other] and reach is not None and reach.revives(self._ops[other], operation):
                    return False
            entry = self._next[entry]
        return True

    def _leave(self, level: _Level) -> None:
        for entry in reversed(level.absorbed):
            self._unlift(entry)
        if level.entry != _HEAD:
            self._unlift(level.entry)

    def _lift(self, entry: int) -> None:
        following, previous = self._next, self._prev
        following[previous[entry]] = following[entry]
        previous[following[entry]] = previous[entry]
        end = self._return[self._owner[entry]]
        if end:
            following[previous[end]] = following[end]
            previous[following[end]] = previous[end]
            self._waiting -= 1

    def _unlift(self, entry: int) -> None:
        following, previous = self._next, self._prev
        end = self._return[self._owner[entry]]
        if end:
            following[previous[end]] = end
            previous[following[end]] = end
            self._waiting += 1
        following[previous[entry]] = entry
        previous[following[entry]] = entry
