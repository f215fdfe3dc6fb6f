"""What a node says to commands of its own that cannot be carried out: each mistake has its sentence."""

import pytest

from stage import Stage
from trilemma.command.usage import written
from trilemma.keyspace.catalogue import KEYSPACE_IDS_MAX
from trilemma.keyspace.settings import Keyspace, Mode, make
from trilemma.node.config import Member, NodeConfig
from trilemma.resp.decode import decode_reply
from trilemma.resp.reply import Reply
from trilemma.sim.solo import SoloNode, request


@pytest.fixture(scope="module")
def solo() -> SoloNode:
    return SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode="ap"))


def ask(solo: SoloNode, *words: str | bytes) -> Reply:
    return decode_reply(solo.send(solo.connect(), request(*words)))


def said(solo: SoloNode, line: str) -> str:
    return solo.send(solo.connect(), request(*line.split())).decode()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("KEYSPACE CREATE x MODE ap SIBLINGS yes", "keyspace 'x': SIBLINGS is not built yet"),
        ("KEYSPACE CREATE x MODE cp SIBLINGS no", "keyspace 'x': SIBLINGS is not built yet"),
        ("KEYSPACE ALTER default SIBLINGS yes", "keyspace 'default': SIBLINGS is not built yet"),
        ("CAP SIBLINGS k", "SIBLINGS is not built yet"),
        ("KEYSPACE CREATE x MODE cp SHARDS 0", "keyspace 'x': SHARDS is at least 1"),
        ("KEYSPACE CREATE x MODE cp SHARDS -1", "keyspace 'x': SHARDS is at least 1"),
        ("KEYSPACE CREATE x MODE cp SHARDS 2", "keyspace 'x': SHARDS above 1 is not built yet"),
        ("KEYSPACE CREATE x MODE", "keyspace 'x': MODE has no value behind it"),
        ("KEYSPACE CREATE x MODE cp write", "keyspace 'x': WRITE has no value behind it"),
        ("KEYSPACE ALTER default", "keyspace 'default': ALTER names no setting: WRITE, READ, DURABILITY or TIMEOUT"),
        ("KEYSPACE ALTER default TIMEOUT", "keyspace 'default': TIMEOUT has no value behind it"),
        ("KEYSPACE CREATE x MODE cp COLOUR", "keyspace 'x': unknown option 'COLOUR'"),
        ("KEYSPACE CREATE x COLOUR red MODE", "keyspace 'x': unknown option 'COLOUR'"),
        ("KEYSPACE CREATE x MODE cp MODE ap", "keyspace 'x': MODE is given twice"),
        ("KEYSPACE ALTER default timeout 50 TIMEOUT 50", "keyspace 'default': TIMEOUT is given twice"),
        ("KEYSPACE CREATE x REPLICAS 1", "keyspace 'x': MODE must be given: cp, ap or ca"),
        ("KEYSPACE CREATE x MODE xp", "keyspace 'x': MODE is cp, ap or ca, not 'xp'"),
        ("KEYSPACE CREATE x MODE cp TIMEOUT abc", "keyspace 'x': TIMEOUT is in ms, 10 to 600000, not 'abc'"),
        ("KEYSPACE ALTER default TIMEOUT abc", "keyspace 'default': TIMEOUT is in ms, 10 to 600000, not 'abc'"),
        ("KEYSPACE ALTER default TIMEOUT 9", "keyspace 'default': TIMEOUT is in ms, 10 to 600000, not '9'"),
        (
            "KEYSPACE CREATE x MODE cp REPLICAS two",
            "keyspace 'x': REPLICAS is from 1 to the number of nodes, not 'two'",
        ),
        ("KEYSPACE CREATE x MODE cp REPLICAS 2", "keyspace 'x': REPLICAS is 1 to 1, the number of nodes, not '2'"),
        ("KEYSPACE CREATE x MODE cp SHARDS one", "keyspace 'x': SHARDS is 1, not 'one'"),
        ("KEYSPACE CREATE x MODE cp WRITE 1", "keyspace 'x': WRITE on cp is majority or all, not '1': fewer could"),
        ("KEYSPACE CREATE x MODE ca WRITE 1", "keyspace 'x': WRITE on ca is all, not '1': its replicas answer reads"),
        ("KEYSPACE CREATE x MODE ap WRITE abc", "keyspace 'x': WRITE on ap is 1 to 1, majority or all, not 'abc'"),
        ("KEYSPACE CREATE x MODE cp READ abc", "keyspace 'x': READ on cp is linearizable, lease or local, not 'abc'"),
        ("KEYSPACE CREATE x MODE ca READ abc", "keyspace 'x': READ on ca is local, not 'abc'; use cp for other reads"),
        ("KEYSPACE ALTER default READ abc", "keyspace 'default': READ on ap is 1 to 1, majority or all, not 'abc'"),
        ("KEYSPACE ALTER default DURABILITY abc", "keyspace 'default': DURABILITY is sync or everysec, not 'abc'"),
        (
            f"KEYSPACE ALTER default WRITE {'x' * 99}",
            f"keyspace 'default': WRITE on ap is 1 to 1, majority or all, not '{'x' * 40}…'",
        ),
        ("KEYSPACE CREATE _system MODE cp", "'_system' is the nodes' own keyspace"),
        ("KEYSPACE ALTER _system TIMEOUT 500", "'_system' is the nodes' own keyspace"),
        ("KEYSPACE DROP _system", "'_system' is the nodes' own keyspace"),
        ("KEYSPACE LEAD _system n1", "'_system' is the nodes' own keyspace"),
        ("CAP DIGEST nope", "no keyspace 'nope'"),
        ("CAP DIGEST default nope", "no keyspace 'nope'"),
    ],
)
def test_a_mistake_is_told_by_its_name(solo: SoloNode, line: str, sentence: str) -> None:
    assert said(solo, line).startswith(f"-ERR {sentence}")
    assert ask(solo, "KEYSPACE", "LIST") == [b"default"]


def test_a_digest_is_still_given_of_the_keyspaces_that_there_are(solo: SoloNode) -> None:
    rows = ask(solo, "CAP", "DIGEST", "default")
    assert isinstance(rows, list)
    assert [row[0] for row in rows if isinstance(row, list)] == [b"default"]


def test_a_token_with_something_behind_it_is_none(solo: SoloNode) -> None:
    assert said(solo, "SET k v") == "+OK\r\n"
    token = ask(solo, "CAP", "TOKEN")
    assert isinstance(token, bytes)
    assert said(solo, f"CAP WAIT {token.decode()}") == "+OK\r\n"
    for tail in (b"garbage", b"=", b"====", b"%%%", b"AAAA", b" ", b"\n", b"\xff", b"."):
        reply = solo.send(solo.connect(), request("CAP", "WAIT", token + tail))
        assert reply == b"-ERR that is no token of CAP TOKEN\r\n", tail


def help_text(solo: SoloNode) -> str:
    return "\n".join(line.removeprefix("+") for line in said(solo, "KEYSPACE HELP").splitlines()[1:])


def test_help_lists_every_setting(solo: SoloNode) -> None:
    text = help_text(solo)
    for option in ("MODE", "REPLICAS", "SHARDS", "WRITE", "READ", "DURABILITY", "TIMEOUT", "SIBLINGS"):
        assert f"\n    {option} " in text


@pytest.mark.parametrize("mode", Mode)
def test_help_names_the_defaults_of_every_mode(solo: SoloNode, mode: Mode) -> None:
    known: Keyspace = make(2, "x", mode, (1, 2, 3))
    write, _, read = help_text(solo).partition("WRITE <count>")[2].partition("READ <what>")
    for value, part in ((known.write, write), (known.read, read)):
        of_mode = part.partition(f"{mode.value}: ")[2].partition(". ")[0].partition("\n")[0]
        assert value in of_mode.rstrip(".").replace(",", "").split()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("bank n9", "no node 'n9': the nodes are n1, n2, n3"),
        ("shop n1", "nobody leads keyspace 'shop': on ap every replica takes writes"),
        ("pair n3", "n3 cannot lead keyspace 'pair': its replicas are on n1 and n2"),
        ("nope n1", "no keyspace 'nope'"),
    ],
)
def test_who_cannot_lead_is_told_why(stage: Stage, words: str, sentence: str) -> None:
    for node in (1, 3):
        assert stage.ask(node, "KEYSPACE", "LEAD", *words.split()).reply == f"ERR {sentence}"


@pytest.fixture(scope="module")
def stage() -> Stage:
    stage = Stage()
    assert stage.ask(1, "KEYSPACE", "CREATE", "pair", "MODE", "cp", "REPLICAS", "2").reply == b"OK"
    return stage


def test_the_usage_of_alter_names_only_what_can_be_altered() -> None:
    assert {"WRITE", "READ", "DURABILITY", "TIMEOUT"} <= set(written("keyspace|alter").replace("[", "").split())
    assert "REPLICAS" not in written("keyspace|alter")
    assert "REPLICAS" in written("keyspace|create")


def test_a_cluster_whose_ids_are_used_up_says_so() -> None:
    solo = SoloNode()
    solo.node._system.catalogue._state.next_id = KEYSPACE_IDS_MAX + 1
    assert said(solo, "KEYSPACE CREATE over MODE cp") == (
        "-ERR keyspace 'over': no ids are left for further keyspaces; nothing was changed\r\n"
    )
