"""Faults of processes and their disks: pauses, crashes, syncs that fail or come too late, no room."""

from trilemma.sim.faults.harm import Harm
from trilemma.sim.faults.strike import Strike

PAUSE_US_MAX = 2_500_000

CRASH_ALL_MAX = 2
"""More often and too little is answered to be judged."""


class ProcessFaults:
    """Pauses, crashes, disks that fail or are full."""

    def __init__(self, harm: Harm) -> None:
        self._harm = harm

    def kinds(self) -> dict[str, Strike]:
        """Return what this family can do, by name."""
        return {
            "pause": self._pause,
            "crash": self._crash,
            "crash_all": self._crash_all,
            "unsynced": self._unsynced,
            "fsync_error": self._fsync_error,
            "disk_full": self._disk_full,
        }

    def _pause(self, lasts_us: int) -> None:
        process = self._harm.any()
        if process.node is None or process.is_paused:
            return
        self._harm.fired["pause"] += 1
        self._harm.trace("pause", process.name)
        self._harm.note_down(process)
        process.pause()
        self._harm.cluster.scheduler.after(min(lasts_us, PAUSE_US_MAX), lambda: self._harm.resume(process))

    def _crash(self, lasts_us: int) -> None:
        self._harm.kill(self._harm.any(), "crash", lasts_us)

    def _crash_all(self, lasts_us: int) -> None:
        if self._harm.fired["crash_all"] >= CRASH_ALL_MAX * len(self._harm.cluster.processes):
            return
        for process in self._harm.cluster.processes.values():
            self._harm.kill(process, "crash_all", lasts_us // 2)
        # As a boot does: with no replica left that runs, only they can tell how long it was.
        self._harm.set_clocks_right()

    def _unsynced(self, lasts_us: int) -> None:
        """End a node while the next sync of its log is under way."""
        process = self._harm.any()

        def begun(sync_us: int) -> None:
            process.disk.on_sync = lambda _: None
            if not self._harm.is_over:
                at_us = self._harm.rng.randrange(sync_us)
                self._harm.cluster.scheduler.after(at_us, lambda: self._harm.kill(process, "unsynced", lasts_us))

        process.disk.on_sync = begun

    def _fsync_error(self, _lasts_us: int) -> None:
        process = self._harm.any()
        if process.node is not None and not process.disk.fails_next_sync:
            self._harm.fired["fsync_error"] += 1
            self._harm.trace("fsync_error", process.name)
            process.disk.fails_next_sync = True

    def _disk_full(self, lasts_us: int) -> None:
        process = self._harm.any()
        if process.node is None or not process.has_room:
            return
        self._harm.fired["disk_full"] += 1
        self._harm.trace("disk_full", f"{process.name} for {lasts_us} us")
        self._harm.full_since[process.name] = self._harm.cluster.scheduler.now_us
        process.set_room(False)
        self._harm.cluster.scheduler.after(lasts_us, lambda: self._harm.make_room(process))
