"""What the scene showed, for people: a table of what was answered, the three letters, the digests, and the verdict."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict
from trilemma.demo.scene import KEYSPACES, NODES, Phase, Row, judge_rows
from trilemma.demo.verdicts import availability, consistency, convergence

HEALS = ("the cut", "the crash")
"""After what all replicas must hold the same."""


class Findings(NamedTuple):
    """What was recorded. `digests`: by what had healed before, keyspace and node; `origin_us`: when the scene began."""

    origin_us: int
    phases: Sequence[Phase]
    histories: Mapping[str, Sequence[Operation]]
    finals: Mapping[str, Sequence[Operation]]
    digests: Mapping[str, Mapping[str, Mapping[str, str]]]


def report(console: Console, findings: Findings) -> bool:
    """Print what was found; return whether every promise held."""
    operations = [each for history in findings.histories.values() for each in history]
    rows = judge_rows(findings.phases, operations)
    verdicts = consistency(findings.histories, findings.finals)
    agreed = {f"digests after {heal}": convergence(findings.digests.get(heal, {})) for heal in HEALS}
    console.print(f"\n[bold]4[/] {len(operations)} requests were recorded; what each phase answered")
    console.print("  refused: CLUSTERDOWN; in doubt: UNCERTAIN, or no reply; said: by CAP EXPLAIN")
    console.print(_answers(rows))
    console.print("[bold]5[/] the three letters, measured")
    _print_letters(console, findings, verdicts)
    console.print(_digests(findings.digests))
    for name, verdict in agreed.items():
        console.print(f"  {name}: {'all replicas agree' if verdict.is_valid else '[red]replicas differ[/]'}")
    broken = [row for row in rows if not row.holds]
    wrong = [(name, verdict) for name, verdict in [*verdicts, *agreed.items()] if not verdict.is_valid]
    for row in broken:
        console.print(f"[bold red]broken:[/] {escape(row.describe())}")
    for name, verdict in wrong:
        console.print(f"[bold red]broken:[/] {name}: {escape(verdict.describe())}")
    if not broken and not wrong:
        console.print(f"\n[bold green]Every promise held[/]: {len(rows)} rows of {len(rows)}.")
        return True
    console.print(
        f"\n[bold red]A promise was broken, or not exercised[/]: {len(broken)} of {len(rows)} rows, "
        f"{len(wrong)} of {len(verdicts) + len(agreed)} verdicts."
    )
    return False


def _answers(rows: Iterable[Row]) -> Table:
    headings = [f"{node}: answers, median/worst ms" for node in NODES]
    table = Table("phase", "keyspace", "request", *headings)
    grouped: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        grouped.setdefault((row.phase, row.keyspace, row.shown), {})[row.node] = row
    last = ""
    for (phase, keyspace, request), nodes in grouped.items():
        if phase != last:
            table.add_section()
        cells = [_cell(nodes[node]) if node in nodes else "" for node in NODES]
        table.add_row(phase if phase != last else "", keyspace, request, *cells)
        last = phase
    return table


def _cell(row: Row) -> str:
    if row.expected == "leads":
        return "[green]led until then[/]" if row.holds else "[bold red]did not lead[/]"
    asked = row.answered + row.refused + row.uncertain
    if row.expected == "silent" and row.holds:
        return f"[dim]down ({asked} tries)[/]"
    counts = {"ok": row.answered, "refused": row.refused, "in doubt": row.uncertain}
    text = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing asked"
    if row.labelled:
        label = "stale" if KEYSPACES[row.keyspace] == "cp" else "newest"
        text += f", {row.labelled} said {label}"
    times = f" [dim]{row.p50_ms:.1f}/{row.worst_ms:.0f}[/]" if asked else ""
    return (f"[green]{text}[/]" if row.holds else f"[bold red]{text}[/]") + times


def _print_letters(console: Console, findings: Findings, verdicts: Iterable[tuple[str, Verdict]]) -> None:
    for name, verdict in verdicts:
        mark = "[green]valid[/]" if verdict.is_valid else f"[red]{verdict.validity.value}[/]"
        console.print(f"  C  {name:7} {verdict.checker}: {mark}")
    console.print(_shares(findings))
    for phase, after in pairwise(findings.phases):
        if phase.is_fault:
            what = "links n1-n3 and n2-n3 cut" if phase.kind == "cut" else "n3 down"
            begin_s, end_s = ((each - findings.origin_us) / 1e6 for each in (phase.from_us, after.from_us))
            when = f"from {begin_s:.1f} s to {end_s:.1f} s after the start"
            console.print(f"  P  {what} {when} ({end_s - begin_s:.1f} s)")


def _shares(findings: Findings) -> Table:
    table = Table("A: share answered", *(phase.name for phase in findings.phases))
    shares = availability(findings.phases, findings.histories)
    for name in KEYSPACES:
        for side in ("n1 n2", "n3"):
            cells = []
            for phase in findings.phases:
                found = [each for each in shares if each[:3] == (phase.name, name, side)]
                cells.append(f"{found[0][3]:.0%} of {found[0][4]}" if found else "-")
            table.add_row(f"{name} at {side}", *cells)
    return table


def _digests(digests: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Table:
    table = Table("digests after", "keyspace", *NODES)
    for heal, keyspaces in digests.items():
        table.add_section()
        for number, (name, replicas) in enumerate(keyspaces.items()):
            table.add_row("" if number else heal, name, *(replicas.get(node, "-")[:12] for node in NODES))
    return table
