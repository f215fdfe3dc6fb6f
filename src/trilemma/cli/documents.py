"""The reference pages that are made from the code: commands, errors, limits, configuration, use-safety, formats."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import trilemma
from trilemma.base.errors import REGISTRY
from trilemma.base.limits import LIMITS
from trilemma.cli.formats import formats
from trilemma.cli.page import HEADER, table
from trilemma.command.redis_names import REDIS_COMMANDS
from trilemma.command.safety import SHOWN_ALONE
from trilemma.command.safety_rows import RULES
from trilemma.command.safety_rule import Guard, Pattern, Rule
from trilemma.command.table import TABLE
from trilemma.command.usage import written
from trilemma.runtime.config import options
from trilemma.runtime.example import EXAMPLE


def _import_all() -> None:
    """Import every module, so that every error and bound is registered."""
    for module in pkgutil.walk_packages(trilemma.__path__, "trilemma."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


COMMANDS_INTRO = """\
Arity counts the command itself; a negative one means at least that many. Arguments: [optional], (group), one|other,
repeated...

On `ap` only counters are merged (`INCR`, `DECR`, `INCRBY`, `DECRBY`, `INCRBYFLOAT`). Every other write, `APPEND` and
`SETRANGE` too, puts a whole value in place of what it has seen: of two concurrent ones one is hidden
([promises.md](promises.md)). What else a mode does not give stands in [safety.md](safety.md).
"""


def commands() -> str:
    """Return the page of commands."""
    rows: list[tuple[str, str, tuple[object, ...]]] = []
    for spec in TABLE.values():
        for one in spec.subcommands.values() if spec.subcommands else (spec,):
            name = one.name.upper().replace("|", " ")
            shown = f"{name} {written(one.name)}".rstrip()
            rows.append((one.group, name, (f"`{shown}`", one.arity, one.since, one.summary)))
    parts = [HEADER, "# Commands\n", COMMANDS_INTRO]
    for group in sorted({group for group, _, _ in rows}):
        parts.append(f"## {group}\n")
        chosen = sorted((name, row) for each, name, row in rows if each == group)
        parts.append(table(("command", "arity", "since (Redis)", "what it does"), (row for _, row in chosen)))
    return "\n".join([*parts, ABSENT_INTRO, table(("group", "not here"), _absent())])


ABSENT_INTRO = """\
## Redis' commands that are not here

**There are strings and counters, and no other type yet.** Of the top-level commands of Redis 7.0 these are not built:
`ERR unknown command`. Subcommands that are left out stand in [differences.md](differences.md).
"""


def _absent() -> Iterator[tuple[object, ...]]:
    """Yield the groups of Redis' commands with those that are missing."""
    for group, names in REDIS_COMMANDS.items():
        missing = [f"`{name.upper()}`" for name in names.split() if name not in TABLE]
        if missing:
            yield group, ", ".join(missing)


def errors() -> str:
    """Return the page of errors."""
    _import_all()
    rows = (
        (f"`{entry.template}`", entry.outcome.value, entry.remedy)
        for entry in sorted(REGISTRY.values(), key=lambda each: each.template)
    )
    intro = (
        "Every error a client can get: what it says about the command, and what to do. Redis' own texts are 7.0's.\n"
    )
    return "\n".join([HEADER, "# Errors\n", intro, table(("text", "the command", "what to do"), rows)])


def limits() -> str:
    """Return the page of bounds."""
    _import_all()
    rows = (
        (f"`{entry.name}`", f"{entry.default:,}", entry.unit, entry.reason, entry.answer)
        for entry in sorted(LIMITS.values(), key=lambda each: each.name)
    )
    columns = ("name", "default", "unit", "reason", "at the bound")
    return "\n".join(
        [HEADER, "# Limits\n", "Every queue and size is bounded; here is by what.\n", table(columns, rows)]
    )


CONFIGURATION_INTRO = f"""\
The TOML file of `trilemma serve --config FILE`. Unknown options are refused. `trilemma up` writes the files of a local
cluster itself; on machines of your own each node has one, such as

```toml
{EXAMPLE}```

Run `trilemma serve --config /etc/trilemma/node.toml` on each under what restarts services there (systemd, say). Exit
status: 0 after SIGTERM or SHUTDOWN; 2, with the reason, where it cannot start as configured, where its data turn out
damaged or older than what the node had, or where the disk fails its log or its rows; 70 for a fault. A restart after an
error of the disk is safe: what a start finds in the log it makes durable anew before it relies on it. Clients of other
machines are served where there is a password, or `protected_mode = false`. Then, from any machine that has the package,
with the password in `REDISCLI_AUTH` as redis-cli takes it:

    export REDISCLI_AUTH='what clients give with AUTH'
    trilemma keyspace create bank --mode cp --node 10.0.0.1:6379
    trilemma keyspace list --node 10.0.0.1:6379

`status`, `down` and the faults of processes are for clusters of `trilemma up`, in its directory (`--dir`).

A copy of one node's data directory is no way back for that node: what it has acknowledged since is not in it, and peers
that met a later start of it refuse it. Copies of all nodes, taken while all were stopped, can be put back together.
Never start a node on a copy of a directory beside the node itself, not even for a moment: peers that do not hear the
node just then take the copy for it, and the node's newer data for an older copy.
"""


def configuration() -> str:
    """Return the page of options."""
    rows = (
        (
            option.table or "top level",
            f"`{option.name}`",
            option.type,
            option.default or "*required*",
            option.description,
        )
        for option in options()
    )
    columns = ("table", "option", "type", "default", "what it does")
    return "\n".join([HEADER, "# Configuration\n", CONFIGURATION_INTRO, table(columns, rows)])


SAFETY_INTRO = """\
What a command does not give on a mode, though much code relies on it there: `trilemma lint` finds such uses in sources,
in texts of commands and in what MONITOR shows of a running server, and `CAP EXPLAIN` warns beside its receipt. *Unsafe*
is a finding that counts (exit status 1); a *hint* depends on what the program makes of it, as does every finding whose
key, reply or retry cannot be seen.

`CAP EXPLAIN` takes one command that reads or writes keys that it names. So it never warns by these rules, which
`trilemma lint` goes by too: {not_explained}. It judges the command, and remembers what the same connection had
explained before on the key: after `CAP EXPLAIN GET k` it says of `CAP EXPLAIN SET k …` that it comes after a GET;
without, on `ap`, that it is unsafe *if* the value was computed from one.

    trilemma lint examples/shop.py --keyspace shop=ap
    trilemma lint --monitor 127.0.0.1:6379 --time 60 --mode ap
    trilemma lint --monitor trilemma-cluster --cluster 127.0.0.1:7001 --time 60

What it cannot see it does not say: keys that are made elsewhere, clients under other names than one assigns them,
commands that several functions share. That nothing was found proves nothing. A file that is no Python, or has an
expression that is too deep, such as a sum of many hundred terms, is named as not judged; the others are judged all the
same, and where nothing is found in them the exit status is 2. A WATCH guards what its own pipeline sends, until that
executes, is reset, or its `with` ends; whether two names are of one pipeline may not be seen: a hint. A retry is
a loop around a `try` that
success ends, a decorator, or a command that a `try` had sent and that only its error leads to once more; not a loop
that goes on with the next item, nor where the error says that nothing happened (WatchError), nor where the program
reads before and goes by what it read. Where a loop may end otherwise it is a hint. With CAP ONCE it is one only where
the token is another each time: drawn, told by a clock or counted between the attempts; one that a function gives which
is told nothing is a hint. Subscripts and `in` are GET, SET, DEL and EXISTS of what is surely a client: made or
annotated as one in sight of them. Two keys are one where the same name is used and not bound anew in between, or where
the same expression makes them, of names that are not bound anew between where the one is made and where the other is;
an expression also stands behind a name that is only ever bound to it. What lies in between is judged along one way down
the lines, through no loop twice: a name that a loop binds before both uses in its body, or behind both, is not bound in
between, for in one round both have the same key. Where the way may or may not bind a name anew (in a branch, a `try`, a
loop that may end before, a function that is defined there), or binds it to the same once more (what a function gives,
the items of the same loop), a finding is a hint. Behind `watch(*names)` any key may be the one watched. In a source,
what stands in another branch does not come after; where two clients are named, which may be of two servers, or where a
loop would have to take one branch and then the other, whatever it binds each round, a finding is a hint.

A node of Trilemma shows by MONITOR what its own clients send, whichever node executes it, and not what clients of other
nodes send. So listen to all nodes: give `--monitor` for each, or the directory of the cluster. `--cluster` asks one
node which keyspaces there are, and of which modes. As in Redis, whoever monitors sees every value; passwords are left
out.

## Releasing a lock

The lock of redis-py, and of most libraries, is released by a script, and there are none here. On a `cp` keyspace this
deletes a lock only where it is still one's own:

```python
import redis


def release(client, name, token):
    # The lock was taken by SET name token NX PX ms. False: it ran out, and may be another's by now.
    with client.pipeline() as steps:
        steps.watch(name)
        if steps.get(name) != token:
            return False
        steps.multi()
        steps.delete(name)
        try:
            return steps.execute() == [1]
        except redis.WatchError:
            return False
```

A deadline frees a lock whose holder stands still, and the holder goes on: see lock-without-fencing.
"""


def safety() -> str:
    """Return the page of the rules of use-safety."""
    rules: dict[str, list[Rule]] = {}
    for rule in RULES:
        rules.setdefault(rule.name, []).append(rule)
    parts = [HEADER, "# Use-safety\n", SAFETY_INTRO.format(not_explained=", ".join(_not_explained()))]
    for name, same in rules.items():
        first = same[0]
        parts.append(f"## {name}\n")
        parts.append(f"{first.gravity.value.capitalize()} on {', '.join(f'`{mode}`' for mode in first.modes)}.\n")
        parts.append("\n".join(f"- {_use(rule)}" for rule in same) + "\n")
        parts.append(f"**Why:** {first.reason}.\n\n**The safe way:** {first.safe_way}.\n")
    return "\n".join(parts)


def _not_explained() -> Iterator[str]:
    """Yield the rules that no CAP EXPLAIN warns by: it takes none of their commands, or one command shows nothing."""
    for rule in RULES:
        is_taken = any(name not in TABLE or TABLE[name].handler is not None for name in rule.commands)
        if not is_taken or rule.pattern not in (*SHOWN_ALONE, Pattern.AFTER):
            yield rule.name


def _use(rule: Rule) -> str:
    """Return which commands a rule is about, and how they are used."""
    text = ", ".join(f"`{' '.join([name, *rule.options]).upper()}`" for name in rule.commands)
    if rule.any_of:
        text += f" with {' or '.join(rule.any_of)}"
    if rule.without:
        text += f" without {', '.join(rule.without)}"
    if rule.after:
        text += f" after {', '.join(f'`{name.upper()}`' for name in rule.after)} on the same key and connection"
    elif rule.pattern is not Pattern.ALONE:
        text += f": {rule.pattern.value}"
    if rule.guard is not Guard.NOTHING:
        text += f"; safe: {rule.guard.value}"
    if rule.suspicion:
        text += f"; CAP EXPLAIN of it alone warns *{rule.suspicion}*"
    if rule.key_words:
        text += f" (a hint unless the key's name holds one of: {', '.join(rule.key_words)})"
    return text


PAGES = {
    "commands.md": commands,
    "errors.md": errors,
    "limits.md": limits,
    "configuration.md": configuration,
    "safety.md": safety,
    "formats.md": formats,
}


def write(directory: Path) -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        (directory / name).write_text(make())
