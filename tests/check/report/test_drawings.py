"""What drawings are made of: lanes, the axis, samples, and the demands that a witness cannot fulfil."""

from itertools import pairwise
from random import Random
from typing import Any

from trilemma.check.brute import is_linearizable
from trilemma.check.forge import disturb, forge
from trilemma.check.history import Operation
from trilemma.check.model import register
from trilemma.check.register import check_register
from trilemma.check.report import scale, timeline, witness
from trilemma.check.report.order import demands, follows_real_time, ring
from trilemma.check.verdict import invalid

ROUNDS = 6_000


def write(begin: int, end: int | None, value: bytes, process: int = 1) -> Operation:
    return Operation(process, begin, end, "write", b"k", value, None, "info" if end is None else "ok")


def read(begin: int, end: int, value: bytes | None, process: int = 2) -> Operation:
    return Operation(process, begin, end, "read", b"k", None, value)


def draw(rng: Random, number: int) -> tuple[str, Any]:
    return ("write", b"%d" % number) if rng.random() < 0.5 else ("read", None)


def run(state: Any, operation: Operation) -> tuple[Any, Any]:
    return (state, state) if operation.kind == "read" else (None, operation.argument)


def test_a_ring_of_demands_is_found_exactly_where_no_order_exists() -> None:
    rng = Random(11)
    rings = 0
    for _ in range(ROUNDS):
        history = disturb(rng, forge(rng, rng.randint(2, 6), None, draw, run), rng.randrange(4))
        history = [each for each in history if each.outcome != "fail"]
        written = {each.argument for each in history if each.kind == "write"}
        if any(each.kind == "read" and each.result not in {None, *written} for each in history):
            continue  # read from nowhere: there is nothing to order
        found = ring(demands(history, real_time=True))
        assert bool(found) != is_linearizable(history, register()), history
        rings += bool(found)
        for one, other in zip(found, [*found[1:], *found[:1]], strict=True):
            assert one.then == other.first
    assert rings > ROUNDS // 20


def test_a_stale_read_is_explained_in_two_sentences() -> None:
    verdict = check_register([write(0, 1, b"a"), write(2, 3, b"b"), read(4, 5, b"b"), read(6, 7, b"a")])
    shown = witness.draw(verdict, 0)
    assert "must come before" in shown
    assert "was over before" in shown
    assert "replaced" in shown


def test_session_models_are_not_explained_by_real_time() -> None:
    elsewhere = [write(0, 1, b"a", 1), write(2, 3, b"b", 1), read(6, 7, b"a", 2)]
    assert ring(demands(elsewhere, real_time=True))
    assert not ring(demands(elsewhere, real_time=False))
    own = [each._replace(process=1) for each in elsewhere]
    assert ring(demands(own, real_time=False))
    assert not follows_real_time("causal convergence")
    assert follows_real_time("linearizable register")


def test_a_transaction_reads_what_it_wrote_itself_and_commands_are_understood() -> None:
    one = Operation(1, 0, 1, "command", b"k", (b"SET", b"k", b"a"), b"OK")
    other = Operation(1, 2, 3, "transaction", b"k", ((b"SET", b"k", b"b"), (b"GET", b"k")), (b"OK", b"b"))
    late = Operation(2, 4, 5, "command", b"k", (b"MGET", b"k", b"j"), (b"a", None))
    assert ring(demands([one, other, late], real_time=True))
    assert not ring(demands([one, other], real_time=True))


def test_a_witness_without_registers_is_drawn_without_reasons() -> None:
    adds = [Operation(1, 0, 1, "add", b"k", 1, 1), Operation(2, 2, None, "add", b"k", 1, None, "info")]
    plan = witness.layout(invalid("linearizable counter", "no order", adds))
    assert not plan.arrows
    assert [bar.is_open for bar in plan.bars] == [False, True]
    assert len(plan.lanes) == 2


def test_the_drawing_keeps_the_order_of_all_beginnings_and_ends() -> None:
    rng = Random(3)
    for _ in range(50):
        operations = []
        for process in range(8):
            begin = rng.randrange(10 ** rng.randint(1, 9))
            operations.append(write(begin, begin + rng.randrange(10 ** rng.randint(1, 6)), b"%d" % process, process))
        plan = witness.layout(invalid("linearizable register", "why", operations))
        for one in plan.bars:
            for other in plan.bars:
                if one.operation.end_us < other.operation.invoke_us:
                    assert one.x + one.width <= other.x + 4.5
                if one.operation.invoke_us < other.operation.invoke_us:
                    assert one.x < other.x
        assert all(bar.x >= witness.LEFT and bar.x + bar.width <= witness.WIDTH for bar in plan.bars)


def test_a_client_that_goes_on_under_new_numbers_stays_on_its_lane() -> None:
    history = []
    for number in range(30):
        at = 100 * number
        history.append(Operation(number, at, None, "write", b"k", number, None, "info", "n1"))
        history.append(Operation(1_000, at + 50, at + 90, "write", b"k", -number, None, "ok", "n2"))
    lanes = timeline.lanes(history)
    assert [lane.label for lane in lanes] == ["n1 p0 +29", "n2 p1000"]


def test_lanes_hold_every_operation_and_none_overlap_there() -> None:
    rng = Random(4)
    history = []
    for process in range(40):
        at = rng.randrange(1_000)
        for _ in range(rng.randint(1, 6)):
            end = at + rng.randrange(100)
            history.append(Operation(process, at, end, "read", b"k", None, None, "ok", "n1"))
            at = end + rng.randrange(1, 50)
    lanes = timeline.lanes(history)
    assert sorted(each for lane in lanes for each in lane.operations) == sorted(history)
    assert len(lanes) < 40
    for lane in lanes:
        ordered = sorted(lane.operations, key=lambda each: each.invoke_us)
        assert all(one.end_us <= other.invoke_us for one, other in pairwise(ordered))


def test_a_sample_keeps_witnesses_and_what_was_not_answered() -> None:
    history = [write(number, None if number % 100 == 7 else number, b"%d" % number) for number in range(5_000)]
    kept = scale.picked(history, {scale.identity(history[1_234])}, 300)
    assert len(kept) == 300
    assert history[1_234] in kept
    assert sum(each.outcome == "info" for each in kept) == 50
    assert scale.picked(history[:300], set(), 300) == history[:300]


def test_marks_of_time_are_round_and_few() -> None:
    for length in (1, 7, 1_000, 123_456, 60_000_000, 10**12):
        ticks = scale.Span(5, 5 + length).ticks()
        assert 1 <= len(ticks) <= scale.TICKS_MAX
        assert ticks[0] == 5
        assert len({later - earlier for earlier, later in pairwise(ticks)}) <= 1
