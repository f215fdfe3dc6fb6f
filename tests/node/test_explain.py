"""CAP EXPLAIN warns of what a command does not give on its keyspace's mode."""

from typing import Any

import pytest

from stage import Stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def warned(stage: Stage, *words: str) -> list[str]:
    receipt: Any = stage.ask(2, "CAP", "EXPLAIN", *words).reply[1]
    told = dict(zip(receipt[::2], receipt[1::2], strict=True))
    return [text.decode().partition(":")[0] for text in told[b"warnings"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("SETNX", "shop:lock", "1"), ["lock-on-ap", "blind-retry-on-ap"]),
        (("SET", "shop:lock", "1", "NX", "PX", "100"), ["lock-on-ap"]),
        (("INCR", "shop:n"), ["unique-id-on-ap", "blind-retry-on-ap"]),
        (("APPEND", "shop:text", "x"), ["whole-value-on-ap", "blind-retry-on-ap"]),
        (("GET", "shop:n"), []),
        (("SETNX", "bank:lock", "1"), ["endless-lock", "blind-retry"]),
        (("SET", "bank:lock", "1", "NX", "PX", "100"), ["lock-without-fencing"]),
        (("SET", "bank:lock", "1"), []),
        (("INCR", "site:n"), ["blind-retry"]),
        (("GET", "bank:n"), []),
    ],
)
def test_a_receipt_holds_the_warnings_of_the_keyspaces_mode(
    stage: Stage, words: tuple[str, ...], expected: list[str]
) -> None:
    assert warned(stage, *words) == expected


def test_a_warning_gives_the_reason_and_the_safe_way(stage: Stage) -> None:
    receipt: Any = stage.ask(1, "CAP", "EXPLAIN", "INCR", "bank:n").reply[1]
    (text,) = dict(zip(receipt[::2], receipt[1::2], strict=True))[b"warnings"]
    assert b"sent again it happens twice" in text
    assert b"CAP ONCE token" in text
