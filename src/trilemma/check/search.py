"""The search for an order of one key's operations: events in a linked list, choices on a stack, a cache of visits.

Owns the algorithm only; `linearizable` splits keys and words verdicts. Source: see there.
"""

from typing import Any, Final, NamedTuple

from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.model import Model

_HEAD: Final = 0


class _Choice(NamedTuple):
    """What to restore when a choice turns out wrong: the entry chosen, the reads that followed it, the state before."""

    entry: int
    absorbed: list[int]
    done: int
    state: Any


class Search:
    """One run of the search over the operations of one key (none of outcome `fail`)."""

    __slots__ = (
        "_call",
        "_done",
        "_model",
        "_next",
        "_ops",
        "_owner",
        "_prev",
        "_reads",
        "_return",
        "_state",
        "_waiting",
        "blocked",
        "steps_left",
    )

    def __init__(self, operations: list[Operation], model: Model[Any], steps_max: int) -> None:
        self._ops = operations
        self._model = model
        self.steps_left = steps_max
        self._reads = [model.is_read(each) for each in operations]
        self._waiting = sum(each.outcome == "ok" for each in operations)
        self._done = 0
        self._state = model.initial
        self._link_events()
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
        for entry, (_, is_return, index) in enumerate(events, start=1):
            self._owner[entry] = index
            self._call[entry] = not is_return
            if is_return:
                self._return[index] = entry

    def run(self) -> bool | None:
        """Return whether there is a legal order; None when the bound on steps was reached first."""
        visited: set[tuple[int, Any]] = set()
        choices: list[_Choice] = [_Choice(_HEAD, self._absorb_reads(), 0, self._state)]
        deepest = 0
        entry = self._next[_HEAD]
        while self._waiting:
            if self.steps_left <= 0:
                return None
            if self._call[entry]:
                choice = self._try(entry, choices[-1], visited)
                if choice is not None:
                    choices.append(choice)
                    entry = _HEAD
            else:
                if entry > deepest:
                    deepest = entry
                    self.blocked = self._owner[entry]
                entry = self._undo(choices.pop())
                if not choices:
                    return False
            entry = self._next[entry]
        return True

    def _try(self, entry: int, last: _Choice, visited: set[tuple[int, Any]]) -> _Choice | None:
        """Let the operation of this entry take effect, unless it cannot, or what follows was already tried."""
        index = self._owner[entry]
        if self._reads[index]:
            return None
        self.steps_left -= 1
        legal, after = self._model.step(self._state, self._ops[index])
        if not legal or self._made_vain(last, index, after):
            return None
        choice = _Choice(entry, [], self._done, self._state)
        self._done |= 1 << index
        self._state = after
        self._lift(entry)
        choice.absorbed.extend(self._absorb_reads())
        visit = (self._done, self._state)
        if visit in visited:
            self._undo(choice)
            return None
        visited.add(visit)
        return choice

    def _made_vain(self, last: _Choice, index: int, after: Any) -> bool:
        """Whether the last choice, of unknown outcome, left no trace: then the order without it is the better one."""
        if last.entry == _HEAD or last.absorbed or self._return[self._owner[last.entry]]:
            return False
        self.steps_left -= 1
        return self._model.step(last.state, self._ops[index]) == (True, after)

    def _absorb_reads(self) -> list[int]:
        """Let every read take effect that is possible now; return their entries in order."""
        absorbed: list[int] = []
        before = _HEAD
        while self._call[entry := self._next[before]]:
            index = self._owner[entry]
            if self._reads[index]:
                self.steps_left -= 1
                if self._model.step(self._state, self._ops[index])[0]:
                    absorbed.append(entry)
                    self._done |= 1 << index
                    self._lift(entry)
                    continue
            before = entry
        return absorbed

    def _undo(self, choice: _Choice) -> int:
        for entry in reversed(choice.absorbed):
            self._unlift(entry)
        if choice.entry != _HEAD:
            self._unlift(choice.entry)
        self._done = choice.done
        self._state = choice.state
        return choice.entry

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
