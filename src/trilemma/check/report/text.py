"""A report as plain text of fixed columns; colour is the terminal's business, not this module's."""

from collections.abc import Sequence
from typing import Final

from trilemma.check.report import words
from trilemma.check.report.data import Report, SideShare, Subject
from trilemma.check.report.markup import clipped, visible
from trilemma.check.verdict import Verdict

CELL_CHARS_MAX: Final = 60
"""The widest cell of a table."""

WITNESS_MAX: Final = 12
"""Operations of a witness that are listed; a page draws more."""


def render(report: Report) -> str:
    """Return the report as lines of text, the last one ended."""
    lines = [f"{words.SIGNS[report.validity]} {report.validity.value}: {words.sentence(report)}", ""]
    lines += [f"{report.title}: {report.target}, workload {report.workload}, nemesis {report.nemesis}", ""]
    lines += grid(("subject", "mode", "model", "operations", "verdict"), [_summary(each) for each in report.subjects])
    for subject in report.subjects:
        lines += ["", *_subject(subject)]
    if report.faults:
        origin_us = min([each.from_us for each in report.faults] + _first_invocations(report))
        rows = [
            (each.kind, each.what, words.moment(each.from_us, origin_us), words.moment(each.until_us, origin_us))
            for each in report.faults
        ]
        lines += ["", *grid(("P: fault", "what", "from", "until"), rows)]
    lines += [f"note: {note}" for note in report.notes]
    return "".join(f"{_one_line(line)}\n" for line in lines)


def _one_line(text: str) -> str:
    """Return text that can neither begin a line of its own nor steer a terminal."""
    return visible(text).replace("\n", "\\n")


def _first_invocations(report: Report) -> list[int]:
    return [min(each.invoke_us for each in subject.operations) for subject in report.subjects if subject.operations]


def _summary(subject: Subject) -> tuple[str, ...]:
    count = f"{len(subject.operations):,}"
    return subject.name, subject.mode or "-", subject.model, count, subject.validity.value


def _subject(subject: Subject) -> list[str]:
    lines = [f"C  {subject.name}"]
    lines += [f"   {line}" for each in subject.verdicts for line in _verdict(each)]
    lines += [f"   beyond the promise: {line}" for each in subject.observed for line in _verdict(each)[:1]]
    if subject.satisfied:
        lines.append(f"   satisfied: {', '.join(subject.satisfied)}")
    if subject.broken:
        lines.append(f"   broken: {', '.join(subject.broken)}")
    lines += [f"   {name}: {figure}" for name, figure in subject.staleness.items()]
    return lines + (_shares(subject.shares) if subject.shares else [])


def _shares(shares: Sequence[SideShare]) -> list[str]:
    tells = any(each.reads for each in shares)
    rows = [
        (each.stretch, each.side, words.share(each), f"{each.refused:,}", f"{each.unknown:,}", *_latencies(each))
        + (_stale(each) if tells else ())
        for each in shares
    ]
    head = ("A: while", "sent to", "answered", "refused", "unknown", "median", "99 %", "worst")
    return grid((*head, *words.STALE_HEAD) if tells else head, rows)


def _stale(share: SideShare) -> tuple[str, ...]:
    return words.stale_reads(share) or "-", words.stale_at_most(share) or "-"


def _latencies(share: SideShare) -> tuple[str, ...]:
    if not share.answered:
        return "-", "-", "-"
    return tuple(words.duration(each) for each in (share.p50_us, share.p99_us, share.worst_us))


def _verdict(verdict: Verdict) -> list[str]:
    reason = f": {clipped(verdict.reason)}" if verdict.reason else ""
    lines = [f"{words.SIGNS[verdict.validity]} {verdict.checker}: {verdict.validity.value}{reason}"]
    lines += [f"    {words.who(each)}: {words.action(each)}" for each in verdict.witness[:WITNESS_MAX]]
    if len(verdict.witness) > WITNESS_MAX:
        lines.append(f"    and {len(verdict.witness) - WITNESS_MAX} operations more")
    return lines


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines, columns two blanks apart."""
    cells = [[_one_line(words.value(cell, CELL_CHARS_MAX)) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
