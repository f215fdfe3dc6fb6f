"""Which format a file is; and that no file, however broken, ends in anything but operations or a FormatError."""

import io
from contextlib import suppress
from random import Random

import pytest

from trilemma.check.formats.conventions import Conventions
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.file import FORMATS, read_history, recognise
from trilemma.check.formats.register_scan import check_register_lines
from trilemma.check.formats.stream import Held
from trilemma.check.formats.writer import write
from trilemma.check.history import Operation

HEADER = '{"format":"trilemma-history","version":1}\n'

RECOGNISED = {
    HEADER: "jsonl",
    '\n {"process":1}': "jsonl",
    "\ufeff" + HEADER: "jsonl",
    "[{:process 0}]": "edn",
    "({:process 0})": "edn",
    "{:process 0}\n{:process 1}": "edn",
    "; a comment\n[]": "edn",
    "#jepsen.history.Op{:process 0}": "edn",
    "#{1}": "edn",
    "\n\n,[": "edn",
    '{:process 0, :type :invoke, :f :write, :value "job: 1 :ok :write 5 ;", :time 0}': "edn",
    '[\n ; - 4 :ok :read 1\n {:f :write, :value "on node: 1 :fail :write"}]': "edn",
    '; INFO jepsen.util - 4 :invoke :read nil\n; and\n\n({:value "a: 1 :ok :read 2"})': "edn",
    '#jepsen.history.Op{:value "a: 1 :ok :read 2"}': "edn",
    '#_nothing [{:value "a: 1 :ok :read 2"}]': "edn",
    "[2017-03-30 15:28:17,423] jepsen worker 4 - jepsen.util 4  :invoke :read nil": "log",
    "; our run\n\n0\t:invoke\t:read\tnil": "log",
    "# our run\n0\t:invoke\t:read\tnil": "log",
    "INFO  jepsen.util - 4 :invoke :read nil": "log",
    "[main] INFO jepsen.util - 4 :invoke :read nil": "log",
    "Starting up\n\n0\t:invoke\t:read\tnil": "log",
    "INFO jepsen.util: :nemesis\t:info\t:start\tnil": "log",
}


@pytest.mark.parametrize("text", RECOGNISED)
def test_a_format_is_seen_from_the_beginning(text: str) -> None:
    assert recognise(text.lstrip("\ufeff").encode()) == RECOGNISED[text]


@pytest.mark.parametrize("text", ["", "  \n", "hello", "<html>", "1 2 3", "PK\x03\x04", "\x00\xff"])
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match=r"line 1, column 1: the file .*no history in a format known here"):
        read_history(Held(text.encode("latin-1")))


def test_a_byte_order_mark_is_passed_over() -> None:
    line = '{"process":1,"invoke_us":5,"complete_us":9,"kind":"read","key":"k"}'
    assert len(read_history(Held(b"\xef\xbb\xbf" + (HEADER + line).encode())).operations) == 1


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no format 'xml'"):
        read_history(Held(b""), "xml")


def test_blank_files_and_long_runs_of_one_character_take_no_quadratic_time() -> None:
    for character in "\n -:;,\t[({\"\\#'^1a":
        for name in (None, *FORMATS):
            try:
                read_history(Held(character.encode() * 300_000), name)
            except FormatError:
                continue


EDN = b"""; faults and all
[{:process 0, :type :invoke, :f :cas, :value [1 2], :time 1000}
 {:process :nemesis, :type :info, :f :start-partition, :value {"n1" #{"n2"}}, :time 2000}
 #op {:process 0, :type :fail, :f :cas, :value [1 2], :error [:did-not-match "3"], :time 3000}
 {:process 1, :type :invoke, :f :txn, :value [[:append :x 1.5M] [:r "y" nil]], :time 4000}
 {:process 1, :type :ok, :f :txn, :value [[:append :x 1.5M] [:r "y" [1 2]]], :time 5000}]
"""
LOG = b"""INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]
INFO  jepsen.core - hello
INFO  jepsen.util - 0\t:fail\t:cas\t[1 2]\t:mismatch
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\t#{1 "a"}
"""


def ours() -> bytes:
    file = io.BytesIO()
    write(
        file,
        [
            Operation(1, 5, 9, "write", b"k", b"\xff"),
            Operation(2, 7, None, "read", b"k", outcome="info"),
            Operation(3, 8, 9, "txn", b"", (("r", b"x", None),), (("r", b"x", (1, None)),)),
            Operation(4, 8, 9, "read", b"k", None, "ERR no"),
        ],
    )
    return file.getvalue()


def broken(rng: Random, file: bytes) -> bytes:
    """Return the file with a few pieces cut out, doubled, swapped or overwritten."""
    data = bytearray(file)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        length = rng.randint(1, 12)
        piece = data[at : at + length]
        choice = rng.randrange(4)
        if choice == 0:
            del data[at : at + length]
        elif choice == 1:
            data[at:at] = piece * rng.randint(1, 3)
        elif choice == 2:
            data[at : at + length] = bytes(rng.choice(b'[]{}()"\\:#^;,0 \n\xff') for _ in piece)
        else:
            other = rng.randrange(len(data) + 1)
            data[other : other + length] = piece
    return bytes(data)


@pytest.mark.parametrize("whole", [EDN, LOG, ours()], ids=["edn", "log", "jsonl"])
def test_a_broken_file_gives_operations_or_a_refusal_with_a_place(whole: bytes) -> None:
    rng = Random(7)
    refused = 0
    assert read_history(Held(whole)).operations
    for _ in range(1_500):
        file = broken(rng, whole)
        settings = Conventions(nil_read=rng.choice(("absent", "unknown")), keys=rng.choice(("auto", "split", "whole")))
        refusal: FormatError | None = None
        try:
            read_history(Held(file), rng.choice((None, None, *FORMATS)), settings)
        except FormatError as problem:
            refusal = problem
        if refusal is not None:
            assert 1 <= refusal.line <= file.count(b"\n") + 2
            assert refusal.column >= 1
            refused += 1
        with suppress(FormatError):
            check_register_lines(io.BytesIO(file))
    assert 150 < refused < 1_500


def forgotten(*operations: Operation) -> list[Operation]:
    """Return what is left of a history of our own format where a read of nil is said to say nothing."""
    file = io.BytesIO()
    write(file, operations)
    return read_history(Held(file.getvalue()), conventions=Conventions(nil_read="unknown")).operations


def test_a_read_of_nil_that_says_nothing_is_left_out_of_operations_of_every_kind() -> None:
    get = Operation(1, 0, 1, "get", b"k")
    assert forgotten(get) == [get._replace(outcome="info")]
    look = Operation(1, 0, 1, "multi_read", b"", (b"x", b"y"), (None, 5))
    assert forgotten(look) == [look._replace(argument=(b"y",), result=(5,))]
    assert forgotten(look._replace(result=(None, None)))[0].outcome == "info"
    asked = (("r", b"x", None), ("w", b"y", None), ("r", b"z", None))
    told = (("r", b"x", None), ("w", b"y", None), ("r", b"z", 5))
    assert forgotten(Operation(1, 0, 1, "txn", b"", asked, told)) == [
        Operation(1, 0, 1, "txn", b"", asked[1:], told[1:])
    ]
    assert forgotten(Operation(1, 0, 1, "txn", b"", asked[:1], told[:1]))[0].outcome == "info"


def test_where_nil_says_something_or_was_not_read_nothing_is_left_out() -> None:
    history = [
        Operation(1, 0, 1, "dequeue", b""),
        Operation(1, 2, 3, "multi_read", b"", (b"x",), (5,)),
        Operation(1, 4, None, "multi_read", b"", (b"x", b"y"), None, "info"),
        Operation(1, 6, 7, "txn", b"", (("w", b"y", None),), (("w", b"y", None),)),
        Operation(1, 8, 9, "txn", b"", None, None),
    ]
    assert forgotten(*history) == history
