"""A node's disk: how far the log goes is remembered before anything there is called durable."""

import os
import threading
from pathlib import Path

import pytest

from trilemma.base.ids import ShardId
from trilemma.runtime.disk import DiskStorage
from trilemma.runtime.log import LogFailedError
from trilemma.storage.port import LogRecord, LogWrite, RecordKind

WAIT_S = 10.0
FIRST = LogWrite(1, 1, True, [LogRecord(RecordKind.ENTRY, ShardId(1024), 0, 1, 1, b"x")], True, 0)


def test_a_segment_is_remembered_before_a_token_is_durable_and_after_it_is_there(tmp_path: Path) -> None:
    told: list[str] = []
    done = threading.Event()

    def reaches(segment: int) -> None:
        assert list((tmp_path / "log").iterdir())
        told.append(f"reaches {segment}")

    storage = DiskStorage(tmp_path, 1 << 16, reaches)
    storage.open(
        lambda token: (told.append(f"durable {token}"), done.set())[0], lambda problem: told.append(str(problem))
    )
    assert told == []
    storage.log.append(FIRST)
    assert done.wait(WAIT_S)
    assert told == ["reaches 1", "durable 1"]
    storage.close()
    again = DiskStorage(tmp_path, 1 << 16, reaches)
    again.open(lambda _: None, lambda _: None)
    assert told == ["reaches 1", "durable 1", "reaches 1"]
    again.close()


def test_nothing_is_called_durable_where_that_cannot_be_remembered(tmp_path: Path) -> None:
    failed: list[Exception] = []
    done = threading.Event()

    def reaches(_: int) -> None:
        raise OSError(28, "No space left on device")

    storage = DiskStorage(tmp_path, 1 << 16, reaches)
    storage.open(lambda _: pytest.fail("called durable"), lambda problem: (failed.append(problem), done.set())[0])
    storage.log.append(FIRST)
    assert done.wait(WAIT_S)
    assert "No space left" in str(failed[0])
    with pytest.raises(LogFailedError) as told:
        storage.close()
    assert told.value is failed[0]


def test_a_last_sync_that_fails_is_told_by_close_which_lets_go_of_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = threading.active_count()
    storage = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    storage.open(lambda _: pytest.fail("called durable"), lambda _: None)

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refuse)
        storage.log.append(FIRST)
        with pytest.raises(LogFailedError, match=r"refused a write or a sync of the log \(Input/output error\), so"):
            storage.close()
    assert threading.active_count() == threads
    again = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    assert again.open(lambda _: None, lambda _: None).records == FIRST.records
    again.close()


def test_a_start_that_cannot_remember_it_leaves_nothing_open(tmp_path: Path) -> None:
    threads = threading.active_count()
    done = threading.Event()
    first = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    first.open(lambda _: done.set(), lambda _: None)
    first.log.append(FIRST)
    assert done.wait(WAIT_S)
    first.close()

    def reaches(_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        DiskStorage(tmp_path, 1 << 16, reaches).open(lambda _: None, lambda _: None)
    assert threading.active_count() == threads
    again = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    assert again.open(lambda _: None, lambda _: None).records == FIRST.records
    again.close()


def test_the_engine_is_closed_though_its_last_flush_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = DiskStorage(tmp_path, 1 << 16, lambda _: None)
    storage.open(lambda _: None, lambda _: None)
    closed: list[bool] = []
    close = storage.engine.close

    def flush() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(storage.engine, "flush", flush)
    monkeypatch.setattr(storage.engine, "close", lambda: (close(), closed.append(True)))
    with pytest.raises(OSError, match="Input/output error"):
        storage.close()
    assert closed == [True]
