"""From lines to operations: what belongs together, processes, times, outcomes, the settings, and faults."""

import io
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from trilemma.check.fault import Fault
from trilemma.check.formats.conventions import Conventions
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.file import read_history
from trilemma.check.formats.recording import Recording
from trilemma.check.formats.stream import Held
from trilemma.check.formats.writer import write
from trilemma.check.history import END_OF_TIME_US, History, Operation
from trilemma.check.judgement import Terms
from trilemma.check.judges import guess_judge, judge
from trilemma.check.register import check_register
from trilemma.check.verdict import combine


def recorded(lines: Iterable[str], **settings: Any) -> Recording:
    return read_history(Held("\n".join(lines).encode()), "edn", Conventions(**settings))


def operations(*lines: str, **settings: Any) -> list[Operation]:
    """Return the operations of lines such as `0 invoke write 3`, and `{...}` for maps written out."""
    maps = []
    for line in lines:
        if line.startswith(("{", "[")):
            maps.append(line)
        else:
            process, kind, function, value = line.split(" ", 3)
            maps.append(f"{{:process {process}, :type :{kind}, :f :{function}, :value {value}}}")
    found = recorded(maps, **settings).operations
    History(found).validate()
    return found


def meaning(operation: Operation) -> tuple[Any, ...]:
    return operation.kind, operation.key, operation.argument, operation.result, operation.outcome


def test_an_operation_is_its_beginning_and_its_end_and_places_are_times() -> None:
    assert operations("0 invoke write 3", "1 invoke read nil", "0 ok write 3", "1 ok read 3") == [
        Operation(0, 0, 2, "write", b"", 3),
        Operation(1, 1, 3, "read", b"", None, 3),
    ]


def test_in_a_history_without_beginnings_each_began_as_early_as_it_can_have() -> None:
    found = operations("0 ok write 1", "1 ok read 1", "0 ok read 1", "{:type :ok :f :read}", "{:type :fail :f :read}")
    assert [(each.process, each.invoke_us, each.complete_us) for each in found] == [
        (0, 0, 0), (1, 0, 1), (0, 0, 2), (2, 0, 3), (3, 0, 4)
    ]  # fmt: skip
    assert [each.result for each in found] == [None, 1, 1, None, None]


def test_an_operation_without_an_end_is_info() -> None:
    assert operations("0 invoke write 3") == [Operation(0, 0, None, "write", b"", 3, None, "info")]


def test_a_process_that_begins_again_after_an_info_is_a_new_process() -> None:
    lines = ("0 invoke write 1", "0 info write :timed-out", "0 invoke write 2", "0 info write nil", "1 invoke read nil")
    found = operations(*lines, "0 invoke write 3")
    assert [each.process for each in found] == [0, 2, 1, 3]
    assert [each.argument for each in found] == [1, 2, None, 3]
    assert found[0].outcome == "info"


def test_the_value_of_an_ok_replaces_the_invocation_s_and_nil_replaces_only_what_was_read() -> None:
    found = operations(
        "0 invoke write 1", "0 ok write 2", "0 invoke write 3", "0 ok write nil", "0 invoke read 9", "0 ok read nil"
    )
    assert [(each.argument, each.result) for each in found] == [(2, None), (3, None), (None, None)]


def test_a_fail_never_happened() -> None:
    found = operations("0 invoke write 1", "0 fail write 1", "0 invoke read nil", "0 fail read :timed-out")
    assert [(each.outcome, each.complete_us) for each in found] == [("fail", 1), ("fail", 3)]


def test_a_failed_compare_and_set_constrains_if_it_says_no_other_reason_and_is_so_set() -> None:
    plain = ("0 invoke cas [1 2]", "0 fail cas [1 2]")
    refused = ("0 invoke cas [1 2]", "{:process 0, :type :fail, :f :cas, :error :connection-refused}")
    other = ("0 invoke cas [1 2]", '{:process 0, :type :fail, :f :cas, :error [:did-not-match "3"]}')
    assert [meaning(*operations(*lines))[3:] for lines in (plain, refused, other)] == [
        (False, "ok"),
        (":connection-refused", "fail"),
        (False, "ok"),
    ]
    assert meaning(*operations(*plain, failed_cas="never"))[3:] == (None, "fail")
    assert meaning(*operations("0 invoke cas [1 2]", "0 ok cas [1 2]")) == ("cas", b"", (1, 2), True, "ok")
    assert meaning(*operations("0 invoke cas [1 2]", "0 info cas :timed-out")) == ("cas", b"", (1, 2), None, "info")


def test_the_error_of_what_failed_or_is_in_doubt_is_its_result() -> None:
    lines = ("{:process 0, :type :invoke, :f :write, :value 1}", "{:process 0, :type :%s, :f :write, :error %s}")
    told = [
        meaning(*operations(lines[0], lines[1] % (kind, error)))[3:]
        for kind, error in (
            ("fail", '"ERR no"'),
            ("info", ":timed-out"),
            ("info", '[:timed-out {:a "b"}]'),
            ("fail", "nil"),
        )
    ]
    assert told == [("ERR no", "fail"), (":timed-out", "info"), ('[:timed-out {:a "b"}]', "info"), (None, "fail")]


def test_a_read_of_nil_saw_nothing_or_says_nothing() -> None:
    lines = ("0 invoke read nil", "0 ok read nil")
    assert meaning(*operations(*lines)) == ("read", b"", None, None, "ok")
    assert meaning(*operations(*lines, nil_read="unknown")) == ("read", b"", None, None, "info")


MAP = "{{:process {}, :type :{}, :f :write, :value 1, :time {}}}"


def test_times_are_taken_where_every_line_has_one() -> None:
    lines = [MAP.format(0, "invoke", 1_000_000), MAP.format(0, "ok", 2_500_900)]
    assert operations(*lines)[0][1:3] == (1000, 2500)
    assert operations(*lines, order="position")[0][1:3] == (0, 1)
    assert operations(*lines, "1 invoke write 2")[0][1:3] == (0, 1)


def test_what_is_nanoseconds_apart_stays_apart_and_equal_times_stay_equal() -> None:
    lines = [MAP.format(0, "invoke", 3), MAP.format(0, "ok", 5), MAP.format(1, "invoke", 5), MAP.format(1, "ok", 7_000)]
    first, second = operations(*lines)
    assert (first.invoke_us, first.complete_us, second.invoke_us, second.complete_us) == (0, 1, 1, 7)
    assert not first.precedes(second)


def test_times_before_zero_are_moved_behind_it() -> None:
    assert operations(MAP.format(0, "invoke", -5_000), MAP.format(0, "ok", 0))[0][1:3] == (0, 5)


def test_the_index_puts_lines_in_order() -> None:
    lines = [
        "{:index 1 :process 0 :type :ok :f :read :value 1}",
        "{:index 0 :process 0 :type :invoke :f :read}",
    ]
    assert operations(*lines) == [Operation(0, 0, 1, "read", b"", None, 1)]


def test_processes_may_be_anything_and_operations_of_transactions_need_no_name() -> None:
    found = operations(
        '{:process "a" :type :invoke :f "read"}',
        "{:type :invoke :value [[:append 5 1] [:r 6 nil]]}",
        '{:process "a" :type "ok" :f :read :value 1}',
        "{:type :ok :value [[:append 5 1] [:r 6 [2 3]]]}",
        "7 invoke read nil",
    )
    assert [each.process for each in found] == [8, 9, 7]
    assert meaning(found[1]) == (
        "txn", b"", (("append", b"5", 1), ("r", b"6", None)), (("append", b"5", 1), ("r", b"6", (2, 3))), "ok"
    )  # fmt: skip


WORKLOADS = {
    "counter": (("invoke add 5", "ok add 5"), ("add", b"", 5, None, "ok")),
    "counter, read": (("invoke read nil", "ok read 12"), ("read", b"", None, 12, "ok")),
    "set, read": (("invoke read nil", "ok read #{3 1 2}"), ("read", b"", None, (1, 2, 3), "ok")),
    "set, read in order": (("invoke read nil", "ok read [3 1 1]"), ("read", b"", None, (3, 1, 1), "ok")),
    "set, remove": (("invoke remove 5", "ok remove 5"), ("remove", b"", 5, None, "ok")),
    "queue, enqueue": (("invoke enqueue 5", "ok enqueue 5"), ("enqueue", b"", 5, None, "ok")),
    "queue, dequeue": (("invoke dequeue nil", "ok dequeue 5"), ("dequeue", b"", None, 5, "ok")),
    "queue, empty": (("invoke dequeue nil", "fail dequeue nil"), ("dequeue", b"", None, None, "fail")),
    "queue, drain": (("invoke drain nil", "ok drain [5 6]"), ("drain", b"", None, (5, 6), "ok")),
    "queue, drain to a set": (("invoke drain nil", "ok drain #{6 5}"), ("drain", b"", None, frozenset((5, 6)), "ok")),
    "mutex": (("invoke acquire nil", "ok acquire nil"), ("acquire", b"", None, None, "ok")),
    "mutex with a token": (("invoke acquire nil", "ok acquire 33"), ("acquire", b"", None, 33, "ok")),
    "mutex not held": (("invoke release nil", "fail release :not-held"), ("release", b"", None, None, "fail")),
    "bank, transfer": (
        ("invoke transfer {:from 0, :to 1, :amount 5}", "ok transfer {:from 0, :to 1, :amount 5}"),
        ("transfer", b"", (0, 1, 5), None, "ok"),
    ),
    "bank, read": (("invoke read nil", "ok read {1 10, 0 5}"), ("read", b"", None, ((0, 5), (1, 10)), "ok")),
    "list-append": (
        ("invoke txn [[:append 3 4] [:r 3 nil]]", "ok txn [[:append 3 4] [:r 3 [1 4]]]"),
        ("txn", b"", (("append", b"3", 4), ("r", b"3", None)), (("append", b"3", 4), ("r", b"3", (1, 4))), "ok"),
    ),
    "list-append, unknown": (
        ("invoke txn [[:append 3 4] [:r 3 nil]]", "info txn :timed-out"),
        ("txn", b"", (("append", b"3", 4), ("r", b"3", None)), None, "info"),
    ),
    "long fork, write": (
        ("invoke txn [[:w 3 1]]", "ok txn [[:w 3 1]]"),
        ("multi_write", b"", ((b"3", 1),), None, "ok"),
    ),
    "long fork, read": (
        ("invoke read [[:r 3 nil] [:r 4 nil]]", "ok read [[:r 3 1] [:r 4 nil]]"),
        ("multi_read", b"", (b"3", b"4"), (1, None), "ok"),
    ),
    "multi-register": (
        ("invoke txn [[:read :x nil] [:write :y 2]]", "ok txn [[:read :x 0] [:write :y 2]]"),
        ("txn", b"", (("r", b":x", None), ("w", b":y", 2)), (("r", b":x", 0), ("w", b":y", 2)), "ok"),
    ),
    "string": (('invoke append "x 0 1 y"', 'ok append "x 0 1 y"'), ("append", b"", b"x 0 1 y", None, "ok")),
    "a value that is a keyword": (("invoke write :a", "ok write :a"), ("write", b"", b":a", None, "ok")),
    "one's own": (
        ("invoke rename [:a 1/2]", "ok rename {:b 1}"),
        ("rename", b"", (b":a", b"1/2"), ((b":b", 1),), "ok"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_of_jepsen_becomes_what_the_models_know(name: str) -> None:
    lines, meant = WORKLOADS[name]
    assert meaning(*operations(*(f"0 {line}" for line in lines))) == meant


def test_a_history_of_key_and_value_in_members_is_one_of_strings() -> None:
    found = operations(
        '{:process 0, :type :invoke, :f :get, :key "7", :value nil}',
        '{:process 0, :type :ok, :f :get, :key "7", :value ""}',
        '{:process 0, :type :invoke, :f :put, :key "7", :value "x"}',
    )
    assert [meaning(each) for each in found] == [
        ("read", b"7", None, b"", "ok"),
        ("write", b"7", b"x", None, "info"),
    ]


INDEPENDENT = ("0 invoke read [3 nil]", "0 ok read [3 nil]", "1 invoke write [3 [4 5]]", "2 invoke cas [4 [1 2]]")


def test_pairs_of_key_and_value_are_taken_apart_where_they_can_be_nothing_else() -> None:
    assert [meaning(each)[:3] for each in operations(*INDEPENDENT)] == [
        ("read", b"3", None),
        ("write", b"3", (4, 5)),
        ("cas", b"4", (1, 2)),
    ]
    assert [each.key for each in operations("0 invoke read nil", "1 invoke write [3 4]")] == [b"", b""]
    assert [each.key for each in operations("0 invoke cas [3 4]")] == [b""]
    assert [each.key for each in operations("0 invoke add [3 4]")] == [b""]
    assert [each.key for each in operations("0 invoke add [3 4]", keys="split")] == [b"3"]
    assert [each.key for each in operations("0 invoke add [3 4]", keys="whole")] == [b""]


LOCKS = ("0 invoke acquire [3 nil]", "0 ok acquire [3 nil]", "1 invoke acquire [4 nil]", "1 ok acquire [4 7]")


def test_locks_that_are_asked_for_in_pairs_of_key_and_nil_are_several() -> None:
    found = operations(*LOCKS, "0 invoke release [3 nil]", "0 ok release [3 nil]")
    assert [meaning(each)[:4] for each in found] == [
        ("acquire", b"3", None, None),
        ("acquire", b"4", None, 7),
        ("release", b"3", None, None),
    ]
    assert combine(judge(found, guess_judge(found), Terms()).verdicts).is_valid
    assert {each.key for each in operations("0 invoke acquire [0 7]", "1 invoke release [0 7]")} == {b""}


def test_locks_that_only_some_values_name_as_keys_are_refused_unless_it_is_said_what_they_are() -> None:
    lines = (*LOCKS, "0 invoke release nil")
    with pytest.raises(FormatError, match=r"'\[3 nil\]' looks like a key and a value"):
        operations(*lines)
    assert {each.key for each in operations(*lines, keys="whole")} == {b""}


def test_balances_in_a_vector_are_those_of_the_accounts_that_transfers_number() -> None:
    move, read = "0 invoke transfer {:from 0 :to 1 :amount 5}", ("1 invoke read nil", "1 ok read [5 15]")
    assert operations(move, *read)[1].result == ((0, 5), (1, 15))
    assert operations(move, "1 invoke read nil", "1 ok read #{5 15}")[1].result == (5, 15)
    assert operations(move, "1 invoke read nil", "1 ok read [[0 5] [1 15]]")[1].result == ((0, 5), (1, 15))
    keyed = (move.replace("{", "[7 {") + "]", "1 invoke read [7 nil]", "1 ok read [7 [5 15]]")
    assert meaning(operations(*keyed)[1]) == ("read", b"7", None, ((0, 5), (1, 15)), "ok")
    with pytest.raises(FormatError, match=r"line 3, column 1: a read of '\[5 15\]': transfers name .* ':a'"):
        operations(move.replace("0 :to", ":a :to"), *read)


def test_transactions_under_keys_are_transactions() -> None:
    found = operations(
        "0 invoke txn [7 [[:append 1 2]]]", "0 ok txn [7 [[:append 1 2]]]", "1 invoke txn [7 [[:r 1 nil]]]"
    )
    assert [(each.kind, each.key) for each in found] == [("txn", b"7"), ("txn", b"7")]


def test_whatever_is_a_value_can_be_written_in_our_own_format_and_comes_back_the_same() -> None:
    deep = "[" * 60 + "]" * 60
    values = ("##NaN", "##Inf", "1.5", "1.5M", "1/2", "9" * 1000, "#{1 :a nil}", "{:a {1 2}}", '#inst "x"', "\\a", deep)
    for value in values:
        found = operations(f"0 invoke write {value}", f"0 ok write {value}")
        file = io.BytesIO()
        write(file, found)
        assert read_history(Held(file.getvalue())).operations == found, value


def test_keys_that_look_alike_stay_apart() -> None:
    found = operations('0 invoke txn [[:w 3 1] [:w "3" 1] [:w :3 1] [:w true 1] [:w 1 1]]')
    assert len({key for key, _ in found[0].argument}) == 5


BAD = {
    "an end without a beginning": (("1 invoke read nil", "0 ok read 1"), 2, "process 0, which has begun nothing"),
    "an info without a beginning, that of a write that may have happened": (
        ("0 invoke write 1", "0 ok write 1", "1 info write 2", "2 invoke read nil", "2 ok read 2"), 3,
        "process 1, which has begun nothing",
    ),
    "a remark": (("0 info log nil", "0 invoke read nil", "0 info read nil"), 1, ":info of process 0, which has begun"),
    "an info of another function than the one before": (
        ("0 invoke write 1", "0 info write 1", "0 info add 1"), 3, "process 0, which has begun nothing"
    ),
    "an info of another value than the one before": (
        ("0 invoke write 1", "0 info write :timed-out", "0 info write 2"), 3, "process 0, which has begun nothing"
    ),
    "an info after what is known": (
        ("0 invoke write 1", "0 info write 1", "0 invoke read nil", "0 ok read 1", "0 info write 1"), 5,
        "process 0, which has begun nothing",
    ),
    "two at once": (("0 invoke read nil", "0 invoke read nil"), 2, "has not ended what it began in line 1"),
    "an end of something else": (("0 invoke read nil", "0 ok write 1"), 2, "began is :read in line 1"),
    "time that runs backwards": ((MAP.format(0, "invoke", 5), MAP.format(0, "ok", 4)), 2, "ends before it began"),
    "a type that is none": (("{:process 0 :type :done :f :read}",), 1, ":type is one of"),
    "no function": (("{:process 0 :type :invoke :value 1}",), 1, ":f is a keyword"),
    "a time that is none": (("{:process 0 :type :invoke :f :read :time 1.5}",), 1, ":time is a whole number"),
    "a compare-and-set of one": (("0 invoke cas 3",), 1, ":cas takes [old new]"),
    "a transfer of nothing": (("0 invoke transfer 3",), 1, ":transfer takes"),
    "an ok of no compare-and-set": (("0 invoke cas [1 2]", "0 ok cas 1"), 2, ":cas takes [old new], not '1'"),
    "an ok of no transfer": (
        ("0 invoke transfer {:from 0 :to 1 :amount 5}", "0 ok transfer 3"), 2, ":transfer takes"
    ),
    "a transaction told otherwise": (
        ("0 invoke txn [[:r 1 nil]]", "0 ok txn [[:r 2 nil]]"), 2, "other micro-operations"
    ),
    "no map": (("{:process 0 :type :invoke :f :read}", "{:process 0 :type :ok :f :read}", "[3]"), 3, "expected a map"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_cannot_be_is_refused_with_its_place(name: str) -> None:
    lines, line, reason = BAD[name]
    with pytest.raises(FormatError) as refusal:
        operations(*lines)
    assert (refusal.value.line, refusal.value.column) == (line, 1), refusal.value
    assert reason in refusal.value.reason


@pytest.mark.parametrize("word", ["read nil", "read :timed-out", "read :gone"])
def test_a_second_info_on_what_is_in_doubt_already_says_nothing(word: str) -> None:
    lines = ("0 invoke read nil", "0 info read :timed-out", f"0 info {word}", f"0 info {word}", "1 invoke read nil")
    assert [(each.process, each.outcome) for each in operations(*lines)] == [(0, "info"), (1, "info")]


def noted(*events: tuple[str, str]) -> list[Fault]:
    return recorded(
        f"{{:process :nemesis, :type :info, :f :{function}, :value {value}, :time {1000 * number}}}"
        for number, (function, value) in enumerate(events)
    ).faults


def test_what_the_nemesis_did_are_faults_and_never_operations() -> None:
    found = recorded(
        [
            "{:process :nemesis, :type :info, :f :start, :value nil}",
            "{:process 0, :type :invoke, :f :read, :value nil}",
            '{:process :nemesis, :type :info, :f :start, :value "Cut off n1"}',
            "{:process 0, :type :ok, :f :read, :value nil}",
            "{:process :nemesis, :type :info, :f :stop, :value nil}",
            "{:process :nemesis, :type :info, :f :stop, :value nil}",
        ]
    )
    assert [each.process for each in found.operations] == [0]
    assert found.faults == [Fault("fault", 'start "Cut off n1"', 0, 4)]


def test_faults_end_where_their_ends_are_told() -> None:
    cut, pause = noted(
        ("start-partition", '{"n1" #{"n2"}}'), ("pause", '["n3"]'), ("stop-partition", ":done"), ("resume", "nil")
    )
    assert (cut.kind, cut.nodes, cut.from_us, cut.until_us) == ("cut", ("n1",), 0, 2)
    assert (pause.kind, pause.nodes, pause.from_us, pause.until_us) == ("pause", ("n3",), 1, 3)
    (kill,) = noted(("kill", "[:n1]"), ("kill", "{:n1 :killed}"), ("start", "nil"), ("start", "nil"))
    assert (kill.kind, kill.nodes, kill.from_us, kill.until_us) == ("kill", ("n1",), 0, 2)
    (jump,) = noted(("bump-clock", '{"n1" 5}'), ("bump-clock", '{"n1" 5}'))
    assert (jump.kind, jump.nodes, jump.from_us, jump.until_us) == ("bump-clock", ("n1",), 0, 1)
    (open_ended,) = noted(("start-partition", "nil"))
    assert open_ended.until_us == END_OF_TIME_US


ALIKE = (
    ":a", '":a"', "a", '"a"', "1/2", '"1/2"', '"\\":a\\""', '"\\"a\\""', "1", '"1"', "[:a]", '[":a"]', "#{a}", '#{"a"}'
)  # fmt: skip
"""Values of EDN that are written with the same bytes, or would be."""


def test_values_that_differ_in_the_file_differ_in_the_history() -> None:
    for kinds in ("write", "append", "enqueue"):
        made = operations(*(f"{n} {type} {kinds} {each}" for n, each in enumerate(ALIKE) for type in ("invoke", "ok")))
        assert len({each.argument for each in made}) == len(ALIKE)
    assert operations("0 invoke write :a", "0 ok write :a")[0].argument == b":a"
    assert operations('0 invoke write ":a"', '0 ok write ":a"')[0].argument == b":a"


def test_registers_of_values_that_look_alike_are_judged_as_registers_of_numbers() -> None:
    rng = Random(17)
    valid = 0
    for _ in range(500):
        chosen = rng.sample(range(len(ALIKE)), 4)
        held = "nil"
        lines, numbers = [], []
        for process in range(8):
            place = rng.choice(chosen)
            kind = "write" if rng.random() < 0.4 else "read"
            shown = str(place) if kind == "write" or rng.random() < 0.1 else held
            held = shown if kind == "write" else held
            alike = "nil" if shown == "nil" else ALIKE[int(shown)]
            for type in ("invoke", "ok"):
                asked = type == "ok" or kind == "write"
                lines.append(f"{process} {type} {kind} {alike if asked else 'nil'}")
                numbers.append(f"{process} {type} {kind} {shown if asked else 'nil'}")
        verdict = check_register(operations(*lines))
        assert verdict.validity is check_register(operations(*numbers)).validity, lines
        valid += verdict.is_valid
    assert 50 < valid < 450


@pytest.mark.parametrize(("one", "other"), [("4/2", "2"), ("\\u0041", "\\A"), ("1.0M", "1.00M"), ("[2/4]", "(1/2)")])
def test_a_register_that_shows_its_value_in_another_spelling_keeps_it(one: str, other: str) -> None:
    for written, shown in ((one, other), (other, one)):
        history = ("0 invoke write " + written, "0 ok write " + written, "1 invoke read nil", "1 ok read " + shown)
        assert check_register(operations(*history)).is_valid
