"""The dumb twin: serializability and snapshot isolation by trying every order, after their definitions."""

from collections.abc import Iterator
from itertools import combinations, permutations

from trilemma.check.history import Operation


def _choices(operations: list[Operation]) -> Iterator[list[Operation]]:
    """Yield what may have happened: all that is ok, and any of what is in doubt."""
    certain = [each for each in operations if each.outcome == "ok"]
    doubtful = [each for each in operations if each.outcome == "info"]
    for count in range(len(doubtful) + 1):
        for chosen in combinations(doubtful, count):
            yield [*certain, *chosen]


def _before(one: Operation, other: Operation, level: str) -> bool:
    """Whether a level of strength demands that the one takes effect before the other."""
    if level == "strict" and one.precedes(other):
        return True
    same = one.process == other.process and one.invoke_us < other.invoke_us and one.outcome == "ok"
    return level in ("session", "strict") and same


def _run(operation: Operation, lists: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]] | None:
    """Return the lists after a transaction, or None where it must have read something else."""
    after = dict(lists)
    for word, key, value in operation.result if operation.outcome == "ok" else operation.argument:
        if word == "append":
            after[key] = (*after.get(key, ()), value)
        elif operation.outcome == "ok" and after.get(key, ()) != (value or ()):
            return None
    return after


def has_one_order(operations: list[Operation]) -> bool:
    """Whether for each key there is one order of appends that every list read is a beginning of, and that has what a
    transaction appended in its own order: the least that committed reads promise."""
    elements: dict[str, list[int]] = {}
    lists: dict[str, list[tuple[int, ...]]] = {}
    for operation in operations:
        for word, key, value in operation.argument:
            if word == "append":
                elements.setdefault(key, []).append(value)
        for word, key, value in operation.result or ():
            if word == "r":
                lists.setdefault(key, []).append(value or ())
    own = [
        [value for word, key, value in operation.argument if (word, key) == ("append", name)]
        for operation in operations
        for name in elements
    ]

    def fits(order: tuple[int, ...], name: str) -> bool:
        places = {element: place for place, element in enumerate(order)}
        in_turn = (mine == sorted(mine, key=places.__getitem__) for mine in own if places.keys() >= set(mine))
        return all(order[: len(each)] == each for each in lists[name]) and all(in_turn)

    return all(any(fits(order, name) for order in permutations(elements.get(name, ()))) for name in lists)


def are_lists_possible(operations: list[Operation]) -> bool:
    """Whether every list that was read consists of elements that somebody appended to its key, each once: the least
    that is promised where nothing is committed."""
    appended = {(key, value) for operation in operations for word, key, value in operation.argument if word == "append"}
    return all(
        len(set(value)) == len(value) and all((key, element) in appended for element in value)
        for operation in operations
        for word, key, value in operation.result or ()
        if word == "r" and value
    )


def is_serializable(operations: list[Operation], level: str = "") -> bool:
    """Whether some order of whole transactions explains all reads."""
    return any(_some_order(happened, {}, level) for happened in _choices(operations))


def _some_order(waiting: list[Operation], lists: dict[str, tuple[int, ...]], level: str) -> bool:
    if not waiting:
        return True
    for index, operation in enumerate(waiting):
        if any(_before(other, operation, level) for other in waiting if other is not operation):
            continue
        after = _run(operation, lists)
        if after is not None and _some_order(waiting[:index] + waiting[index + 1 :], after, level):
            return True
    return False


def is_snapshot_isolated(operations: list[Operation], level: str = "") -> bool:
    """Whether some order of beginnings and commits explains all: reads show what was committed at the beginning, and of
    two transactions that overlap no two append to the same key."""
    return any(_some_schedule(happened, level) for happened in _choices(operations))


def _some_schedule(happened: list[Operation], level: str) -> bool:
    """Try all orders of commits, and with each all places in it at which transactions may begin."""
    return any(_begin(list(order), 0, [], level) for order in permutations(happened))


def _begin(order: list[Operation], index: int, begins: list[int], level: str) -> bool:
    """Let the transaction at `index` of the commit order begin after the first `begin` commits, for each that fits."""
    if index == len(order):
        return True
    operation = order[index]
    own = {key for word, key, _ in operation.argument if word == "append"}
    if any(_before(operation, other, level) for other in order[:index]):
        return False
    for begin in range(index + 1):
        overlapping = order[begin:index]
        if any(_before(other, operation, level) for other in overlapping):
            continue
        if any(key in own for other in overlapping for word, key, _ in other.argument if word == "append"):
            continue
        lists: dict[str, tuple[int, ...]] = {}
        for other in order[:begin]:
            for word, key, value in other.argument:
                if word == "append":
                    lists[key] = (*lists.get(key, ()), value)
        if _run(operation, lists) is not None and _begin(order, index + 1, [*begins, begin], level):
            return True
    return False
