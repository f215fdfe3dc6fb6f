"""Verdicts, histories and the recorder."""

import pytest

from trilemma.check.history import History, HistoryError, Operation
from trilemma.check.recorder import Recorder
from trilemma.check.verdict import Validity, combine, invalid, unknown, valid

OP = Operation(1, 0, 1, "read", b"k")


def test_invalid_beats_unknown_which_beats_valid() -> None:
    assert combine([valid("a"), unknown("b", "x"), invalid("c", "y"), invalid("d", "z")]).checker == "c"
    assert combine([valid("a"), unknown("b", "x"), unknown("c", "x")]).checker == "b"
    assert combine([valid("a"), valid("b")], "both").is_valid


def test_nothing_checked_is_unknown() -> None:
    assert combine([]).validity is Validity.UNKNOWN


def test_witness_is_in_order_of_invocation_without_repeats() -> None:
    late = OP._replace(invoke_us=5, complete_us=9)
    assert invalid("a", "r", [late, OP, late]).witness == (OP, late)


def test_verdict_describes_itself_with_its_witness() -> None:
    assert "process 1" in invalid("a", "reason", [OP]).describe()


@pytest.mark.parametrize(
    "broken",
    [OP._replace(complete_us=None), OP._replace(complete_us=-1), OP._replace(outcome="maybe")],
    ids=["ok without completion", "completed before invoked", "unknown outcome"],
)
def test_history_that_breaks_the_conventions_is_refused(broken: Operation) -> None:
    with pytest.raises(HistoryError):
        History([OP, broken]).validate()


def test_operation_of_unknown_outcome_ends_after_everything_else() -> None:
    doubtful = OP._replace(outcome="info", complete_us=1)
    later = OP._replace(invoke_us=10, complete_us=11)
    assert not doubtful.precedes(later)
    assert OP.precedes(later)
    assert not OP.precedes(OP._replace(invoke_us=1))


def test_history_groups_by_key_and_by_process() -> None:
    operations = [Operation(2, 5, 6, "read", b"b"), Operation(1, 3, 4, "read", b"a"), Operation(1, 1, 2, "read", b"b")]
    history = History(operations)
    assert list(history.by_key()) == [b"b", b"a"]
    assert {process: [each.invoke_us for each in group] for process, group in history.by_process().items()} == {
        1: [1, 3],
        2: [5],
    }
    assert len(history.where(lambda each: each.key == b"b")) == 2


def test_recorder_leaves_what_was_never_answered_unknown() -> None:
    recorder = Recorder()
    first = recorder.invoke(OP)
    recorder.invoke(OP._replace(invoke_us=2))
    recorder.complete(first, 7, "ok", b"v")
    done, pending = recorder.history()
    assert (done.complete_us, done.outcome, done.result) == (7, "ok", b"v")
    assert (pending.complete_us, pending.outcome) == (None, "info")
    assert recorder.pending() == [pending]
    with pytest.raises(KeyError):
        recorder.complete(first, 8, "ok")
