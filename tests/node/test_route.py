"""The way of a request to its executor: what comes back from one is not sent where it no longer belongs."""

from typing import Any

import pytest

from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.cluster.stream import done, lost, refused
from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT, Keyspace, Mode
from trilemma.node.batch import Batch
from trilemma.node.request import Lane, Request, Target
from trilemma.node.route import RETRY_US, Route
from trilemma.node.surroundings import Surroundings
from trilemma.node.unit import NOT_EXECUTED, Path, Result, Unit, decode_units, encode_results

SHARD = 1024
KEYSPACE = Keyspace(1, "default", Mode.CP, (1, 2, 3), 1, 2, "linearizable", "sync", TIMEOUT_MS_DEFAULT)


class Around(Surroundings):
    """n2 executes until it is told otherwise."""

    def __init__(self) -> None:
        self.target: Target = (2, 7)
        self.version = 1
        self.moved: set[bytes] = set()
        self.sent: list[Forward] = []
        self.paths: set[int] = {2, 3}

    def local_target(self, shard: int) -> Target | None:
        return None

    def remote_target(self, shard: int) -> Target | None:
        return self.target

    def has_path(self, node: int) -> bool:
        return node in self.paths

    def name(self, node: int) -> str:
        return f"n{node}"

    def why_down(self, shard: int) -> str | None:
        return None

    def why_not_written(self, shard: int) -> str | None:
        return None

    def catalogue_version(self) -> int:
        return self.version

    def is_misrouted(self, shard: int, unit: Unit) -> bool:
        return unit.argv[1] in self.moved

    def submit(self, shard: int, batch: Batch) -> None:
        raise AssertionError("nothing is executed here")

    def forward(self, message: Forward) -> None:
        self.sent.append(message)


class Client:
    """Takes what becomes of its requests."""

    def __init__(self) -> None:
        self.replies: list[Any] = []

    def result(self, request: Request, result: Result, token: int) -> None:
        self.replies.append(result)


def answer(route: Route, forward: Forward, reply: ForwardReply) -> None:
    route.answered(forward.executor, reply)


@pytest.mark.parametrize("path", [Path.WRITE, Path.READ])
@pytest.mark.parametrize("changed", [False, True], ids=["catalogue as before", "catalogue changed meanwhile"])
def test_what_an_executor_gives_back_goes_on_only_where_it_still_belongs(path: Path, changed: bool) -> None:
    """Once found by seed 1584: sent on as if routed anew, an acknowledged SET went where nobody would read it."""
    around, client = Around(), Client()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    route.add(Request(SHARD, Unit(path, 0, 2, [b"SET", b"f3:1", b"v"]), 9_000_000, Lane(), client))
    route.dispatch(0)
    forward = around.sent.pop()
    around.target = (3, 8)
    if changed:
        around.version, around.moved = 2, {b"f3:1"}
        route.refuse_misrouted()
    says = refused if path is Path.WRITE else lost
    answer(route, forward, says(forward, "the leader has changed"))
    route.advance(RETRY_US)
    route.dispatch(RETRY_US)
    if changed:
        assert around.sent == []
        assert b"CLUSTERDOWN" in client.replies[0]
        done = b"written" if path is Path.WRITE else b"read"
        assert b"the catalogue has changed; nothing was %b" % done in client.replies[0]
    else:
        assert [message.executor for message in around.sent] == [3]
        assert client.replies == []


@pytest.mark.parametrize("path", [Path.WRITE, Path.READ, Path.LOGGED_READ])
def test_what_an_executor_has_when_the_keyspace_is_dropped_is_answered_and_a_write_is_uncertain(path: Path) -> None:
    around, client = Around(), Client()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    lane = Lane()
    route.add(Request(SHARD, Unit(path, 0, 2, [b"SET", b"bank:1", b"v"]), 9_000_000, lane, client))
    route.dispatch(0)
    route.drop()
    (reply,) = client.replies
    assert reply.startswith(b"-UNCERTAIN" if path is Path.WRITE else b"-CLUSTERDOWN")
    assert b"the keyspace was dropped" in reply
    assert lane.is_idle


def sent_on(around: Around, route: Route, to: Target) -> list[bytes]:
    """The values that go to another executor, in their order."""
    around.target = to
    around.sent.clear()
    route.advance(RETRY_US)
    route.dispatch(RETRY_US)
    return [unit.argv[2] for forward in around.sent for unit in decode_units(forward.body or b"")]


def write(route: Route, lane: Lane, client: Client, value: bytes, path: Path = Path.WRITE) -> Request:
    request = Request(SHARD, Unit(path, 0, 2, [b"SET", b"x", value]), 9_000_000, lane, client)
    route.add(request)
    return request


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "the later one first"])
def test_batches_that_are_refused_one_after_the_other_go_on_in_the_order_sent(order: tuple[int, int]) -> None:
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for value in (b"1", b"2"):
        write(route, lane, client, value)
        route.dispatch(0)
    batches = list(around.sent)
    for place in order:
        answer(route, batches[place], refused(batches[place], "the leader has changed"))
    assert sent_on(around, route, (3, 8)) == [b"1", b"2"]


def test_what_a_batch_gives_back_goes_on_in_the_order_sent_and_before_what_came_later() -> None:
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for value in (b"1", b"2", b"3"):
        write(route, lane, client, value)
    route.dispatch(0)
    (batch,) = around.sent
    write(route, lane, client, b"4")
    answer(route, batch, done(batch, encode_results([[b"+OK"], NOT_EXECUTED, NOT_EXECUTED])))
    assert sent_on(around, route, (3, 8)) == [b"2", b"3", b"4"]


def test_a_request_that_has_gone_on_takes_no_word_from_the_executor_that_lost_it_and_is_sent_on_once() -> None:
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    write(route, lane, client, b"1", Path.READ)
    route.dispatch(0)
    (old,) = around.sent
    assert sent_on(around, route, (3, 8)) == [b"1"]
    (new,) = around.sent
    assert sent_on(around, route, (3, 8)) == []
    answer(route, old, done(old, encode_results([[b"old"]])))
    assert client.replies == []
    assert lane.handed == 1
    answer(route, new, done(new, encode_results([[b"new"]])))
    assert client.replies == [[b"new"]]


def test_reads_of_one_session_are_forwarded_one_batch_at_a_time_and_others_beside_them() -> None:
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    write(route, lane, client, b"1", Path.READ)
    route.dispatch(0)
    (first,) = around.sent
    write(route, lane, client, b"2", Path.READ)
    write(route, Lane(), client, b"3", Path.READ)
    assert sent_on(around, route, (2, 7)) == [b"3"]
    answer(route, first, done(first, encode_results([[b"1"]])))
    assert sent_on(around, route, (2, 7)) == [b"2"]


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_read_among_writes_stays_with_them_at_an_executor_that_was_replaced(is_silent: bool) -> None:
    """Found by seed 950110 of cp: it was sent on, and read what the writes behind it had done."""
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for path in (Path.WRITE, Path.LOGGED_READ, Path.WRITE):
        write(route, lane, client, b"%d" % path, path)
    route.dispatch(0)
    (batch,) = around.sent
    around.paths = {3} if is_silent else {2, 3}
    if is_silent:
        assert sent_on(around, route, (3, 8)) == [b"2"]
        assert [reply[:10] for reply in client.replies] == [b"-UNCERTAIN", b"-UNCERTAIN"]
    else:
        assert sent_on(around, route, (3, 8)) == []
        answer(route, batch, done(batch, encode_results([[b"1"], [b"2"], [b"3"]])))
        assert client.replies == [[b"1"], [b"2"], [b"3"]]
