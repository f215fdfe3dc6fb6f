"""Peers over real sockets: frames, lost connections, strangers, wrong secrets, bounds, the lab's faults."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from redis._parsers.helpers import parse_info

from trilemma.base.sentence_field import with_reasons
from trilemma.runtime import accepting, peers
from trilemma.runtime.framing import Kind, frame
from trilemma.runtime.handshake import REFUSED_THERE, Identity
from trilemma.runtime.known_disks import Lineage
from trilemma.runtime.listening import address_of, bind
from trilemma.runtime.peers import PeerTransport

NAMES = {1: "n1", 2: "n2"}
SECRET = b"sixteen bytes or more"
NEVER_S = 1e6
COPY = (
    "another process runs on a copy of this disk: start 1 is connected now; if it has just ended, this is tried again"
)


class Fog:
    """A laboratory with one verdict for every frame."""

    def __init__(self) -> None:
        self.verdict: float | None = 0.0
        self.cut: set[tuple[int, int]] = set()
        self.heard: list[tuple[int, bytes]] = []
        self.tell: Callable[[int, bytes], None]

    def fate(self, source: int, target: int) -> float | None:
        return None if (source, target) in self.cut else self.verdict

    def is_cut(self, source: int, target: int) -> bool:
        return (source, target) in self.cut

    def start(self, tell: Callable[[int, bytes], None], connected: Callable[[], Iterable[int]]) -> None:
        self.tell = tell

    def told(self, peer: int, message: bytes) -> None:
        self.heard.append((peer, message))

    def joined(self, peer: int) -> None:
        self.heard.append((peer, b"joined"))

    def answer(self, words: list[bytes], protocol: int, done: Callable[[bytes], None]) -> None:
        done(b"")


class End:
    """One node's transport."""

    def __init__(
        self,
        node: int,
        secret: bytes = SECRET,
        lab: Fog | None = None,
        disks: dict[int, str] | None = None,
        waits: bool = False,
        start: int = 1,
        detection_s: float = NEVER_S,
    ) -> None:
        """Args: waits: whether what it knows of disks is said later, to `waiting`; start: of its own disk."""
        self.asked: list[int] = []
        """The starts that came to what knows of disks."""
        self.frames: list[tuple[int, bytes]] = []
        self.waiting: list[Callable[[str | None], None]] = []
        self.said: list[tuple[str, str]] = []
        self.socket = bind("127.0.0.1", 0)
        self.address = address_of(self.socket)
        known = disks or {}

        def check(peer: int, lineage: Lineage, done: Callable[[str | None], None]) -> None:
            disk = lineage.disk_id
            self.asked.append(lineage.starts)
            if waits:
                self.waiting.append(done)
                return
            done(None if known.setdefault(peer, disk) == disk else f"another disk: {disk}")

        identity = Identity(
            "c", node, Lineage(f"disk-{node}", start, ((start, "run"),)), secret, NAMES, check, "founding"
        )
        self.transport = PeerTransport(
            identity,
            lambda peer, data: self.frames.append((peer, data)),
            lambda who, what: self.said.append((who, what)),
            detection_s,
            lab,
        )

    async def start(self, peers: dict[int, tuple[str, int]]) -> None:
        self.server = await asyncio.get_running_loop().create_server(self.transport.incoming, sock=self.socket)
        self.transport.start(peers)

    async def stop(self) -> None:
        self.server.close()
        await self.transport.stop()

    def send(self, peer: int, data: bytes) -> None:
        self.transport.put(peer, data)
        self.transport.flush()

    def sentences(self) -> list[str]:
        return [what for _, what in self.said]


@pytest.fixture
def pair(run: Any) -> Callable[..., None]:
    """Run a body with two ends that dial each other."""

    def pair(body: Callable[[End, End], Any], **second: Any) -> None:
        async def main() -> None:
            one, two = End(1), End(2, **second)
            await one.start({2: two.address})
            await two.start({1: one.address})
            try:
                await body(one, two)
            finally:
                await one.stop()
                await two.stop()

        run(main())

    return pair


def connected(one: End, two: End) -> Callable[[], bool]:
    return lambda: bool(one.transport.connected() and two.transport.connected())


def test_frames_go_both_ways_in_order_and_whole(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        big = bytes(range(256)) * 20_000
        for data in (b"", b"first", big, b"last"):
            one.send(2, data)
        two.send(1, b"back")
        await until(lambda: len(two.frames) == 4 and one.frames)
        assert two.frames == [(1, b""), (1, b"first"), (1, big), (1, b"last")]
        assert one.frames == [(2, b"back")]
        assert one.transport.counters.sent_bytes == two.transport.counters.read_bytes == len(big) + 9
        assert one.transport.counters.sent_frames == 4

    pair(body)


def test_what_was_sent_last_leaves_before_the_connection_is_closed(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        big = bytes(16 << 20)
        one.send(2, big)
        one.send(2, b"last")
        await one.stop()
        await until(lambda: len(two.frames) == 2)
        assert two.frames[-1] == (1, b"last")

    pair(body)


def test_a_frame_for_a_peer_that_is_not_connected_is_dropped_and_counted(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        one.send(2, b"too early")
        assert one.transport.counters.dropped_frames == 1
        one.send(9, b"to nobody")
        await until(connected(one, two))
        one.send(2, b"now")
        await until(lambda: two.frames)
        assert two.frames == [(1, b"now")]

    pair(body)


def test_a_lost_connection_is_opened_anew(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        lost = one.transport._lanes[2].dialing.channel
        assert lost is not None
        lost.transport.abort()
        await until(lambda: one.transport._lanes[2].dialing.channel not in (None, lost))
        one.send(2, b"again")
        await until(lambda: two.frames == [(1, b"again")])

    pair(body)


def test_a_wrong_secret_is_said_clearly_on_both_sides_and_only_once(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(lambda: two.sentences() and len(one.sentences()) >= 2)
        assert "the other side refused: the secrets of the two nodes differ" in one.sentences()
        assert one.sentences().count("the secrets of the two nodes differ") == 1
        assert [who for who, what in one.said if "other side refused" in what] == ["n2"]
        assert not one.transport.connected()
        assert two.frames == []

    pair(body, secret=b"another one of 16 bytes")


def test_a_peer_that_tries_again_and_again_is_spoken_of_once(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        dials: list[int] = []
        made = one.transport._accepting.made
        one.transport._accepting.made = lambda connection: (dials.append(1), made(connection))[1]  # type: ignore[method-assign]
        await until(lambda: len(dials) >= 4 or two.transport._lanes[1].dialing.hurry())
        assert one.sentences().count("the secrets of the two nodes differ") == 1

    pair(body, secret=b"another one of 16 bytes")


def test_a_peer_is_used_no_sooner_than_its_disk_is_remembered(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(lambda: len(two.waiting) == 2)  # that of the dialer, and that of the node it dialled
        assert not [*one.transport.connected(), *two.transport.connected()]
        assert one.waiting == []
        for done in two.waiting:
            done(None)
        await until(lambda: one.transport.connected() and two.transport.connected())

    pair(body, waits=True)


def test_what_the_disk_says_of_a_connection_that_is_lost_is_too_late(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(lambda: len(two.waiting) == 2)
        await one.stop()
        await until(lambda: two.said)
        late, two.waiting = two.waiting, []
        for done in late:
            done(None)
            done("another disk")
        assert not list(two.transport.connected())
        assert "another disk" not in two.sentences()

    pair(body, waits=True)


def test_a_known_name_with_another_disk_is_refused(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        await until(lambda: "another disk: disk-1" in two.sentences())
        await until(lambda: "the other side refused: another disk: disk-1" in one.sentences())
        assert not two.transport.connected()

    pair(body, disks={1: "disk-of-old"})


Addresses = dict[int, tuple[str, int]]
Links = Callable[[End, End, End], tuple[Addresses, Addresses, Addresses]]


@pytest.fixture
def beside(run: Any) -> Callable[..., None]:
    """Run a body with n1, n2, and what runs on a copy of n2's disk."""

    def beside(body: Callable[[End, End, End], Any], links: Links, detection_s: float = NEVER_S) -> None:
        async def main() -> None:
            one, two, copy = ends = End(1, detection_s=detection_s), End(2), End(2, start=2)
            for end, peers_ in zip(ends, links(one, two, copy), strict=True):
                await end.start(peers_)
                if end is two:
                    while not one.asked:
                        await asyncio.sleep(0.001)
            try:
                await body(one, two, copy)
            finally:
                for end in ends:
                    await end.stop()

        run(main())

    return beside


@pytest.mark.parametrize(
    "links",
    [
        pytest.param(lambda one, two, copy: ({2: two.address}, {1: one.address}, {1: one.address}), id="both ways"),
        pytest.param(lambda one, two, copy: ({}, {1: one.address}, {1: one.address}), id="it was accepted"),
        pytest.param(lambda one, two, copy: ({2: two.address}, {}, {1: one.address}), id="it was dialled"),
    ],
)
def test_a_newer_start_beside_one_that_is_heard_is_refused_and_not_remembered(
    beside: Any, until: Any, links: Links
) -> None:
    """It expelled the node whose disk had been copied, which had the newest of it."""

    async def body(one: End, two: End, copy: End) -> None:
        await until(lambda: REFUSED_THERE + COPY in copy.sentences())
        assert not copy.transport.connected()
        assert set(one.asked) == {1}
        await two.stop()
        await until(copy.transport.connected)
        assert set(one.asked) == {1, 2}

    beside(body, links)


def test_so_it_is_where_the_copy_is_what_answers_at_the_peers_address(beside: Any, until: Any) -> None:
    async def body(one: End, two: End, copy: End) -> None:
        await until(lambda: COPY in one.sentences())
        assert one.transport.states()["n2"].startswith("state=refuses,why=another process runs on a copy of this disk")
        await two.stop()
        await until(one.transport.connected)

    beside(body, lambda one, two, copy: ({2: copy.address}, {1: one.address}, {}))


def test_a_newer_start_is_taken_beside_one_that_fell_silent(beside: Any, until: Any) -> None:
    async def body(one: End, two: End, copy: End) -> None:
        await until(copy.transport.connected)
        assert set(one.asked) == {1, 2}

    beside(body, lambda one, two, copy: ({}, {1: one.address}, {1: one.address}), 0.0)


def test_why_a_peer_is_not_connected_is_shown(pair: Any, until: Any) -> None:
    async def body(one: End, two: End) -> None:
        assert one.transport.states() == {"n2": "state=unreachable,why="}
        await until(lambda: one.transport.states()["n2"] == "state=refused,why=another disk: disk-1")
        await until(lambda: two.transport.states()["n1"] == "state=refuses,why=another disk: disk-1")

    pair(body, disks={1: "the disk it had"})


def test_and_told_as_it_was_said_whatever_its_words_hold(pair: Any, until: Any) -> None:
    """Each comma of it was a semicolon to `status` and `up`."""

    async def body(one: End, two: End) -> None:
        said = "start 2 of it was known here, with run a=b, not with c"

        def shown() -> list[Any]:
            while two.waiting:
                two.waiting.pop()(said)
            found = {"n1": two.transport.states()["n1"], "n2": one.transport.states()["n2"]}
            told = with_reasons(parse_info("".join(f"{peer}:{state}\r\n" for peer, state in found.items())))
            return [told["n1"], told["n2"]]

        refusal = [{"state": "refuses", "why": said}, {"state": "refused", "why": said}]
        await until(lambda: shown() == refusal)

    pair(body, waits=True)


def test_a_peer_that_listens_elsewhere_than_is_known_here_is_told_from_one_that_is_away(run: Any, until: Any) -> None:
    async def body(one: End, two: End, wrong: tuple[str, int]) -> None:
        await until(lambda: one.said)
        assert "yet it has connected" not in one.transport.states()["n2"]
        await two.start({1: one.address})
        try:
            await until(lambda: "yet it has connected to this node" in one.sentences()[-1])
            where = f"it does not listen at {wrong[0]}:{wrong[1]} (the peer_address that this node's"
            assert where in one.sentences()[-1]
            assert one.transport.states()["n2"].startswith("state=one_way,why=it cannot be reached: ")
            assert two.transport.states()["n1"].startswith(
                "state=one_way,why=it does not connect to this node although"
            )
            await until(lambda: "its configuration must give the peer_address at which this" in two.sentences()[-1])
        finally:
            await two.stop()
        await until(lambda: "yet it has connected" not in one.sentences()[-1])

    async def main() -> None:
        one, two = End(1), End(2)
        with bind("127.0.0.1", 0) as unused:
            await one.start({2: address_of(unused)})
            try:
                await body(one, two, address_of(unused))
            finally:
                await one.stop()

    run(main())


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", frame(Kind.NODE, b"x"), frame(Kind.HANDSHAKE, b"\xff")])
def test_a_stranger_is_turned_away_and_its_bytes_reach_nobody(pair: Any, until: Any, data: bytes) -> None:
    async def body(one: End, two: End) -> None:
        reader, writer = await asyncio.open_connection(*one.address)
        writer.write(data)
        await reader.read(-1)
        writer.close()
        assert one.frames == []
        assert any(who == "127.0.0.1" for who, _ in one.said)

    pair(body)


def test_strangers_are_bounded_and_keep_no_peer_out(pair: Any, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        monkeypatch.setattr(accepting, "STRANGERS_MAX", 2)
        strangers = [await asyncio.open_connection(*one.address) for _ in range(3)]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await strangers[0][0].readexactly(1)
        assert len(one.transport._accepting._strangers) == 2
        lost = two.transport._lanes[1].dialing.channel
        assert lost is not None
        lost.transport.abort()
        await until(lambda: two.transport._lanes[1].dialing.channel not in (None, lost))
        for _, writer in strangers:
            writer.transport.abort()

    pair(body)


def test_what_is_said_of_strangers_is_bounded_and_none_is_left_out_of_the_count(
    pair: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        one.said.clear()
        for number in range(40):
            reader, writer = await asyncio.open_connection(*one.address)
            writer.write((b"GET / HTTP/1.1\r\n\r\n", frame(Kind.NODE, b"x"))[number % 2])
            await reader.read(-1)
            writer.close()
        assert len(one.said) == 1
        accepting_ = one.transport._accepting
        assert accepting_._quiet is not None
        accepting_._quiet.cancel()
        accepting_._tell()
        assert one.sentences()[1].endswith("; 38 more were refused since the last one told")

    monkeypatch.setattr(accepting, "REFUSALS_INTERVAL_S", 60)
    pair(body)


def test_who_says_nothing_is_closed(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "HANDSHAKE_TIMEOUT_S", 0.02)

    async def body(one: End, two: End) -> None:
        reader, writer = await asyncio.open_connection(*one.address)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()

    pair(body)


def test_a_cut_is_judged_at_both_ends_and_control_messages_pass_it(pair: Any, until: Any) -> None:
    fog = Fog()

    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        fog.cut = {(2, 1), (1, 2)}
        two.send(1, b"cut at the sender")
        one.send(2, b"cut at the receiver")
        fog.tell(1, b"control")
        fog.cut = set()
        two.send(1, b"after")
        await until(lambda: one.frames)
        assert one.frames == [(2, b"after")]
        fog.cut = {(1, 2)}
        one.send(2, b"cut at the receiver")
        one.transport.tell(2, b"rules")
        await until(lambda: (1, b"rules") in fog.heard)
        assert two.frames in ([], [(1, b"cut at the receiver")])

    pair(body, lab=fog)


def test_a_slow_link_delays_frames_and_a_lossy_one_drops_them(pair: Any, until: Any) -> None:
    fog = Fog()

    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        fog.verdict = 0.02
        two.send(1, b"slow")
        fog.verdict = 0.0
        two.send(1, b"quick")
        fog.verdict = None
        two.send(1, b"lost")
        await until(lambda: len(one.frames) == 2)
        assert one.frames == [(2, b"quick"), (2, b"slow")]

    pair(body, lab=fog)


def test_a_cut_takes_the_frames_that_are_under_way(pair: Any, until: Any) -> None:
    fog = Fog()

    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        fog.verdict = 0.01
        two.send(1, b"under way")
        fog.cut = {(2, 1)}
        lane = two.transport._lanes[1]
        await until(lambda: lane.delayed_bytes == 0)
        fog.cut, fog.verdict = set(), 0.0
        two.send(1, b"after")
        await until(lambda: one.frames)
        assert one.frames == [(2, b"after")]

    pair(body, lab=fog)


def test_a_frame_over_the_bound_is_dropped_and_said_so_once(
    pair: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        monkeypatch.setattr(peers, "FRAME_BYTES_MAX", 10)
        for data in (b"x" * 11, b"y" * 11, b"z" * 10):
            one.send(2, data)
        await until(lambda: two.frames)
        assert two.frames == [(1, b"z" * 10)]
        assert one.sentences().count("a frame of 11 bytes was dropped, allowed are 10") == 1

    pair(body)


def test_a_peer_that_does_not_read_costs_a_bound_and_no_more(
    pair: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(one: End, two: End) -> None:
        await until(connected(one, two))
        monkeypatch.setattr(peers, "PEER_QUEUE_BYTES_MAX", 1 << 20)
        two.transport._accepting._peers[1].transport.pause_reading()
        frame_bytes = 1 << 18
        for _ in range(200):
            one.send(2, b"x" * frame_bytes)
        channel = one.transport._lanes[2].dialing.channel
        assert channel is not None
        assert channel.unsent_bytes <= (1 << 20) + 2 * frame_bytes
        assert one.transport.counters.dropped_frames > 100

    pair(body)
