"""Playing the scene on real processes, and printing what it showed."""

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import redis
from rich.console import Console
from rich.table import Table

from trilemma.check.history import Operation
from trilemma.client import control
from trilemma.client.processes import ProcessCluster
from trilemma.demo.load import Load, now_us
from trilemma.demo.scene import KEYSPACES, SETTINGS, Phase, Row, judge_rows
from trilemma.demo.verdicts import availability, consistency, convergence

BEFORE_S, CUT_S, HEALED_S, DOWN_S, BACK_S = 3.0, 6.0, 4.5, 6.0, 5.0
LEAD_S = 5.0
AGREE_S = 5.0
BATCH = 500


class Demo:
    """One performance."""

    def __init__(self, console: Console, command: Sequence[str] = (sys.executable, "-m", "trilemma")) -> None:
        self._console = console
        self._command = command
        self._phases: list[Phase] = []

    def play(self) -> bool:
        """Play; return whether every row of the promise held."""
        say = self._console.print
        say("[bold]1[/] three nodes start, as processes with disks of their own")
        with ProcessCluster(self._command) as cluster:
            self._make_keyspaces(cluster)
            self._load_airports(cluster)
            self._lead(cluster)
            load = Load(cluster, KEYSPACES)
            load.start()
            self._perform(cluster)
            load.stop()
            finals = self._read_finals(cluster)
            digests = self._digests(cluster)
        histories = {name: recorder.history().operations for name, recorder in load.recorders.items()}
        return self._report(histories, finals, digests)

    def _make_keyspaces(self, cluster: ProcessCluster) -> None:
        for name, mode in KEYSPACES.items():
            cluster.create(name, mode, *SETTINGS[name])
        self._console.print("  keyspaces: bank (cp), ledger (cp, WRITE all), site (ca), shop (ap)")

    def _load_airports(self, cluster: ProcessCluster) -> None:
        import airportsdata

        airports = airportsdata.load()
        began = time.monotonic()
        with cluster.client("n2") as client:
            pairs = [(f"site:airport:{code}", json.dumps(facts)) for code, facts in airports.items()]
            for start in range(0, len(pairs), BATCH):
                batch = client.pipeline(transaction=False)
                for key, value in pairs[start : start + BATCH]:
                    batch.set(key, value)
                batch.execute()
            sample = json.loads(client.get("site:airport:EDDB") or b"{}")
        spent = time.monotonic() - began
        self._console.print(
            f"[bold]2[/] {len(pairs)} airports of the world loaded into `site` through redis-py in {spent:.1f} s "
            f"(EDDB is {sample.get('name')})"
        )

    def _lead(self, cluster: ProcessCluster) -> None:
        """Have n3 lead bank and ledger, so that the cut takes the leader."""
        end = time.monotonic() + LEAD_S
        for name in ("bank", "ledger"):
            while cluster.leader(name) != "n3" and time.monotonic() < end:
                with suppress(redis.RedisError):
                    cluster.command("n1", "KEYSPACE", "LEAD", name, "n3")
                time.sleep(0.1)
        self._console.print("[bold]3[/] n3 leads bank and ledger; clients drive all keyspaces at all nodes")

    def _perform(self, cluster: ProcessCluster) -> None:
        self._stretch("before", "whole", BEFORE_S, "all links stand")
        cluster.command("n1", "LAB", "CUT", "n3")
        self._stretch("cut", "cut", CUT_S, "[red]n3 is cut off from n1 and n2[/]")
        cluster.command("n1", "LAB", "HEAL")
        self._stretch("healed", "whole", HEALED_S, "[green]the cut heals[/]")
        cluster.process("kill", "n3")
        self._stretch("killed", "down", DOWN_S, "[red]n3 is killed with -9[/]")
        cluster.process("start", "n3")
        control.wait_until_ready({"n3": cluster.addresses["n3"]})
        self._stretch("back", "whole", BACK_S, "[green]n3 starts again on its disk[/]")

    def _stretch(self, name: str, kind: str, seconds: float, text: str) -> None:
        began = now_us()
        self._console.print(f"  {text} …")
        time.sleep(seconds)
        self._phases.append(Phase(name, kind, began, now_us()))

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

    def _digests(self, cluster: ProcessCluster) -> dict[str, dict[str, str]]:
        """Return every replica's digest per keyspace, once they agree or ought to."""
        end = time.monotonic() + AGREE_S
        while True:
            found: dict[str, dict[str, str]] = {}
            for node in cluster.names:
                for name, _, reflects, digest in cluster.command(node, "CAP", "DIGEST"):  # type: ignore[attr-defined]
                    found.setdefault(name.decode(), {})[node] = f"{digest.decode()} ({reflects.decode()})"
            if convergence(found).is_valid or time.monotonic() > end:
                return found
            time.sleep(0.1)

    # The report

    def _report(
        self,
        histories: dict[str, list[Operation]],
        finals: dict[str, list[Operation]],
        digests: dict[str, dict[str, str]],
    ) -> bool:
        operations = [each for history in histories.values() for each in history]
        rows = judge_rows(self._phases, operations)
        self._console.print(f"\n[bold]4[/] {len(operations)} requests were recorded; what each phase answered:")
        self._console.print(_answers(rows))
        self._print_letters(histories, finals)
        agreed = convergence(digests)
        self._print_digests(digests, agreed.is_valid)
        verdicts = consistency(histories, finals)
        broken = [row for row in rows if not row.holds]
        for row in broken:
            self._console.print(
                f"[bold red]broken:[/] {row.phase}: {row.request} on {row.keyspace} at {row.node}: expected "
                f"{row.expected}, got {row.answered} ok, {row.refused} refused, {row.uncertain} uncertain"
            )
        for name, verdict in verdicts:
            if not verdict.is_valid:
                self._console.print(f"[bold red]broken:[/] {name}: {verdict.describe()}", markup=True)
        held = not broken and agreed.is_valid and all(verdict.is_valid for _, verdict in verdicts)
        count = len(rows)
        self._console.print(
            f"\n[bold green]Every promise held[/]: {count} rows of {count}."
            if held
            else f"\n[bold red]A promise was broken[/]: {len(broken)} of {count} rows."
        )
        return held

    def _print_letters(self, histories: dict[str, list[Operation]], finals: dict[str, list[Operation]]) -> None:
        self._console.print("[bold]5[/] the three letters, measured")
        for name, verdict in consistency(histories, finals):
            mark = "[green]valid[/]" if verdict.is_valid else f"[red]{verdict.validity.value}[/]"
            self._console.print(f"  C  {name:7} {verdict.checker}: {mark}")
        table = Table("A: share answered", *[f"{phase.name}" for phase in self._phases])
        shares = availability(self._phases, histories)
        for name in KEYSPACES:
            for side in ("n1 n2", "n3"):
                cells = []
                for phase in self._phases:
                    found = [each for each in shares if each[:3] == (phase.name, name, side)]
                    cells.append(f"{found[0][3]:.0%} of {found[0][4]}" if found else "-")
                table.add_row(f"{name} at {side}", *cells)
        self._console.print(table)
        for phase in self._phases:
            if phase.kind != "whole":
                what = "links n1-n3 and n2-n3 cut" if phase.kind == "cut" else "n3 down"
                self._console.print(f"  P  {what} for {(phase.until_us - phase.from_us) / 1e6:.1f} s")

    def _print_digests(self, digests: dict[str, dict[str, str]], agreed: bool) -> None:
        table = Table("digest after healing", "n1", "n2", "n3")
        for name, replicas in digests.items():
            table.add_row(name, *(replicas.get(node, "-")[:12] for node in ("n1", "n2", "n3")))
        self._console.print(table)
        self._console.print("  all replicas agree" if agreed else "[red]  replicas differ[/]")


def _answers(rows: list[Row]) -> Table:
    table = Table("phase", "keyspace", "request", *(f"{node}: answers, median, worst" for node in ("n1", "n2", "n3")))
    grouped: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        grouped.setdefault((row.phase, row.keyspace, row.request), {})[row.node] = row
    last = ""
    for (phase, keyspace, request), nodes in grouped.items():
        if phase != last:
            table.add_section()
        table.add_row(
            phase if phase != last else "",
            keyspace,
            request.replace("stale_read", "READONLY read"),
            *(_cell(nodes[n]) for n in nodes),
        )
        last = phase
    return table


def _cell(row: Row) -> str:
    if row.expected == "silent":
        return "[dim]down[/]" if row.holds else f"[red]{row.answered} ok[/]"
    parts = []
    if row.answered:
        parts.append(f"{row.answered} ok")
    if row.refused:
        parts.append(f"{row.refused} CLUSTERDOWN")
    if row.uncertain:
        parts.append(f"{row.uncertain} UNCERTAIN")
    text = ", ".join(parts) or "nothing asked"
    times = f" [dim]{row.p50_ms:.1f} / {row.worst_ms:.0f} ms[/]" if parts else ""
    return (f"[green]{text}[/]" if row.holds else f"[bold red]{text}[/]") + times


def play(console: Console, command: Sequence[str] = (sys.executable, "-m", "trilemma")) -> bool:
    """Play the demonstration; return whether every promise held."""
    return Demo(console, command).play()
