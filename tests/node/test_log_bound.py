"""The node's log keeps to its bound while a node is away, whichever shard is quiet (PROTOCOLS §5.7, §6.2).

Whoever was away comes back, by rows where its log is gone.
"""

import pytest

from stage import Stage

SEGMENT_BYTES = 20_000
RETAINED_BYTES = 100_000
VALUE = "x" * 2_000
WRITES = 300

PAUSE_US = 4_000
"""Between two writes: what a majority holds on `ap` is known with its next gossip only."""

LOG_BYTES_MAX = RETAINED_BYTES + 3 * SEGMENT_BYTES
"""What is kept for who is away, the segment that is being filled, and what is written before rows are flushed again."""

QUIET = ("bank", "ledger", "site", "shop")


class SmallLogs(Stage):
    """Segments of which a few are kept."""

    segment_bytes = SEGMENT_BYTES
    retained_bytes = RETAINED_BYTES

    def log_bytes(self, number: int) -> int:
        return sum(self.cluster.processes[number].disk.log.sizes().values())

    def restart(self, number: int) -> None:
        """Kill a node and start it again at once: all that its log holds then counts for the oldest segment."""
        self.crash(number)
        self.cluster.restart(self.cluster.processes[number])
        self.until_ok(number, "SET", "k", "1")

    def write(self, node: int, prefix: str) -> None:
        """Write far more to one keyspace than is kept."""
        for count in range(WRITES):
            assert self.ask(node, "SET", f"{prefix}{count % 9}", f"{count}{VALUE}").reply == b"OK"
            self.run(PAUSE_US)


@pytest.mark.parametrize("busy", ["k", "shop:k"])
def test_the_log_stays_bounded_while_a_node_is_away_and_only_one_keyspace_is_written_to(busy: str) -> None:
    stage = SmallLogs()
    stage.lead(3)
    for name in QUIET:
        assert stage.ask(1, "SET", f"{name}:before", "1").reply == b"OK"
    stage.crash(3)
    for name in ("bank", "shop"):
        # Their leaders are new, and so is the entry that each of those begins with: n3 lacks it.
        stage.until_ok(1, "SET", f"{name}:meanwhile", "2")
    stage.until_ok(1, "SET", busy, "0")
    stage.restart(2)
    stage.write(1, busy)
    assert max(stage.log_bytes(1), stage.log_bytes(2)) <= LOG_BYTES_MAX

    stage.heal()
    stage.until_ok(3, "SET", "ledger:after", "3")
    stage.run(1_000_000)
    assert stage.ask(3, "GET", "shop:meanwhile").reply == stage.ask(3, "GET", "bank:meanwhile").reply == b"2"
    assert all(len(set(digests.values())) == 1 for digests in stage.cluster.digests().values())
    assert stage.ask(3, "KEYSPACE", "CREATE", "further", "MODE", "cp").reply == b"OK"
