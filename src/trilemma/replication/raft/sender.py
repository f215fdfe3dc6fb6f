"""What a leader sends its peers in a turn: appends as far as windows allow, heartbeats where they are due.

A heartbeat is an AppendEntries without entries; it is answered at once, while appends are answered when durable. It is
left out while answers to appends come in fast enough to say the same. Paper §5.2, §5.3; thesis §10.2.2.
"""

from collections.abc import Mapping

from trilemma.base.ids import NodeId
from trilemma.base.time import on_grid
from trilemma.replication.raft.authority import Authority
from trilemma.replication.raft.core import Core
from trilemma.replication.raft.messages import AppendEntries
from trilemma.replication.raft.replication import APPENDS_PER_TURN_MAX, Mode, Progress


class Sender:
    """The appends and heartbeats of one leader."""

    def __init__(self, core: Core, peers: Mapping[NodeId, Progress], authority: Authority) -> None:
        self._core = core
        self._peers = peers
        self._authority = authority
        self._replicated_index = 0

    @property
    def heartbeat_due_us(self) -> int | None:
        """When the next heartbeat must leave, None without peers."""
        return min((self._due_us(progress) for progress in self._peers.values()), default=None)

    def _due_us(self, progress: Progress) -> int:
        step_us = self._core.timing.heartbeat_us
        return on_grid(max(progress.heartbeat_us, progress.answered_us) + step_us, step_us)

    def send(self, read_round: bool) -> int:
        """Send what is to be sent; return the round it carries. `read_round`: every peer is to answer at once."""
        mono_us = self._core.now.mono_us
        due_us = self.heartbeat_due_us
        beats = due_us is not None and due_us <= mono_us
        rounds = self._authority.rounds
        number = rounds.open(mono_us) if read_round or beats else rounds.current(mono_us)
        self._replicated_index = self._on_all()
        for peer, progress in self._peers.items():
            appended = self._append(peer, progress, number)
            due = beats and self._due_us(progress) <= mono_us
            if read_round or due or (not appended and self._must_tell(progress)):
                self._heartbeat(peer, progress, number)
        return number

    def _on_all(self) -> int:
        core = self._core
        replicated = min((progress.match_index for progress in self._peers.values()), default=core.log.durable_index)
        core.replicated_index = max(core.replicated_index, min(replicated, core.log.durable_index))
        return core.replicated_index

    def _must_tell(self, progress: Progress) -> bool:
        """Say whether a reader under a lease would wait for the next heartbeat to learn of a commit."""
        return progress.lease_request > 0 and progress.commit_index < self._core.commit_index

    def _append(self, peer: NodeId, progress: Progress, number: int) -> bool:
        """Send entries as far as there is room; say whether any left."""
        log = self._core.log
        for count in range(APPENDS_PER_TURN_MAX):
            if progress.mode is not Mode.SNAPSHOT and progress.next_index <= log.base_index:
                progress.await_snapshot()
            if progress.next_index > log.last_index or not progress.has_room():
                return count > 0
            prev_index = progress.next_index - 1
            entries = log.slice(progress.next_index, log.last_index, self._core.bounds.append_bytes)
            if not entries:
                progress.await_snapshot()
                return count > 0
            self._put(peer, progress, number, prev_index, entries)
            progress.sent(prev_index + len(entries), sum(len(payload) for _, payload in entries))
        return True

    def _heartbeat(self, peer: NodeId, progress: Progress, number: int) -> None:
        prev_index = 0 if progress.mode is Mode.SNAPSHOT else progress.next_index - 1
        self._put(peer, progress, number, prev_index, [])
        progress.heartbeat_us = self._core.now.mono_us

    def _put(
        self, peer: NodeId, progress: Progress, number: int, prev_index: int, entries: list[tuple[int, bytes]]
    ) -> None:
        core = self._core
        message = AppendEntries(
            core.term,
            number,
            prev_index,
            core.log.terms.at(prev_index) or 0,
            core.commit_index,
            core.log_time.now_ms,
            progress.match_index,
            self._replicated_index,
            progress.lease_request,
            progress.lease_us,
            entries,
        )
        progress.commit_index = core.commit_index
        core.send(peer, message)
