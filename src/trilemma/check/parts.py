"""Taking the values of a string apart into what was put and appended, where that can be done in one way only.

All parts differ, and a value has each of them once at most. Where no part is the beginning of another, a value has at
most one way to be taken apart, from the left; else all ways are tried, with the parts whose writes had begun when the
read ended, until there are two. Values that begin with the same put must be beginnings of one another; the longest of
them gives a *chain*: the put (or the initial value) and the order of the appends after it. Source: version order from
reads, as in Elle, Alvaro and Kingsbury, arXiv:2003.10554, section 3; used by `blocks`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

from trilemma.check.history import Operation

WAYS_STEPS_MAX: Final = 20_000
"""Steps on the way to two ways of taking one value apart: some milliseconds."""

_EXCLUDE: Final = "two reads show orders that exclude each other"


class Impossible(Exception):  # noqa: N818 - a finding, not a fault of the program
    """The history cannot be ordered: why, and which operations show it."""

    def __init__(self, reason: str, witness: Iterable[Operation]) -> None:
        super().__init__(reason)
        self.witness = list(witness)


class Undecided(Exception):  # noqa: N818 - a finding, not a fault of the program
    """Values cannot be taken apart in one way only."""


class Part(NamedTuple):
    """A part of values, and what wrote it; the initial value was written by nobody."""

    value: Any
    write: Operation | None

    @property
    def is_append(self) -> bool:
        """Whether it comes after something, or after nothing where there was nothing."""
        return self.write is not None and self.write.kind == "append"

    def has_begun(self, time_us: int) -> bool:
        """Say whether it had begun to be written at a time."""
        return self.write is None or self.write.invoke_us <= time_us

    def fits(self, position: int, has_initial: bool) -> bool:
        """Say whether it may be at a position of a value."""
        return not self.is_append or not has_initial if position == 0 else self.is_append


@dataclass(slots=True)
class Chain:
    """A put and the appends after it as the longest read shows them; `ends` says where in it each part ends.

    `reads` holds each read of it or of a beginning of it, with the index of the last part that it shows.
    """

    longest: Operation
    parts: list[Part] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    reads: list[tuple[int, Operation]] = field(default_factory=list)

    @property
    def begins_with_put(self) -> bool:
        """Whether a write begins it that replaces what was before."""
        root = self.parts[0].write
        return root is not None and root.kind == "put"

    def add(self, read: Operation) -> None:
        """Find the place of a read whose value is a beginning of the longest.

        Raises:
            Impossible: it ends inside a part.
        """
        index = bisect_left(self.ends, len(read.result))
        if self.ends[index] != len(read.result):
            raise Impossible("a part was read without its end", [read, self.longest])
        self.reads.append((index, read))


def told_length(operation: Operation) -> int | None:
    """Return the length that an append says to have made; None where it says nothing."""
    told = operation.result
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def check_length(chain: Chain, index: int) -> None:
    """See that an append of a chain told the length that it made, if it told one.

    Raises:
        Impossible: not so.
    """
    write = chain.parts[index].write
    told = told_length(write) if write is not None and write.kind == "append" and write.outcome == "ok" else None
    if write is not None and told not in (None, chain.ends[index]):
        raise Impossible(f"the append told length {told}, but made {chain.ends[index]}", [write, chain.longest])


def unique_parts(writes: Iterable[Operation], initial: Any) -> dict[Any, Part]:
    """Return the parts by value, in order of values.

    Raises:
        Undecided: one is empty or was written twice, or they are of different types.
    """
    parts = [Part(each.argument, each) for each in writes]
    if initial:
        parts.append(Part(initial, None))
    kinds = {type(part.value) for part in parts}
    if not kinds <= {bytes} and not kinds <= {str}:
        raise Undecided("parts are neither all bytes nor all text")
    if not all(part.value for part in parts):
        raise Undecided("a part is empty")
    parts.sort(key=attrgetter("value"))
    for one, other in pairwise(parts):
        if one.value == other.value:
            raise Undecided(f"{one.value!r} was written twice")
    return {part.value: part for part in parts}


def take_apart(
    reads: Iterable[Operation], parts: dict[Any, Part], initial: Any, *, in_time: bool = True
) -> list[Chain]:
    """Return the chains that reads of something show.

    Args:
        in_time: no read shows what began to be written after it.

    Raises:
        Impossible: a value cannot be made of what was written, or two reads exclude each other.
        Undecided: a value can be taken apart in two ways.
    """
    # In descending order a value comes right after one that it is a beginning of, if there is one.
    downwards = sorted((each for each in reads if each.result), key=attrgetter("result"), reverse=True)
    is_plain = not any(other.startswith(one) for one, other in pairwise(parts))
    chains = _plain_chains(downwards, parts, initial) if is_plain else _chains(downwards, parts, initial, in_time)
    _check_exclusion(chains)
    return chains


def _plain_chains(downwards: Iterable[Operation], parts: dict[Any, Part], initial: Any) -> list[Chain]:
    """Return the chains where no part is the beginning of another: each is taken apart once, from the left."""
    lengths = sorted({len(value) for value in parts})
    chains: list[Chain] = []
    for read in downwards:
        if not chains or not chains[-1].longest.result.startswith(read.result):
            chains.append(_parse(read, parts, lengths, bool(initial)))
        chains[-1].add(read)
    return chains


def _parse(read: Operation, parts: dict[Any, Part], lengths: Sequence[int], has_initial: bool) -> Chain:
    value, position = read.result, 0
    chain = Chain(read)
    while position < len(value):
        part = next((found for n in lengths if (found := parts.get(value[position : position + n]))), None)
        if part is None:
            raise Impossible(f"nobody wrote {value[position:]!r}", [read])
        if position and not part.is_append:
            raise Impossible(f"{part.value!r} replaces all, yet something is in front of it", [read])
        if not position and part.is_append and has_initial:
            raise Impossible("the beginning of the value is missing", [read])
        position += len(part.value)
        chain.parts.append(part)
        chain.ends.append(position)
    return chain


def _chains(downwards: Iterable[Operation], parts: dict[Any, Part], initial: Any, in_time: bool) -> list[Chain]:
    """Return the chains where a value may have several ways to be taken apart."""
    lengths = sorted({len(value) for value in parts})
    taken: list[tuple[list[Part], Operation]] = []
    for read in downwards:
        known = parts
        if in_time:
            known = {value: part for value, part in parts.items() if part.has_begun(read.end_us)}
        found = _ways(read.result, known, lengths, bool(initial))
        if not found:
            raise Impossible("what was written by then does not make this value", [read])
        if len(found) > 1:
            raise Undecided(f"a value can be taken apart in two ways: {read.result!r}")
        taken.append((found[0], read))
    taken.sort(key=lambda each: len(each[0]), reverse=True)
    chains: dict[Any, Chain] = {}
    for found_parts, read in taken:
        root = found_parts[0].value if not found_parts[0].is_append else None
        if root not in chains:
            ends = list(accumulate(len(part.value) for part in found_parts))
            chains[root] = Chain(read, found_parts, ends)
        chain = chains[root]
        if chain.parts[: len(found_parts)] != found_parts:
            raise Impossible(_EXCLUDE, [read, chain.longest])
        chain.reads.append((len(found_parts) - 1, read))
    return list(chains.values())


def _ways(value: Any, parts: dict[Any, Part], lengths: Sequence[int], has_initial: bool) -> list[list[Part]]:
    """Return up to two ways to take a value apart.

    Raises:
        Undecided: that takes more than WAYS_STEPS_MAX steps.
    """
    steps: dict[int, list[Part]] = {}
    open_positions = [0]
    for position in open_positions:
        if position in steps or position == len(value):
            continue
        ends = [position + length for length in lengths if position + length <= len(value)]
        fitting = [part for end in ends if (part := parts.get(value[position:end])) is not None]
        steps[position] = [part for part in fitting if part.fits(position, has_initial)]
        open_positions.extend(position + len(part.value) for part in steps[position])
    good = {len(value)}
    for position in sorted(steps, reverse=True):
        steps[position] = [part for part in steps[position] if position + len(part.value) in good]
        if steps[position]:
            good.add(position)
    return _walk(steps, len(value))


def _walk(steps: dict[int, list[Part]], length: int) -> list[list[Part]]:
    """Return up to two walks from 0 to `length` that use each part once at most."""
    found: list[list[Part]] = []
    path: list[Part] = []
    used: set[Any] = set()
    position, count = 0, 0
    branches = [iter(steps[0])]
    while branches and len(found) < 2:
        count += 1
        if count > WAYS_STEPS_MAX:
            raise Undecided("too many ways to take a value apart")
        part = next(branches[-1], None)
        if part is None:
            branches.pop()
            if path:
                position -= len(path[-1].value)
                used.discard(path.pop().value)
        elif part.value not in used:
            path.append(part)
            used.add(part.value)
            position += len(part.value)
            if position == length:
                found.append(list(path))
            branches.append(iter(steps.get(position, ())))
    return found


def _check_exclusion(chains: Iterable[Chain]) -> None:
    """See that chains share nothing: where they do, two reads tell different orders. Nor is a part used twice."""
    seen: dict[Any, Chain] = {}
    for chain in chains:
        if len({part.value for part in chain.parts}) < len(chain.parts):
            raise Impossible("a part that was written once is there twice", [chain.longest])
        # What was appended to nothing can be in one order only, too.
        names = [part.value for part in chain.parts] + ([] if chain.begins_with_put else [None])
        for name in names:
            other = seen.setdefault(name, chain)
            if other is not chain:
                raise Impossible(_EXCLUDE, [chain.longest, other.longest])
