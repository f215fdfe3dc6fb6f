"""`trilemma sim`: the deterministic simulator. A failure prints the one command that shows it again."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trilemma.cli.console import AsJson, console, errors, print_json, refuse
from trilemma.sim.campaign import Finding, Tally, append, done_seeds, run_seeds
from trilemma.sim.hunt import Hunt, append_hunt, hunt, known_hunts, page
from trilemma.sim.mutants import MUTANTS, planted, varied
from trilemma.sim.options import draw
from trilemma.sim.run import run_schedule

app = typer.Typer(help="Run the very same node under virtual time, with seeded faults.", no_args_is_help=True)

Seeds = Annotated[str, typer.Option(help="From:to, the end left out; or one number.")]
Mode = Annotated[str, typer.Option(help="cp, ap, ca or all.")]
Nodes = Annotated[int, typer.Option(help="3 or 5; 0 lets the seed choose.")]


def _range(seeds: str) -> range:
    first, colon, last = seeds.partition(":")
    try:
        found = range(int(first), int(last)) if colon else range(int(first), int(first) + 1)
    except ValueError:
        refuse("--seeds is from:to, such as 0:1000")
    if not found or found.start < 0:
        refuse(f"--seeds {seeds} names no seed: it is from:to, the end left out, such as 0:1000")
    return found


def _check(mode: str, nodes: int) -> None:
    if mode not in ("cp", "ap", "ca", "all"):
        refuse("--mode is cp, ap, ca or all")
    if nodes not in (0, 3, 5):
        refuse("--nodes is 3 or 5; 0 lets the seed choose")


def _check_mutant(name: str) -> None:
    if name not in MUTANTS:
        refuse(f"no mutant {name!r}; there are {', '.join(MUTANTS)}")


@app.command()
def run(
    seeds: Seeds = "0:200",
    mode: Mode = "all",
    nodes: Nodes = 0,
    record: Annotated[Path | None, typer.Option(help="Add results to this file; skip seeds in it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run schedules; exit status 1 if one found something."""
    _check(mode, nodes)
    wanted = list(_range(seeds))
    known = done_seeds(record, mode, nodes) if record is not None else {}
    tally = Tally()
    for finding in known.values():
        tally.add(finding)
    left = [seed for seed in wanted if seed not in known]
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeElapsedColumn(), console=errors if as_json else console) as progress,
        closing(run_seeds(left, mode, nodes)) as findings,
    ):
        task = progress.add_task(f"{mode} schedules", total=len(wanted), completed=len(wanted) - len(left))
        for finding in findings:
            tally.add(finding)
            if record is not None:
                append(record, finding, mode, nodes)
            if finding.verdict in ("broken", "failed"):
                progress.console.print(_failure(finding, nodes))
            progress.advance(task)
    if as_json:
        print_json(_as_json(tally))
        raise typer.Exit(1 if tally.bad else 0)
    counted = f"{tally.counted} schedule{'' if tally.counted == 1 else 's'} counted"
    console.print(
        f"{counted}, {tally.operations} operations; {tally.vacuous} vacuous, not counted; "
        f"{tally.unknown} verdicts unknown; [bold]{len(tally.bad)} failed[/]"
    )
    if tally.bad:
        raise typer.Exit(1)


def _as_json(tally: Tally) -> dict[str, object]:
    return {
        "counted": tally.counted,
        "operations": tally.operations,
        "vacuous": tally.vacuous,
        "unknown": tally.unknown,
        "failed": [{"seed": each.seed, "mode": each.mode, "text": each.text} for each in tally.bad],
    }


def _failure(finding: Finding, nodes: int) -> str:
    again = f"trilemma sim replay {finding.seed} --mode {finding.mode}" + (f" --nodes {nodes}" if nodes else "")
    return f"[red]seed {finding.seed} ({finding.mode}): {finding.verdict}[/]\n{escape(finding.text)}\n[bold]{again}[/]"


@app.command()
def replay(
    seed: int,
    mode: Mode = "all",
    nodes: Nodes = 0,
    mutant: Annotated[str, typer.Option(help="Plant this bug first.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no trace.")] = False,
) -> None:
    """Run one seed again, with a line per event: who, what, why."""
    _check(mode, nodes)
    if mutant:
        _check_mutant(mutant)
    options = varied(mutant, draw(seed, mode, nodes))
    with planted(mutant):
        outcome = run_schedule(options, keep_trace=not quiet)
    print(options.describe())
    print(*outcome.trace, sep="\n")
    print(f"trace {outcome.trace_hash}, {outcome.operations} operations, faults {outcome.fired}")
    print(*(verdict.describe() for verdict in outcome.verdicts), *outcome.failures, sep="\n")
    if not outcome.is_clean:
        raise typer.Exit(1)


@app.command()
def mutants(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all without.")] = None,
    seeds: Seeds = "0:3000",
    write: Annotated[Path | None, typer.Option(help="Write a page of what was found to this file.")] = None,
    record: Annotated[Path | None, typer.Option(help="Add results to this file; skip bugs in it.")] = None,
) -> None:
    """Plant known bugs and look for them; exit status 1 if one survives."""
    for name in names or ():
        _check_mutant(name)
    wanted, hunts = _range(seeds), []
    known = known_hunts(record) if record is not None else {}
    for name in names or list(MUTANTS):
        hunts.append(found := known.get(name) or hunt(name, wanted))
        if record is not None and name not in known:
            append_hunt(record, found)
        _tell(found)
        if write is not None:
            write.write_text(page(hunts))
    survivors = [found.name for found in hunts if not found.is_found]
    if survivors:
        console.print(f"[bold red]not found: {', '.join(survivors)}[/]")
        raise typer.Exit(1)


def _tell(found: Hunt) -> None:
    if found.is_found:
        told = f"found by seed {found.seed}, {found.tried} tried, clean without it: {found.seen}"
    else:
        story = MUTANTS[found.name].story
        told = f"not found in {found.tried} seeds, {found.by_itself} times by a node itself: {story}"
    console.print(f"[{'green' if found.is_found else 'red'}]{found.name}[/] {escape(told)}", soft_wrap=True)
