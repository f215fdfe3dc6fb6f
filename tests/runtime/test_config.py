"""The configuration file: what it says, what it refuses, and with which sentence."""

from pathlib import Path

import pytest

from trilemma.node.config import Member, Timing
from trilemma.runtime.config import ConfigError, load, options, parse
from trilemma.runtime.example import EXAMPLE
from trilemma.runtime.timing import LEASE_PER_MARGIN_MAX

GOOD = """
name = "n2"
dir = "/data/n2"
cluster_id = "c1"
secret = "0123456789abcdef"

[[members]]
id = 1
name = "n1"
address = "127.0.0.1:7001"
peer_address = "127.0.0.1:17001"

[[members]]
id = 2
name = "n2"
address = "[::1]:7002"
peer_address = "[::1]:17002"
"""


def test_a_file_becomes_what_the_node_is_told() -> None:
    config = parse(GOOD.replace("[[members]]", 'default_mode = "ap"\nlab = true\n[[members]]', 1))
    told = config.node_config("disk", 3)
    assert (told.cluster_id, told.node_id, told.name, told.disk_id, told.starts) == ("c1", 2, "n2", "disk", 3)
    assert told.members[0] == Member(1, "n1", "127.0.0.1:7001", "127.0.0.1:17001")
    assert (told.default_mode, told.lab, told.protected_mode, told.timing) == ("ap", True, True, Timing())


@pytest.mark.parametrize(
    ("options", "mebibytes"),
    [("", 128), ("disk_reserve_bytes = 0\n", 32), (f"segment_bytes = {200 << 20}\n", 216)],
)
def test_the_reserve_on_the_disk_has_room_for_the_next_segment(options: str, mebibytes: int) -> None:
    assert parse(options + GOOD).reserve_bytes == mebibytes << 20


def test_times_are_given_in_milliseconds() -> None:
    told = parse(GOOD + "[timing]\nheartbeat_ms = 20\nlease_ms = 250\n").node_config("d", 1)
    assert (told.timing.heartbeat_us, told.timing.lease_us) == (20_000, 250_000)
    assert told.timing.link_timeout_us == Timing().link_timeout_us


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "n2"\ndir', "dir", "option 'name' is missing$"),
        ('cluster_id = "c1"', 'cluster_id = "c1"\nclustre = 1', "there is no option 'clustre'$"),
        ("id = 2", "id = 2\nport = 1", r"no option 'port' in members\[1\]; options of the top level stand before"),
        ('name = "n2"\ndir', 'name = "n9"\ndir', "name is 'n9', but the members are n1, n2"),
        ("id = 2", "id = 1", "two members have the same id: 1"),
        ('name = "n1"', 'name = "n2"', "two members have the same name: n2"),
        ("[::1]:7002", "127.0.0.1:7001", "two members have the same address"),
        ('name = "n1"', 'name = "n 1"', r"members\[0\].name': expected a name of 1 to 64 letters, digits"),
        ('"127.0.0.1:7001"', '"127.0.0.1"', "'127.0.0.1' is no address of the form host:port"),
        ('"127.0.0.1:7001"', '"127.0.0.1:70010"', "no address"),
        ('"127.0.0.1:7001"', '"127.0.0.1:0"', "n1: port 0 is for this node's own addresses only"),
        ("secret =", "#", "set either secret or secret_file"),
        ("secret =", 'secret_file = "s"\nsecret =', "set either secret or secret_file"),
        ('dir = "/data/n2"', 'dir = "/d"\nsegment_bytes = 10', "segment_bytes is 10"),
        ('dir = "/data/n2"', 'dir = "/d"\noutput_bytes_max = 2000', "output_pause_bytes is greater"),
        ('dir = "/data/n2"', 'dir = "/d"\ndefault_mode = "xp"', "option 'default_mode' is ap, ca or cp, not 'xp'"),
        (
            'dir = "/data/n2"',
            'dir = "/d"\nmaxclients = "many"',
            "option 'maxclients': expected a whole number, got a text",
        ),
        ('dir = "/data/n2"', "dir = ", "no TOML"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=sentence):
        parse(GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("timing", "sentence"),
    [
        ("heartbeat_ms = 200", "link_timeout_ms must be at least 3 times timing.heartbeat_ms"),
        ("heartbeat_ms = 10\nlink_timeout_ms = 5121", "link_timeout_ms must be at most 5120"),
        ("election_timeout_min_ms = 600", "election_timeout_min_ms must be below"),
        ("election_timeout_min_ms = 239", "election_timeout_min_ms must be at least 3 times timing.heartbeat_ms"),
        ("margin_ms = 161", "lease_ms must be at least timing.margin_ms and 3 times timing.heartbeat_ms"),
        ("margin_ms = 500", "lease_ms must be at least timing.margin_ms and 3 times timing.heartbeat_ms"),
        ("margin_ms = 49", "margin_ms must be at least timing.lease_ms / 8"),
        ("lease_ms = 501", "lease_ms and timing.margin_ms are 601 ms together, .* at most timing.election_timeout_max"),
        ("lease_ms = 5000\nmargin_ms = 700", "5700 ms together"),
        ("lease_ms = 0", "expected a whole number >= 1"),
    ],
)
def test_times_that_do_not_fit_together_are_refused(timing: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse(f"{GOOD}[timing]\n{timing}\n")


@pytest.mark.parametrize(
    "timing",
    [
        "heartbeat_ms = 133",
        "heartbeat_ms = 10\nlink_timeout_ms = 5120",
        "election_timeout_min_ms = 240",
        "margin_ms = 160",
        "margin_ms = 50",
        "lease_ms = 500",
        "lease_ms = 2000\nmargin_ms = 250\nelection_timeout_max_ms = 2250",
    ],
)
def test_times_at_the_very_bound_are_taken(timing: str) -> None:
    if "heartbeat_ms = 133" in timing:
        timing += "\nelection_timeout_min_ms = 399\nlease_ms = 499"
    parse(f"{GOOD}[timing]\n{timing}\n")


def test_the_margin_covers_clocks_that_run_apart_by_five_percent() -> None:
    lease = 1.0
    for margin, is_enough in ((1 / LEASE_PER_MARGIN_MAX, True), (1 / 10, False)):
        assert (lease / 0.95 <= (lease + margin) / 1.05) == is_enough
        if is_enough:
            assert (lease - margin) / 0.95 <= lease / 1.05


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[::1]:17002", "[::1]:7002", r"n2's address and n2's peer_address are both \[::1\]:7002"),
        ("127.0.0.1:17001", "127.0.0.1:7001", "n1's address and n1's peer_address are both 127.0.0.1:7001"),
        ("[::1]:7002", "127.0.0.1:17001", "n1's peer_address and n2's address are both 127.0.0.1:17001"),
        ("[::1]:17002", "127.0.0.1:07001", "n1's address and n2's peer_address are both 127.0.0.1:07001"),
        ('"[::1]:17002"', '"127.0.0.1:7002"', "with bind, address and peer_address need two ports; both have 7002"),
        ("secret =", "metrics_port = 7002\nsecret =", "metrics_port is 7002, the port of n2's address"),
        ("secret =", "metrics_port = 17002\nsecret =", "metrics_port is 17002, the port of n2's peer_address"),
    ],
)
def test_no_two_sockets_share_an_address(old: str, new: str, sentence: str) -> None:
    text = GOOD.replace("secret =", 'bind = "::"\nsecret =') if "bind" in sentence else GOOD
    assert old in text
    with pytest.raises(ConfigError, match=sentence):
        parse(text.replace(old, new, 1))


def test_port_zero_is_any_free_one_for_both_sockets() -> None:
    text = GOOD.replace("[::1]:7002", "127.0.0.1:0").replace("[::1]:17002", "127.0.0.1:0")
    assert parse(text.replace("secret =", 'bind = "127.0.0.1"\nsecret =')).me.peer_address == "127.0.0.1:0"


def test_a_secret_comes_from_its_file_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"a secret of enough bytes\n")
    config = parse(GOOD.replace('secret = "0123456789abcdef"', f'secret_file = "{file}"'))
    assert config.read_secret() == b"a secret of enough bytes"
    file.write_bytes(b"short\n")
    with pytest.raises(ConfigError, match="the cluster's secret has 5 bytes; it needs at least 16"):
        config.read_secret()
    file.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        config.read_secret()


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")
    file = tmp_path / "n2.toml"
    file.write_text("name = 1")
    with pytest.raises(ConfigError, match=r"n2\.toml: option '.*': expected a text in quotes"):
        load(file)
    file.write_text(GOOD)
    assert load(file).me.id == 2


def test_every_option_is_documented_with_its_default() -> None:
    table = {(option.table, option.name): option for option in options()}
    assert all(option.description and option.type for option in table.values())
    assert table["", "name"].default is None
    assert table["", "protected_mode"].default == "true"
    assert table["[timing]", "heartbeat_ms"].default == "80"
    assert table["[[members]]", "peer_address"].default is None


def test_the_example_for_machines_of_ones_own_is_a_configuration_of_each_of_them() -> None:
    for name in ("n1", "n2", "n3"):
        config = parse(EXAMPLE.replace('name = "n1"', f'name = "{name}"', 1))
        assert (config.me.name, len(config.members)) == (name, 3)
        assert config.requirepass, "with neither password nor protected_mode = false, clients elsewhere are not served"
