"""Use-safety: what a command does not give on a mode, though much code in the field relies on it there.

A rule is data: commands, modes, why, and the safe way. `trilemma lint`, the warnings of CAP EXPLAIN and docs/safety.md
all read RULES. What one command's own words can show is judged here; what takes several commands of a connection, or
the source around a call, is judged by `advise`.
"""

from collections.abc import Iterator, Sequence

from trilemma.command.safety_rows import RULES
from trilemma.command.safety_rule import Pattern, Rule

BY_COMMAND: dict[str, tuple[Rule, ...]] = {
    command: tuple(rule for rule in RULES if command in rule.commands)
    for command in sorted({command for rule in RULES for command in rule.commands})
}
"""The rules of each command, by its name in lower case."""

SHOWN_ALONE = (Pattern.ALONE, Pattern.REPLY_USED, Pattern.RETRIED)
"""Patterns that one command can show, or at least suggest."""


def rules_of(name: str, mode: str) -> Iterator[Rule]:
    """Yield the rules of a command on a mode, whatever their pattern."""
    return (rule for rule in BY_COMMAND.get(name, ()) if mode in rule.modes)


def has_words(rule: Rule, words: Sequence[str]) -> bool:
    """Say whether the arguments of a command, in capitals, hold the words of a rule and none that it excludes."""
    return (
        all(word in words for word in rule.options)
        and (not rule.any_of or any(word in words for word in rule.any_of))
        and not any(word in words for word in rule.without)
    )


def names_use(rule: Rule, key: str) -> bool:
    """Say whether a key's name shows that it is used as the rule fears; true where the rule asks for no name."""
    return not rule.key_words or any(word in key.lower() for word in rule.key_words)


def option_words(arguments: Sequence[bytes]) -> tuple[str, ...]:
    """Return the arguments of a command (its name left out) that may be options, in capitals: not key and value."""
    return tuple(word.decode("utf-8", "backslashreplace").upper() for word in arguments[2:])


def comes_after(rule: Rule, name: str, earlier: Sequence[str]) -> str:
    """Return which of a rule's first commands came before a command on its key; empty where none did.

    Args:
        earlier: what came before on the same key and connection, the newest last.
    """
    for before in reversed(earlier):
        if before in rule.after:
            return before
        if before == name:
            # The value was replaced since, knowingly or not: what was read before that is no longer built upon.
            return ""
    return ""


def warnings(
    argv: list[bytes], mode: str, earlier: Sequence[Sequence[str]] = (), *, is_once: bool = False
) -> list[str]:
    """Return what CAP EXPLAIN says beside the receipt of one command on a keyspace's mode: reason, then safe way.

    Args:
        earlier: for each key, the commands that the same connection had explained before, the newest last.
        is_once: whether it goes by CAP ONCE, so that it may be sent again.
    """
    name = argv[0].decode("utf-8", "replace").lower()
    words = option_words(argv[1:])
    found = []
    for rule in rules_of(name, mode):
        when = None if is_once and rule.pattern is Pattern.RETRIED else _when(rule, name, earlier)
        if when is not None and has_words(rule, words):
            found.append(f"{rule.name}: {when}{rule.reason}; {rule.safe_way}")
    return found


def _when(rule: Rule, name: str, earlier: Sequence[Sequence[str]]) -> str | None:
    """Return under which condition a rule's reason holds for one command; None where it shows nothing of the rule."""
    if rule.pattern in SHOWN_ALONE:
        return ""
    if rule.pattern is not Pattern.AFTER:
        return None
    before = next(filter(None, (comes_after(rule, name, each) for each in earlier)), "")
    if before:
        return f"after {before.upper()} of the same key on this connection: "
    return f"{rule.suspicion}: " if rule.suspicion else None
