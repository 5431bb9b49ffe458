"""`drill run`, `drill plan`: the commands that meet a cluster."""

import secrets
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import (
    AsOutput,
    Context,
    JUnit,
    Kubeconfig,
    Output,
    Runs,
    configure_logging,
    leave,
    print_json,
    say,
    settings,
)
from drill.cli._lab import LAB_CONTEXT, lab_kubeconfig, on_the_lab
from drill.exits import ExitCode

Seed = Annotated[int | None, typer.Option("--seed", help="Repeat an earlier run's random choices.")]
Answers = Annotated[
    Path | None,
    typer.Option(
        "--answers",
        help="Where an operator acts: their answers from a file, one line a phase, instead of the terminal.",
        envvar="DRILL_ANSWERS",
        exists=True,
        dir_okay=False,
    ),
]
ScenarioName = Annotated[str, typer.Argument(metavar="SCENARIO", help="A name of `drill list`, or a scenario file.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(run)
    app.command()(plan)


def run(
    scenario: ScenarioName,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    runs: Runs = None,
    output: AsOutput = Output.TEXT,
    junit: JUnit = None,
    lab: Annotated[
        bool, typer.Option("--lab", help="On the embedded lab: brought up first, and down again if interrupted.")
    ] = False,
    seed: Seed = None,
    answers: Answers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as `drill plan`.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log everything to stderr.")] = False,
) -> None:
    """Run a drill: load, fault, recovery, proof; then judge it and write the report.

    Example: drill run broker-kill-leader --context drill-lab

    Ctrl-C undoes the fault, drains what can be drained, keeps the record, and exits with 130; so does `drill abort`
    from another machine, and a freeze. Stop conditions of the scenario (`stop:`) end the fault, not the drill.

    Refused before anything is touched (exit code 2) where drill.toml does not declare the context or namespace
    drillable or protects it, outside of its `windows`, and while its `freeze_file` is there; and (exit code 3) while
    the cluster is frozen or another drill runs on it.
    """
    if dry_run:
        plan(scenario, context, kubeconfig, output, seed, answers)
        return
    configure_logging(verbose=verbose)
    from drill.cli._judging import judge_and_report, tell_the_end  # noqa: PLC0415 - lazy
    from drill.notify import Notifier  # noqa: PLC0415 - lazy
    from scenarios import reader, runner  # noqa: PLC0415 - lazy
    from scenarios.preflight import guard  # noqa: PLC0415 - lazy

    drill = reader.read(reader.find(scenario))
    if lab:
        context, kubeconfig = LAB_CONTEXT, lab_kubeconfig()
    chosen = settings(context=context, kubeconfig=kubeconfig, runs=runs, answers=answers)
    guard(drill.scenario, chosen)
    begun = time.monotonic()

    def narrate(line: str) -> None:
        say(f"[{time.monotonic() - begun:6.1f} s] {line}")

    with on_the_lab(drill.scenario.target.namespaces, drill.systems) if lab else nullcontext():
        notifier = Notifier(chosen)
        done = runner.run(drill, chosen, narrate, seed, witnesses=(notifier,))
        outcome = judge_and_report(done.record, output=output, junit=junit)
        tell_the_end(notifier, done.record, outcome)
        for refusal in done.refusals:
            say(f"refused: {refusal}")
        if done.error:
            say(f"the harness broke: {done.error} (logs/failure.txt in the record)")
        leave(done.exit_code(outcome))


def plan(
    scenario: ScenarioName,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: AsOutput = Output.TEXT,
    seed: Seed = None,
    answers: Answers = None,
) -> None:
    """Show what a run would hit and which permissions it needs; resolves real targets and touches nothing.

    Example: drill plan broker-kill-leader --context drill-lab
    """
    from drill.cluster import Cluster  # noqa: PLC0415 - lazy
    from scenarios import reader  # noqa: PLC0415 - lazy
    from scenarios.preflight import guard, preflight  # noqa: PLC0415 - lazy

    drill = reader.read(reader.find(scenario))
    chosen = settings(context=context, kubeconfig=kubeconfig, answers=answers)
    guard(drill.scenario, chosen)
    seed = secrets.randbits(32) if seed is None else seed
    found = preflight(drill.seeded(seed), chosen, Cluster.connect(chosen))
    if output is Output.JSON:
        print_json({"scenario": drill.scenario.name, "context": chosen.context, "seed": seed, **found.as_dict()})
    else:
        typer.echo(f"{drill.scenario.name} on {chosen.context}: {drill.scenario.description}")
        for load in drill.scenario.load:
            typer.echo(f"load: {load.words}")
        typer.echo("would hit:")
        for target in found.targets:
            typer.echo("  " + ", ".join(f"{key} {value}" for key, value in target.items() if value is not None))
        typer.echo("needs permission to:")
        for permission in found.permissions:
            typer.echo(f"  {permission}")
        typer.echo("preflight:")
        for check in found.checks:
            typer.echo(f"  {'ok     ' if check.ok else 'REFUSED'} {check.name}: {check.detail}")
        if drill.seeded(seed) is not drill:
            typer.echo(f"chosen at random; `drill run --seed {seed}` makes the same choice")
        typer.echo("nothing was touched")
    leave(ExitCode.INCONCLUSIVE if found.refusals else ExitCode.PASS)
