"""`trilemma sim`: the deterministic simulator. A failure prints the one command that shows it again."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trilemma.cli.console import console, refuse
from trilemma.sim.campaign import Finding, Tally, append, done_seeds, run_seed, run_seeds
from trilemma.sim.mutants import MUTANTS, planted
from trilemma.sim.mutation import MASKS_ONLY
from trilemma.sim.options import draw
from trilemma.sim.run import run_schedule

app = typer.Typer(help="Run the very same node under virtual time, with seeded faults.", no_args_is_help=True)

Seeds = Annotated[str, typer.Option(help="From:to, the end left out; or one number.")]
Mode = Annotated[str, typer.Option(help="cp, ap, ca or all.")]
Nodes = Annotated[int, typer.Option(help="3 or 5; 0 lets the seed choose.")]


def _range(seeds: str) -> range:
    first, colon, last = seeds.partition(":")
    try:
        return range(int(first), int(last)) if colon else range(int(first), int(first) + 1)
    except ValueError:
        refuse("--seeds is from:to, such as 0:1000")


def _check(mode: str) -> None:
    if mode not in ("cp", "ap", "ca", "all"):
        refuse("--mode is cp, ap, ca or all")


@app.command()
def run(
    seeds: Seeds = "0:200",
    mode: Mode = "all",
    nodes: Nodes = 0,
    record: Annotated[Path | None, typer.Option(help="Add results to this file; skip seeds in it.")] = None,
) -> None:
    """Run schedules; exit status 1 if one found something."""
    _check(mode)
    wanted = list(_range(seeds))
    known = done_seeds(record, mode, nodes) if record is not None else {}
    tally = Tally()
    for finding in known.values():
        tally.add(finding)
    left = [seed for seed in wanted if seed not in known]
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(f"{mode} schedules", total=len(wanted), completed=len(wanted) - len(left))
        for finding in run_seeds(left, mode, nodes):
            tally.add(finding)
            if record is not None:
                append(record, finding, mode, nodes)
            if finding.verdict in ("broken", "failed"):
                progress.console.print(_failure(finding, nodes))
            progress.advance(task)
    console.print(
        f"{tally.counted} schedules counted, {tally.operations} operations; {tally.vacuous} vacuous, not counted; "
        f"{tally.unknown} verdicts unknown; [bold]{len(tally.bad)} failed[/]"
    )
    if tally.bad:
        raise typer.Exit(1)


def _failure(finding: Finding, nodes: int) -> str:
    again = f"trilemma sim replay {finding.seed} --mode {finding.mode}" + (f" --nodes {nodes}" if nodes else "")
    return f"[red]seed {finding.seed} ({finding.mode}): {finding.verdict}[/]\n{finding.text}\n[bold]{again}[/]"


@app.command()
def replay(
    seed: int,
    mode: Mode = "all",
    nodes: Nodes = 0,
    mutant: Annotated[str, typer.Option(help="Plant this bug first.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no trace.")] = False,
) -> None:
    """Run one seed again, with a line per event: who, what, why."""
    _check(mode)
    options = draw(seed, mode, nodes)
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
    clean: Annotated[bool, typer.Option(help="Also run the seed that found it without the bug.")] = True,
) -> None:
    """Plant known bugs and look for them; exit status 1 if one survives."""
    survivors = []
    for name in names or list(MUTANTS):
        if name not in MUTANTS:
            refuse(f"no mutant {name!r}; there are {', '.join(MUTANTS)}")
        found = _hunt(name, _range(seeds), clean)
        if not found:
            survivors.append(name)
    if survivors:
        console.print(f"[bold red]not found: {', '.join(survivors)}[/]")
        raise typer.Exit(1)


def _hunt(name: str, seeds: range, clean: bool) -> bool:
    """Look for a seed that shows the bug, and is clean without it."""
    mutant = MUTANTS[name]
    tried = internal = 0
    with closing(run_seeds(seeds, mutant.mode, 0, name)) as findings:
        for finding in findings:
            tried += 1
            internal += finding.verdict == "failed"
            if finding.verdict != "broken":
                continue
            without = run_seed(finding.seed, mutant.mode, 0, name + MASKS_ONLY).verdict if clean else "not run"
            if without in ("clean", "not run"):
                text = finding.text.splitlines()[0][:160]
                told = f"found by seed {finding.seed} ({tried} tried; without it: {without}): {text}"
                console.print(f"[green]{name}[/] {told}")
                return True
    console.print(f"[red]{name}[/] not found in {tried} seeds ({internal} times by a node itself): {mutant.story}")
    return False
