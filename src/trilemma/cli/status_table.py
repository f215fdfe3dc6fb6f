"""What `trilemma status` shows: a table of nodes, one of keyspaces, and why a node refuses one. Knows no cluster.

Readable at 80 columns: no word is broken, save that a long keyspace name ends in an ellipsis.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

NODE_COLUMNS = ("node", "clients", "process", "links")
KEYSPACE_COLUMNS = ("keyspace", "mode", "node", "state", "leader", "applied", "lag")
WRAPPED = ("links", "applied", "lag")
"""Columns of several words, which may take several lines; the others take one."""

SHORTENED = "keyspace"
SHORTENED_TO = 18
"""How many characters of a keyspace's name are shown at least."""

Row = tuple[str, ...]


def status_table(found: dict[str, Any]) -> RenderableType:
    """Return what is known of a cluster, as `gather` found it, for printing."""
    nodes: dict[str, Any] = found["nodes"]
    shown: list[RenderableType] = [Text(f"cluster in {found['dir']}", no_wrap=True, overflow="ignore")]
    shown.append(_table(NODE_COLUMNS, [[_node(name, node) for name, node in nodes.items()]]))
    answering = {name: node for name, node in nodes.items() if node["answers"]}
    keyspaces = list(dict.fromkeys(keyspace for node in answering.values() for keyspace in node["keyspaces"]))
    if keyspaces:
        shown.append(_table(KEYSPACE_COLUMNS, [list(_replicas(answering, keyspace)) for keyspace in keyspaces]))
    shown += [Text(line, style="red") for line in _refusals(answering)]
    return Group(*shown)


def _table(columns: Row, sections: list[list[Row]]) -> Table:
    table = Table()
    for position, column in enumerate(columns):
        cells = [Text.from_markup(row[position]).plain for rows in sections for row in rows]
        longest = max((len(word) for cell in cells for word in cell.split(" ")), default=0)
        least = max(longest, len(column))
        table.add_column(
            column,
            no_wrap=column not in (*WRAPPED, SHORTENED),
            overflow="ellipsis" if column == SHORTENED else "fold",
            min_width=min(least, SHORTENED_TO) if column == SHORTENED else least,
        )
    for rows in sections:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


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
            "[green]up[/]" if facts["state"] == "up" else "[red]refuses[/]",
            str(shard.get("leader", "-")),
            str(shard.get("applied_index", shard.get("vector")) or "-"),
            _lag(node["lag"], place),
        )
        head = False


def _shard(node: dict[str, Any], keyspace: str) -> tuple[str, dict[str, Any]]:
    """Return the place of a keyspace's shard, and what the node says of its replica; nothing where it has none."""
    shards = ((place, shard) for place, shard in node["replication"].items() if isinstance(shard, dict))
    return next(((place, shard) for place, shard in shards if shard["keyspace"] == keyspace), ("", {}))


def _lag(lags: dict[str, int], place: str) -> str:
    """Return who lacks how many entries or batches, as a leader knows it, and every `ap` replica."""
    behind = {key.removeprefix(f"{place}_"): lag for key, lag in lags.items() if key.startswith(f"{place}_")}
    return " ".join(f"{peer}:{lag}" for peer, lag in behind.items() if lag) or ("0" if behind else "-")


def _refusals(nodes: dict[str, Any]) -> Iterator[str]:
    for name, node in nodes.items():
        reasons: dict[str, list[str]] = {}
        for keyspace, facts in node["keyspaces"].items():
            if facts["state"] != "up":
                reasons.setdefault(str(facts["state"]), []).append(keyspace)
        for reason, keyspaces in reasons.items():
            yield f"{name} refuses requests for {', '.join(keyspaces)}: {reason}"
