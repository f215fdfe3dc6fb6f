"""Broken invariants: conditions that no input may bring about. Not `assert`, which `python -O` strips."""


class InvariantViolated(Exception):  # noqa: N818 - the field says "invariant violated"
    """The code itself is wrong, or the disk lied. The node that raises it must stop, not go on."""


class DiskRollback(InvariantViolated):
    """A peer shows that this node's disk held more than it does: it was replaced by an older state of it.

    The node stops as at any broken invariant, but the operator is who can mend it; the text says what is missing.
    """


def invariant(condition: bool, text: str) -> None:
    """Stop the node unless `condition` holds.

    Raises:
        InvariantViolated: with `text`, which names what was expected.
    """
    if not condition:
        raise InvariantViolated(text)
