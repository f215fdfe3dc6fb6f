"""The way of a request to its executor: what comes back from one is not sent where it no longer belongs."""

from typing import Any

import pytest

from trilemma.cluster import stream
from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.cluster.stream import done, lost, refused, withdrawn
from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT, Keyspace, Mode
from trilemma.node import backlog
from trilemma.node import route as routes
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
        self.target: Target | None = (2, 7)
        self.starts = {2: 7, 3: 9}
        self.version = 1
        self.moved: set[bytes] = set()
        self.sent: list[Forward] = []
        self.paths: set[int] = {2, 3}

    def local_target(self, shard: int) -> Target | None:
        return None

    def remote_target(self, shard: int) -> Target | None:
        return self.target

    def target_at(self, node: int) -> Target | None:
        return (node, self.starts[node]) if node in self.paths else None

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
    route.end("the keyspace was dropped")
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
    """Found by seed 950110 of cp: it was sent on, and read what the writes behind it had done.

    Where nobody will hear of those any more, it has lost its place, and is refused.
    """
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for path in (Path.WRITE, Path.LOGGED_READ, Path.WRITE):
        write(route, lane, client, b"%d" % path, path)
    route.dispatch(0)
    (batch,) = around.sent
    around.paths = {3} if is_silent else {2, 3}
    if is_silent:
        assert sent_on(around, route, (3, 8)) == []
        assert sorted(reply[:10] for reply in client.replies) == [b"-CLUSTERDO", b"-UNCERTAIN", b"-UNCERTAIN"]
    else:
        assert sent_on(around, route, (3, 8)) == []
        answer(route, batch, done(batch, encode_results([[b"1"], [b"2"], [b"3"]])))
        assert client.replies == [[b"1"], [b"2"], [b"3"]]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_of_a_batch_that_is_lost_reads_go_on_unless_they_could_show_what_was_sent_behind_them(
    is_one_batch: bool,
) -> None:
    """A read was answered with the value of a SET behind it, which was UNCERTAIN."""
    around, client, other, lane = Around(), Client(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    write(route, lane, client, b"before", Path.LOGGED_READ)
    write(route, Lane(), other, b"of another session", Path.READ)
    if not is_one_batch:
        route.dispatch(0)
    write(route, lane, client, b"write")
    write(route, lane, client, b"behind", Path.LOGGED_READ)
    route.dispatch(0)
    batches = list(around.sent)
    for batch in batches:
        answer(route, batch, lost(batch, "the executor has changed"))
    assert sent_on(around, route, (3, 8)) == [b"of another session", b"behind"]
    early, uncertain = client.replies
    assert early.startswith(b"-CLUSTERDOWN")
    assert b"sent behind the read may have been carried out; nothing was read" in early
    assert uncertain.startswith(b"-UNCERTAIN")


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_read_whose_answer_is_lost_does_not_go_on_when_a_write_behind_it_is_answered(is_silent: bool) -> None:
    """The answers to both were on their way, and only that to the write came; the read then showed it."""
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    write(route, lane, client, b"before", Path.LOGGED_READ)
    route.dispatch(0)
    write(route, lane, client, b"write")
    write(route, lane, client, b"behind", Path.LOGGED_READ)
    route.dispatch(0)
    first, second = around.sent
    answer(route, second, done(second, encode_results([[b"+OK"], NOT_EXECUTED])))
    around.paths = {3} if is_silent else {2, 3}
    if not is_silent:
        answer(route, first, lost(first, "the executor has changed"))
    assert sent_on(around, route, (3, 8)) == [b"behind"]
    assert client.replies[0] == [b"+OK"]
    assert client.replies[1].startswith(b"-CLUSTERDOWN")


def reads_in_two_batches(around: Around, client: Client, lane: Lane) -> tuple[Route, Forward, Forward]:
    """A route, and what it has sent: one read, and one of the same session behind it."""
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for value in (b"before", b"behind"):
        write(route, lane, client, value, Path.LOGGED_READ)
        route.dispatch(0)
    first, second = around.sent
    return route, first, second


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_read_whose_answer_is_lost_does_not_go_on_when_a_read_behind_it_is_answered(is_silent: bool) -> None:
    """Found by seed 2506586 of ca: the next executor answered it with something newer than the later one had shown."""
    around, client, lane = Around(), Client(), Lane()
    route, first, second = reads_in_two_batches(around, client, lane)
    answer(route, second, done(second, encode_results([[b"old"]])))
    around.paths = {3} if is_silent else {2, 3}
    if not is_silent:
        answer(route, first, lost(first, "the executor has changed"))
    assert sent_on(around, route, (3, 8)) == []
    assert client.replies[0] == [b"old"]
    assert client.replies[1].startswith(b"-CLUSTERDOWN")
    assert b"sent behind the read may have been carried out; nothing was read" in client.replies[1]
    assert lane.is_idle


def test_nor_when_the_one_behind_it_is_answered_while_it_waits_for_its_next_executor() -> None:
    around, client, lane = Around(), Client(), Lane()
    route, first, second = reads_in_two_batches(around, client, lane)
    answer(route, first, lost(first, "the executor has changed"))
    answer(route, second, done(second, encode_results([[b"old"]])))
    assert sent_on(around, route, (3, 8)) == []
    assert client.replies[0] == [b"old"]
    assert client.replies[1].startswith(b"-CLUSTERDOWN")


def test_reads_of_a_session_that_are_lost_together_go_on_together() -> None:
    around, client = Around(), Client()
    route, *batches = reads_in_two_batches(around, client, Lane())
    for batch in batches:
        answer(route, batch, lost(batch, "the executor has changed"))
    assert sent_on(around, route, (3, 8)) == [b"before", b"behind"]
    assert client.replies == []


@pytest.mark.parametrize("replies", [b"\xff", b""])
def test_a_read_before_a_write_whose_answer_cannot_be_read_is_refused(replies: bytes) -> None:
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    write(route, lane, client, b"before", Path.LOGGED_READ)
    write(route, lane, client, b"write")
    route.dispatch(0)
    (batch,) = around.sent
    answer(route, batch, done(batch, replies))
    assert [reply[:10] for reply in client.replies] == [b"-CLUSTERDO", b"-UNCERTAIN"]


def test_what_waits_is_bounded_in_bytes_and_what_comes_when_it_is_full_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "HELD_BYTES_MAX", 1_000)
    around, client, lane = Around(), Client(), Lane()
    around.target = None
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for _ in range(4):
        write(route, lane, client, b"v" * 400)
        route.dispatch(0)
    (refused,) = client.replies
    assert refused.startswith(b"-CLUSTERDOWN")
    assert b"too many requests wait; nothing was written" in refused
    assert [len(value) for value in sent_on(around, route, (3, 8))] == [400] * 3
    assert lane.logged == 3


@pytest.mark.parametrize("bound", ["HELD_REQUESTS_MAX", "HELD_BYTES_MAX"])
def test_what_was_answered_while_it_waited_is_let_go_and_counts_no_more(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Nobody led for long: what was answered minutes ago still waited, and held memory."""
    monkeypatch.setattr(backlog, bound, 2)
    around, client, lane = Around(), Client(), Lane()
    around.target = None
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for number in range(5):
        now_us = number * 10_000_000
        for _ in range(2):
            request = Request(SHARD, Unit(Path.WRITE, 0, 2, [b"SET", b"x"]), now_us + 9_000_000, lane, client)
            route.add(request)
        route.dispatch(now_us)
        route.advance(now_us + 9_000_000)
        assert route._waiting.in_order() == []
    assert len(client.replies) == 10
    assert all(b"no leader was found within 2000 ms" in reply for reply in client.replies)


def test_what_waits_is_forwarded_in_batches_of_bounded_size_in_the_order_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "UNIT_BYTES_PER_TURN", 1_000)
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    values = [b"%d" % number * size for number, size in enumerate((100, 300, 2_000, 300, 300, 300, 10))]
    for value in values:
        write(route, lane, client, value)
    route.dispatch(0)
    assert len(around.sent) > 3
    assert [forward.sequence for forward in around.sent] == list(range(1, len(around.sent) + 1))
    batches = [[unit.argv[2] for unit in decode_units(forward.body or b"")] for forward in around.sent]
    assert [value for batch in batches for value in batch] == values
    assert all(
        len(forward.body or b"") <= 1_000 or len(batch) == 1
        for forward, batch in zip(around.sent, batches, strict=True)
    )
    for forward in around.sent:
        answer(route, forward, done(forward, encode_results([[b"+OK"]] * len(decode_units(forward.body or b"")))))
    assert len(client.replies) == len(values)
    assert lane.is_idle


def test_reads_of_one_session_that_one_frame_does_not_hold_are_forwarded_one_batch_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routes, "UNIT_BYTES_PER_TURN", 1_000)
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for number in range(3):
        write(route, lane, client, b"%d" % number * 600, Path.READ)
        write(route, Lane(), client, b"other", Path.READ)
    route.dispatch(0)
    values = [[unit.argv[2][:1] for unit in decode_units(forward.body or b"")] for forward in around.sent]
    assert [value for batch in values for value in batch if value != b"o"] == [b"0"]
    assert sum(batch.count(b"o") for batch in values) == 3


def test_no_more_is_under_way_to_an_executor_than_its_window_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STREAM_BYTES_MAX", 1_000)
    around, client, lane = Around(), Client(), Lane()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    for number in range(5):
        write(route, lane, client, b"%d" % number * 600)
        route.dispatch(0)
    assert len(around.sent) == 2
    answer(route, around.sent[0], done(around.sent[0], encode_results([[b"+OK"]])))
    route.dispatch(0)
    assert [unit.argv[2][:1] for unit in decode_units(around.sent[-1].body or b"")] == [b"2", b"3", b"4"]
    write(route, Lane(), client, b"late")
    route.dispatch(0)
    route.advance(9_000_000)
    assert b"no room on the way to the leader n2 within 2000 ms; nothing was written" in client.replies[-1]
    assert [reply[:10] for reply in client.replies[1:-1]] == [b"-UNCERTAIN"] * 4
    write(route, lane, client, b"again")
    route.dispatch(9_000_000)
    voids = [message for message in around.sent if message.body is None]
    assert around.sent[-1] is voids[-1], "the executor may hold what it was sent until it says that it does not"
    for void in voids:
        answer(route, void, withdrawn(void))
    route.dispatch(9_000_000)
    assert [unit.argv[2] for unit in decode_units(around.sent[-1].body or b"")] == [b"again"]


@pytest.mark.parametrize("replies", [b"\xff", b"", encode_results([]), encode_results([[b"+OK\r\n"]] * 2)])
def test_of_a_write_whose_answer_cannot_be_read_it_is_said_that_it_may_have_happened(replies: bytes) -> None:
    around, client = Around(), Client()
    route = Route(1, 5, KEYSPACE, SHARD, around)
    route.add(Request(SHARD, Unit(Path.WRITE, 0, 2, [b"SET", b"k", b"v"]), 9_000_000, Lane(), client))
    route.dispatch(0)
    forward = around.sent.pop()
    answer(route, forward, done(forward, replies))
    assert [reply[:10] for reply in client.replies] == [b"-UNCERTAIN"]


SHOP = Keyspace(2, "shop", Mode.AP, (2, 3), 1, "1", "1", "sync", TIMEOUT_MS_DEFAULT)


@pytest.mark.parametrize("path", [Path.WRITE, Path.READ])
def test_what_only_one_node_may_execute_stays_with_it_though_another_one_executes_for_the_rest(path: Path) -> None:
    around, client = Around(), Client()
    route = Route(1, 5, SHOP, SHARD, around)
    named, other = Lane(), Lane()
    for lane, only in ((named, 3), (other, None), (named, 3)):
        route.add(Request(SHARD, Unit(path, 0, 2, [b"SET", b"k", b"v"]), 9_000_000, lane, client, only))
    route.dispatch(0)
    assert [(message.executor, len(decode_units(message.body or b""))) for message in around.sent] == [(2, 1), (3, 2)]
    route.advance(RETRY_US)
    route.dispatch(RETRY_US)
    assert len(around.sent) == 2
    assert client.replies == []


def test_what_only_one_node_may_execute_follows_it_to_its_next_start_and_ends_with_the_last_path_to_it() -> None:
    around, client = Around(), Client()
    route = Route(1, 5, SHOP, SHARD, around)
    route.add(Request(SHARD, Unit(Path.READ, 0, 2, [b"GET", b"k"]), 9_000_000, Lane(), client, 3))
    route.dispatch(0)
    around.starts[3] = 10
    route.advance(RETRY_US)
    route.dispatch(RETRY_US)
    assert [(message.executor, message.epoch) for message in around.sent] == [(3, 9), (3, 10)]
    around.paths = {2}
    route.advance(2 * RETRY_US)
    route.dispatch(2 * RETRY_US)
    assert client.replies == [
        b"-CLUSTERDOWN keyspace 'shop' (ap): no path to n3, for whose replica CAP WAIT was answered: send it again; "
        b"nothing was read\r\n"
    ]
