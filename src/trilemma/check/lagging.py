"""Replicas that may lag: of which histories they are, and which operations then share a copy.

A node that a history does not name may be any, so nothing is known to have been done at one and the same.
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.history import Operation

AP: Final = "ap"
"""The mode whose replicas may lag, but whose nodes show to every client what they acknowledged to any."""


def may_lag(operations: Iterable[Operation]) -> bool:
    """Say whether replicas may lag: whether all operations are of such a mode."""
    return all(each.mode == AP for each in operations)


def is_at_one_node(one: Operation, other: Operation) -> bool:
    """Say whether two operations are known to have been done at one node."""
    return one.node == other.node != ""
