"""`trilemma lint`: do a program's commands get what it relies on? Exit status: 0 clean, 1 findings, 2 cannot tell."""

import os
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import redis
import typer

from trilemma.advise.call import Call, Program
from trilemma.advise.judge import Judge, judge
from trilemma.advise.modes import Modes, NotAKeyspaceError, parse_mode, parse_modes
from trilemma.advise.python import read_python
from trilemma.advise.report import Tally, as_data, as_text
from trilemma.advise.text import Reader, read_text
from trilemma.cli.console import CANNOT, AsJson, errors, print_json, refuse
from trilemma.cli.nodes import reached
from trilemma.cli.seconds import SECONDS_MAX
from trilemma.client import control
from trilemma.client.monitor import NoMonitorError, monitored

PROBLEMS_SHOWN_MAX = 20
PATIENCE = {"socket_timeout": 5, "socket_connect_timeout": 5}


def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Commands, one per line; lines of MONITOR; Python (.py). - is stdin."),
    ] = None,
    monitor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT|DIR",
            help="Listen by MONITOR to a server, or to all nodes of the cluster in a directory. A node shows only its "
            "own clients' commands: give it for each.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--time", min=0.0, max=SECONDS_MAX, help="How long to listen, in seconds.")
    ] = 10.0,
    mode: Annotated[str, typer.Option(help="The mode of the keyspace `default`: cp, ca or ap.")] = "",
    keyspace: Annotated[list[str] | None, typer.Option(help="A keyspace and its mode, such as shop=ap.")] = None,
    keyspaces: Annotated[Path | None, typer.Option(help="A file of such lines, or of `keyspace list --json`.")] = None,
    cluster: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT|DIR", help="Ask a node for the keyspaces, or any node of a directory's cluster."
        ),
    ] = "",
    hints: Annotated[bool, typer.Option("--hints", help="Show hints too; they do not count.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Show hints, and let them count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find commands that are unsafe for the mode of their keyspace, each with the reason and the safe way."""
    if bool(files) == bool(monitor):
        refuse("name files, or --monitor host:port")
    modes = _modes(mode, keyspace or [], keyspaces, cluster)
    tally, problems = Tally(), list[str]()
    if monitor:
        judged = _listen(_servers(monitor), seconds, Judge(modes), tally, problems)
    else:
        programs = [_read(path) for path in files or []]
        for program in programs:
            for finding in judge(program, modes):
                tally.add([finding])
            problems += program.not_understood
        judged = sum(len(program.calls) for program in programs)
    raise typer.Exit(_tell(tally, judged, problems, shows_hints=hints or strict, is_strict=strict, as_json=as_json))


# The keyspaces


def _modes(mode: str, pairs: list[str], file: Path | None, cluster: str) -> Modes:
    try:
        named = _ask(cluster) if cluster else {}
        if file is not None:
            named |= parse_modes(_text(file).decode("utf-8", "replace"))
        named |= dict(map(parse_mode, pairs))
        default = named.pop("default", "cp")
        return Modes(parse_mode(f"default={mode}")[1] if mode else default, named)
    except NotAKeyspaceError as problem:
        refuse(str(problem))


def _ask(place: str) -> dict[str, str]:
    """Return the keyspaces of a running cluster, which an address or a directory names."""
    directory = Path(place).resolve()
    try:
        with reached(directory, "" if directory.is_dir() else place, **PATIENCE) as client:
            names: list[Any] = client.execute_command("KEYSPACE", "LIST")  # type: ignore[no-untyped-call]
            found = {}
            for name in names:
                facts = client.execute_command("KEYSPACE", "INFO", name)  # type: ignore[no-untyped-call]
                told = facts if isinstance(facts, dict) else dict(zip(facts[::2], facts[1::2], strict=True))
                found[str(name)] = str(told["mode"])
            return found
    except (control.NoClusterError, redis.RedisError) as problem:
        refuse(f"--cluster {place} does not tell its keyspaces: {problem}")


# What is read


def _text(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as problem:
        refuse(f"{path} cannot be read: {problem.strerror}")


def _read(path: Path) -> Program:
    text = _text(path)
    if path.suffix != ".py":
        return read_text(text, "stdin" if str(path) == "-" else str(path))
    try:
        return read_python(text, str(path))
    except (SyntaxError, ValueError) as problem:
        return Program((), (), (f"{path} is no Python: {problem}",))
    except (RecursionError, MemoryError):  # of the parser, or of what walks through what it found
        return Program((), (), (f"{path} is nested too deeply to be read",))


def _servers(places: list[str]) -> list[str]:
    """Return the addresses of what is to be listened to: each node of a cluster that is named by its directory."""
    try:
        found = [control.nodes(Path(place)).values() if Path(place).is_dir() else [place] for place in places]
    except control.NoClusterError as problem:
        refuse(str(problem))
    return list(dict.fromkeys(chain.from_iterable(found)))


def _listen(addresses: list[str], seconds: float, one: Judge, tally: Tally, problems: list[str]) -> int:
    """Judge what servers' clients send for some time; return how many commands it was."""
    readers, judged = {address: Reader(address) for address in addresses}, 0
    try:
        for address, line in monitored(addresses, seconds, os.environ.get(control.PASSWORD)):
            found = readers[address].line(line, judged + 1)
            if isinstance(found, Call):
                judged += 1
                tally.add(one.take(found if len(addresses) == 1 else _at(address, found)))
            elif found is not None and len(problems) < PROBLEMS_SHOWN_MAX:
                problems.append(found)
    except NoMonitorError as problem:
        if not judged:
            refuse(str(problem))
        problems.append(str(problem))
    return judged


def _at(address: str, call: Call) -> Call:
    """Return a call with the server that it was sent to: two servers' clients may have the same address."""
    return replace(call, place=f"{call.place} at {address}", who=f"{call.who} at {address}")


# What is told


def _tell(tally: Tally, judged: int, problems: list[str], *, shows_hints: bool, is_strict: bool, as_json: bool) -> int:
    """Print what was found; return the exit status."""
    counted = tally.counted()
    unsafe = [each for each in counted if each.finding.is_unsafe]
    shown = counted if shows_hints else unsafe
    counts = len(counted) if is_strict else len(unsafe)
    status = 1 if counts else CANNOT if problems or not judged else 0
    if as_json:
        told = {"judged": judged, "findings": as_data(shown), "hints": len(counted) - len(unsafe)}
        print_json(told | {"not_judged": problems, "left_out": tally.left_out, "status": status})
        return status
    print(*as_text(shown), sep="\n", end="\n" if shown else "")
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        errors.print(f"not judged: {problem}", markup=False, soft_wrap=True)
    if not judged:
        errors.print("not judged: no command was found", soft_wrap=True)
    hidden = "" if shows_hints or len(counted) == len(unsafe) else " (--hints shows them)"
    print(f"{judged} commands judged: {len(unsafe)} unsafe, {len(counted) - len(unsafe)} hints{hidden}")
    return status
