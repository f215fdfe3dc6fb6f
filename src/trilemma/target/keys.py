"""The keys that a step's commands name, by the command table."""

from trilemma.base.errors import ReplyError
from trilemma.command.table import keys_of, lookup_argv
from trilemma.workload.step import Command, Step


def keys_of_step(step: Step) -> set[bytes]:
    """Return the keys that a step's commands name; of a command that the table has not, the step's own key."""
    return {key for command in step.commands for key in _keys_of(command, step)}


def _keys_of(command: Command, step: Step) -> list[bytes]:
    argv = list(command)
    try:
        return keys_of(lookup_argv(argv), argv)
    except ReplyError:
        return [step.key]
