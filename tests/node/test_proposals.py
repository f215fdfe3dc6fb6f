"""Units on their way through the log: how many go into one entry, and what becomes of those whose entry is replaced."""

from trilemma.node.batch import Batch
from trilemma.node.proposals import Proposals
from trilemma.node.unit import NOT_EXECUTED, UNIT_BYTES_PER_TURN, Part, Path, Result, Unit, decode_units
from trilemma.replication.port import Entry, EntryKind


class _Log:
    """As much of Raft as proposals see: entries get the next index, in the term of now."""

    def __init__(self) -> None:
        self.term = 1
        self.last_index = 0
        self.bodies: list[bytes] = []

    def propose(self, _kind: EntryKind, body: bytes) -> int:
        self.bodies.append(body)
        self.last_index += 1
        return self.last_index


class _Answered(Batch):
    def __init__(self, units: list[Unit]) -> None:
        super().__init__(units)
        self.results: dict[int, Result] = {}

    def complete(self, position: int, result: Result, token: int) -> None:
        self.results[position] = result


def _writes(count: int, value: bytes) -> _Answered:
    return _Answered([Unit(Path.WRITE, 0, 2, [b"SET", b"%d" % number, value]) for number in range(count)])


def _entry(index: int, term: int) -> Entry:
    return Entry(index=index, term=term, kind=EntryKind.COMMANDS, stamp_ms=0, seed=0, body=b"")


def _proposing(log: _Log, batch: _Answered) -> Proposals:
    proposals = Proposals(log, lambda _db, _key: 0)  # type: ignore[arg-type]
    proposals.waiting.extend((batch, position) for position in range(len(batch.units)))
    while proposals.waiting:
        proposals.propose(proposals.next_waiters())
    return proposals


def test_units_that_are_too_much_for_one_entry_go_into_several_in_their_order() -> None:
    log = _Log()
    _proposing(log, _writes(7, b"v" * (UNIT_BYTES_PER_TURN // 3)))
    assert all(len(body) <= UNIT_BYTES_PER_TURN for body in log.bodies)
    assert len(log.bodies) < 7
    assert [unit.argv[1] for body in log.bodies for unit in decode_units(body)] == [b"%d" % each for each in range(7)]


def test_of_large_transactions_no_more_are_encoded_than_go_into_the_entry() -> None:
    parts = [Part(0, [b"SET", b"k", b"v" * (UNIT_BYTES_PER_TURN // 2)])] * 2
    batch = _Answered([Unit(Path.WRITE, 0, 2, [], parts) for _ in range(4)])
    proposals = Proposals(_Log(), lambda _db, _key: 0)  # type: ignore[arg-type]
    proposals.waiting.extend((batch, position) for position in range(4))
    assert [position for _, position in proposals.next_waiters()] == [0]


def test_a_unit_that_is_larger_than_the_bound_has_an_entry_of_its_own() -> None:
    log = _Log()
    _proposing(log, _writes(2, b"v" * (UNIT_BYTES_PER_TURN + 1)))
    assert [len(decode_units(body)) for body in log.bodies] == [1, 1]


def _led_twice() -> tuple[Proposals, _Answered, _Answered]:
    """Return what a replica proposed at one index in term 1, and again in term 3: it was deposed in between."""
    log = _Log()
    first, second = _writes(1, b"a"), _writes(1, b"b")
    proposals = _proposing(log, first)
    log.term, log.last_index = 3, 0
    proposals.waiting.append((second, 0))
    proposals.propose(proposals.next_waiters())
    return proposals, first, second


def test_of_two_proposals_for_one_index_the_committed_one_is_executed_and_the_other_is_not() -> None:
    """This replica led in term 1, was deposed, lost its entry, leads again in term 3 and proposes at the same index."""
    proposals, first, second = _led_twice()
    assert first.results == {}, "a leader that has kept the entry of term 1 may still commit it"
    found = proposals.take(_entry(1, 3))
    assert found is not None
    assert found.waiters == [(second, 0)]
    assert first.results == {0: NOT_EXECUTED}


def test_a_proposal_that_was_replaced_here_and_is_committed_all_the_same_is_executed() -> None:
    proposals, first, second = _led_twice()
    found = proposals.take(_entry(1, 1))
    assert found is not None
    assert found.waiters == [(first, 0)]
    assert second.results == {0: NOT_EXECUTED}
