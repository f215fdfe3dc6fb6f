"""Random sequences of commands that a node answers as redis-server does, per mode of the keyspace they go to."""

from hypothesis import strategies as st

from command_strategies import MISUSED, PLAIN, UNKNOWN, command, key, word

MODES = ["cp", "ca", "ap"]
COMMANDS_MIN, COMMANDS_MAX = 30, 90
PASSWORDS_MAX = 5
"""A sequence has no more wrong passwords: who gives too many is cut off."""

Words = list[bytes]

SUMMANDS = [b"0", b"1", b"-3", b"100", b"1.5", b"3.14", b"-0.1", b"1e3", b"0x10", b"nan", b"inf", b"x", b"", b" 5"]
BEFORE_A_SUM = [
    b"del", b"set 10", b"set 3.14", b"set -0.1", b"set 007", b"set hello", b"set 1 ex 5000", b"set 0x10",
    b"set 4294967296",
]  # fmt: skip


def _set_before(drawn: tuple[bytes, bytes, bytes, bytes]) -> list[Words]:
    name, found, summand, before = drawn
    first, *rest = before.split()
    return [[first, found, *rest], [name, found, summand]]


sum_on_ap = st.tuples(word("incrbyfloat"), key, st.sampled_from(SUMMANDS), st.sampled_from(BEFORE_A_SUM)).map(
    _set_before
)
"""On `ap` sums are exact and are rounded as they are shown. So there is one addition to what was set just before."""

drawn_key = command("randomkey").map(lambda words: [words, [b"KEYS", b"*"]])
"""What is drawn has to be among the keys that there are."""

SPECIAL = {"randomkey": drawn_key}
SPECIAL_ON_AP = {**SPECIAL, "incrbyfloat": sum_on_ap}


def sequences(mode: str) -> st.SearchStrategy[list[Words]]:
    """Return sequences for a node whose only keyspace has a mode."""
    special = SPECIAL_ON_AP if mode == "ap" else SPECIAL
    single = st.one_of(
        [
            *(strategy for name, strategy in PLAIN.items() if name not in special),
            UNKNOWN,
            st.sampled_from(MISUSED),
            st.sampled_from(MISUSED),
        ]
    )
    step = st.one_of(single.map(lambda words: [words]), *special.values())
    return st.lists(step, min_size=COMMANDS_MIN, max_size=COMMANDS_MAX).map(_flat)


def _flat(steps: list[list[Words]]) -> list[Words]:
    flat, passwords = [], 0
    for words in (words for step in steps for words in step):
        passwords += words[0].lower() in (b"auth", b"hello")
        if passwords <= PASSWORDS_MAX or words[0].lower() not in (b"auth", b"hello"):
            flat.append(words)
    return flat
