"""kill -9 of a random node, or of all of them, under load on real disks, over and over (FAULTS §3).

After each round the nodes must come back, and every write acknowledged in that round must be readable; at the end all
of them, at every node, with counters between what was acknowledged and what was tried, and equal digests.
"""

import sys
import time
from collections.abc import Callable, Sequence
from random import Random

import redis

from trilemma.client import control
from trilemma.client.processes import ProcessCluster
from trilemma.trial.report import Report, seconds_until, spread
from trilemma.trial.writers import Writer

KEYSPACES = {"bank": "cp", "shop": "ap"}
ALL_SHARE = 0.25
BACK_S = 20.0
AGREE_S = 10.0
BATCH = 1_000


class Crashes:
    """One campaign."""

    def __init__(
        self,
        rounds: int,
        seed: int,
        say: Callable[[str], None] = lambda text: None,
        command: Sequence[str] = (sys.executable, "-m", "trilemma"),
    ) -> None:
        """Args: seed: what is killed when; command: how a node is started; tests plant a bug here."""
        self._command = command
        self._rounds = rounds
        self._random = Random(seed)
        self._say = say
        self._report = Report("crashes")
        self._checked: dict[str, set[str]] = {}
        self._back_s: list[float] = []

    def run(self) -> Report:
        """Run all rounds."""
        with ProcessCluster(self._command) as cluster:
            for name, mode in KEYSPACES.items():
                cluster.create(name, mode)
            writers = [
                Writer(cluster, node, keyspace, f"{keyspace}-{node}")
                for node in cluster.names
                for keyspace in KEYSPACES
            ]
            for writer in writers:
                writer.start()
            for number in range(1, self._rounds + 1):
                self._round(cluster, writers, number)
                if self._report.broken:
                    break
            for writer in writers:
                writer.stop()
            if not self._report.broken:
                self._check_all(cluster, writers)
        self._sum_up(writers)
        return self._report

    def _round(self, cluster: ProcessCluster, writers: list[Writer], number: int) -> None:
        random = self._random
        time.sleep(random.uniform(0.05, 0.6))
        victims = list(cluster.names) if random.random() < ALL_SHARE else [random.choice(cluster.names)]
        random.shuffle(victims)
        for victim in victims:
            cluster.process("kill", victim)
        time.sleep(random.choice((0.0, 0.0, 0.3, 1.2)))
        for victim in victims:
            cluster.process("start", victim)
        began = time.monotonic()
        try:
            control.wait_until_ready(cluster.addresses, BACK_S)
        except control.NoClusterError as problem:
            self._report.broken.append(f"round {number}: after {victims} were killed: {problem}")
            self._report.broken += [f"{victim} logged:\n{cluster.log_tail(victim)}" for victim in victims]
            return
        self._back_s.append(time.monotonic() - began)
        lost = self._check_new(cluster, writers)
        self._say(
            f"round {number}: killed {' '.join(victims)}, all serve {self._back_s[-1]:.2f} s after the start, "
            f"{sum(len(keys) for keys in self._checked.values())} acknowledged writes are there"
        )
        if lost:
            self._report.broken.append(f"round {number}: {len(lost)} acknowledged writes are lost, {lost[0]} first")

    def _check_new(self, cluster: ProcessCluster, writers: list[Writer]) -> list[str]:
        """Read what was acknowledged since the last round, where it was written: `ap` may still be on its way."""
        lost = []
        for writer in writers:
            known = self._checked.setdefault(writer.name, set())
            new = {key: value for key, value in writer.told.keys.copy().items() if key not in known}
            lost += self._missing(cluster, writer.node, new)
            known.update(new)
        return lost

    @staticmethod
    def _missing(cluster: ProcessCluster, node: str, expected: dict[str, str]) -> list[str]:
        missing: list[str] = []
        keys = list(expected)
        with cluster.client(node, socket_timeout=BACK_S) as client:
            for start in range(0, len(keys), BATCH):
                part = keys[start : start + BATCH]
                values = _patiently(client, part)
                missing += [key for key, value in zip(part, values, strict=True) if value != expected[key].encode()]
        return missing

    def _check_all(self, cluster: ProcessCluster, writers: list[Writer]) -> None:
        report = self._report
        for keyspace in KEYSPACES:
            agreed = seconds_until(lambda keyspace=keyspace: len(cluster.digests(keyspace)) == 1, AGREE_S)  # type: ignore[misc]
            report.require(agreed is not None, f"the replicas of {keyspace} do not agree within {AGREE_S:.0f} s")
            told = [writer.told for writer in writers if writer.keyspace == keyspace]
            expected = {key: value for each in told for key, value in each.keys.items()}
            least, most = sum(each.counted for each in told), sum(each.at_most for each in told)
            for node in cluster.names:
                lost = self._missing(cluster, node, expected)
                report.require(not lost, f"{len(lost)} acknowledged writes of {keyspace} are missing at {node}")
                with cluster.client(node) as client:
                    count = int(client.get(f"{keyspace}:count") or 0)
                report.require(
                    least <= count <= most, f"{keyspace}:count is {count} at {node}, not within {least} to {most}"
                )
            report.figures[f"{keyspace}: acknowledged SETs"] = len(expected)
            report.figures[f"{keyspace}: acknowledged INCRs"] = least

    def _sum_up(self, writers: list[Writer]) -> None:
        report = self._report
        report.figures["rounds"] = len(self._back_s)
        if self._back_s:
            found = spread(self._back_s)
            report.figures["seconds until all serve, median"] = found["median"]
            report.figures["seconds until all serve, worst"] = found["worst"]
        report.require(all(writer.told.keys for writer in writers), "a writer was never acknowledged anything")


def _patiently(client: redis.Redis, keys: list[str]) -> list[object]:
    """Read many keys; a leader may change meanwhile, which refuses the read and does no harm."""
    end = time.monotonic() + BACK_S
    while True:
        try:
            return list(client.mget(keys))
        except redis.RedisError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
