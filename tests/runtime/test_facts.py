"""What INFO shows of the process."""

import os

import pytest

from trilemma.runtime.clients import Counters
from trilemma.runtime.config import ServerConfig
from trilemma.runtime.facts import fixed_facts, human, moving_facts
from trilemma.runtime.room import Room


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_572_864, "1.50M"), (3 << 30, "3.00G")]
)
def test_sizes_are_written_as_redis_writes_them(size: int, text: str) -> None:
    assert human(size) == text


def test_facts_are_those_of_this_process() -> None:
    config = ServerConfig("n1", "/data", "c", (), maxclients=50, metrics_port=9100)
    fixed, moving = fixed_facts(config, 7001), moving_facts(123, Room(0), Counters())
    assert (fixed["process_id"], fixed["tcp_port"], fixed["maxclients"]) == (str(os.getpid()), "7001", "50")
    assert (fixed["metrics_port"], fixed["config_file"]) == ("9100", "")
    assert moving["log_bytes"] == "123"
    assert moving["rejected_connections"] == "0"
    assert int(moving["used_memory_rss"]) > 1 << 20
    assert float(moving["used_cpu_user"]) > 0
