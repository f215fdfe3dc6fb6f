"""Settings of a keyspace: defaults by mode, contradictions refused with the reason (PROMISES §3)."""

import pytest

from trilemma.base.errors import ReplyError
from trilemma.keyspace.settings import Keyspace, Mode, make

NODES = (1, 2, 3)


@pytest.mark.parametrize(
    ("mode", "write", "read"),
    [(Mode.CP, "majority", "linearizable"), (Mode.CA, "all", "local"), (Mode.AP, "1", "1")],
)
def test_each_mode_has_its_defaults(mode: Mode, write: str, read: str) -> None:
    keyspace = make(2, "bank", mode, NODES)
    assert (keyspace.write, keyspace.read, keyspace.durability, keyspace.timeout_ms) == (write, read, "sync", 2_000)


@pytest.mark.parametrize(
    ("mode", "settings", "reason"),
    [
        (Mode.CP, {"write": "1"}, "WRITE on cp"),
        (Mode.CP, {"read": "2"}, "READ on cp"),
        (Mode.CP, {"durability": "everysec"}, "ap only"),
        (Mode.CA, {"write": "majority"}, "WRITE on ca"),
        (Mode.CA, {"read": "linearizable"}, "READ on ca"),
        (Mode.AP, {"write": "4"}, "WRITE on ap"),
        (Mode.AP, {"write": "0"}, "WRITE on ap"),
        (Mode.AP, {"read": "lease"}, "READ on ap"),
        (Mode.AP, {"durability": "never"}, "DURABILITY"),
        (Mode.AP, {"timeout_ms": 9}, "TIMEOUT"),
    ],
)
def test_a_setting_that_contradicts_the_mode_is_refused_with_the_reason(
    mode: Mode, settings: dict[str, str], reason: str
) -> None:
    with pytest.raises(ReplyError, match=reason):
        make(2, "shop", mode, NODES, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("write", "count"), [("1", 1), ("2", 2), ("majority", 2), ("all", 3)])
def test_write_names_a_number_of_replicas(write: str, count: int) -> None:
    keyspace: Keyspace = make(2, "shop", Mode.AP, NODES, write=write)
    assert keyspace.write_count == count
