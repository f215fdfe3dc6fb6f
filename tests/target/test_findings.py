"""What a report tells its reader beside the verdicts."""

from types import SimpleNamespace
from typing import Any

import pytest

from trilemma.target.findings import Found
from trilemma.target.plan import Plan
from trilemma.target.port import Keyspace
from trilemma.target.trilemma import PROMISES


def notes(workload: str, *modes: str) -> list[str]:
    lanes: Any = [SimpleNamespace(keyspace=Keyspace(mode, b"", mode, PROMISES[mode])) for mode in modes]
    target: Any = SimpleNamespace(notes=list, links=None, processes=None)
    disturber: Any = SimpleNamespace(failure="")
    return Found(target, Plan(workload), disturber, lanes, {}, {}, True)._notes()


def test_of_appends_on_ap_it_is_said_that_concurrent_ones_are_hidden() -> None:
    note, others = notes("appends", "cp", "ca", "ap")
    assert others == "ap also promises, but appends cannot show: causal, nothing lost."
    assert note.startswith("ap: APPEND writes the whole string, so of two concurrent ones one is shown")


@pytest.mark.parametrize(("workload", "modes"), [("appends", ("cp", "ca")), ("counters", ("cp", "ap"))])
def test_it_is_said_of_nothing_else(workload: str, modes: tuple[str, ...]) -> None:
    assert notes(workload, *modes) == []
