"""How the findings of runs look on the terminal, and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from trilemma.check.availability import Share
from trilemma.check.hierarchy import Standing
from trilemma.check.report.data import SideShare, Subject
from trilemma.check.verdict import Validity, Verdict
from trilemma.cli.console import console
from trilemma.target.findings import Figures, Result
from trilemma.target.plan import Plan

_COLOURS = {Validity.VALID: "green", Validity.INVALID: "red", Validity.UNKNOWN: "yellow"}
_US_PER_MS = 1_000
_US_PER_S = 1_000_000
_CAPTION = (
    "calm, hit, others: requests answered outside of faults, and during them at the nodes that they befell and "
    "at the others; lost: acknowledged writes; gap: the longest time without a write at nodes that no fault befell"
)

_STALE_CAPTION = "stale: how far the reads of a row were behind at most; - where that is not known"


def show(result: Result) -> None:
    """Print one run: verdicts with their witnesses, shares, faults, notes."""
    report = result.report
    for subject in report.subjects:
        name = f"{subject.name} ({subject.mode})" if subject.mode and subject.mode != subject.name else subject.name
        console.print(f"\n[bold]{escape(report.target)}, {escape(name)}[/]: {_word(subject.validity)}")
        for verdict in subject.verdicts:
            console.print(f"  {_verdict(verdict)}", soft_wrap=True)
        for verdict in subject.observed:
            console.print(f"  [dim]seen, not promised:[/] {_first_line(verdict)}", soft_wrap=True)
        if subject.satisfied or subject.broken:
            console.print(
                f"  {Standing(tuple(subject.satisfied), tuple(subject.broken), ()).describe()}", soft_wrap=True
            )
        for what, said in subject.staleness.items():
            console.print(f"  {what}: {said}")
        console.print(_shares(subject.shares))
    for note in report.notes:
        console.print(f"[dim]{escape(note)}[/]", soft_wrap=True)
    console.print(_comparison([(report.target, result)]))


def _verdict(verdict: Verdict) -> str:
    lines = escape(verdict.describe()).split("\n")
    return "\n    ".join([_first_line(verdict), *(f"[dim]{line.strip()}[/]" for line in lines[1:])])


def _first_line(verdict: Verdict) -> str:
    """Return a verdict without its witness, which --report and --json show."""
    return escape(verdict.describe()).split("\n")[0].replace(verdict.validity.value, _word(verdict.validity), 1)


def _word(validity: Validity) -> str:
    return f"[bold {_COLOURS[validity]}]{validity.value}[/]"


def _shares(shares: Sequence[SideShare]) -> Table:
    """Return who was answered, and how stale reads were where that is known of any: a narrow table of many columns."""
    tells = any(share.reads for share in shares)
    caption = _STALE_CAPTION if tells else None
    table = Table("when", "at", box=SIMPLE, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in ("answered", "refused", "unknown", "p50\nms", "p99\nms", "worst\nms"):
        table.add_column(name, justify="right")
    for name in ("stale\nms", "stale\nversions") if tells else ():
        table.add_column(name, justify="right")
    for share in shares:
        counts = (share.answered, share.refused, share.unknown)
        cells = [str(each) for each in counts]
        cells += [_ms(each) if share.answered else "-" for each in (share.p50_us, share.p99_us, share.worst_us)]
        if tells:
            cells += [_ms(share.stale_us), str(share.stale_versions)] if share.reads else ["-", "-"]
        table.add_row(escape(share.stretch), escape(share.side), *cells)
    return table


def _ms(time_us: int) -> str:
    return f"{time_us / _US_PER_MS:.1f}"


def show_comparison(plan: Plan, found: Sequence[tuple[str, Result | str]]) -> None:
    """Print one table of several runs."""
    console.print(
        f"\n[bold]{plan.workload} under {plan.nemesis}[/], {plan.time_s:g} s, seed {plan.seed}, "
        f"{plan.clients} clients per node and keyspace, {plan.rate} steps per second"
    )
    console.print(_comparison(found))


def _comparison(found: Sequence[tuple[str, Result | str]]) -> Table:
    table = Table(caption=_CAPTION, caption_justify="left")
    for name in ("what", "verdict", "calm", "hit", "others", "stale reads", "lost", "gap"):
        table.add_column(name, overflow="fold", no_wrap=name == "verdict")
    for target, result in found:
        if isinstance(result, str):
            table.add_row(escape(target), "[yellow]not run[/]")
            continue
        for subject in result.report.subjects:
            row = _row(subject, result.figures[subject.name])
            name = target if subject.name == target else f"{target} {subject.name}"
            table.add_row(escape(name), _word(subject.validity), *row)
    return table


def _row(subject: Subject, figures: Figures) -> list[str]:
    shares = (figures.answered.calm, figures.answered.befallen, figures.answered.others)
    worst = f", worst {figures.stale_worst_us / _US_PER_MS:.0f} ms" if figures.stale_reads else ""
    stale = f"{figures.stale_reads} of {figures.reads}{worst}" if figures.reads else "-"
    return [
        *map(_ratio, shares),
        stale,
        str(figures.lost_writes) if subject.model in ("register", "append") else "-",
        f"{figures.standstill_us / _US_PER_S:.2f} s" if figures.standstill_us else "-",
    ]


def _ratio(share: Share) -> str:
    return f"{share.ratio:.1%} of {share.total}" if share.total else "-"


def as_json(result: Result) -> dict[str, Any]:
    """Return a run's findings as plain values; operations are told by their number and witnesses as text."""
    report = result.report
    return {
        "target": report.target,
        "workload": report.workload,
        "nemesis": report.nemesis,
        "validity": report.validity.value,
        "settings": dict(report.settings),
        "notes": list(report.notes),
        "faults": [fault._asdict() for fault in report.faults],
        "subjects": [_subject_as_json(each, result.figures[each.name]) for each in report.subjects],
    }


def _subject_as_json(subject: Subject, figures: Figures) -> dict[str, Any]:
    return {
        "name": subject.name,
        "mode": subject.mode,
        "validity": subject.validity.value,
        "operations": len(subject.operations),
        "verdicts": [_verdict_as_json(each) for each in subject.verdicts],
        "observed": [_verdict_as_json(each) for each in subject.observed],
        "satisfied": list(subject.satisfied),
        "broken": list(subject.broken),
        "shares": [share._asdict() for share in subject.shares],
        "stale_reads": figures.stale_reads,
        "reads": figures.reads,
        "stale_worst_us": figures.stale_worst_us,
        "t_visibility": {str(t_us): share for t_us, share in figures.t_visibility.items()},
        "k_staleness": {str(k): share for k, share in figures.k_staleness.items()},
        "lost_writes": figures.lost_writes,
        "standstill_us": figures.standstill_us,
        "answered": {name: share._asdict() for name, share in figures.answered._asdict().items()},
        "digests": dict(subject.digests),
    }


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "checker": verdict.checker,
        "validity": verdict.validity.value,
        "reason": verdict.reason,
        "witness": [operation.describe() for operation in verdict.witness],
    }
