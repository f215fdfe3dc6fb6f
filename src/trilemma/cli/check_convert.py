"""`trilemma check convert`: a recorded history in another format.

Exit status: 0, or 64 where nothing was written: for a bad file or option, or a history that the format cannot tell.
"""

import io
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from trilemma.check.formats.conventions import FAILED_CAS, KEYS, ORDERS, Conventions
from trilemma.check.formats.conversion import write_history
from trilemma.check.formats.error import FormatError
from trilemma.check.formats.file import FORMATS, read_history
from trilemma.check.formats.recording import Recording
from trilemma.check.history import HistoryError
from trilemma.cli.console import AsJson, console, print_json
from trilemma.cli.history_file import CasFail, FileFormat, HistoryFile, Keys, Order, one_of, opened
from trilemma.cli.judging import refuse

SUFFIXES: Final = {".jsonl": "jsonl", ".edn": "edn", ".log": "log", ".txt": "log"}
"""What the name of a file says about the format that is wanted."""


def convert(
    file: HistoryFile,
    target: Annotated[Path, typer.Argument(help="The file to write, over what is there.", show_default=False)],
    to: Annotated[str, typer.Option(help=f"{', '.join(FORMATS)}; else as the file to write is called.")] = "",
    file_format: FileFormat = "",
    cas_fail: CasFail = "mismatch",
    keys: Keys = "auto",
    order: Order = "time",
    keyspace: Annotated[str, typer.Option(help="Write the operations on this keyspace only.")] = "",
    times_tell: Annotated[
        bool, typer.Option("--times-tell", help="Write EDN whose lines have no right order, for readers of its times.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a recorded history in another format: ours in JSON Lines, Jepsen's EDN, or lines of Jepsen's log.

    What the format has no words for is refused, or left out and named. Exit status: 0 written, 64 nothing was.
    """
    conventions = Conventions(
        failed_cas=one_of("--cas-fail", cas_fail, FAILED_CAS),
        keys=one_of("--keys", keys, KEYS),
        order=one_of("--order", order, ORDERS),
    )
    name = one_of("--to", to or SUFFIXES.get(target.suffix, target.suffix), FORMATS)
    if times_tell and name != "edn":
        refuse("--times-tell is about times and lines that tell different orders, which only EDN has")
    given = one_of("--format", file_format, FORMATS) if file_format else None
    try:
        with opened(file) as stream:
            recording = _of_keyspace(read_history(stream, given, conventions), keyspace)
    except OSError as problem:
        refuse(f"{file}: {problem.strerror or problem}")
    except FormatError as problem:
        refuse(f"{file}: {problem}")
    whole = io.BytesIO()
    try:
        left_out = write_history(whole, recording.operations, recording.faults, name, times_tell=times_tell)
    except HistoryError as problem:
        refuse(str(problem))
    try:
        target.write_bytes(whole.getvalue())
    except OSError as problem:
        refuse(f"{target} could not be written: {problem.strerror or problem}")
    _say(target, name, recording, left_out, as_json)


def _of_keyspace(recording: Recording, keyspace: str) -> Recording:
    if not keyspace:
        return recording
    return recording._replace(operations=[each for each in recording.operations if each.keyspace == keyspace])


def _say(target: Path, name: str, recording: Recording, left_out: tuple[str, ...], as_json: bool) -> None:
    told: dict[str, Any] = {
        "file": str(target),
        "format": name,
        "operations": len(recording.operations),
        "faults": len(recording.faults),
        "left_out": list(left_out),
    }
    if as_json:
        print_json(told)
        return
    missing = f"; left out: {', '.join(left_out)}" if left_out else ""
    counts = f"{told['operations']} operations, {told['faults']} faults"
    console.print(f"{target}: format {name}, {counts}{missing}", markup=False, soft_wrap=True)
