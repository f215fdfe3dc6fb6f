"""Telling a ring: each step as a sentence, in the words of what was appended and read.

Owns the wording only. Transactions are named T1, T2, … in order of invocation, as a verdict lists them.
"""

from collections.abc import Hashable, Iterator

from trilemma.check.elle.anomaly import G_NONADJACENT, G_SINGLE, Anomaly
from trilemma.check.elle.commits import UNTOLD, Clash, Way
from trilemma.check.elle.graph import PROCESS, REALTIME, RW, THROUGH, WR, WW, Graph
from trilemma.check.elle.rings import Ring
from trilemma.check.elle.transaction import Transaction, show
from trilemma.check.elle.versions import Key


def explain(graph: Graph, ring: Ring) -> Anomaly:
    """Return a ring as an anomaly, told step by step."""
    numbers = [node for node in ring.nodes if graph.is_transaction(node)]
    labels = {number: f"T{place}" for place, number in enumerate(sorted(set(numbers)), start=1)}
    sentences = []
    for (one, other), kind in zip(_pairs(numbers), _kinds(graph, ring), strict=True):
        first, second = graph.transactions[one], graph.transactions[other]
        sentences.append(_step(graph, first, second, kind, labels[one], labels[other]))
    sentences.append("so that none of them can be the first")
    operations = tuple(graph.transactions[number].operation for number in labels)
    return Anomaly(ring.name, "; ".join(sentences), operations)


def explain_clash(graph: Graph, clash: Clash, variant: str) -> Anomaly:
    """Return as an anomaly that two appends which nobody saw cannot have come in either order.

    Args:
        variant: what the name of the anomaly ends in.
    """
    numbers = sorted(number for number in clash.nodes if graph.is_transaction(number))
    labels = {number: f"T{place}" for place, number in enumerate(numbers, start=1)}
    one, other = labels[clash.one], labels[clash.other]
    both = f"{one} and {other} both appended to {clash.key!r}, and nobody read which of them was the first"
    if clash.ways:
        behind, before = ("; ".join(_walk(graph, way, labels)) for way in clash.ways)
        reason = f"{both}; if {one} was: {behind}; if {other} was: {before}; so that neither can have been"
    else:
        reason = f"{both}; whatever the order of such appends of these transactions, they form a ring"
    is_single = clash.ways and all(way.kinds.count(RW) <= 1 for way in clash.ways)
    name = (G_SINGLE if is_single else G_NONADJACENT) + variant
    return Anomaly(name, reason, tuple(graph.transactions[number].operation for number in numbers))


def _walk(graph: Graph, way: Way, labels: dict[int, str]) -> Iterator[str]:
    """Tell the steps of a way that is no ring."""
    numbers = [node for node in way.nodes if graph.is_transaction(node)]
    kinds = [
        kind for node, kind in zip(way.nodes, way.kinds, strict=False) if graph.is_transaction(node) and kind != THROUGH
    ]
    for one, other, kind in zip(numbers, numbers[1:], kinds, strict=False):
        first, second = graph.transactions[one], graph.transactions[other]
        yield _step(graph, first, second, kind, labels[one], labels[other])


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers, [*numbers[1:], *numbers[:1]], strict=True))


def _kinds(graph: Graph, ring: Ring) -> list[int]:
    """Return the kind of each step from one transaction to the next: what leads through other nodes is of one kind."""
    return [
        kind
        for node, kind in zip(ring.nodes, ring.kinds, strict=True)
        if graph.is_transaction(node) and kind != THROUGH
    ]


def _step(graph: Graph, first: Transaction, second: Transaction, kind: int, one: str, other: str) -> str:
    if kind == PROCESS:
        because = f"{one} came before {other} in process {first.operation.process}"
    elif kind == REALTIME:
        because = f"{one} was over before {other} began"
    elif kind == UNTOLD:
        key = next(name for name in graph.unseen_by[first.number] if name in graph.unseen_by[second.number])
        because = f"{one} and {other} both appended to {key!r}, and {other} cannot have been the first"
    else:
        because = _data_step(graph, first, second, kind, one, other)
    return f"{because}, so {one} must come before {other}"


def _data_step(graph: Graph, first: Transaction, second: Transaction, kind: int, one: str, other: str) -> str:
    """Find by which key the one depends on the other, and say how."""
    for name in dict.fromkeys([*first.appends, *(read.key for read in first.reads)]):
        key = graph.versions.keys[name]
        if not key.has_order:
            continue
        said = ""
        if kind == WW and name in second.appends:
            said = _appended(key, first, second, one, other)
        elif kind == WR:
            said = _was_read(key, first, second, one, other)
        elif kind == RW and name in second.appends:
            said = _missed(key, first, second, one, other)
        if said:
            return said
    return f"{other} depends on {one}"


def _places(key: Key, transaction: Transaction) -> list[int]:
    """Return where in the order the elements of a transaction stand; the end for those that nobody saw."""
    own = set(transaction.appends.get(key.name, ()))
    places = [place for place, element in enumerate(key.order) if element in own]
    return places + [len(key.order)] * (len(own) > len(places))


def _element(key: Key, transaction: Transaction, place: int) -> Hashable:
    if place < len(key.order):
        return key.order[place]
    return next(element for element in transaction.appends[key.name] if element not in key.seen)


def _appended(key: Key, first: Transaction, second: Transaction, one: str, other: str) -> str:
    for place in _places(key, second):
        if place and place - 1 in _places(key, first):
            before, after = key.order[place - 1], _element(key, second, place)
            next_one = "right after it" if place < len(key.order) else "after all that was ever read"
            return f"{one} appended {before!r} to {key.name!r} and {other} appended {after!r} {next_one}"
    return ""


def _was_read(key: Key, first: Transaction, second: Transaction, one: str, other: str) -> str:
    places = _places(key, first)
    for read in second.reads:
        if read.key == key.name and read.outside and read.outside - 1 in places:
            element = key.order[read.outside - 1]
            return f"{one} appended {element!r} to {key.name!r} and {other} read {show(read.shown[: read.outside])}"
    return ""


def _missed(key: Key, first: Transaction, second: Transaction, one: str, other: str) -> str:
    places = _places(key, second)
    for read in first.reads:
        if read.key == key.name and read.outside is not None and read.outside in places:
            element = _element(key, second, read.outside)
            shown = show(read.shown[: read.outside])
            return f"{one} read {shown} of {key.name!r} without {element!r}, which {other} appended"
    return ""
