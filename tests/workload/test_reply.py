"""What a reply says about its command."""

from random import Random
from typing import Any

import pytest

import trilemma.cli.documents
from trilemma.base.errors import REGISTRY, Outcome
from trilemma.node import defect
from trilemma.workload.cas import CompareAndSets
from trilemma.workload.reply import TELLING, judge, judge_exec
from trilemma.workload.step import Step

assert trilemma.cli.documents, "which imports every part that registers errors"

EXEC_ERROR = "ERR EXEC without MULTI"


@pytest.mark.parametrize("name", ["defect", "defect_before", "defect_after"])
def test_a_command_that_a_defect_ended_may_have_been_carried_out(name: str) -> None:
    text = defect.refused([b"EXEC"], ValueError(), name).text
    assert judge(RuntimeError(text)).outcome == "info"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("CLUSTERDOWN why", "fail"),
        ("UNCERTAIN why", "info"),
        ("WRONGTYPE why", "ok"),
        ("ERR value is not an integer or out of range", "ok"),
        ("BUSY Redis is busy running a script.", "fail"),
        ("NOPERM this user has no permissions to run the 'set' command", "fail"),
        ("NOAUTH Authentication required.", "fail"),
        ("WRONGPASS invalid username-password pair", "fail"),
        ("ERR max number of clients reached", "fail"),
        ("ERR unknown command 'GETDEL'", "fail"),
    ],
)
def test_known_errors_say_whether_the_command_happened(text: str, outcome: str) -> None:
    assert judge(RuntimeError(text)).outcome == outcome


@pytest.mark.parametrize("text", ["ERR timed out", "ERR why", "PROXY upstream reset", "BUSYNESS", "", "ERR"])
def test_an_error_that_nobody_knows_leaves_open_whether_the_command_happened(text: str) -> None:
    assert judge(text).outcome == "info"


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=list(REGISTRY))
def test_no_error_of_this_store_is_read_as_more_than_its_registry_says(entry: Any) -> None:
    outcome = judge(entry.template).outcome
    if entry.outcome is not Outcome.NOTHING_HAPPENED:
        assert outcome == "info"
    if outcome == "ok":
        assert entry.template.startswith(TELLING)


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [
        ([b"OK", b"QUEUED", [b"OK"]], "ok"),
        ([b"OK", b"QUEUED", None], "fail"),
        ([b"OK", "NOPERM no set", "EXECABORT Transaction discarded because of previous errors."], "fail"),
        (["NOAUTH no"] * 3, "fail"),
        (["NOPERM no multi", "NOPERM no set", EXEC_ERROR], "fail"),
        (["NOPERM no multi", b"OK", EXEC_ERROR], "info"),
        (["NOPERM no multi", b"OK", None], "info"),
        (["NOPERM no multi", "ERR timed out", EXEC_ERROR], "info"),
        ([b"OK", b"OK", EXEC_ERROR], "info"),
        ([b"OK", b"QUEUED", "ERR timed out"], "info"),
        ([b"OK", b"QUEUED", b"OK"], "info"),
        ([b"OK", b"QUEUED", [b"OK", b"OK"]], "info"),
        ([b"OK", b"QUEUED", ["ERR timed out"]], "info"),
        ([b"OK", "ERR timed out", [b"OK"]], "info"),
        ([b"OK", b"QUEUED"], "info"),
        (["NOAUTH no"], "info"),
    ],
)
def test_a_transaction_failed_only_where_nothing_of_it_can_have_been_executed(replies: list[Any], outcome: str) -> None:
    assert judge_exec(replies, 3).outcome == outcome


@pytest.mark.parametrize("watched", ["NOPERM no watch", "ERR timed out", "WRONGTYPE", b"QUEUED"])
def test_a_compare_and_set_builds_on_no_look_whose_watch_was_refused(watched: Any) -> None:
    generator = CompareAndSets(Random(1), b"k:")
    refused, granted = look_of(generator, 1), look_of(generator, 2)
    assert generator.record(refused, [watched, b"1"]) == ("ok", b"1")
    assert generator.record(granted, [b"OK", b"1"]) == ("ok", b"1")
    assert generator.next(1).kind != "cas"
    assert generator.next(2).kind == "cas"


def look_of(generator: CompareAndSets, process: int) -> Step:
    return next(step for step in (generator.next(process) for _ in range(100)) if step.note)
