"""`trilemma status` is readable at 80 columns and at 120: no word is broken, no line is longer than the window."""

from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from trilemma.base.sentence_field import escaped
from trilemma.cli import status
from trilemma.cli.status_table import status_table

REASON = "n3 reaches 1 of 3 replicas; needs 2"
MODES = {"default": "cp", "bank": "cp", "shop": "ap", "customer_sessions": "ca"}


def node(number: int, size: int, away: int = 0) -> dict[str, Any]:
    """What one node says; `away` of the others are out of its reach."""
    peers = [f"n{peer}" for peer in range(1, size + 1) if peer != number]
    replication: dict[str, Any] = {"role": "master"}
    lag: dict[str, int] = {}
    for place, (name, mode) in enumerate(MODES.items(), 1):
        held = {"vector": " ".join(f"{peer}:{12_345 * peer}" for peer in range(1, size + 1))}
        replication[f"shard{place}"] = {"keyspace": name} | (
            held if mode == "ap" else {"leader": "n1", "applied_index": 1_234_567}
        )
        lag |= {f"shard{place}_{peer}": 40 * place for peer in peers if mode == "ap"}
    return {
        "address": f"127.0.0.1:{17_000 + number}",
        "process": "running",
        "answers": True,
        "links": {peer: "down" if index < away else "up" for index, peer in enumerate(peers)},
        "keyspaces": {
            name: {"mode": mode} | ({"state": "down", "why": REASON} if away else {"state": "up"})
            for name, mode in MODES.items()
        },
        "replication": replication,
        "lag": lag,
    }


def cluster(size: int) -> dict[str, Any]:
    nodes = {f"n{number}": node(number, size, size - 1 if number == 3 else 0) for number in range(1, size + 1)}
    nodes["n2"] = {"address": "127.0.0.1:17002", "process": "down (exit -9)", "answers": False, "why": "refused"}
    return {"dir": "/home/somebody/a-directory-with-a-name/trilemma-cluster", "nodes": nodes}


def shown(found: dict[str, Any], width: int) -> str:
    file = StringIO()
    Console(file=file, width=width, highlight=False, emoji=False).print(status_table(found))
    return file.getvalue()


def words(found: dict[str, Any]) -> set[str]:
    """All that has to be seen whole."""
    named = {"node", "clients", "process", "links", "keyspace", "mode", "state", "leader", "applied", "lag"}
    named |= {"1234567", "down", "up", found["dir"], *MODES, *MODES.values(), *REASON.split(), "answer", "(exit"}
    for name, facts in found["nodes"].items():
        named |= {name, facts["address"]}
        for peer, state in facts.get("links", {}).items():
            named.add(f"{peer}{'✓' if state == 'up' else '✗'}")
        for shard in facts.get("replication", {}).values():
            named |= set(shard.get("vector", "").split()) if isinstance(shard, dict) else set()
        named |= {f"{key.partition('_')[2]}:{behind}" for key, behind in facts.get("lag", {}).items()}
    return named


@pytest.mark.parametrize("size", [3, 5, 9])
@pytest.mark.parametrize("width", [80, 120])
def test_no_word_is_broken_and_no_line_is_too_long(size: int, width: int) -> None:
    found = cluster(size)
    text = shown(found, width)
    assert max(map(len, text.splitlines())) <= width
    seen = set(text.replace("│", " ").replace("┃", " ").replace(",", "").replace(":\n", "\n").split())
    assert not words(found) - seen, text


def test_three_nodes_take_one_line_each_where_there_is_room() -> None:
    text = shown(cluster(3), 120)
    assert len([line for line in text.splitlines() if "1234567" in line]) == 6
    assert len([line for line in text.splitlines() if "1:12345 2:24690 3:37035" in line]) == 2


def test_a_long_name_of_a_keyspace_is_shortened_not_broken() -> None:
    found = cluster(3)
    for facts in found["nodes"].values():
        if facts["answers"]:
            facts["keyspaces"] = {"k" * 64: facts["keyspaces"]["bank"]} | facts["keyspaces"]
            facts["replication"]["shard9"] = {"keyspace": "k" * 64, "leader": "n1", "applied_index": 7}
    text = shown(found, 80)
    assert max(map(len, text.splitlines()[:-2])) <= 80
    assert "kkk…" in text
    assert {"1234567", "1:12345", "down", "n1:120"} <= set(text.replace("│", " ").split())


def test_why_a_node_refuses_is_a_line_of_its_own() -> None:
    found = cluster(3)
    found["nodes"]["n3"]["keyspaces"]["default"] |= {"state": "read_only", "why": "disk full on n3"}
    lines = shown(found, 120).splitlines()
    assert "n3 refuses writes for default: disk full on n3" in lines
    assert f"n3 refuses requests for bank, shop, customer_sessions: {REASON}" in lines


def test_who_has_not_said_yet_how_far_it_is_has_a_question_mark_not_a_number() -> None:
    found = cluster(3)
    found["nodes"]["n1"]["lag"] |= {"shard1_n2": 0, "shard1_n3": "unknown"}
    assert "n3:?" in shown(found, 80).replace("│", " ").split()


def test_what_a_node_gives_as_a_reason_is_shown_as_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "n3 reaches 1 of 3 replicas, needs 2"

    class Client:
        def info(self, _section: str) -> dict[str, dict[str, str]]:
            return {"bank": {"state": "down", "why": escaped(reason)}}

    monkeypatch.setattr(status, "own_client", lambda *_, **__: nullcontext(Client()))
    told = status._ask_node(tmp_path, "n3", "127.0.0.1:7003")
    assert told["keyspaces"]["bank"]["why"] == told["peers"]["bank"]["why"] == reason
