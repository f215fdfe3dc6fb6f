"""Faults on the links of Trilemma by its own LAB: from one table of faults to the next in as few commands as it takes.

Knows LAB's words; who is told them is for the target to say.
"""

from collections.abc import Callable, Mapping, Sequence

from trilemma.target.port import Link, LinkFault

_Table = Mapping[Link, LinkFault]


def lab_commands(before: _Table, after: _Table) -> list[list[str]]:
    """Return the LAB commands that lead from one table of faults to another; both ways in one where they are alike."""
    changed = {link for link in {*before, *after} if before.get(link) != after.get(link)}
    commands: list[list[str]] = []
    for source, target in sorted(changed):
        back = (target, source)
        is_both = back in changed and before.get(back) == before.get((source, target))
        is_both = is_both and after.get(back) == after.get((source, target))
        if is_both and source > target:
            continue
        where = f"{source}-{target}" if is_both else f"{source}>{target}"
        commands += _words(where, before.get((source, target)), after.get((source, target), LinkFault()))
    return commands


def _words(where: str, before: LinkFault | None, after: LinkFault) -> list[list[str]]:
    words = [["HEAL", where]] if before is not None else []
    if after.is_cut:
        words.append(["CUT", where])
    if after.delay_ms:
        words.append(["SLOW", where, f"{after.delay_ms}ms"])
    if after.loss_percent:
        words.append(["LOSS", where, f"{after.loss_percent:g}%"])
    return words


class LabLinks:
    """See `port.Links`: faults that the nodes themselves bring about, in their transport."""

    means = (
        "Links were disturbed by Trilemma's own LAB, in the nodes' transport; that a cut by the kernel shows the same "
        "is tested with network namespaces (tests/lab). Clients reached every node all the time."
    )

    def __init__(self, tell: Callable[[Sequence[str]], None]) -> None:
        """Args: tell: has a cluster follow the words after LAB."""
        self._tell = tell
        self._table: _Table = {}

    def apply(self, faults: Mapping[Link, LinkFault]) -> None:
        """See `port.Links`."""
        for words in lab_commands(self._table, faults):
            self._tell(words)
        self._table = dict(faults)
