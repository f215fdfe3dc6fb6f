"""What findings are called for people: validities, outcomes, times, values. Owns wording and rounding only."""

from typing import Any, Final

from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.report.data import Report, SideShare, Subject
from trilemma.check.verdict import Validity

VALUE_CHARS_MAX: Final = 48
"""The longest value that is shown whole in a label."""

SIGNS: Final = {Validity.VALID: "✔", Validity.INVALID: "✘", Validity.UNKNOWN: "?"}
"""A sign beside each colour, because not everybody sees colours."""

OUTCOMES: Final = {"ok": "answered", "fail": "refused", "info": "unknown"}
"""What the three outcomes are called."""

STALE_HEAD: Final = ("stale reads", "stale by at most")
"""What the columns of `stale_reads` and `stale_at_most` are called."""


def duration(microseconds: float) -> str:
    """Return a time that has passed, with its unit."""
    if microseconds < 1_000:
        return f"{microseconds:.0f} µs"
    if microseconds < 1_000_000:
        return f"{microseconds / 1_000:.3g} ms"
    return f"{microseconds / 1_000_000:.4g} s"


def moment(time_us: int, origin_us: int) -> str:
    """Return a time since the run began; `the end` for one that never came."""
    return "the end" if time_us >= END_OF_TIME_US else f"{(time_us - origin_us) / 1_000_000:.3f} s"


def value(shown: Any, chars_max: int = VALUE_CHARS_MAX) -> str:
    """Return a value, short: text where bytes are text, `nil` for absence."""
    if shown is None:
        return "nil"
    if isinstance(shown, bytes):
        head = shown[: chars_max + 1]  # a value may have megabytes
        try:
            text = head.decode()
        except UnicodeDecodeError:
            text = repr(head)
        text = text if text.isprintable() and text else repr(head)
    elif isinstance(shown, tuple | list):
        text = " ".join(value(each, chars_max) for each in shown[:chars_max])
    else:
        text = str(shown)
    return text if len(text) <= chars_max else f"{text[:chars_max]}…"


def action(operation: Operation) -> str:
    """Return what was asked and what was said, short: `write k x`, `read k → x`."""
    argument = operation.argument
    if operation.kind == "command":
        text = value(argument)
    elif operation.kind == "transaction":
        text = value(" | ".join(value(each) for each in argument))
    else:
        name = f"{operation.kind} {value(operation.key)}"
        text = name if argument is None or operation.kind == "multi_read" else f"{name} {value(argument)}"
    is_told = operation.outcome == "ok" and operation.kind != "write" and operation.result is not None
    if is_told or (operation.outcome == "ok" and "read" in operation.kind):
        return f"{text} → {value(operation.result)}"
    return text if operation.outcome == "ok" else f"{text} ({OUTCOMES[operation.outcome]})"


def who(operation: Operation) -> str:
    """Return whose request it was, and at which node."""
    return f"process {operation.process}" + (f" at {operation.node}" if operation.node else "")


def share(side: SideShare) -> str:
    """Return the share answered, with its counts."""
    total = side.answered + side.refused + side.unknown
    return f"{side.answered / total:.1%} of {total:,}" if total else "nothing asked"


def stale_reads(side: SideShare) -> str:
    """Return how many reads were stale, of those that tell it."""
    return f"{side.stale_reads:,} of {side.reads:,}" if side.reads else ""


def stale_at_most(side: SideShare) -> str:
    """Return by how much the stalest reads were behind, nothing where none was."""
    if not side.stale_reads:
        return ""
    versions = "1 version" if side.stale_versions == 1 else f"{side.stale_versions:,} versions"
    return f"{duration(side.stale_us)}, {versions}"


def sentence(report: Report) -> str:
    """Return the finding on a whole run as one sentence."""
    if report.validity is Validity.VALID:
        return "Every promise that was checked held."
    if report.validity is Validity.UNKNOWN:
        open_ones = [each.name for each in report.subjects if each.validity is Validity.UNKNOWN]
        named = f" on {', '.join(open_ones)}" if open_ones else ""
        return f"Nothing can be said{named}: a check gave up, or had nothing to judge. This is not a pass."
    broken = [each.name for each in report.subjects if each.validity is Validity.INVALID]
    return f"A promise was broken by {', '.join(broken)}."


def subject_sentence(subject: Subject) -> str:
    """Return the finding on one subject as one sentence."""
    if subject.validity is Validity.INVALID:
        checkers = [each.checker for each in subject.verdicts if each.is_invalid]
        return f"Its promise was broken: {', '.join(checkers)}."
    if subject.validity is Validity.VALID:
        return f"It kept its promise: {', '.join(each.checker for each in subject.verdicts)}."
    open_ones = [each.checker for each in subject.verdicts if not each.is_valid]
    return f"Undecided, which is no pass: {', '.join(open_ones) or 'nothing was checked'}."
