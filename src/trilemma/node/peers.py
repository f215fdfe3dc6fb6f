"""The other nodes as seen from this one: links, relays, who leads what, and the frames of one turn (PROTOCOLS §1)."""

from collections.abc import Callable, Iterable

import msgspec

from trilemma.base.ids import NodeId, ShardId
from trilemma.base.limits import MIB, limit
from trilemma.base.time import Now, on_grid
from trilemma.cluster.link import Link
from trilemma.cluster.messages import Leadership, Status
from trilemma.node.config import NodeConfig
from trilemma.node.effects import NO_TOKEN, PeerFrame
from trilemma.node.wire import AnyMessage, Envelope, Frame, decode_frame, encode_frame

FRAME_BYTES = limit(
    "peer_frame_bytes",
    32 * MIB,
    "bytes",
    "a turn's messages for one peer are held whole in memory at both ends",
    "the rest is in the next frame; a larger message is alone in its own",
)


class Peers:
    """All links of this node."""

    def __init__(self, config: NodeConfig, now: Now) -> None:
        self.node = config.node_id
        self.up: frozenset[NodeId] = frozenset()
        """Peers to which the link is up, as of the last `advance`."""
        self.wall_ms: dict[NodeId, tuple[int, int]] = {}
        """Per peer: (its wall clock, own mono_us when that was heard), by the newest status that was young then."""
        self.system_applied: dict[NodeId, int] = {}
        """Per peer: how far it has applied the catalogue."""
        self.leaders: dict[ShardId, Leadership] = {}
        self.is_served: Callable[[ShardId], bool] = lambda shard: True
        """Whether a shard's leader is of interest: peers may tell of one that is dropped here, or not known yet."""
        self.full: frozenset[NodeId] = frozenset()
        """Peers whose disks are full, by what they said last."""
        self.has_room = True
        """Whether the own disk takes further entries."""
        self.leaving: frozenset[NodeId] = frozenset()
        """Peers that are about to stop, by what they said last."""
        self.is_leaving = False
        """Whether this node is about to stop, which it says with its status."""
        self.bad_frames = 0
        self._config = config
        self._heartbeat_us = config.timing.heartbeat_us
        self._links = {
            member.id: Link(member.id, config.timing.link_timeout_us)
            for member in config.members
            if member.id != config.node_id
        }
        self._now = now
        self._next_status_us = now.mono_us
        self._greet: set[NodeId] = set(self._links)
        self._outgoing: dict[tuple[NodeId, int], list[Envelope]] = {}
        self._said: dict[NodeId, tuple[int, int]] = {}
        """Per peer, until the turn's time is known: (its wall clock, since when it may have shown that)."""
        self._clocks_heard = 0
        self._offsets_as_of: tuple[int, int, frozenset[NodeId]] | None = None
        self._offsets_ms: dict[NodeId, int] = {}

    def receive(self, peer: NodeId, data: bytes) -> tuple[list[Envelope], int | None]:
        """Take in a frame; return what is meant for this node, and since when it may have been made, by the own clock.

        None where that is not known. A frame that does not decode is dropped and counted.
        """
        link = self._links.get(peer)
        try:
            frame = decode_frame(data)
        except msgspec.MsgspecError:
            self.bad_frames += 1
            return [], None
        if link is None or frame.sender != peer:
            self.bad_frames += 1
            return [], None
        echo = frame.echo if frame.echo_start == self._config.starts else 0
        if link.heard(frame.start, frame.beat, echo):
            self._greet.add(peer)
            self.leaving -= {peer}
        echoed_us = link.echoed_us(echo)
        return [each for each in frame.envelopes if self._is_mine(peer, link, each, echoed_us)], echoed_us

    def _is_mine(self, peer: NodeId, link: Link, envelope: Envelope, echoed_us: int | None) -> bool:
        if envelope.target != self.node:
            if envelope.source == peer and envelope.target in self._links:
                self._put(envelope.target, envelope, NO_TOKEN)
            return False
        if type(envelope.message) is Status:
            self._hear_status(peer, link, envelope.message)
            if echoed_us is not None:
                self._said[peer] = (envelope.message.wall_ms, echoed_us)
            return False
        return True

    def _hear_status(self, peer: NodeId, link: Link, status: Status) -> None:
        link.peer_up = frozenset(status.up) - {peer}
        if (peer in status.up) is not (peer in self.leaving):
            self.leaving = self.leaving ^ {peer}
        self.system_applied[peer] = max(status.system_applied, self.system_applied.get(peer, 0))
        if status.has_room is (peer in self.full):
            self.full = self.full ^ {peer}
        for leadership in status.leaders:
            if self.is_served(leadership.shard):
                self.note_leader(leadership)

    def greet_all(self) -> None:
        """Tell all peers in this turn how this node stands."""
        self._greet |= set(self._links)

    def have_echoed_since(self, mono_us: int) -> bool:
        """Say whether all peers in reach have read what left at a time; what they send from now on takes it in."""
        return all(self._links[peer].has_echoed_since(mono_us) for peer in self.up)

    def note_leader(self, leadership: Leadership) -> None:
        """Take note of who leads a shard; a lower term says nothing."""
        known = self.leaders.get(leadership.shard)
        if known is None or leadership.term > known.term:
            self.leaders[leadership.shard] = leadership

    def forget(self, shard: ShardId) -> None:
        """Tell nobody any more who leads a shard: it is dropped."""
        self.leaders.pop(shard, None)

    def advance(self, now: Now) -> None:
        """Move time on and judge the links anew."""
        self._now = now
        self._hear_clocks()
        up = frozenset(peer for peer, link in self._links.items() if link.is_up(now.mono_us))
        if up != self.up:
            self.up = up

    def _hear_clocks(self) -> None:
        """Take in what peers' wall clocks showed, unless it may be older than a link that is up allows: where this node
        stood still, what is read first was sent long ago."""
        for peer, (wall_ms, since_us) in self._said.items():
            if self._now.mono_us - since_us < self._config.timing.link_timeout_us:
                self.wall_ms[peer] = (wall_ms, self._now.mono_us)
                self._clocks_heard += 1
        self._said.clear()

    def wall_offsets_ms(self) -> dict[NodeId, int]:
        """Return how far the wall clock of each peer in reach is ahead of the own one, by what it said last."""
        as_of = (self._clocks_heard, (self._now.wall_us - self._now.mono_us) // 1_000, self.up)
        if as_of != self._offsets_as_of:
            own_ms = self._now.wall_ms
            self._offsets_as_of = as_of
            self._offsets_ms = {
                peer: wall_ms + (self._now.mono_us - heard_us) // 1_000 - own_ms
                for peer, (wall_ms, heard_us) in self.wall_ms.items()
                if peer in self.up
            }
        return self._offsets_ms

    def start_of(self, peer: NodeId) -> int:
        """Return the newest start of a peer that was heard of, 0 for none."""
        return self._links[peer].peer_start if peer in self._links else 0

    def up_at(self, node: NodeId) -> frozenset[NodeId]:
        """Return the peers to which a node's links are up: this node's own, or those that it has said last."""
        if node == self.node:
            return self.up
        # It may not have come to saying that its link to this node is down; a link is down at both ends.
        said = self._links[node].peer_up
        return said if node in self.up else said - {self.node}

    def has_path(self, node: NodeId) -> bool:
        """Say whether a message reaches the node, directly or over one relay."""
        return node == self.node or node in self.up or self._relay(node) is not None

    def _relay(self, node: NodeId) -> NodeId | None:
        return next((peer for peer in sorted(self.up) if node in self._links[peer].peer_up), None)

    def send(self, target: NodeId, shard: ShardId, message: AnyMessage, after: int = NO_TOKEN) -> None:
        """Send a message over the direct link, up or not."""
        self._put(target, Envelope(self.node, target, shard, message), after)

    def send_any_way(self, target: NodeId, shard: ShardId, message: AnyMessage) -> None:
        """Send a message directly where the link is up, else over one relay, else directly all the same."""
        relay = target if target in self.up else self._relay(target)
        self._put(target if relay is None else relay, Envelope(self.node, target, shard, message), NO_TOKEN)

    def _put(self, via: NodeId, envelope: Envelope, after: int) -> None:
        self._outgoing.setdefault((via, after), []).append(envelope)

    def collect(self, system_applied: int) -> list[PeerFrame]:
        """Return this turn's frames: what was sent, and a status where one is due."""
        self._add_statuses(system_applied)
        frames: list[PeerFrame] = []
        for (peer, after), envelopes in self._outgoing.items():
            frames += self._frames(peer, after, envelopes)
        self._outgoing = {}
        return frames

    def _add_statuses(self, system_applied: int) -> None:
        due: Iterable[NodeId] = sorted(self._greet)
        if self._now.mono_us >= self._next_status_us:
            self._next_status_us = on_grid(self._now.mono_us + self._heartbeat_us, self._heartbeat_us)
            due = self._links
        for peer in due:
            self.send(peer, 0, self._status(system_applied))
        self._greet.clear()

    def _status(self, system_applied: int) -> Status:
        leaders = tuple(self.leaders[shard] for shard in sorted(self.leaders))
        up = self.up | {self.node} if self.is_leaving else self.up
        return Status(tuple(sorted(up)), leaders, system_applied, self._now.wall_ms, self.has_room)

    def _frames(self, peer: NodeId, after: int, envelopes: list[Envelope]) -> list[PeerFrame]:
        """Return messages in as few frames as their bytes allow, which are known only once they are encoded."""
        frame = self._frame(peer, after, envelopes)
        if len(frame.frame) <= FRAME_BYTES or len(envelopes) == 1:
            return [frame]
        half = len(envelopes) // 2
        return self._frames(peer, after, envelopes[:half]) + self._frames(peer, after, envelopes[half:])

    def _frame(self, peer: NodeId, after: int, envelopes: list[Envelope]) -> PeerFrame:
        link = self._links[peer]
        # A frame that waits for the disk would make its beat look old, and the link with it: it carries the last one.
        beat = link.beat if after else link.next_beat(self._now.mono_us)
        frame = Frame(self.node, self._config.starts, beat, link.peer_start, link.peer_beat, envelopes)
        return PeerFrame(peer, encode_frame(frame), after)

    @property
    def next_deadline_us(self) -> int:
        """When the next status is due."""
        return self._next_status_us
