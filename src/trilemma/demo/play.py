"""Playing the scene on real processes."""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import redis
from rich.console import Console

from trilemma.check.history import Operation
from trilemma.client import control
from trilemma.client.processes import ProcessCluster
from trilemma.demo.load import Load, now_us
from trilemma.demo.report import Findings, report
from trilemma.demo.scene import KEYSPACES, LED, SETTINGS, Phase
from trilemma.demo.verdicts import convergence

BEFORE_S, CUT_S, HEALED_S, DOWN_S, BACK_S = 3.0, 6.0, 4.5, 6.0, 5.0
UNDER_WAY_S = 1.0
"""How long clients drive the nodes before n3 is killed."""

PUT_S = 10.0
LEAD_S = 8.0
AGREE_S = 5.0
BATCH = 500


class Demo:
    """One performance."""

    def __init__(self, console: Console, command: Sequence[str] = (sys.executable, "-m", "trilemma")) -> None:
        self._console = console
        self._command = command
        self._phases: list[Phase] = []
        self._digests: dict[str, dict[str, dict[str, str]]] = {}
        self._origin_us = now_us()

    def play(self) -> bool:
        """Play; return whether every row of the promise held."""
        self._console.print("[bold]1[/] three nodes start, as processes with disks of their own")
        with ProcessCluster(self._command) as cluster:
            self._make_keyspaces(cluster)
            self._load_airports(cluster)
            load = Load(cluster, KEYSPACES)
            self._perform(cluster, load)
            finals = self._read_finals(cluster)
        histories = {name: recorder.history().operations for name, recorder in load.recorders.items()}
        return report(self._console, Findings(self._origin_us, self._phases, histories, finals, self._digests))

    def _make_keyspaces(self, cluster: ProcessCluster) -> None:
        for name, mode in KEYSPACES.items():
            cluster.create(name, mode, *SETTINGS[name])
        self._console.print("  keyspaces: bank (cp), ledger (cp, WRITE all), site (ca), shop (ap)")

    def _load_airports(self, cluster: ProcessCluster) -> None:
        import airportsdata

        self._console.print("[bold]2[/] the airports of the world are loaded into `site` through redis-py …")
        airports = airportsdata.load()
        began = time.monotonic()
        with cluster.client("n2") as client:
            pairs = [(f"site:airport:{code}", json.dumps(facts)) for code, facts in airports.items()]
            for start in range(0, len(pairs), BATCH):
                self._put(client, pairs[start : start + BATCH])
            sample = json.loads(client.get("site:airport:EDDB") or b"{}")
        spent = time.monotonic() - began
        self._console.print(f"  {len(pairs)} in {spent:.1f} s (EDDB is {sample.get('name')})")

    def _put(self, client: redis.Redis, pairs: Sequence[tuple[str, str]]) -> None:
        """Write pairs, again where a machine that is busy has the nodes miss each other for a moment."""
        end = time.monotonic() + PUT_S
        while True:
            batch = client.pipeline(transaction=False)
            for key, value in pairs:
                batch.set(key, value)
            try:
                batch.execute()
                return
            except redis.RedisError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)

    def _perform(self, cluster: ProcessCluster, load: Load) -> None:
        self._console.print("[bold]3[/] clients drive all keyspaces at all nodes")
        self._lead(cluster)
        load.start()
        self._stretch("before", "calm", BEFORE_S, "all links stand")
        led = self._lead(cluster)
        cluster.command("n1", "LAB", "CUT", "n3")
        self._stretch("cut", "cut", CUT_S, "[red]n3 is cut off from n1 and n2[/]", led)
        cluster.command("n1", "LAB", "HEAL")
        self._stretch("healed", "whole", HEALED_S, "[green]the cut heals[/]")
        load.stop()
        self._compare(cluster, "the cut")
        self._lead(cluster)
        load.start()
        self._say("clients go on")
        time.sleep(UNDER_WAY_S)
        led = self._lead(cluster)
        cluster.process("kill", "n3")
        self._stretch("killed", "down", DOWN_S, "[red]n3 is killed with -9[/]", led)
        cluster.process("start", "n3")
        control.wait_until_ready({"n3": cluster.addresses["n3"]})
        self._stretch("back", "whole", BACK_S, "[green]n3 serves again, from its disk[/]")
        load.stop()
        self._compare(cluster, "the crash")

    def _say(self, text: str) -> None:
        """Print what happens, with the seconds since the start."""
        self._console.print(f"  {(now_us() - self._origin_us) / 1e6:5.1f} s  {text}")

    def _lead(self, cluster: ProcessCluster) -> tuple[str, ...]:
        """Have n3 lead bank and ledger, so that what comes takes the leader; return which of them it leads."""
        end = time.monotonic() + LEAD_S
        moved = False
        while True:
            led = tuple(name for name in LED if {cluster.leader(name, at) for at in cluster.names} == {"n3"})
            if led == LED or time.monotonic() > end:
                break
            moved = True
            for name in LED:
                if name not in led:
                    with suppress(redis.RedisError):
                        cluster.command("n1", "KEYSPACE", "LEAD", name, "n3")
            time.sleep(0.1)
        if led != LED:
            self._say(f"[red]n3 does not lead {' and '.join(name for name in LED if name not in led)}[/]")
        elif moved:
            self._say(f"n3 leads {' and '.join(led)} now")
        return led

    def _stretch(self, name: str, kind: str, seconds: float, text: str, led: tuple[str, ...] = ()) -> None:
        began = now_us()
        self._say(f"{text} …")
        time.sleep(seconds)
        self._phases.append(Phase(name, kind, began, now_us(), led))

    def _read_finals(self, cluster: ProcessCluster) -> dict[str, list[Operation]]:
        """Read every register at every node, once all is whole and at rest."""
        time.sleep(0.5)
        finals: dict[str, list[Operation]] = {name: [] for name in KEYSPACES}
        for number, node in enumerate(cluster.names):
            with cluster.client(node) as client:
                for name, mode in KEYSPACES.items():
                    for register in range(6):
                        key = f"{name}:r{register}".encode()
                        began = now_us()
                        value = client.get(key)
                        finals[name].append(
                            Operation(
                                1_000_000 + number, began, now_us(), "read", key, None, value, "ok", node, name, mode
                            )
                        )
        return finals

    def _compare(self, cluster: ProcessCluster, fault: str) -> None:
        """Take every replica's digest, while no client asks anything, once they agree or ought to."""
        self._say(f"clients rest; do all replicas hold the same after {fault}?")
        end = time.monotonic() + AGREE_S
        while True:
            found: dict[str, dict[str, str]] = {}
            for node in cluster.names:
                for name, _, reflects, digest in cluster.command(node, "CAP", "DIGEST"):  # type: ignore[attr-defined]
                    found.setdefault(name.decode(), {})[node] = f"{digest.decode()} ({reflects.decode()})"
            agree = convergence(found).is_valid
            if agree or time.monotonic() > end:
                break
            time.sleep(0.1)
        self._digests[fault] = found
        self._say("they do" if agree else "[red]they differ[/]")


def play(console: Console, command: Sequence[str] = (sys.executable, "-m", "trilemma")) -> bool:
    """Play the demonstration; return whether every promise held."""
    return Demo(console, command).play()
