"""What COMMAND tells of a command that Redis has too is what redis-server 7.0 tells; docs/differences.md, the rest."""

import re
from pathlib import Path
from typing import Any

import pytest

from raw_replies import decode
from redis_pair import Pair
from trilemma.command.argument import Argument, arguments_of
from trilemma.command.documentation import OWN_COMPLEXITY
from trilemma.command.key_spec import FLAGS
from trilemma.command.redis_names import REDIS_COMMANDS
from trilemma.command.table import TABLE
from trilemma.command.usage import USAGE
from trilemma.resp.reply import MapReply, SetReply
from trilemma.sim.solo import SoloNode, request

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"
FLAGS_AT, CATEGORIES_AT, TIPS_AT, KEY_SPECS_AT, SUBCOMMANDS_AT = 2, 6, 7, 8, 9
SETS_AT = (FLAGS_AT, CATEGORIES_AT, TIPS_AT)
DOC_FIELDS = {b"since", b"group", b"complexity", b"doc_flags", b"deprecated_since", b"replaced_by"}

pytestmark = pytest.mark.process


def listed(where: str) -> set[str]:
    """The commands that docs/differences.md says are only `here`, or only `in Redis`."""
    rows = re.findall(rf"^\| (`[^|]*) \| only {where} \|", PAGE.read_text(), re.MULTILINE)
    return {name.lower().replace(" ", "|", 1) for row in rows for name in re.findall(r"`([^`]+)`", row)}


def names_here() -> set[str]:
    return {one.name for spec in TABLE.values() for one in (spec, *spec.subcommands.values())}


SHARED = sorted(name for name in names_here() if not {name, name.split("|")[0]} & listed("here"))


@pytest.fixture(params=[2, 3])
def pair(redis_server: Any, request: pytest.FixtureRequest) -> Any:
    with redis_server.connect() as theirs:
        both = Pair(theirs)
        both.greet(request.param)
        yield both


def ask(pair: Pair, *words: str) -> tuple[Any, Any]:
    """Both replies, ours first."""
    data = request(*words)
    return decode(pair.ask_ours(data)[0]), decode(pair.ask_theirs(data, 1)[0])


def items(many: Any) -> Any:
    return many.members if isinstance(many, SetReply) else many


def unordered(many: Any) -> Any:
    """The members of a set in some fixed order, as the type that the protocol gave them."""
    ordered = sorted(items(many), key=repr)
    return SetReply(tuple(ordered)) if isinstance(many, SetReply) else ordered


def key_spec(spec: Any) -> Any:
    if isinstance(spec, MapReply):
        return MapReply(tuple((name, unordered(value) if name == b"flags" else value) for name, value in spec.pairs))
    position = spec.index(b"flags") + 1
    return [*spec[:position], unordered(spec[position]), *spec[position + 1 :]]


def entry(of: Any) -> Any:
    """An entry of COMMAND INFO with its sets in order, without the subcommands that only one side has."""
    fields = [unordered(field) if position in SETS_AT else field for position, field in enumerate(of)]
    fields[KEY_SPECS_AT] = type(of[KEY_SPECS_AT]), [key_spec(spec) for spec in items(of[KEY_SPECS_AT])]
    subcommands = [entry(sub) for sub in items(of[SUBCOMMANDS_AT]) if sub[0].decode() in SHARED]
    fields[SUBCOMMANDS_AT] = type(of[SUBCOMMANDS_AT]), sorted(subcommands, key=lambda sub: sub[0])
    return fields


@pytest.mark.parametrize("name", SHARED)
def test_command_info_of_a_command_that_both_have_is_the_same(pair: Pair, name: str) -> None:
    ours, theirs = ask(pair, "COMMAND", "INFO", name)
    assert entry(ours[0]) == entry(theirs[0])


def test_the_whole_table_has_an_entry_per_command_in_the_form_of_command_info(pair: Pair) -> None:
    ours, theirs = ask(pair, "COMMAND")
    assert [one[0].decode() for one in ours] == list(TABLE)
    known = {one[0]: entry(one) for one in theirs}
    for one in ours:
        assert one[0].decode() not in SHARED or entry(one) == known[one[0]]


def test_what_only_one_of_the_two_has_is_named_in_the_differences(pair: Pair) -> None:
    here, there = ({name.decode() for name in reply} for reply in ask(pair, "COMMAND", "LIST"))
    only_here = listed("here") | {name for name in here if name.split("|")[0] in listed("here")}
    assert here - there == only_here
    containers = {name for name, spec in TABLE.items() if spec.subcommands}
    assert {name for name in there - here if name.split("|")[0] in containers} == listed("in Redis")


def test_the_names_of_redis_commands_are_those_that_it_lists(pair: Pair) -> None:
    _, there = ask(pair, "COMMAND", "LIST")
    known = {name for names in REDIS_COMMANDS.values() for name in names.split()}
    assert known == {name.decode() for name in there if b"|" not in name}


def test_every_summary_says_more_than_a_word() -> None:
    assert [one.name for spec in TABLE.values() for one in (spec, *spec.subcommands.values())
            if len(one.summary.split()) < 2] == []  # fmt: skip


CATEGORIES = "keyspace read write string admin fast slow dangerous connection transaction scripting"


@pytest.mark.parametrize("category", CATEGORIES.split())
def test_command_list_of_a_category_names_the_same_commands(pair: Pair, category: str) -> None:
    ours, theirs = ask(pair, "COMMAND", "LIST", "FILTERBY", "ACLCAT", category)
    known = {name.encode() for name in SHARED}
    assert known & set(ours) == known & set(theirs) != set()


@pytest.mark.parametrize("pattern", ["cl*", "*|HELP", "get", "[x-z]*"])
def test_command_list_of_a_pattern_names_the_same_commands(pair: Pair, pattern: str) -> None:
    ours, theirs = ask(pair, "COMMAND", "LIST", "FILTERBY", "PATTERN", pattern)
    known = {name.encode() for name in SHARED}
    assert known & set(ours) == known & set(theirs)


@pytest.mark.parametrize("name", SHARED)
def test_command_docs_of_a_command_that_both_have_say_the_same_but_for_the_summary(pair: Pair, name: str) -> None:
    ours, theirs = (doc(reply) for reply in ask(pair, "COMMAND", "DOCS", name))
    assert set(ours) == set(theirs) == {name.encode()}
    left_out = {b"complexity"} if name in OWN_COMPLEXITY else set()
    ours, theirs = (
        {field: value for field, value in facts.items() if field in DOC_FIELDS - left_out}
        for facts in (doc(ours[name.encode()]), doc(theirs[name.encode()]))
    )
    assert ours == theirs


def doc(reply: Any) -> dict[bytes, Any]:
    if isinstance(reply, MapReply):
        return dict(reply.pairs)
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


LOOSE = {
    "client|kill": "the second form is of options, none of which has to be there",
    "keyspace|alter": "asks for one option at least",
    "keyspace|create": "asks for the mode itself",
}
"""Commands whose arity and usage do not tell the same least number of words."""

OTHER_ARGUMENTS = {
    "command|getkeys": "Redis documents none",
    "debug": "Redis documents none",
}


def tree(reply: Any) -> Any:
    """An argument without what the two may say differently: versions, and the names of groups."""
    facts = doc(reply)
    parts = [tree(part) for part in facts.get(b"arguments", ())]
    flags = frozenset(flag.text for flag in items(facts.get(b"flags", ())))
    kept = (facts[b"type"], facts.get(b"token"), facts.get(b"key_spec_index"), flags)
    return (*kept, parts or (facts[b"name"] if facts[b"type"] != b"pure-token" else None))


@pytest.mark.parametrize("name", SHARED)
def test_the_arguments_that_redis_cli_makes_its_hints_of_are_the_same(pair: Pair, name: str) -> None:
    replies = [doc(doc(reply)[name.encode()]).get(b"arguments", ()) for reply in ask(pair, "COMMAND", "DOCS", name)]
    ours, theirs = ([tree(argument) for argument in reply] for reply in replies)
    assert (ours == theirs) == (name not in OTHER_ARGUMENTS)


def test_every_usage_is_of_a_command_and_every_argument_it_takes_is_in_a_usage() -> None:
    takes = {
        one.name
        for spec in TABLE.values()
        for one in (spec, *spec.subcommands.values())
        if one.name in USAGE or (abs(one.arity) > 1 + one.name.count("|") and not one.subcommands)
    }
    assert takes == set(USAGE)


@pytest.mark.parametrize("name", USAGE)
def test_a_usage_is_read_to_its_end_and_needs_as_many_words_as_the_arity_says(name: str) -> None:
    spec = next(one for each in TABLE.values() for one in (each, *each.subcommands.values()) if one.name == name)
    least = 1 + name.count("|") + sum(words_needed(argument) for argument in arguments_of(USAGE[name]))
    assert least == abs(spec.arity) or name in LOOSE


def words_needed(argument: Argument) -> int:
    if argument.is_optional:
        return 0
    inner = [words_needed(part) for part in argument.parts]
    own = 1 if argument.type not in ("oneof", "block", "pure-token") else 0
    return own + (min(inner) if argument.type == "oneof" else sum(inner)) + (1 if argument.token else 0)


def test_every_command_with_keys_says_what_it_does_to_them() -> None:
    described = {name for names in FLAGS.values() for name in names.split()}
    with_keys = {
        one.name for spec in TABLE.values() for one in (spec, *spec.subcommands.values()) if one.keys.first != 0
    }
    assert described == with_keys


def test_command_count_counts_the_table() -> None:
    solo = SoloNode()
    assert decode(solo.send(solo.connect(), request("COMMAND", "COUNT"))) == len(TABLE)
