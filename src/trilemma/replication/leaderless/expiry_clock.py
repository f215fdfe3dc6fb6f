"""The expiry clock: the wall clock last agreed with most peers, carried on by the monotonic clock, never backwards.

PROTOCOLS §5.9. A wall clock counts only where most members' and most nodes' agree with it, its own included: of
those that are known just now two may be wrong together, and where few nodes are members, of the members too.
Across a restart only the wall clock can tell how long the node was away. If it was apart from this clock before, it
may have been put right meanwhile, or not: of both readings the earlier one is taken, as a guess. Nobody else is told of
a guess; it becomes firm when most peers' wall clocks bear it out, and gives way to firm time when they do not: else a
node that started with a wrong wall clock would judge every deadline too early for as long as that was wrong. Whoever
restarts with a wrong wall clock is put right by the others: what most members' expiry clocks have passed has passed,
and of the own clock both readings count for that. Where there is no other member, the guess is kept within what most
nodes' wall clocks show.

Where a shard begins while the wall clocks are apart there is no firm time yet, and none comes before most agree. Until
then the guess is the median of the wall clocks of a majority, the lower one of two: the same at all members.
"""

from collections.abc import Collection, Mapping

from trilemma.base.ids import NodeId
from trilemma.base.limits import CLOCK_OFFSET_MS_MAX
from trilemma.base.time import US_PER_MS, US_PER_S, Now

APART_US = 50_000
"""How far the distance between expiry clock and wall clock may be from what the log says of it."""

ACCEPTED_US = CLOCK_OFFSET_MS_MAX * US_PER_MS
"""How far from another's a wall clock may be and agree with it still, and a guess be ahead and still stand."""

STATED_US = US_PER_S
"""How old what the log says of both clocks may be where something is written to it anyway."""


class ExpiryClock:
    """One node's judge of deadlines."""

    __slots__ = (
        "_guess_us",
        "_heard_us",
        "_later_us",
        "_mono_us",
        "_nodes_quorum",
        "_peers",
        "_quorum",
        "_stated_mono_us",
        "_stated_us",
        "_value_us",
    )

    def __init__(
        self,
        last_ms: int,
        last_wall_ms: int,
        now: Now,
        peers: Collection[NodeId] = (),
        *,
        nodes: int = 1,
        firm_ms: int | None = None,
    ) -> None:
        """Begin.

        Args:
            last_ms, last_wall_ms: what this and the wall clock last showed together, 0 where never.
            peers: the other members.
            nodes: how many nodes the cluster has, where they are more than the members.
            firm_ms: what of `last_ms` was no guess; all of it without.
        """
        self._peers = frozenset(peers)
        self._quorum = (len(peers) + 1) // 2 + 1
        self._nodes_quorum = max(nodes, len(peers) + 1) // 2 + 1
        self._heard_us: dict[NodeId, int] = {}
        self._stated_mono_us = now.mono_us
        last_us = last_ms * US_PER_MS
        as_before_us = last_us + now.wall_us - last_wall_ms * US_PER_MS
        self._value_us = (last_ms if firm_ms is None else firm_ms) * US_PER_MS
        self._guess_us: int | None = max(last_us, min(as_before_us, now.wall_us)) if last_ms else now.wall_us
        self._mono_us = now.mono_us
        self._later_us = max(as_before_us, now.wall_us) if last_ms else now.wall_us
        """The other reading after a restart: as good as the one in use, once a peer bears it out."""
        self._stated_us: int | None = None
        if self._nodes_quorum == 1:
            self._make_firm(self._shown_us)

    @property
    def _shown_us(self) -> int:
        return self._value_us if self._guess_us is None else max(self._value_us, self._guess_us)

    @property
    def now_ms(self) -> int:
        """The time as of the last `advance`, a guess after a start."""
        return self._shown_us // US_PER_MS

    @property
    def firm_ms(self) -> int:
        """The time that has surely passed, as far as most wall clocks can tell; 0 while most never agreed."""
        return self._value_us // US_PER_MS

    def _make_firm(self, reading_us: int) -> None:
        self._value_us = max(self._value_us, self._corrected_us(reading_us))
        self._guess_us = None

    def _corrected_us(self, reading_us: int) -> int:
        """Return the guess where it is hardly ahead of a better reading, so that it does not go back; else that."""
        guess_us = self._guess_us
        return guess_us if guess_us is not None and 0 <= guess_us - reading_us <= ACCEPTED_US else reading_us

    def wants_statement(self, now: Now, is_writing: bool = False) -> bool:
        """Say whether the two clocks are not as far apart as the log says, or what it says is old and it is written to
        anyway; the answer yes counts as having told it."""
        apart_us = self._shown_us - now.wall_us
        is_known = self._stated_us is not None and abs(apart_us - self._stated_us) <= APART_US
        if is_known and not (is_writing and now.mono_us - self._stated_mono_us >= STATED_US):
            return False
        self._stated_us, self._stated_mono_us = apart_us, now.mono_us
        return True

    def hear(self, peer: NodeId, expiry_ms: int) -> None:
        """Take in what a peer's expiry clock showed; a time that most members' clocks have passed has passed."""
        self._heard_us[peer] = max(self._heard_us.get(peer, 0), expiry_ms * US_PER_MS)
        shown = sorted((max(self._value_us, self._later_us), *self._heard_us.values()), reverse=True)
        if len(shown) >= self._quorum:
            self._value_us = max(self._value_us, shown[self._quorum - 1])

    def advance(self, now: Now, offsets_ms: Mapping[NodeId, int]) -> None:
        """Let time pass. `offsets_ms`: how far the wall clock of each node in reach, member or not, is from the own."""
        self._carry_on(max(now.mono_us - self._mono_us, 0))
        self._mono_us = now.mono_us
        agreeing = {node for node, offset in offsets_ms.items() if abs(offset) <= CLOCK_OFFSET_MS_MAX}
        if agreeing and self._is_borne_out(agreeing):
            self._make_firm(now.wall_us)
        elif self._guess_us is not None and self._peers:
            self._correct_guess(now.wall_us, [offset for node, offset in offsets_ms.items() if node in self._peers])
        elif self._guess_us is not None:
            self._correct_lone_guess(self._guess_us, now.wall_us, list(offsets_ms.values()))

    def _is_borne_out(self, agreeing: set[NodeId]) -> bool:
        """Say whether the wall clock is one of most nodes', and of most members'."""
        return len(agreeing) + 1 >= self._nodes_quorum and len(agreeing & self._peers) + 1 >= self._quorum

    def _carry_on(self, elapsed_us: int) -> None:
        if self._value_us:
            self._value_us += elapsed_us
        self._later_us += elapsed_us
        if self._guess_us is not None:
            self._guess_us += elapsed_us

    def _correct_guess(self, wall_us: int, offsets_ms: list[int]) -> None:
        """Give way to what other members say, where most of them were heard and do not bear the guess out."""
        if self._value_us:
            agreeing = sum(abs(offset) <= CLOCK_OFFSET_MS_MAX for offset in offsets_ms)
            if 2 * agreeing < len(offsets_ms) and len(self._heard_us) >= self._quorum - 1:
                self._guess_us = None
        elif len(offsets_ms) + 1 >= self._quorum:
            median_ms = sorted((0, *offsets_ms))[len(offsets_ms) // 2]
            self._guess_us = self._corrected_us(wall_us + median_ms * US_PER_MS)

    def _correct_lone_guess(self, guess_us: int, wall_us: int, offsets_ms: list[int]) -> None:
        """Keep within what most nodes' wall clocks show, the own one included, where no other member can say anything:
        what most have passed has passed, and what most have not passed has not."""
        clocks_ms = sorted((0, *offsets_ms))
        if len(clocks_ms) >= self._nodes_quorum:
            earliest_us = wall_us + clocks_ms[-self._nodes_quorum] * US_PER_MS
            latest_us = wall_us + clocks_ms[self._nodes_quorum - 1] * US_PER_MS
            self._guess_us = max(min(guess_us, self._corrected_us(latest_us)), earliest_us)
