"""A few schedules of each mode, and that a planted bug is found: the campaigns themselves are commands of their own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trilemma.node.machine import Node
from trilemma.replication.raft import replication
from trilemma.sim.bounds import ALL, TIGHT_ALONE, tightened
from trilemma.sim.campaign import judge, run_seed
from trilemma.sim.hunt import append_hunt, hunt, known_hunts, table
from trilemma.sim.mutants import MUTANTS, planted
from trilemma.sim.options import FAULTS, SLOW_SYNC_US, draw
from trilemma.sim.outcome import Outcome
from trilemma.sim.run import run_schedule


@pytest.mark.parametrize("mode", ["cp", "ca", "ap"])
def test_schedules_keep_every_promise_of_their_mode(mode: str) -> None:
    findings = [run_seed(seed, mode, 0) for seed in range(5)]
    assert [finding.text for finding in findings if finding.verdict not in ("clean", "vacuous")] == []
    assert sum(finding.verdict == "clean" for finding in findings) >= 3


@pytest.mark.parametrize(
    "missing",
    [{"operations": 299}, {"ok_reads": 0}, {"ok_writes": 0}, {"fired": {"loss": 9}}, {"virtual_us": 9_999_999}],
    ids=lambda missing: next(iter(missing)),
)
def test_a_schedule_in_which_too_little_happened_does_not_count(missing: dict[str, Any]) -> None:
    enough: dict[str, Any] = {"operations": 300, "ok_reads": 1, "ok_writes": 1, "fired": {"loss": 1, "pause": 1}}
    enough["virtual_us"] = 10_000_000
    assert judge(Outcome(draw(0), **enough)) == "clean"
    assert judge(Outcome(draw(0), **(enough | missing))) == "vacuous"


def test_a_planted_bug_is_found_by_what_clients_saw() -> None:
    assert any(run_seed(seed, MUTANTS["P4"].mode, 0, "P4").verdict == "broken" for seed in range(12))


def test_a_mutant_is_gone_after_its_block() -> None:
    from trilemma.replication.raft.commit import CommitRule

    before = CommitRule._may_commit
    with planted("R1"):
        assert CommitRule._may_commit is not before
    assert CommitRule._may_commit is before


def test_seeds_draw_every_kind_of_fault() -> None:
    assert {fault for seed in range(60) for fault in draw(seed).faults} == set(FAULTS)


def test_disks_are_slow_in_some_schedules_and_every_promise_is_kept_all_the_same() -> None:
    assert {draw(seed).slow_sync_us for seed in range(60)} == {0, SLOW_SYNC_US}
    outcome = run_schedule(replace(draw(1, "cp"), slow_sync_us=SLOW_SYNC_US))
    assert judge(outcome) == "clean", [*outcome.broken, *outcome.failures]


def test_a_kept_trace_and_a_hashed_one_are_the_same_run() -> None:
    options = draw(5, "cp")
    kept = run_schedule(options, keep_trace=True)
    assert kept.trace_hash == run_schedule(options).trace_hash
    assert any("nemesis" in line for line in kept.trace)


def test_a_node_that_keeps_itself_busy_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def soon(self: Node) -> int:
        return self._now.mono_us + 400

    monkeypatch.setattr(Node, "_next_deadline_us", soon)
    outcome = run_schedule(replace(draw(1), turn_us=200), safety_us=500_000)
    assert any("turns in" in failure for failure in outcome.failures)


def test_bounds_that_are_drawn_for_themselves_are_tight_in_some_schedules_of_ap() -> None:
    drawn = {mode: [name for seed in range(100) for name in draw(seed, mode).tight] for mode in ("ap", "cp", "ca")}
    assert all(3 <= drawn["ap"].count(name) <= 25 for name in TIGHT_ALONE)
    assert not TIGHT_ALONE.keys() & {*drawn["cp"], *drawn["ca"]}


def test_a_bound_is_tight_for_a_schedule_only() -> None:
    before = {name: getattr(module, attribute) for name, (module, attribute, _) in ALL.items()}
    with tightened(ALL):
        assert replication.APPENDS_IN_FLIGHT_MAX == 1
        assert all(getattr(module, attribute) == value for module, attribute, value in ALL.values())
    assert {name: getattr(module, attribute) for name, (module, attribute, _) in ALL.items()} == before
    assert all(value < before[name] for name, (_, _, value) in ALL.items())


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_every_planted_bug_has_its_place_in_the_code(name: str) -> None:
    places = [(owner, attribute) for owner, attribute, _ in MUTANTS[name].patches() + MUTANTS[name].masks()]
    sound = [owner.__dict__[attribute] for owner, attribute in places]
    with planted(name):
        changed = [owner.__dict__[attribute] for owner, attribute in places]
    assert [owner.__dict__[attribute] for owner, attribute in places] == sound
    assert places
    assert all(after is not before for before, after in zip(sound, changed, strict=True))


def test_a_hunt_tells_the_seed_and_what_clients_saw_and_says_so_where_it_finds_nothing() -> None:
    found, missed = hunt("R6", range(4)), hunt("P4", range(0))
    assert found.is_found
    assert f"| {found.seed} | {found.tried} | {found.seen}" in table([found])
    assert not missed.is_found
    assert "**not found**" in table([missed])


def test_hunts_are_kept_in_a_file_and_the_newest_of_a_bug_counts(tmp_path: Path) -> None:
    file, missed = tmp_path / "hunts", hunt("X5", range(0))
    assert known_hunts(file) == {}
    append_hunt(file, missed)
    append_hunt(file, replace(missed, tried=7))
    assert known_hunts(file) == {"X5": replace(missed, tried=7)}
