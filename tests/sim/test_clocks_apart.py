"""`ap` keyspaces that begin while wall clocks are apart: times to live hold, then and once the clocks are right."""

import pytest

from stage import Stage

S = 1_000_000
DAY_S = 86_400


class Apart(Stage):
    """A keyspace `cart` (ap) that was created while every node's wall clock was set ahead by seconds of its own."""

    def __init__(self, ahead_s: tuple[int, ...]) -> None:
        super().__init__(nodes=len(ahead_s))
        self._ahead_s = ahead_s
        self._set_clocks(1)
        self.run(5 * S)
        assert self.ask(1, "KEYSPACE", "CREATE", "cart", "MODE", "ap").reply == b"OK"
        self.run(2 * S)

    def _set_clocks(self, sign: int) -> None:
        for process, ahead_s in zip(self.cluster.processes.values(), self._ahead_s, strict=True):
            process.clock.step(sign * ahead_s * S)

    def set_right(self) -> None:
        self._set_clocks(-1)
        self.run(5 * S)

    def wall_s(self) -> int:
        """What the wall clock of the first node shows."""
        return self.cluster.processes[1].clock.now(self.now_us).wall_us // S

    def everywhere(self, *words: str) -> list[object]:
        return [self.ask(node, *words).reply for node in self.cluster.processes]


@pytest.mark.parametrize("ahead_s", [(0, 2), (0, 2, 4), (0, 60, 3600)])
def test_a_key_outlives_the_correction_of_the_clocks(ahead_s: tuple[int, ...]) -> None:
    """Once the expiry clock counted from 1970 meanwhile, and the key was gone when it no longer did."""
    stage = Apart(ahead_s)
    assert stage.ask(1, "SET", "cart:k", "v", "EX", str(DAY_S)).reply == b"OK"
    deadline_s = stage.ask(1, "EXPIRETIME", "cart:k").reply
    assert deadline_s - stage.wall_s() - DAY_S in range(-1, max(ahead_s))
    stage.run(S)
    stage.set_right()
    assert stage.everywhere("GET", "cart:k") == [b"v"] * len(ahead_s)


def test_all_members_show_the_same_time_meanwhile() -> None:
    stage = Apart((0, 60, 3600))
    for node in stage.cluster.processes:
        assert stage.ask(node, "SET", f"cart:{node}", "v", "EX", "5").reply == b"OK"
        stage.run(S // 2)
        assert stage.everywhere("GET", f"cart:{node}") == [b"v"] * 3
        stage.run(5 * S)
        assert stage.everywhere("GET", f"cart:{node}") == [None] * 3


def test_a_short_time_to_live_holds_after_the_correction() -> None:
    """A node whose guess was ahead took it along for good: what others wrote was gone there at once."""
    stage = Apart((0, 2, 4))
    stage.set_right()
    for node in stage.cluster.processes:
        assert stage.ask(node, "SET", f"cart:{node}", "v", "EX", "2").reply == b"OK"
        stage.run(S)
        assert stage.everywhere("GET", f"cart:{node}") == [b"v"] * 3
        stage.run(2 * S)
        assert stage.everywhere("GET", f"cart:{node}") == [None] * 3


def test_what_has_passed_at_the_beginning_is_over() -> None:
    stage = Apart((0, 2, 4))
    assert stage.ask(1, "SET", "cart:old", "v", "EXAT", str(stage.wall_s() - 100)).reply == b"OK"
    assert stage.everywhere("GET", "cart:old") == [None] * 3
