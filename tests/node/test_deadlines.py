"""What is answered is soon let go, however long something before it goes on waiting."""

from trilemma.node.deadlines import SWEEP_BYTES, SWEEP_REQUESTS, Deadlines
from trilemma.node.request import Lane, Request
from trilemma.node.unit import Path, Result, Unit


class Client:
    def __init__(self) -> None:
        self.replies: list[Result] = []

    def result(self, request: Request, result: Result, token: int) -> None:
        self.replies.append(result)


def one(number: int, deadline_us: int, value: bytes = b"v") -> Request:
    request = Request(1, Unit(Path.WRITE, 0, 2, [b"SET", b"k", value]), deadline_us, Lane(), Client())
    request.number = number
    return request


def test_answered_requests_do_not_pile_up_behind_one_that_waits() -> None:
    deadlines = Deadlines()
    waiting = one(1, 10)
    deadlines.add(waiting)
    for number in range(2, 10_000):
        request = one(number, 1_000 + number)
        deadlines.add(request)
        request.finish([b"+OK\r\n"], 0)
        assert len(deadlines) <= SWEEP_REQUESTS + 1
    assert list(deadlines.overdue(10)) == [waiting]


def test_large_ones_are_let_go_sooner() -> None:
    deadlines = Deadlines()
    deadlines.add(one(1, 10))
    value = b"v" * (SWEEP_BYTES // 8)
    for number in range(2, 40):
        request = one(number, 1_000, value)
        deadlines.add(request)
        request.finish([b"+OK\r\n"], 0)
        assert len(deadlines) <= 10


def test_open_requests_stay_however_many_there_are_and_come_by_their_deadlines() -> None:
    deadlines = Deadlines()
    requests = [one(number, 5_000 - number) for number in range(1_000)]
    for request in requests:
        deadlines.add(request)
        if request.number % 3 == 0:
            request.finish([b"+OK\r\n"], 0)
    late = [request for request in requests if request.number % 3 and request.deadline_us <= 4_500]
    assert list(deadlines.overdue(4_500)) == late[::-1]
    assert deadlines.next_us is not None
    assert deadlines.next_us > 4_500


def test_a_request_that_is_answered_holds_its_reply_no_longer() -> None:
    request = one(1, 10)
    client = request.sink
    request.finish([b"+OK\r\n"], 0)
    assert request.sink is not client
    request.finish([b"-ERR\r\n"], 0)
    assert isinstance(client, Client)
    assert client.replies == [[b"+OK\r\n"]]
