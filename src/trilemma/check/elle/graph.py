"""The dependencies between transactions, as a graph: who must come before whom, and for which of five reasons.

- ww: one appended an element, the other the next one; wr: one read what the other appended last; rw: one read a list
  without the element that the other appended next (an anti-dependency).
- process: two of one process, in this order. realtime: one was over before the other began.

Nodes that are no transactions keep the graph linear in size: *moments* (what was over by then comes before what began
after it) and, per key, a *gap* between those who read all that was ever seen and those whose appends nobody saw, which
must stand behind it. Source: arXiv:2003.10554, section 4.3 and 5.1.
"""

from collections.abc import Hashable
from typing import Final

from trilemma.check.elle.transaction import Transaction
from trilemma.check.elle.versions import Key, Versions

WW: Final = 1
WR: Final = 2
RW: Final = 4
PROCESS: Final = 8
REALTIME: Final = 16
THROUGH: Final = 32
"""From a gap on: the edge before it has said all."""

DATA: Final = WW | WR | RW | THROUGH


class Graph:
    """Edges by node: where they lead, and of which kind each is. A transaction's node is its number."""

    __slots__ = ("kinds", "successors", "transactions", "unseen_by", "versions")

    def __init__(self, transactions: list[Transaction], versions: Versions) -> None:
        self.transactions = transactions
        self.versions = versions
        self.successors: list[list[int]] = [[] for _ in transactions]
        self.kinds: list[list[int]] = [[] for _ in transactions]
        self.unseen_by: dict[int, list[Hashable]] = {}
        """For each transaction the keys to which it appended what nobody saw, as another did too: which of them came
        first no read tells."""
        happened = bytearray(len(transactions))
        for transaction in versions.happened:
            happened[transaction.number] = 1
        for key in versions.keys.values():
            if key.has_order:
                self._link_key(key, happened)
        self._link_processes()
        self._link_moments()

    def is_transaction(self, node: int) -> bool:
        """Say whether a node is a transaction, not a moment or a gap."""
        return node < len(self.transactions)

    def add(self, source: int, target: int, kind: int) -> None:
        """Add an edge; there are none from a node to itself."""
        if source != target:
            self.successors[source].append(target)
            self.kinds[source].append(kind)

    def _add_node(self) -> int:
        self.successors.append([])
        self.kinds.append([])
        return len(self.successors) - 1

    def _link_key(self, key: Key, happened: bytearray) -> None:
        """Link who appended and who read the versions of a key."""
        writers = [key.writer(position) for position in range(len(key.order))]
        last_before: list[int] = [-1]  # for each length of the list: who appended its last element
        for writer in writers:
            last_before.append(last_before[-1] if writer is None else writer.number)
        next_after = [-1] * (len(writers) + 1)  # for each length: who appended the element behind it
        for position in range(len(writers) - 1, -1, -1):
            writer = writers[position]
            next_after[position] = next_after[position + 1] if writer is None else writer.number
        for position, writer in enumerate(writers):
            if writer is not None and last_before[position] >= 0:
                self.add(last_before[position], writer.number, WW)
        at_end: list[int] = []
        for reader, read in key.readers:
            if read.outside is None:
                continue
            if last_before[read.outside] >= 0:
                self.add(last_before[read.outside], reader.number, WR)
            if next_after[read.outside] >= 0:
                self.add(reader.number, next_after[read.outside], RW)
            else:
                at_end.append(reader.number)
        self._link_unseen(key, happened, last_before[-1], at_end)

    def _link_unseen(self, key: Key, happened: bytearray, last: int, at_end: list[int]) -> None:
        """Put appends that nobody saw behind all that was seen: lists only grow."""
        unseen = {
            writer.number: None
            for element, writer in key.writers.items()
            if element not in key.seen and happened[writer.number]
        }
        for writer in unseen if len(unseen) > 1 else ():
            self.unseen_by.setdefault(writer, []).append(key.name)
        if last >= 0:
            for writer in unseen:
                self.add(last, writer, WW)
        both = [reader for reader in dict.fromkeys(at_end) if reader in unseen]
        for one, other in zip(both, both[1:] + both[:1], strict=True):
            self.add(one, other, RW)  # each of these missed all the others: one ring shows it
        self._link_gap(at_end, [writer for writer in unseen if writer not in both])
        self._link_gap([reader for reader in at_end if reader not in unseen], both)

    def _link_gap(self, readers: list[int], writers: list[int]) -> None:
        """Put all these readers before all these writers; nobody is both."""
        if not readers or not writers:
            return
        gap = self._add_node()
        for reader in readers:
            self.add(reader, gap, RW)
        for writer in writers:
            self.add(gap, writer, THROUGH)

    def _link_processes(self) -> None:
        """Link each transaction to the next of its process. Nothing follows one of unknown outcome: it may yet come."""
        last: dict[int, int] = {}
        for transaction in self.transactions:
            operation = transaction.operation
            if operation.outcome == "fail":
                continue
            if operation.process in last:
                self.add(last[operation.process], transaction.number, PROCESS)
            if operation.outcome == "ok":
                last[operation.process] = transaction.number

    def _link_moments(self) -> None:
        """Link what was over to what began after it, by a chain of moments. Equal stamps are concurrent."""
        begun = [each for each in self.transactions if each.operation.outcome != "fail"]
        ended = sorted((each.operation.end_us, each.number) for each in begun if each.operation.outcome == "ok")
        moment, index = -1, 0
        for transaction in begun:
            first = index
            while index < len(ended) and ended[index][0] < transaction.operation.invoke_us:
                index += 1
            if index > first:
                previous, moment = moment, self._add_node()
                if previous >= 0:
                    self.add(previous, moment, REALTIME)
                for _, number in ended[first:index]:
                    self.add(number, moment, REALTIME)
            if moment >= 0:
                self.add(moment, transaction.number, REALTIME)
