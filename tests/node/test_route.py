"""The way of a request to its executor: what comes back from one is not sent where it no longer belongs."""

from typing import Any

import pytest

from trilemma.cluster.messages import Forward, ForwardReply
from trilemma.cluster.stream import lost, refused
from trilemma.keyspace.settings import TIMEOUT_MS_DEFAULT, Keyspace, Mode
from trilemma.node.batch import Batch
from trilemma.node.request import Lane, Request, Target
from trilemma.node.route import RETRY_US, Route
from trilemma.node.surroundings import Surroundings
from trilemma.node.unit import Path, Result, Unit

SHARD = 1024
KEYSPACE = Keyspace(1, "default", Mode.CP, (1, 2, 3), 1, 2, "linearizable", "sync", TIMEOUT_MS_DEFAULT)


class Around(Surroundings):
    """n2 executes until it is told otherwise."""

    def __init__(self) -> None:
        self.target: Target = (2, 7)
        self.version = 1
        self.moved: set[bytes] = set()
        self.sent: list[Forward] = []

    def local_target(self, shard: int) -> Target | None:
        return None

    def remote_target(self, shard: int) -> Target | None:
        return self.target

    def has_path(self, node: int) -> bool:
        return True

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
