"""Mutants of leaderless replication and its states on `ap` (FAULTS §2)."""

from typing import Any

from trilemma.sim.mutation import mutant


@mutant("O1", "ap", "a batch leaves before it is durable at home: its dot is used again after a crash")
def _o1() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.leaderless.replica import Leaderless

    return [
        (Leaderless, "_own_waits", lambda self: False),
        (Leaderless, "_must_hold_own", lambda self, held: None),
    ]


def _sweeps_are_frequent() -> list[tuple[Any, str, Any]]:
    """Masks O7: cleared entries are swept so seldom that what is on its way has come by then."""
    from trilemma.node import reaper

    return [(reaper, "REAP_US", 10_000)]


@mutant(
    "O7",
    "ap",
    "a report counts before all that its sender had made has come: cleared entries go too early",
    _sweeps_are_frequent,
)
def _o7() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.leaderless.settled import Settled

    return [(Settled, "_is_dominated", lambda self, peer, report, vector: True)]


@mutant("O8", "ap", "of concurrent SETs the loser is thrown away where both have come")
def _o8() -> list[tuple[Any, str, Any]]:
    from trilemma.crdt.entry import KeyState

    original = KeyState.set

    def keep_winner(self: Any, written: Any, at_ms: int, context: Any, resets: Any) -> None:
        original(self, written, at_ms, context, resets)
        winner = self.winner()
        self.sets = [winner]
        self.deadlines = [each for each in self.deadlines if each.dot == winner.dot]

    return [(KeyState, "set", keep_winner)]


@mutant("O13", "ap", "DEL and SET take counter entries away instead of noting what they saw")
def _o13() -> list[tuple[Any, str, Any]]:
    from trilemma.crdt.entry import KeyState

    return [(KeyState, "_reset", lambda self, reset: self.counts.pop(reset.node, None))]


@mutant("A10", "ap", "a stamp that comes from elsewhere does not move the clock beyond its milliseconds")
def _a10() -> list[tuple[Any, str, Any]]:
    from trilemma.base.hlc import LOGICAL_BITS, HybridLogicalClock

    def observe(self: Any, stamp: int) -> None:
        self.last = max(self.last, stamp >> LOGICAL_BITS << LOGICAL_BITS)

    return [(HybridLogicalClock, "observe", observe)]


@mutant("A13", "ap", "a tie of stamps goes to whichever SET came first")
def _a13() -> list[tuple[Any, str, Any]]:
    from trilemma.crdt.entry import KeyState

    original = KeyState.set

    def first_stays(self: Any, written: Any, at_ms: int, context: Any, resets: Any) -> None:
        ties = [each for each in self.sets if each.stamp == written.stamp and not context.covers(each.dot)]
        original(self, written, at_ms, context, resets)
        if ties:
            self.sets.remove(written)

    return [(KeyState, "set", first_stays)]


@mutant("H1", "ap", "a batch is let go when it is sent, not when it is acknowledged, and nothing else repairs")
def _h1() -> list[tuple[Any, str, Any]]:
    from trilemma.replication.leaderless.replica import Leaderless

    ready, judge = Leaderless.ready, Leaderless._judge

    def forget(self: Any, token: int) -> Any:
        outcome = ready(self, token)
        self._retention.drop(self.node, self.holdings.durable.get(self.node, 0))
        return outcome

    def ignore(self: Any, sender: Any, message: Any, since_us: int | None) -> None:
        if type(message).__name__ != "Dropped":
            judge(self, sender, message, since_us)

    return [(Leaderless, "ready", forget), (Leaderless, "_judge", ignore)]


@mutant("H12", "ap", "where wall clocks are apart at the beginning the guess is dropped with nothing firm behind it")
def _h12() -> list[tuple[Any, str, Any]]:
    from trilemma.base.limits import CLOCK_OFFSET_MS_MAX
    from trilemma.replication.leaderless.expiry_clock import ExpiryClock

    def drop(self: Any, wall_us: int, offsets_ms: list[int]) -> None:
        agreeing = sum(abs(offset) <= CLOCK_OFFSET_MS_MAX for offset in offsets_ms)
        if 2 * agreeing < len(offsets_ms) and len(self._heard_us) >= self._quorum - 1:
            self._guess_us = None

    def carry_on(self: Any, elapsed_us: int) -> None:
        self._value_us += elapsed_us
        self._later_us += elapsed_us
        if self._guess_us is not None:
            self._guess_us += elapsed_us

    return [(ExpiryClock, "_correct_guess", drop), (ExpiryClock, "_carry_on", carry_on)]
