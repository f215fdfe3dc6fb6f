"""What a session holds of a keyspace that is dropped, or made anew, under it: watched keys, queued commands."""

from collections.abc import Iterable

import pytest

from trilemma.base.ids import ConnId, shard_id
from trilemma.node.refusal import fenced_by
from trilemma.node.unit import Part, Path, Unit, Watch
from trilemma.sim.solo import SoloNode, request

MODES = ["cp", "ap", "ca"]


class Scene:
    """A node with the keyspace `bank`, one client, and another one that changes the keyspaces."""

    def __init__(self, mode: str = "cp") -> None:
        self.mode = mode
        self.solo = SoloNode()
        self.client, self.admin = self.solo.connect(), self.solo.connect()
        self.create(mode)

    def ask(self, *words: str, conn: ConnId | None = None) -> bytes:
        return self.solo.send(self.client if conn is None else conn, request(*words))

    def create(self, mode: str) -> None:
        assert self.ask("KEYSPACE", "CREATE", "bank", "MODE", mode, conn=self.admin) == b"+OK\r\n"

    def drop(self) -> None:
        assert self.ask("KEYSPACE", "DROP", "bank", conn=self.admin) == b"+OK\r\n"

    def all_of(self, sent: Iterable[str]) -> bytes:
        return self.solo.send(self.client, b"".join(request(*words.split()) for words in sent))


def is_served(scene: Scene) -> bool:
    assert b"defects:0\r\n" in scene.ask("INFO", "stats")
    return scene.client not in scene.solo.closed and scene.ask("PING") == b"+PONG\r\n"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("queued", [("SET bank:k w",), ("SET other w",), ("PING",), ()])
@pytest.mark.parametrize("anew", [None, *MODES])
def test_a_watched_key_whose_keyspace_was_dropped_has_changed(
    mode: str, queued: tuple[str, ...], anew: str | None
) -> None:
    scene = Scene(mode)
    scene.ask("SET", "bank:k", "v")
    assert scene.ask("WATCH", "bank:k") == b"+OK\r\n"
    scene.drop()
    if anew is not None:
        scene.create(anew)
    assert scene.all_of(["MULTI", *queued, "EXEC"]) == b"+OK\r\n" + b"+QUEUED\r\n" * len(queued) + b"*-1\r\n"
    assert scene.all_of(["EXISTS bank:k", "EXISTS other"]) == b":0\r\n:0\r\n"
    assert is_served(scene)


def test_a_watched_key_that_moves_into_a_new_keyspace_has_changed() -> None:
    scene = Scene()
    scene.ask("WATCH", "shop:k")
    assert scene.ask("KEYSPACE", "CREATE", "shop", "MODE", "cp", conn=scene.admin) == b"+OK\r\n"
    assert scene.all_of(["MULTI", "SET shop:k v", "EXEC"]).endswith(b"*-1\r\n")
    assert scene.ask("GET", "shop:k") == b"$-1\r\n"


def test_a_transaction_belongs_where_its_watched_keys_live_too() -> None:
    """A node that knows a newer catalogue must not execute what another one has watched by the old one."""
    scene = Scene()
    default = shard_id(1, 0)
    watching = Unit(Path.WRITE, 0, 2, [], [Part(0, [b"SET", b"k", b"v"])], [Watch(0, b"bank:k", 0)])
    assert scene.solo.node._placement.is_misrouted(default, watching)
    assert fenced_by({b"bank": "it is being created"}, watching) == "it is being created"
    assert not scene.solo.node._placement.is_misrouted(default, Unit(Path.WRITE, 0, 2, [], watching.parts))


def test_only_exec_is_shown_of_a_transaction_that_was_left_out_for_it() -> None:
    scene = Scene()
    watcher = scene.solo.connect()
    scene.ask("WATCH", "bank:k")
    scene.drop()
    scene.ask("MONITOR", conn=watcher)
    scene.all_of(["MULTI", "SET bank:k v"])
    scene.solo.replies[watcher].clear()
    scene.ask("EXEC")
    assert bytes(scene.solo.replies[watcher]).endswith(b'] "EXEC"\r\n')
    assert b"SET" not in scene.solo.replies[watcher]


def test_a_refused_command_still_refuses_its_transaction() -> None:
    scene = Scene()
    scene.ask("WATCH", "bank:k")
    scene.drop()
    assert b"-EXECABORT" in scene.all_of(["MULTI", "NOPE", "EXEC"])


@pytest.mark.parametrize("end", ["UNWATCH", "DISCARD", "RESET"])
def test_who_forgets_its_watches_after_the_drop_goes_on(end: str) -> None:
    scene = Scene()
    scene.ask("WATCH", "bank:k")
    scene.drop()
    scene.all_of(["MULTI", "GET x"] if end == "DISCARD" else [])
    assert scene.ask(end) == (b"+RESET\r\n" if end == "RESET" else b"+OK\r\n")
    assert scene.all_of(["MULTI", "SET bank:k w", "EXEC"]).endswith(b"*1\r\n+OK\r\n")
    assert is_served(scene)


@pytest.mark.parametrize("mode", MODES)
def test_queued_commands_go_where_their_keys_live_when_they_are_executed(mode: str) -> None:
    scene = Scene(mode)
    scene.all_of(["MULTI", "SET bank:k w", "GET bank:k"])
    scene.drop()
    assert scene.ask("EXEC") == b"*2\r\n+OK\r\n$1\r\nw\r\n"
    assert is_served(scene)


def test_a_watch_that_is_never_used_costs_its_session_nothing() -> None:
    scene = Scene()
    scene.ask("WATCH", "bank:k")
    scene.drop()
    assert scene.all_of(["WAIT 0 0", "DBSIZE", "SET k v"]) == b":0\r\n:0\r\n+OK\r\n"
    assert is_served(scene)
