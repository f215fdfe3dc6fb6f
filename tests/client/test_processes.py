"""A cluster of processes leaves nothing behind, ready or not."""

import os
from pathlib import Path

import pytest

from trilemma.client import control
from trilemma.client.processes import ProcessCluster

pytestmark = pytest.mark.process


def test_nodes_that_do_not_get_ready_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def never(_addresses: object, *_: object) -> None:
        seen.extend(node["pid"] for node in control.ask(made.directory, "status")["nodes"])
        raise control.NoClusterError("not ready")

    made = ProcessCluster(nodes=2)
    monkeypatch.setattr(control, "wait_until_ready", never)
    with pytest.raises(control.NoClusterError, match="not ready"), made:
        raise AssertionError("it is not ready")
    assert len(seen) == 2
    for pid in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not Path(made.directory).exists()
