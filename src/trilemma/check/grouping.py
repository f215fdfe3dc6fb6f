"""Groups: operations on one key between which nothing else can have been written, whatever the consistency model.

In any order, one legal for a register with unique values, a write and the reads of its value stand together: no other
write is between them. For a string whose values can be taken apart in one way only the same holds for a put, the
appends after it and all their reads (`parts`). So of two groups of one key one is before the other as a whole, which
`saturation` makes use of. The initial value's group is before all others. Knows nothing of time.
Source: clusters in Gibbons and Korach, SIAM J. Comput. 26(4), 1997, section 4.1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.parts import Impossible, Undecided, check_length, take_apart, told_length, unique_parts


@dataclass(slots=True)
class Group:
    """Positions of operations by their places in the group; at one place is a write, or reads in any order."""

    is_first: bool = False
    places: dict[int, list[int]] = field(default_factory=dict)

    def add(self, place: int, index: int) -> None:
        """Put an operation at its place."""
        self.places.setdefault(place, []).append(index)

    def in_order(self) -> list[list[int]]:
        """Return the positions at each place, in order of places."""
        return [self.places[place] for place in sorted(self.places)]


class Grouping(NamedTuple):
    """The groups of one key, and the operations of unknown outcome that need not have happened: nobody saw them."""

    groups: list[Group]
    unseen: list[int]


def group_registers(operations: Sequence[Operation], indices: Iterable[int], initial: Any) -> Grouping:
    """Return the groups of a register's reads and writes.

    Args:
        operations: all of them, none of outcome `fail`, reads all `ok`.
        indices: where those of one key are.

    Raises:
        Undecided: a value was written twice, or an operation is neither read nor write.
        Impossible: a value was read that nobody wrote.
    """
    groups: dict[Any, Group] = {initial: Group(is_first=True)}
    reads, doubtful = [], {}
    for index in indices:
        operation = operations[index]
        if operation.kind == "read":
            reads.append(index)
        elif operation.kind != "write":
            raise Undecided(f"an operation is neither read nor write: {operation.describe()}")
        elif operation.argument in groups:
            raise Undecided(f"the value {operation.argument!r} was written twice")
        else:
            groups[operation.argument] = Group()
            groups[operation.argument].add(0, index)
            if operation.outcome != "ok":
                doubtful[operation.argument] = index
    for index in reads:
        value = operations[index].result
        if value not in groups:
            raise Impossible(f"{value!r} was read, but nobody wrote it", [operations[index]])
        groups[value].add(1, index)
        doubtful.pop(value, None)
    return Grouping([group for value, group in groups.items() if value not in doubtful], list(doubtful.values()))


def group_strings(operations: Sequence[Operation], indices: Iterable[int], initial: Any) -> Grouping:
    """Return the groups of a string's puts, appends and reads, as `group_registers` does.

    Raises:
        Undecided: values cannot be taken apart in one way only, or an append that no read saw told a length.
        Impossible: a value cannot be made of what was written, two reads exclude each other, or a length is wrong.
    """
    mine = list(indices)
    where = {id(operations[index]): index for index in mine}
    reads = [operations[index] for index in mine if operations[index].kind in ("read", "get")]
    writes = [operations[index] for index in mine if operations[index].kind in ("put", "append")]
    if len(reads) + len(writes) < len(mine):
        raise Undecided("an operation is neither put, append nor read")
    chains = take_apart(reads, unique_parts(writes, initial), initial, in_time=False)
    first = Group(is_first=True)
    groups = [first]
    for read in reads:
        if not read.result:
            if initial:
                raise Impossible("nothing was read where there is always something", [read])
            first.add(-1, where[id(read)])
    for chain in chains:
        group = Group() if chain.begins_with_put else first
        if group is not first:
            groups.append(group)
        for index, part in enumerate(chain.parts):
            if part.write is not None:
                check_length(chain, index)
                group.add(2 * index, where[id(part.write)])
        for index, read in chain.reads:
            group.add(2 * index + 1, where[id(read)])
    seen = {part.value for chain in chains for part in chain.parts}
    alone = [each for each in writes if each.argument not in seen]
    if any(each.kind == "append" and each.outcome == "ok" and told_length(each) is not None for each in alone):
        raise Undecided("an append that no read saw told a length")
    groups += [Group(places={0: [where[id(each)]]}) for each in alone if each.outcome == "ok"]
    return Grouping(groups, [where[id(each)] for each in alone if each.outcome != "ok"])
