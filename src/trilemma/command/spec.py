"""What the table says of one command. Routing, help, COMMAND's replies and docs/commands.md all read it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from trilemma.command.context import DataContext
from trilemma.command.session import SessionPort
from trilemma.resp.reply import Reply

DataHandler = Callable[[DataContext, list[bytes]], Reply]
SessionHandler = Callable[[SessionPort, list[bytes]], Reply]


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the keys are: arguments `first` to `last` (negative: from the end) every `step`; first 0 for none."""

    first: int = 0
    last: int = 0
    step: int = 0


NO_KEYS = Keys()
ONE_KEY = Keys(1, 1, 1)
TWO_KEYS = Keys(1, 2, 1)
ALL_KEYS = Keys(1, -1, 1)
PAIRS = Keys(1, -1, 2)


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command, or one subcommand (`name` is then container|subcommand, as Redis writes it).

    `arity` counts the name; negative means at least that many. `flags`, `categories` and `since` are Redis 7.0's where
    Redis has the command.
    """

    name: str
    arity: int
    group: str
    summary: str
    flags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    keys: Keys = NO_KEYS
    since: str = "1.0.0"
    handler: DataHandler | None = None
    session_handler: SessionHandler | None = None
    subcommands: dict[bytes, "CommandSpec"] = field(default_factory=dict)
    is_write: bool = field(init=False)
    is_open: bool = field(init=False)
    """Whether it may be sent before AUTH."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_write", "write" in self.flags)
        object.__setattr__(self, "is_open", "no_auth" in self.flags)


def keys_of(spec: CommandSpec, argv: list[bytes]) -> list[bytes]:
    """Return the keys among the arguments, in order."""
    keys = spec.keys
    if keys.first == 0:
        return []
    if keys.last == 1:
        return argv[1:2]
    last = keys.last if keys.last > 0 else len(argv) + keys.last
    return argv[keys.first : last + 1 : keys.step]
