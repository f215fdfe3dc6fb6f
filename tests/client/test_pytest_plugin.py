"""The plugin as a user meets it: a test file of their own, run by pytest."""

import time
from pathlib import Path

import pytest

from trilemma.client.stage import StageCluster

pytest_plugins = ["pytester"]

PLUGIN = (
    "-p",
    "no:trilemma",
    "-p",
    "trilemma.client.pytest_plugin",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:xdist",
    "-q",
)
"""By module, so that it works whether or not this package was installed with its entry point; and never twice."""

EXAMPLE = Path(__file__).parents[2] / "examples" / "test_bank_transfer.py"


def test_the_worked_example_passes_because_the_wrong_transfer_is_caught(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_bank_transfer=EXAMPLE.read_text())
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=3)


def test_a_user_who_transfers_wrongly_is_told_so_with_the_witness(pytester: pytest.Pytester) -> None:
    source = EXAMPLE.read_text()
    begin, end = (
        source.index("    with pytest.raises(AssertionError"),
        source.index("def test_the_right_transfer_loses"),
    )
    wrong = source[:begin] + "    assert_no_lost_updates(history)\n\n\n" + source[end:]
    pytester.makepyfile(test_bank_transfer=wrong)
    result = pytester.runpytest_inprocess(*PLUGIN, "-k", "wrong")
    result.assert_outcomes(failed=1)
    shown = result.stdout.str()
    assert "was read by two before either wrote it, and both writes were acknowledged: one is lost" in shown
    for said in ("process 2 at n1", "process 3 at n2", "b'70'", "b'50'", "-> b'100'"):
        assert said in shown


def test_every_test_gets_a_fresh_cluster_and_leaves_nothing_behind(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("turn", range(2))
        def test_fresh(trilemma_cluster, history, turn):
            client = history.client(trilemma_cluster, "n2")
            assert client.get("a") is None
            client.set("a", 1)
            assert len(history) == 2
    """)
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=2)
    assert list(tmp_path.glob("trilemma-*")) == []


def test_the_package_offers_the_plugin_to_pytest() -> None:
    import tomllib

    described = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert described["project"]["entry-points"]["pytest11"] == {"trilemma": "trilemma.client.pytest_plugin"}


def test_a_cluster_heals_whatever_happened_within_the_cut() -> None:
    with StageCluster() as cluster:
        with pytest.raises(ZeroDivisionError), cluster.partitioned("n1-n3", "n2>n3"):
            raise ZeroDivisionError
        for node in cluster.names:
            assert cluster.client(node).set("a", node)
        with cluster.down("n2"):
            assert "n2" not in cluster._nodes.servers
        assert cluster.client("n2").get("a") == "n3"
        with cluster.slowed("n1-n3", "20ms"):
            began = time.monotonic()
            cluster.client("n1").execute_command("LAB", "STATUS")
            assert cluster.client("n1").execute_command("LAB", "STATUS") == ["SLOW n1-n3 20ms"], began
        assert cluster.client("n1").execute_command("LAB", "STATUS") == []
