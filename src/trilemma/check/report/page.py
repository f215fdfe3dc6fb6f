"""The report as one HTML page that needs nothing else: styles, drawings and a short script are in it.

No address outside of it is named, and its policy forbids to load any; only the script whose hash is named may run.
Whatever a history holds is written through `markup`. Bounded, whatever the size of the run: see the constants here and
in `timeline`, `plots`, `witness`; what is left out is said.
"""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from trilemma.check.report import plots, timeline, witness, words
from trilemma.check.report.axis import SYMBOLS
from trilemma.check.report.data import Report, Subject
from trilemma.check.report.markup import Child, Markup, joined, table, tag
from trilemma.check.report.scale import Span, identity, span_of
from trilemma.check.report.style import CSS, SCRIPT
from trilemma.check.verdict import Validity, Verdict

BARS_MAX: Final = 6_000
"""Operations drawn on all time lines together: some 400 bytes each."""

SUBJECTS_MAX: Final = 30
"""Subjects that get a section of their own; all stand in the summary up to ROWS_MAX."""

ROWS_MAX: Final = 100
"""Rows of one table."""

WITNESSES_MAX: Final = 60
"""Witnesses drawn on the page: some 30 kB each. Each subject has its part of them, one at least."""


def render(report: Report) -> str:
    """Return the page.

    Cost: linear in the operations; under 10 MB whatever their number.
    """
    span = span_of(report)
    drawn = report.subjects[:SUBJECTS_MAX]
    bars_max = BARS_MAX // max(1, len(drawn))
    body = [SYMBOLS, _head(report), _summary(report), _faults(report, span)]
    body += [_subject(subject, report, span, bars_max) for subject in drawn]
    if len(report.subjects) > len(drawn):
        left = len(report.subjects) - len(drawn)
        body.append(tag("p", {"class": "note"}, f"{left} subjects more are judged above and not shown in full."))
    body += [_settings(report), _notes(report)]
    return "<!DOCTYPE html>\n" + tag("html", {"lang": "en"}, _meta(report), tag("body", None, *body, _script())) + "\n"


def _meta(report: Report) -> Markup:
    hashed = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hashed}'"
    return tag(
        "head",
        None,
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("title", None, f"{report.validity.value}: {report.title}"),
        tag("style", None, Markup(CSS)),
    )


def _script() -> Markup:
    return tag("script", None, Markup(SCRIPT))


def _mark(validity: Validity) -> Markup:
    return tag("span", {"class": f"mark {validity.value}"}, f"{words.SIGNS[validity]} {validity.value}")


def _banner(validity: Validity, sentence: str) -> Markup:
    sign = tag("b", {"aria-label": validity.value}, words.SIGNS[validity])
    return tag("div", {"class": f"banner {validity.value}"}, sign, tag("span", None, sentence))


def _rows(rows: Sequence[Sequence[Child]], head: Sequence[Child], caption: str = "") -> Markup:
    """Return a table of at most ROWS_MAX rows, which says what it leaves out."""
    found = table(head, rows[:ROWS_MAX], caption)
    if len(rows) <= ROWS_MAX:
        return found
    return joined([found, tag("p", {"class": "note"}, f"{len(rows) - ROWS_MAX:,} rows more are left out.")])


def _head(report: Report) -> Markup:
    facts = f"target {report.target} · workload {report.workload} · nemesis {report.nemesis or 'none'}"
    return tag(
        "header",
        None,
        tag("h1", None, report.title),
        tag("p", {"class": "facts"}, facts),
        _banner(report.validity, words.sentence(report)),
    )


def _summary(report: Report) -> Markup:
    rows = []
    for subject in report.subjects:
        counts = [0, 0, 0]
        for operation in subject.operations:
            counts[("ok", "fail", "info").index(operation.outcome)] += 1
        told = (subject.name, subject.mode or "–", subject.model, _mark(subject.validity))
        rows.append((*told, f"{len(subject.operations):,}", *(f"{count:,}" for count in counts)))
    head = ("subject", "mode", "model", "verdict", "operations", "answered", "refused", "unknown")
    return tag("section", None, tag("h2", None, "Findings"), _rows(rows, head))


def _letter(sign: str, text: str) -> Markup:
    return tag("h3", None, tag("span", {"class": "letter"}, sign), text)


def _faults(report: Report, span: Span) -> Markup:
    title = _letter("P", "What was disturbed, when, and by what means")
    if not report.faults:
        return tag("section", None, title, tag("p", None, "Nothing was disturbed in this run."))
    rows = []
    for number, fault in enumerate(report.faults, 1):
        until = words.moment(fault.until_us, span.from_us)
        sides = " | ".join(" ".join(side) for side in fault.sides) or "–"
        begin = words.moment(fault.from_us, span.from_us)
        rows.append((f"F{number}", fault.kind, fault.what, begin, until, " ".join(fault.nodes) or "–", sides))
    return tag("section", None, title, _rows(rows, ("", "fault", "what", "from", "until", "nodes", "sides")))


def _subject(subject: Subject, report: Report, span: Span, bars_max: int) -> Markup:
    mode = f" ({subject.mode})" if subject.mode else ""
    verdicts = [*subject.verdicts, *subject.observed]
    parts = [
        tag("h2", None, f"{subject.name}{mode}"),
        _banner(subject.validity, words.subject_sentence(subject)),
        _consistency(subject),
        *_witnesses(verdicts, span, max(1, WITNESSES_MAX // len(report.subjects))),
        _availability(subject),
        tag("h3", None, "What happened when"),
        *_drawings(subject, verdicts, report, span, bars_max),
    ]
    if subject.staleness:
        parts.append(_rows(list(subject.staleness.items()), ("how stale reads were", "")))
    if subject.digests:
        digests = [(node, tag("code", None, digest)) for node, digest in subject.digests.items()]
        parts.append(_rows(digests, ("replica", "digest after the heal")))
    return tag("section", None, *parts)


def _consistency(subject: Subject) -> Markup:
    rows = [(each.checker, _mark(each.validity), each.reason, "promised") for each in subject.verdicts]
    rows += [(each.checker, _mark(each.validity), each.reason, "beyond the promise") for each in subject.observed]
    parts = [_letter("C", "What was seen, judged by"), _rows(rows, ("check", "verdict", "reason", ""))]
    if subject.satisfied:
        parts.append(tag("p", None, f"Strongest models that hold: {', '.join(subject.satisfied)}."))
    if subject.broken:
        parts.append(tag("p", None, f"Weakest models that are broken: {', '.join(subject.broken)}."))
    return joined(parts)


def _witnesses(verdicts: Sequence[Verdict], span: Span, count_max: int) -> list[Markup]:
    broken = [each for each in verdicts if each.is_invalid and each.witness]
    parts = []
    for verdict in broken[:count_max]:
        parts.append(tag("h3", None, f"Witness against {verdict.checker}"))
        parts.append(tag("p", None, f"Why: {verdict.reason}."))
        parts.append(witness.draw(verdict, span.from_us))
    if len(broken) > count_max:
        parts.append(tag("p", {"class": "note"}, f"{len(broken) - count_max} witnesses more are not drawn."))
    return parts


def _availability(subject: Subject) -> Markup:
    if not subject.shares:
        return Markup("")
    tells = any(each.reads for each in subject.shares)
    rows = []
    for each in subject.shares:
        times = (each.p50_us, each.p99_us, each.worst_us)
        told = [words.duration(took_us) if each.answered else "–" for took_us in times]
        told += [said or "–" for said in (words.stale_reads(each), words.stale_at_most(each))] if tells else []
        rows.append((each.stretch, each.side, words.share(each), f"{each.refused:,}", f"{each.unknown:,}", *told))
    head = ("while", "sent to", "answered", "refused", "unknown", "median", "99 %", "worst")
    title = "Who was answered, how soon, and how stale reads were" if tells else "Who was answered, and how soon"
    return joined([_letter("A", title), _rows(rows, (*head, *words.STALE_HEAD) if tells else head)])


def _drawings(subject: Subject, verdicts: Sequence[Verdict], report: Report, span: Span, bars_max: int) -> list[Markup]:
    if not subject.operations:
        return [tag("p", {"class": "note"}, "No operation was recorded.")]
    buttons = [tag("button", {"type": "button", "value": 100 * times}, f"{times}×") for times in (1, 4, 16)]
    witnesses = {identity(each) for verdict in verdicts for each in verdict.witness}
    return [
        tag("div", {"class": "zoomers"}, "zoom in time:", *buttons),
        timeline.draw(subject.operations, report.faults, span, witnesses, bars_max),
        tag("h3", None, "Latency of answers (log scale)"),
        plots.latency(subject.operations, report.faults, span),
        tag("h3", None, "Errors: how requests ended"),
        plots.outcomes(subject.operations, report.faults, span),
    ]


def _settings(report: Report) -> Markup:
    if not report.settings:
        return Markup("")
    return tag("section", None, tag("h2", None, "Settings"), _rows(list(report.settings.items()), ("setting", "value")))


def _notes(report: Report) -> Markup:
    if not report.notes:
        return Markup("")
    items = [tag("li", None, note) for note in report.notes[:ROWS_MAX]]
    return tag("section", None, tag("h2", None, "Notes"), tag("ul", None, *items))
