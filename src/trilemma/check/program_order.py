"""Program order: what each process did, one thing after another; and where nobody can tell.

A process does one thing at a time, or sends a pipeline, whose requests are answered in the order in which they were
sent. So operations of one process may overlap as long as one that began later did not end earlier; those that began at
one stamp follow each other as they stand in the history. Where one that began later did end earlier, or nobody knows
when it ended, the process did two things at once: there is no order to hold a store to, and whoever judges sessions
says `unknown`. Of an operation that did not end as `ok` nothing later is known to follow it.
Twin: every pair of operations, in the tests. Cost: O(n log n).
"""

from collections.abc import Iterable

from trilemma.check.history import Operation


def find_two_at_once(operations: Iterable[Operation]) -> tuple[Operation, Operation] | None:
    """Return two operations of one process whose order nobody knows, in order of invocation; None without any."""
    longest: dict[int, Operation] = {}  # of each process, the one that ended last of those that are `ok`
    for each in sorted(operations, key=lambda operation: operation.invoke_us):
        if each.outcome == "fail":
            continue
        before = longest.get(each.process)
        if before is not None and each.invoke_us < before.end_us and not _ended_later(each, before):
            return before, each
        if each.outcome == "ok":
            longest[each.process] = each
    return None


def _ended_later(each: Operation, before: Operation) -> bool:
    return each.complete_us is not None and each.complete_us >= before.end_us


def why_unordered(operations: Iterable[Operation]) -> str:
    """Return why there is no program order to judge by; nothing where there is one."""
    found = find_two_at_once(operations)
    if found is None:
        return ""
    first, second = (each.describe() for each in found)
    return f"a process did two things at once, so its order is not known: {first}; {second}"
