"""What `trilemma status` shows: a table of nodes, one of keyspaces, why a node is out, or refuses. Knows no cluster.

Readable at 80 columns: no word is broken, save that a long keyspace name ends in an ellipsis.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trilemma.node.information import UNKNOWN

NODE_COLUMNS = ("node", "clients", "process", "links")
METRICS_COLUMN = "metrics"
KEYSPACE_COLUMNS = ("keyspace", "mode", "node", "state", "leader", "applied", "lag")
WRAPPED = ("links", "applied", "lag")
"""Columns of several words, which may take several lines; the others take one."""

SHORTENED = "keyspace"
SHORTENED_TO = 18
"""How many characters of a keyspace's name are shown at least."""

FRAME = 3
"""What the frame takes of a line for each column: a stroke and two blanks."""

Row = tuple[str, ...]


def status_table(found: dict[str, Any]) -> RenderableType:
    """Return what is known of a cluster, as `gather` found it, for printing."""
    nodes: dict[str, Any] = found["nodes"]
    shown: list[RenderableType] = [Text(f"cluster in {found['dir']}", no_wrap=True, overflow="ignore")]
    shown.append(_nodes(nodes))
    answering = {name: node for name, node in nodes.items() if node["answers"]}
    keyspaces = list(dict.fromkeys(keyspace for node in answering.values() for keyspace in node["keyspaces"]))
    if keyspaces:
        shown.append(_Fitted(KEYSPACE_COLUMNS, [list(_replicas(answering, keyspace)) for keyspace in keyspaces]))
    lines = (*_gone(nodes), *_kept_out(answering), *_refusals(answering))
    shown += [Text(line, style="red") for line in lines]
    return Group(*shown)


class _Fitted:
    """A table that knows how wide its columns have to be: whole words first, then whole lines while there is room."""

    def __init__(self, columns: Row, sections: list[list[Row]]) -> None:
        self._columns = columns
        self._sections = sections

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table for the room there is."""
        table = Table()
        for column, width in zip(self._columns, self._widths(options.max_width), strict=True):
            is_wrapped = column in WRAPPED
            table.add_column(column, width=width, no_wrap=not is_wrapped, overflow="fold" if is_wrapped else "ellipsis")
        for rows in self._sections:
            for row in rows:
                table.add_row(*row)
            table.add_section()
        yield table

    def _widths(self, room: int) -> list[int]:
        cells = [
            [column, *(Text.from_markup(row[position], emoji=False).plain for rows in self._sections for row in rows)]
            for position, column in enumerate(self._columns)
        ]
        wanted = [max(map(len, texts)) for texts in cells]
        widths = list(wanted)
        for position, column in enumerate(self._columns):
            if column in WRAPPED:
                widths[position] = max(len(word) for text in cells[position] for word in text.split(" "))
            elif column == SHORTENED:
                widths[position] = min(wanted[position], SHORTENED_TO)
        left = room - sum(widths) - len(widths) * FRAME - 1
        for position, width in enumerate(widths):
            more = max(min(wanted[position] - width, left), 0)
            widths[position] += more
            left -= more
        return widths


def _nodes(nodes: dict[str, Any]) -> _Fitted:
    """Return the table of nodes; the ports of /metrics stand in it where any node has one."""
    rows = [_node(name, node) for name, node in nodes.items()]
    ports = [(node.get("metrics") or "-").rpartition(":")[2] for node in nodes.values()]
    if set(ports) == {"-"}:
        return _Fitted(NODE_COLUMNS, [rows])
    with_port = [(*row[:-1], port, row[-1]) for row, port in zip(rows, ports, strict=True)]
    return _Fitted((*NODE_COLUMNS[:-1], METRICS_COLUMN, NODE_COLUMNS[-1]), [with_port])


def _node(name: str, node: dict[str, Any]) -> Row:
    if not node["answers"]:
        return name, node["address"], node["process"], "[red]no answer[/]"
    links = " ".join(f"{peer}{'✓' if state == 'up' else '✗'}" for peer, state in node["links"].items())
    return name, node["address"], node["process"], links


def _replicas(nodes: dict[str, Any], keyspace: str) -> Iterator[Row]:
    """Yield a row for each node that knows the keyspace; its name and mode stand in the first."""
    head = True
    for name, node in nodes.items():
        facts = node["keyspaces"].get(keyspace)
        if facts is None:
            continue
        place, shard = _shard(node, keyspace)
        yield (
            escape(keyspace) if head else "",
            str(facts["mode"]) if head else "",
            name,
            STATES.get(facts["state"], facts["state"]),
            str(shard.get("leader", "-")),
            str(shard.get("applied_index", shard.get("vector")) or "-"),
            _lag(node["lag"], place),
        )
        head = False


def _shard(node: dict[str, Any], keyspace: str) -> tuple[str, dict[str, Any]]:
    """Return the place of a keyspace's shard, and what the node says of its replica; nothing where it has none."""
    shards = ((place, shard) for place, shard in node["replication"].items() if isinstance(shard, dict))
    return next(((place, shard) for place, shard in shards if shard["keyspace"] == keyspace), ("", {}))


def _lag(lags: dict[str, int | str], place: str) -> str:
    """Return who lacks how many entries or batches, as a leader and every `ap` replica know it; `?`: not known yet."""
    told = ((key.removeprefix(f"{place}_"), lag) for key, lag in lags.items() if key.startswith(f"{place}_"))
    behind = {peer: "?" if lag == UNKNOWN else lag for peer, lag in told}
    return " ".join(f"{peer}:{lag}" for peer, lag in behind.items() if lag) or ("0" if behind else "-")


STATES = {
    "up": "[green]up[/]",
    "read_only": "[yellow]read_only[/]",
    "write_only": "[yellow]write_only[/]",
    "down": "[red]down[/]",
}

REFUSED = {"read_only": "writes", "write_only": "reads", "down": "requests"}
"""What is refused in a state."""


KEPT_OUT = {"refused": "is not taken in by", "refuses": "does not take in", "one_way": "has half a connection to"}
"""What is said of a node and its peers in a state of a connection that does not mend itself."""


def _gone(nodes: dict[str, Any]) -> Iterator[str]:
    """Yield what nodes that do not answer said last."""
    for name, node in nodes.items():
        if not node["answers"] and node.get("said"):
            yield f"{name}: {node['process']}; the last that it logged: {node['said']}"


def _kept_out(nodes: dict[str, Any]) -> Iterator[str]:
    for name, node in nodes.items():
        reasons: dict[tuple[str, str], list[str]] = {}
        for peer, facts in node.get("peers", {}).items():
            # Where the peer answers, it says itself by whom it is refused.
            if facts["state"] in KEPT_OUT and not (facts["state"] == "refuses" and peer in nodes):
                reasons.setdefault((facts["state"], facts["why"]), []).append(peer)
        for (state, reason), peers in reasons.items():
            yield f"{name} {KEPT_OUT[state]} {', '.join(peers)}: {reason}"


def _refusals(nodes: dict[str, Any]) -> Iterator[str]:
    for name, node in nodes.items():
        reasons: dict[tuple[str, str], list[str]] = {}
        for keyspace, facts in node["keyspaces"].items():
            if facts["state"] != "up":
                reasons.setdefault((facts["state"], str(facts["why"])), []).append(keyspace)
        for (state, reason), keyspaces in reasons.items():
            yield f"{name} refuses {REFUSED.get(state, 'requests')} for {', '.join(keyspaces)}: {reason}"
