"""Disks of peers are remembered off the loop: a stuck disk holds up nothing but the peers that are new to it."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from trilemma.runtime.admission import WAITS, Admission
from trilemma.runtime.directory import DataDirectory
from trilemma.runtime.founding import Founding
from trilemma.runtime.known_disks import Lineage

FIRST = Lineage("disk", 1, ((1, "a"),))
SECOND = Lineage("disk", 2, ((1, "a"), (2, "b")))
COPY = Lineage("disk", 2, ((1, "a"), (2, "x")))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    held = DataDirectory(tmp_path, "c", 1, Founding.of("cp", {1: "n1", 2: "n2", 3: "n3"}))
    yield held
    held.close()


def test_beside_a_stuck_disk_a_peer_waits_and_the_loop_does_not(run: Any, until: Any, directory: DataDirectory) -> None:
    async def body() -> None:
        well = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            admission = Admission(directory, thread)
            said: list[str | None] = []
            admission.check_disk(2, FIRST, said.append)
            await until(lambda: said == [None])
            thread.submit(well.wait)
            try:
                for _ in range(2):  # both connections of one run
                    admission.check_disk(2, SECOND, said.append)
                await asyncio.sleep(0)
                assert said == [None]
                admission.check_disk(2, COPY, said.append)
                admission.check_disk(2, FIRST, said.append)
                assert said == [None, WAITS, None]
            finally:
                well.set()
            await until(lambda: said[3:] == [None, None])
            admission.check_disk(2, COPY, said.append)
            await until(lambda: len(said) == 6)
            assert "older copy" in str(said[5])
            admission.check_disk(2, SECOND, said.append)
            assert said[6] is None

    run(body())
