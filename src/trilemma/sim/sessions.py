"""Whose order an `ap` keyspace keeps where not every node holds a replica of it: a history told by its executors.

At a node that holds a replica the node itself executes, so it shows all that it has acknowledged. Any other one sends
what it is asked to a replica in reach, now to this one, then to that one, and a client without a token (PROMISES §4.4)
may see a write of its own vanish for a while. Nothing is known then of which replica has executed what, unless there
is one alone.
"""

from collections.abc import Collection, Sequence

from trilemma.check.history import Operation


def as_executed(operations: Sequence[Operation], nodes: Collection[str], holders: Collection[str]) -> list[Operation]:
    """Return a history in which a node's order, and a process's, is what the executors of `ap` promise to keep.

    Args:
        nodes: all nodes, of which `holders` hold a replica. With one holder everything was executed there; with several
            each operation sent to another node is one of a process of its own, at a node of its own.
    """
    if len(holders) == len(nodes):
        return list(operations)
    if len(holders) == 1:
        (alone,) = holders
        return [each._replace(node=alone) for each in operations]
    return [
        each if each.node in holders else each._replace(process=-number, node=f"{each.node}, request {number}")
        for number, each in enumerate(operations, 1)
    ]
