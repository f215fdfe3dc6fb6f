"""The versions of each key, in order: a list tells by its elements in which order they were appended.

Owns what follows from the versions alone, without a ring: elements from nowhere or twice, orders that do not fit,
aborted and intermediate reads, dirty updates, lost updates. A key whose order is in doubt has no order.
Source: arXiv:2003.10554, sections 4.2 and 4.3 (traceability, recoverability).
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from itertools import chain

from trilemma.check.elle import anomaly as names
from trilemma.check.elle.anomaly import Anomaly
from trilemma.check.elle.transaction import Elements, Read, RefusalError, Transaction, show


class Key:
    """What is known of one key."""

    __slots__ = ("has_order", "name", "order", "readers", "seen", "strays", "writers")

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.writers: dict[Hashable, Transaction] = {}
        """Who tried to append each element."""
        self.readers: list[tuple[Transaction, Read]] = []
        self.order: Elements = ()
        """The longest list that was read."""
        self.has_order = True
        """Whether every list that was read is a beginning of it, and no appender's own order stands against it."""
        self.seen: frozenset[Hashable] = frozenset()
        """The elements of the order."""
        self.strays: list[tuple[Transaction, Elements]] = []
        """The lists that are no beginning of the order, and who read each."""

    @property
    def lists(self) -> Iterator[Elements]:
        """The order and each stray: what stands in any list that was read stands in one of these."""
        yield self.order
        for _, stray in self.strays:
            yield stray

    def writer(self, position: int) -> Transaction | None:
        """Return who appended the element at a position, if it is known and did not abort."""
        writer = self.writers.get(self.order[position])
        return None if writer is None or writer.operation.outcome == "fail" else writer


class Versions:
    """All keys of a history, who happened, and the anomalies that were found on the way."""

    def __init__(self, transactions: list[Transaction]) -> None:
        """Raises: RefusalError: an element was appended to a key twice, so that reads cannot be traced."""
        self.keys: dict[Hashable, Key] = {}
        self.anomalies: list[Anomaly] = []
        for transaction in transactions:
            self._add(transaction)
        for key in self.keys.values():
            key.seen = frozenset(key.order)
            self.anomalies += _order(key)
        self.happened = [each for each in transactions if each.operation.outcome == "ok" or self._was_seen(each)]
        """Transactions that took effect for certain."""

    def _add(self, transaction: Transaction) -> None:
        for name, elements in transaction.appends.items():
            key = self._key(name)
            for element in elements:
                if element in key.writers:
                    raise RefusalError(f"{element!r} was appended to {name!r} twice, so reads cannot be traced")
                key.writers[element] = transaction
        for read in transaction.reads:
            key = self._key(read.key)
            key.readers.append((transaction, read))
            if len(read.shown) > len(key.order):
                key.order = read.shown
        for slip in transaction.slips:
            reason = f"T1 read {show(slip.shown)} of {slip.key!r} where it must have read {slip.expected}"
            self.anomalies.append(Anomaly(names.INTERNAL, reason, (transaction.operation,)))

    def _key(self, name: Hashable) -> Key:
        key = self.keys.get(name)
        if key is None:
            key = self.keys[name] = Key(name)
        return key

    def _was_seen(self, transaction: Transaction) -> bool:
        """Whether a transaction of unknown outcome took effect, because somebody read what it appended."""
        if transaction.operation.outcome != "info":
            return False
        return any(element in self.keys[name].seen for name, own in transaction.appends.items() for element in own)

    def find_all(self) -> list[Anomaly]:
        """Return all anomalies that need no ring."""
        found = list(self.anomalies)
        for key in self.keys.values():
            found += _impossible_elements(key)
            found += _aborted(key)
            found += _intermediate(key)
            found += _lost_updates(key)
        return found


def _order(key: Key) -> Iterator[Anomaly]:
    """Find out whether all lists of a key fit into one order, and say where they do not."""
    longest = next((reader for reader, read in key.readers if read.shown is key.order), None)
    if longest is None:
        return
    key.strays = [(reader, read.shown) for reader, read in key.readers if read.shown != key.order[: len(read.shown)]]
    twice = _twice(key, longest)
    key.has_order = not key.strays and twice is None
    if key.strays:
        reader, stray = key.strays[0]
        reason = f"of {key.name!r} one read {show(key.order)}, another {show(stray)}, which is no beginning of it"
        yield Anomaly(names.INCOMPATIBLE, reason, (longest.operation, reader.operation))
    if twice is not None:
        yield twice
    if key.has_order:
        yield from _own_order(key, longest)


def _twice(key: Key, longest: Transaction) -> Anomaly | None:
    """Find a list with an element in it twice."""
    for reader, shown in ((longest, key.order), *key.strays):
        if len(key.seen if shown is key.order else set(shown)) < len(shown):
            counts = Counter(shown)
            element = next(each for each in shown if counts[each] > 1)
            reason = f"T1 read {key.name!r} with {element!r} in it twice"
            return Anomaly(names.DUPLICATE, reason, (reader.operation,))
    return None


def _own_order(key: Key, longest: Transaction) -> Iterator[Anomaly]:
    """Hold the order against that in which each transaction appended its own elements."""
    expected: dict[int, int] = {}
    for element in key.order:
        writer = key.writers.get(element)
        if writer is None or len(writer.appends[key.name]) == 1:
            continue
        index = expected.get(writer.number, 0)
        own = writer.appends[key.name]
        if own[index] != element:
            key.has_order = False
            reason = (
                f"{own[index]!r} was appended to {key.name!r} before {element!r} in one transaction, but not so read"
            )
            yield Anomaly(names.INCOMPATIBLE, reason, (writer.operation, longest.operation))
            return
        expected[writer.number] = index + 1


def _impossible_elements(key: Key) -> Iterator[Anomaly]:
    for element in chain.from_iterable(key.lists):
        if element not in key.writers:
            reader = _first_with(key, element)
            reason = f"T1 read {element!r} in {key.name!r}, which nobody appended"
            yield Anomaly(names.UNWRITTEN, reason, (reader.operation,))
            return


def _first_with(key: Key, element: Hashable) -> Transaction:
    return next(reader for reader, read in key.readers if element in read.shown)


def _aborted(key: Key) -> Iterator[Anomaly]:
    """Find what aborted transactions appended, and what was built on it: of each the first."""
    told: set[str] = set()
    for shown in key.lists:
        aborted: tuple[Hashable, Transaction] | None = None
        for element in shown:
            writer = key.writers.get(element)
            if writer is None:
                continue
            if writer.operation.outcome == "fail":
                if names.G1A not in told:
                    told.add(names.G1A)
                    reader = _first_with(key, element)
                    reason = f"{element!r} was read from {key.name!r}, but the transaction that appended it had aborted"
                    yield Anomaly(names.G1A, reason, (writer.operation, reader.operation))
                aborted = (element, writer)
            elif aborted is not None:
                if names.DIRTY_UPDATE not in told:
                    told.add(names.DIRTY_UPDATE)
                    behind = f"behind {aborted[0]!r} of a transaction that had aborted"
                    reason = f"{element!r} was appended to {key.name!r} {behind}"
                    yield Anomaly(names.DIRTY_UPDATE, reason, (aborted[1].operation, writer.operation))
                break


def _intermediate(key: Key) -> Iterator[Anomaly]:
    """Find reads whose last element was not the last that its transaction appended."""
    last_ones = {own[-1] for own in (writer.appends[key.name] for writer in key.writers.values()) if len(own) > 1}
    if not last_ones:
        return
    for reader, read in key.readers:
        if not read.outside:
            continue
        element = read.shown[read.outside - 1]
        writer = key.writers.get(element)
        if writer is None or writer is reader or writer.appends[key.name][-1] == element:
            continue
        rest = writer.appends[key.name][-1]
        reason = f"{key.name!r} was read up to {element!r}, in the middle of a transaction that then appended {rest!r}"
        yield Anomaly(names.G1B, reason, (writer.operation, reader.operation))
        return


def _lost_updates(key: Key) -> Iterator[Anomaly]:
    """Find two transactions that read the same version of the key and both appended to it."""
    seen: dict[Hashable, Transaction] = {}
    for reader, read in key.readers:
        if read.outside is None or key.name not in reader.appends:
            continue
        version = read.shown[: read.outside]
        other = seen.setdefault(read.outside if key.has_order else version, reader)
        if other is not reader:
            reason = (
                f"T1 and T2 both read {show(version)} of {key.name!r} and both appended to it, so one missed the other"
            )
            yield Anomaly(names.LOST_UPDATE, reason, (other.operation, reader.operation))
            return
