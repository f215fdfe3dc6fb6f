"""The in-memory twins lose at a crash what a real disk may lose, and nothing else."""

from trilemma.storage.memory import MemoryEngine, MemoryLog
from trilemma.storage.port import LogRecord, LogWrite, RecordKind, RowBatch


def entry(index: int, term: int = 1, body: bytes = b"x") -> LogRecord:
    return LogRecord(RecordKind.ENTRY, 1024, 0, index, term, body)


def write(token: int, *records: LogRecord, segment: int = 1, release: int = 0) -> LogWrite:
    return LogWrite(token, segment, False, records, True, release)


def test_a_crash_loses_what_was_not_synced_and_keeps_what_was() -> None:
    log = MemoryLog()
    log.append(write(1, entry(1)))
    log.sync(1)
    log.append(write(2, entry(2)))
    log.crash()
    assert [record.index for record in log.recover().records] == [1]
    assert log.read(1024, 0, 1, 9, 1 << 20) == [entry(1)]


def test_a_crash_may_keep_a_prefix_of_the_unsynced_never_a_later_write_alone() -> None:
    log = MemoryLog()
    for token in (1, 2, 3):
        log.append(write(token, entry(token)))
    log.crash(lambda bound: bound - 2)
    assert [record.index for record in log.recover().records] == [1, 2]


def test_an_entry_supersedes_those_at_and_above_its_index() -> None:
    log = MemoryLog()
    log.append(write(1, entry(1), entry(2), entry(3)))
    log.append(write(2, entry(2, term=2, body=b"new")))
    assert log.read(1024, 0, 1, 9, 1 << 20) == [entry(1), entry(2, 2, b"new")]


def test_a_read_stops_at_its_bytes_but_gives_one_record_at_least() -> None:
    log = MemoryLog()
    log.append(write(1, entry(1, body=b"a" * 50), entry(2, body=b"b" * 50)))
    assert len(log.read(1024, 0, 1, 2, 10)) == 1
    assert len(log.read(1024, 0, 1, 2, 100)) == 2


def test_segments_go_when_the_write_that_releases_them_is_durable() -> None:
    log = MemoryLog()
    log.append(write(1, entry(1), segment=1))
    log.append(write(2, entry(2), segment=2, release=2))
    assert set(log.sizes()) == {1, 2}
    log.sync(2)
    assert set(log.sizes()) == {2}
    assert log.recover().next_segment == 3


def test_the_engine_keeps_a_prefix_of_its_batches_at_a_crash() -> None:
    engine = MemoryEngine()
    for number in range(5):
        engine.write(RowBatch([(b"k%d" % number, b"v"), (b"last", b"%d" % number)], [], []))
    engine.flush(2)
    assert engine.unflushed == 3
    engine.crash(lambda _bound: 1)
    assert engine.get(b"last") == b"2"
    assert engine.get(b"k3") is None


def test_a_read_view_does_not_see_later_writes() -> None:
    engine = MemoryEngine()
    engine.write(RowBatch([(b"a", b"1")], [], []))
    view = engine.read_view()
    engine.write(RowBatch([(b"a", b"2")], [], []))
    assert view.get(b"a") == b"1"


def test_ranges_go_first_then_deletes_then_puts() -> None:
    engine = MemoryEngine()
    engine.write(RowBatch([(b"a", b"1"), (b"b", b"1"), (b"z", b"1")], [], []))
    engine.write(RowBatch([(b"b", b"2")], [b"z"], [(b"a", b"c")]))
    assert engine.scan(b"", b"\xff", 9) == [(b"b", b"2")]
