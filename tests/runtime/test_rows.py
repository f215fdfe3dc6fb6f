"""RocksDB and the in-memory engine agree on every batch and scan."""

from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trilemma.runtime.rows import RocksEngine
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.port import RowBatch

key = st.binary(min_size=1, max_size=3)
span = st.tuples(key, key).filter(lambda pair: pair[0] < pair[1])
batch = st.builds(
    RowBatch,
    st.lists(st.tuples(key, st.binary(max_size=4)), max_size=6),
    st.lists(key, max_size=3),
    st.lists(span, max_size=2),
)


@settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(batch, max_size=8), st.lists(st.tuples(span, st.integers(1, 9), st.booleans()), max_size=6))
def test_both_engines_hold_the_same(tmp_path_factory, batches, scans) -> None:  # type: ignore[no-untyped-def]
    rocks, memory = RocksEngine(tmp_path_factory.mktemp("rows")), MemoryEngine()
    for each in batches:
        rocks.write(each)
        memory.write(each)
    for (start, stop), limit, reverse in scans:
        assert rocks.scan(start, stop, limit, reverse) == memory.scan(start, stop, limit, reverse)
    keys = [each for one in batches for each, _ in one.puts]
    assert rocks.get_many(keys) == memory.get_many(keys)
    rocks.close()


def test_a_view_keeps_what_it_saw(tmp_path: Path) -> None:
    rows = RocksEngine(tmp_path)
    rows.write(RowBatch([(b"a", b"1"), (b"b", b"2")], [], []))
    view = rows.read_view()
    rows.write(RowBatch([(b"a", b"3")], [b"b"], []))
    assert view.scan(b"a", b"z", 9) == [(b"a", b"1"), (b"b", b"2")]
    assert (view.get(b"b"), rows.get(b"b")) == (b"2", None)
    view.close()
    rows.close()


def test_a_view_keeps_a_range_that_is_deleted_under_it_and_flushed(tmp_path: Path) -> None:
    rows = RocksEngine(tmp_path)
    kept = [(b"a%03d" % number, b"v") for number in range(200)]
    rows.write(RowBatch(kept, [], []))
    rows.flush()
    view = rows.read_view()
    first = view.scan(b"a", b"z", 50)
    rows.write(RowBatch([], [], [(b"a", b"b")]))
    rows.flush()
    assert first + view.scan(b"a050", b"z", 999) == kept
    assert rows.scan(b"a", b"z", 1) == []
    view.close()
    rows.close()


def test_what_was_flushed_is_there_after_a_restart(tmp_path: Path) -> None:
    rows = RocksEngine(tmp_path)
    rows.write(RowBatch([(b"a", b"1")], [], []))
    rows.flush()
    rows.close()
    again = RocksEngine(tmp_path)
    assert again.get(b"a") == b"1"
    again.close()
