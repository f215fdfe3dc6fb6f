"""Lines of Jepsen's log: columns by spaces or tabs, with or without what stands before them, among other messages."""

import pytest

from trilemma.check.formats.conventions import Conventions
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.file import read_history
from trilemma.check.formats.recording import Recording
from trilemma.check.formats.stream import Held
from trilemma.check.history import Operation


def recorded(text: str) -> Recording:
    return read_history(Held(text.encode()))


WRITE_THEN_READ = [
    Operation(4, 0, 1, "write", b"", 3),
    Operation(2, 2, 3, "read", b"", None, 3),
]

STYLES = {
    "spaces": "INFO  jepsen.util - 4 :invoke :write 3\nINFO  jepsen.util - 4 :ok :write 3\n"
    "INFO  jepsen.util - 2 :invoke :read nil\nINFO  jepsen.util - 2 :ok :read 3",
    "tabs": "INFO  jepsen.util - 4\t:invoke\t:write\t3\nINFO  jepsen.util - 4\t:ok\t:write\t3\n"
    "INFO  jepsen.util - 2\t:invoke\t:read\tnil\nINFO  jepsen.util - 2\t:ok\t:read\t3\n",
    "threads and times": "2026-01-02 03:04:05,678{GMT}\tINFO\t[jepsen worker 4] jepsen.util: 4\t:invoke\t:write\t3\n"
    "2026-01-02 03:04:05,679{GMT}\tINFO\t[jepsen worker 4] jepsen.util: 4\t:ok\t:write\t3\n"
    "2026-01-02 03:04:05,680{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:invoke\t:read\tnil\n"
    "2026-01-02 03:04:05,681{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:ok\t:read\t3\n",
    "of Jepsen and Maelstrom": "INFO [2017-03-30 15:28:17,423] jepsen worker 4 - jepsen.util 4  :invoke :write 3\n"
    "INFO [2017-03-30 15:28:17,427] jepsen worker 4 - jepsen.util 4  :ok :write 3\n"
    "INFO [2025-03-30 15:28:18,315] jepsen worker 2 - jepsen.util 2\t:invoke\t:read\tnil\n"
    "INFO [2025-03-30 15:28:18,320] jepsen worker 2 - jepsen.util\t2\t:ok\t:read\t3\n",
    "history.txt": "4\t:invoke\t:write\t3\r\n4\t:ok\t:write\t3\r\n2\t:invoke\t:read\r\n2\t:ok\t:read\t3\r\n",
    "among other messages": "INFO  jepsen.core - Running test\nINFO  jepsen.util - 4 :invoke :write 3\n\n"
    "WARN  some.client - retrying; it failed :invoke\nINFO  jepsen.util - 4 :ok :write 3\n"
    "INFO  jepsen.util - 2 :invoke :read nil\n\tat a.stack.Trace(Trace.java:1)\nINFO  jepsen.util - 2 :ok :read 3\n",
}


@pytest.mark.parametrize("style", STYLES)
def test_lines_of_a_log_are_operations(style: str) -> None:
    recording = recorded(STYLES[style])
    assert recording.format == "log"
    assert recording.operations == WRITE_THEN_READ


def test_a_log_as_jepsen_prints_it_is_read_when_its_format_is_said_and_its_nemesis_is_known() -> None:
    beginning = "INFO [2017-03-30 15:28:16,001] jepsen nemesis - jepsen.util "
    text = (beginning + ":nemesis\t:info\t:start-partition\tnil\n" + STYLES["of Jepsen and Maelstrom"]).encode()
    recording = read_history(Held(text), "log")
    assert [each.kind for each in recording.operations] == ["write", "read"]
    assert [each.kind for each in recording.faults] == ["cut"]
    assert read_history(Held(text)) == recording


@pytest.mark.parametrize(
    "name", ["jepsen.utility 2", "jepsen.util2", "myjepsen.util 2", "jepsen.util. 2", "jepsen_util 2"]
)
def test_what_only_resembles_the_name_of_the_logger_begins_no_operation(name: str) -> None:
    line = f"INFO jepsen worker 4 - {name} :invoke :read nil\n"
    assert len(recorded(STYLES["spaces"] + "\n" + line).operations) == 2
    with pytest.raises(FormatError):
        recorded(line)


def test_what_stands_behind_the_value_is_an_error() -> None:
    text = "0 :invoke :cas [1 2]\n0 :fail :cas [1 2] :refused\n1 :invoke :cas [1 2]\n1 :fail :cas [1 2] :mismatch"
    assert [each.outcome for each in recorded(text).operations] == ["fail", "ok"]


def test_prose_behind_the_value_and_instead_of_an_unknown_one_does_no_harm() -> None:
    text = (
        "0\t:invoke\t:write\t1\n0\t:info\t:write\t1\tjava.net.SocketException: Broken pipe (Write failed]\n"
        "1\t:invoke\t:write\t2\n1\t:info\t:write\tindeterminate: [timed out\n"
        "2\t:invoke\t:read\tnil\n2\t:ok\t:read\t1\ttook #long\n"
    )
    found = recorded(text).operations
    assert [(each.outcome, each.argument, each.result) for each in found] == [
        ("info", 1, "java.net.SocketException: Broken pipe (Write failed]"),
        ("info", 2, "indeterminate: [timed out"),
        ("ok", None, 1),
    ]


def test_a_process_is_replaced_after_an_info_and_the_nemesis_is_no_client() -> None:
    recording = recorded(
        "INFO  jepsen.util - 2\t:invoke\t:write\t1\nINFO  jepsen.util - :nemesis\t:info\t:start\tnil\n"
        "INFO  jepsen.util - 2\t:info\t:write\t:timed-out\nINFO  jepsen.util - :nemesis\t:info\t:stop\tnil\n"
        "INFO  jepsen.util - 2\t:invoke\t:write\t2\n"
    )
    assert [(each.process, each.argument) for each in recording.operations] == [(2, 1), (3, 2)]
    assert [(fault.from_us, fault.until_us) for fault in recording.faults] == [(1, 3)]


def test_a_value_that_is_none_is_refused_with_its_place() -> None:
    with pytest.raises(FormatError) as refusal:
        recorded("0 :invoke :write 1\n0 :ok :write [1 2\n")
    assert (refusal.value.line, refusal.value.column) == (2, 14), refusal.value


@pytest.mark.parametrize("function", ["read", "get", "dequeue", "drain", "txn"])
def test_an_answer_that_must_show_something_and_has_no_value_is_refused_unless_it_is_where_the_file_was_cut(
    function: str,
) -> None:
    asked = "[[:r 1 nil]]" if function == "txn" else "nil"
    text = f"0 :invoke :write 3\n0 :ok :write\n0 :invoke :{function} {asked}\n  0\t:ok\t:{function}"
    for end in ("\n", "\t\n", "\r\n", "\n0 :invoke :write 4"):
        with pytest.raises(FormatError) as refusal:
            recorded(text + end)
        assert (refusal.value.line, refusal.value.column) == (4, len(f"  0 :ok :{function}") + 1), refusal.value
        assert f":ok :{function} needs a value" in refusal.value.reason
    for end in ("", " ", "\t"):
        assert [each.outcome for each in recorded(text + end).operations] == ["ok", "info"]
    for end in (" nil", "\tnil\n"):
        assert [each.outcome for each in recorded(text + end).operations] == ["ok", "ok"]


def test_a_log_without_operations_is_refused() -> None:
    with pytest.raises(FormatError, match="no line looks like an operation"):
        read_history(Held(b"INFO  jepsen.core - hello\n"), "log", Conventions())
