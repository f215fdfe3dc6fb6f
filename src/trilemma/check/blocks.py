"""Linearizability of strings whose parts are unique, in O(n log n): puts, appends and reads of whole values.

Let every read be such that it can be taken apart in one way only (`parts`), for example because no put or appended part
is the beginning of another. Then it fixes all that stood between its put and itself. The writes of the longest read
that begins with some put, with all reads of its beginnings, form a *block*: their order is fixed, and no other write
fits in between. A write that no read saw fits between any two blocks, because every block but the first begins with a
put; one of unknown outcome may be left out. The initial value and what was appended to it are a block that began before
time. So:
- reads that cannot be taken apart, or that show orders that exclude each other, are impossible;
- inside a block nothing may be over before something in front of it began;
- blocks are ordered as the clusters of a register are (see `register`). Let f be a block's earliest completion and s
  its latest invocation: u must come before v if f(u) < s(v), and there is an order if no two must each come before the
  other. (Of a longer ring of such demands the block with the smallest f forms such a pair with the one before it.)

Operations: as in `models.string`. A length that an append told is held against its place in its block. Where no read
saw the append its place is not free: then what is impossible without that is impossible, and the rest is `unknown`.
Source: Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997, section 4.1, with blocks in the
place of clusters; version order from reads as in Elle, arXiv:2003.10554. Twins: `search`, `brute`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.parts import Chain, Impossible, Undecided, check_length, take_apart, told_length, unique_parts
from trilemma.check.register import find_clash
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "linearizable string"

_BEFORE_TIME_US: Final = -1


def check_blocks(operations: Sequence[Operation], initial: Any = b"") -> Verdict:
    """Judge whether the operations of one key are linearizable.

    Args:
        operations: of one key, in any order.
        initial: what it holds first; empty where it is absent.

    Returns:
        `unknown` where values cannot be taken apart in one way only, or told lengths would have to be placed.

    Cost: O(n log n), and the length of the longest value of each chain.
    """
    happened = [each for each in operations if each.outcome != "fail"]
    reads = [each for each in happened if each.kind in ("read", "get") and each.outcome == "ok"]
    writes = [each for each in happened if each.kind in ("put", "append")]
    others = [each for each in happened if each.kind not in ("put", "append", "read", "get")]
    if others:
        return unknown(CHECKER, f"an operation is neither put, append nor read: {others[0].describe()}")
    try:
        chains = take_apart(reads, unique_parts(writes, initial), initial)
        seen = {part.value for chain in chains for part in chain.parts}
        unseen = [each for each in writes if each.argument not in seen and each.outcome == "ok"]
        _check_order(_blocks(reads, chains, initial), unseen)
    except Impossible as impossible:
        return invalid(CHECKER, str(impossible), impossible.witness)
    except Undecided as undecided:
        return unknown(CHECKER, str(undecided))
    if any(told_length(each) is not None for each in unseen if each.kind == "append"):
        return unknown(CHECKER, "an append that no read saw told a length")
    return valid(CHECKER)


@dataclass(slots=True)
class _Block:
    """Operations with their places in the one order that they can have, and the read that shows it.

    At one place there is a write, or reads in any order.
    """

    placed: list[tuple[int, Operation]] = field(default_factory=list)
    longest: Operation | None = None
    finish_us: int = END_OF_TIME_US
    start_us: int = _BEFORE_TIME_US

    def add(self, place: int, operation: Operation) -> None:
        """Put an operation at its place."""
        self.placed.append((place, operation))
        self.finish_us = min(self.finish_us, operation.end_us)
        self.start_us = max(self.start_us, operation.invoke_us)

    def shows(self) -> list[Operation]:
        """Return the operations that were over first and that began last, and the read that binds them together."""
        shown = [each for _, each in self.placed if self.finish_us == each.end_us or self.start_us == each.invoke_us]
        return shown if self.longest is None else [*shown, self.longest]


def _blocks(reads: Sequence[Operation], chains: Sequence[Chain], initial: Any) -> list[_Block]:
    """Return the chains as blocks, what began before time first.

    Raises:
        Impossible: nothing was read where there is always something, or an append told a length that it did not make.
    """
    first = _Block(finish_us=_BEFORE_TIME_US)
    for read in reads:
        if not read.result:
            if initial:
                raise Impossible("nothing was read where there is always something", [read])
            first.add(-1, read)
    blocks = [first]
    for chain in chains:
        block = first
        if chain.begins_with_put:
            block = _Block()
            blocks.append(block)
        block.longest = chain.longest
        for index, part in enumerate(chain.parts):
            if part.write is not None:
                check_length(chain, index)
                block.add(2 * index, part.write)
        for index, read in chain.reads:
            block.add(2 * index + 1, read)
    return blocks


def _check_order(blocks: Sequence[_Block], unseen: Sequence[Operation]) -> None:
    """See that each block can be ordered within, and all of them and the unseen writes among each other.

    Raises:
        Impossible: not so.
    """
    for block in blocks:
        _check_inside(block)
    alone = [_Block([(0, write)], None, write.end_us, write.invoke_us) for write in unseen]
    # What may end whenever it likes comes after everything else.
    ended = [block for block in (*blocks, *alone) if block.finish_us != END_OF_TIME_US]
    clash = find_clash((block.finish_us, block.start_us, block) for block in ended)
    if clash is not None:
        one, other = clash
        raise Impossible("two values must each come before the other", [*one.shows(), *other.shows()])


def _check_inside(block: _Block) -> None:
    """See that nothing was over before something in front of it began."""
    latest: Operation | None = None
    waiting: Operation | None = None
    place = 0
    for where, operation in sorted(block.placed, key=itemgetter(0)):
        if where != place and waiting is not None:
            latest, waiting = _later(latest, waiting), None
        place = where
        if latest is not None and operation.end_us < latest.invoke_us:
            shown = [latest, operation] + ([] if block.longest is None else [block.longest])
            raise Impossible("one was over before another began that must come before it", shown)
        waiting = _later(waiting, operation)


def _later(one: Operation | None, other: Operation) -> Operation:
    return other if one is None or other.invoke_us > one.invoke_us else one
