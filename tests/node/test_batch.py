"""A batch of another node: its replies are one message, which is bounded whatever was asked for."""

import pytest

from stage import Stage
from trilemma.cluster.messages import Forward
from trilemma.node import batch as batches
from trilemma.node.batch import ForwardedBatch
from trilemma.node.unit import Path, Result, Unit

FORWARD = Forward(3, 1, 1, 1024, 7, 1, 0, 1, b"")
TOO_LONG = b"-ERR the command was carried out, but its reply is too long to be passed on by the node that did so\r\n"


@pytest.fixture(autouse=True)
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "RESULT_BYTES_MAX", 1_000)


def results_of(*units: tuple[Path, int], order: tuple[int, ...] | None = None) -> list[Result]:
    """What the origin is sent of units with replies of some bytes, completed in an order."""
    sent: list[Result] = []
    made = [Unit(path, 0, 2, [b"GET", b"k"]) for path, _ in units]
    batch = ForwardedBatch(FORWARD, made, lambda _forward, results, _token: sent.extend(results))
    for place in order or tuple(range(len(units))):
        batch.complete(place, [b"x" * units[place][1]], 0)
    assert len(sent) == len(units)
    return sent


def test_reads_behind_what_one_message_holds_are_given_back_to_be_asked_again() -> None:
    assert results_of(*[(Path.READ, 600)] * 3) == [[b"x" * 600], False, False]
    assert results_of((Path.READ, 600), (Path.READ, 600), (Path.READ, 1)) == [[b"x" * 600], False, False]


def test_no_read_stays_behind_one_that_is_given_back_in_whatever_order_they_were_carried_out() -> None:
    sent = results_of((Path.READ, 600), (Path.READ, 600), (Path.WRITE, 5), (Path.READ, 1), order=(1, 3, 2, 0))
    assert sent == [False, False, [b"x" * 5], False]


def test_what_must_not_be_carried_out_twice_says_that_its_reply_is_too_long() -> None:
    assert results_of((Path.WRITE, 998), (Path.WRITE, 600), (Path.LOGGED_READ, 600), (Path.WRITE, 5)) == [
        [b"x" * 998], TOO_LONG, TOO_LONG, [b"x" * 5],
    ]  # fmt: skip


def test_a_read_that_no_message_holds_is_not_asked_again_for_ever() -> None:
    assert results_of((Path.READ, 1_001), (Path.READ, 5)) == [TOO_LONG, [b"x" * 5]]


def test_many_long_replies_come_through_a_node_that_forwards_in_the_order_asked() -> None:
    stage = Stage()
    stage.lead(1)
    for number in range(8):
        assert stage.ask(1, "SET", f"bank:{number}", f"{number}" * 400).reply == b"OK"
    asked = [("GET", f"bank:{number % 8}") for number in range(20)]
    assert stage.pipeline(2, *asked) == [b"%d" % (number % 8) * 400 for number in range(20)]
