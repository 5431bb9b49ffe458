"""`drill gameday run|plan|validate|answers|report`: lead through a game day from its file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import (
    AsOutput,
    Context,
    Kubeconfig,
    Output,
    Runs,
    configure_logging,
    leave,
    leave_validated,
    print_json,
    say,
    settings,
)
from drill.errors import InputError, Mistake, UsageError
from drill.exits import ExitCode
from drill.interruption import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drill.gameday import GameDayRecord, Summary
    from drill.settings import Settings
    from scenarios.gameday.leader import Perform, Performed
    from scenarios.reader import Drill
    from scenarios.runner import Say, Witness

_gameday = typer.Typer(no_args_is_help=True, help="Game days: people, several scenarios, decisions, findings.")
DayFile = Annotated[Path, typer.Argument(metavar="FILE", help="A game-day file.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_gameday, name="gameday")
    for command in (run, plan, validate, answers, report):
        _gameday.command()(command)


def run(
    file: DayFile,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    runs: Runs = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="What is answered, from a file, where nobody sits (`drill gameday answers`)."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RECORD", help="Go on with a day that was interrupted.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="No live panel: a line a change, for screen readers and logs.")
    ] = False,
    output: AsOutput = Output.TEXT,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log everything to stderr.")] = False,
) -> None:
    """Lead through a game day: preflight, briefing, go or no-go, each scenario, hot findings, the end.

    Example: drill gameday run my-gameday.yaml --context staging

    At each prompt, and while a scenario runs, lines are kept with their time: `note ...`, `decision ...`,
    `deviation ...`, `finding high: no alert fired; owner=Ana; due=2026-12-31`, `escalate L2: ...`.

    Ctrl-C undoes the fault, keeps the record and exits with 130; `--resume RECORD` goes on where it was. Exit codes are
    those of `drill run`, of all the scenarios together; a no-go, and what was not run, is inconclusive (3).
    """
    configure_logging(verbose=verbose)
    import reports.gameday  # noqa: PLC0415 - lazy
    from drill.gameday import GameDayRecord  # noqa: PLC0415 - lazy
    from scenarios.gameday import answers as desk  # noqa: PLC0415 - lazy
    from scenarios.gameday import leader, reader  # noqa: PLC0415 - lazy

    agenda = reader.read(_file(file))
    source = desk.from_terminal(agenda, say) if answers is None else desk.from_file(_file(answers), agenda)
    chosen = settings(context=context, kubeconfig=kubeconfig, runs=runs)
    if resume is None:
        record = leader.begin(agenda, chosen)
    else:
        record = leader.go_on(agenda, chosen, GameDayRecord.open(resume))
    try:
        led = leader.lead(agenda, chosen, record, source, _performing(), say, plain=plain)
    except InterruptedRunError:
        reports.gameday.write(record)
        where = f"--context {chosen.context} --resume {record.path}"
        say(f"the record is kept; go on with: drill gameday run {file} {where}")
        raise
    page = reports.gameday.write(GameDayRecord(record.path))
    _tell(record, led.summary, page, output)
    leave(led.exit_code)


def plan(file: DayFile, context: Context = None, kubeconfig: Kubeconfig = None, output: AsOutput = Output.TEXT) -> None:
    """Show what each scenario of a day would hit and whether it may start; resolves real targets, touches nothing.

    Example: drill gameday plan my-gameday.yaml --context staging
    """
    from scenarios.gameday import leader, reader  # noqa: PLC0415 - lazy

    agenda = reader.read(_file(file))
    chosen = settings(context=context, kubeconfig=kubeconfig)
    found = leader.plan(agenda, chosen)
    refused = any(each["refusals"] for each in found)
    if output is Output.JSON:
        print_json({"game_day": agenda.day.name, "context": chosen.context, "scenarios": found})
    else:
        typer.echo(f"{agenda.day.title}, {agenda.day.date}, on {chosen.context}")
        for each in found:
            hit = ", ".join(str(target.get("name")) for target in each["targets"]) or "nothing"
            typer.echo(f"  {'REFUSED' if each['refusals'] else 'ok     '} {each['step']}: would hit {hit}")
            for refusal in each["refusals"]:
                typer.echo(f"          {refusal}")
        typer.echo("nothing was touched")
    leave(ExitCode.INCONCLUSIVE if refused else ExitCode.PASS)


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Game-day files.")],
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Hold this file of answers against the day, too.")
    ] = None,
    output: AsOutput = Output.TEXT,
) -> None:
    """Check game-day files and their scenarios; prints every mistake with file, line, field and remedy.

    Example: drill gameday validate my-gameday.yaml
    """
    from scenarios.gameday import answers as desk  # noqa: PLC0415 - lazy
    from scenarios.gameday import reader  # noqa: PLC0415 - lazy

    if answers is not None and len(files) > 1:
        raise UsageError("--answers belongs to one game day: give one FILE with it")
    good: list[str] = []
    mistakes: list[Mistake] = []
    for file in files:
        try:
            agenda = reader.read(_file(file))
            if answers is not None:
                desk.from_file(_file(answers), agenda)
            good.append(agenda.day.name)
        except InputError as error:
            mistakes += error.mistakes
    leave_validated(good, mistakes, output)


def answers(file: DayFile) -> None:
    """Print a draft of a file of answers, which says yes to everything.

    Example: drill gameday answers my-gameday.yaml > answers.yaml
    """
    from scenarios.gameday import answers as desk  # noqa: PLC0415 - lazy
    from scenarios.gameday import reader  # noqa: PLC0415 - lazy

    typer.echo(desk.draft(reader.read(_file(file))), nl=False)
    leave(ExitCode.PASS)


def report(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="A game day's folder: runs/game-days/<name>/<UTC>.")],
    output: AsOutput = Output.TEXT,
) -> None:
    """Write the page of a game day from its record, with no cluster; prints the page's path.

    Example: drill gameday report runs/game-days/kafka-autumn/20261203T090000Z
    """
    import reports.gameday  # noqa: PLC0415 - lazy
    from drill.gameday import GameDayRecord, summary  # noqa: PLC0415 - lazy

    opened = GameDayRecord.open(record)
    page = reports.gameday.write(opened)
    if output is Output.JSON:
        print_json({**summary(opened).model_dump(mode="json"), "report": str(page)})
    else:
        typer.echo(page)
    leave(ExitCode.PASS)


def _performing() -> "Perform":
    """One scenario from its run to its report."""
    import reports  # noqa: PLC0415 - lazy
    from drill.cli._judging import tell_the_end  # noqa: PLC0415 - lazy
    from drill.notify import Notifier  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy
    from drill.verdicts import WORST_FIRST  # noqa: PLC0415 - lazy
    from scenarios import runner  # noqa: PLC0415 - lazy
    from scenarios.gameday.leader import Performed  # noqa: PLC0415 - lazy

    def perform(drill: "Drill", chosen: "Settings", tell: "Say", witnesses: "Sequence[Witness]") -> "Performed":
        notifier = Notifier(chosen)
        done = runner.run(drill, chosen, tell, witnesses=(*witnesses, notifier))
        record = RunRecord(done.record.path)
        outcome = reports.conclude(record)
        tell_the_end(notifier, record, outcome)
        reasons = [*done.refusals, *([done.error] if done.error else [])]
        worst = min(record.verdicts, key=lambda each: WORST_FIRST.index(each.outcome), default=None)
        if not reasons and worst is not None and worst.outcome is outcome is not WORST_FIRST[-1]:
            reasons = [f"{worst.check}: {worst.reason}"]
        return Performed(done, outcome, "; ".join(reasons))

    return perform


def _tell(record: "GameDayRecord", day: "Summary", page: Path, output: Output) -> None:
    if output is Output.JSON:
        print_json({**day.model_dump(mode="json"), "record": str(record.path), "report": str(page)})
        return
    for each in day.scenarios:
        typer.echo(f"{each.outcome.upper():<13}{each.name:<28}{each.reason or ''}".rstrip())
    for finding in day.findings:
        typer.echo(f"finding      {finding.severity}: {finding.title}")
    if day.aborted:
        typer.echo(f"the day ended before its time: {day.aborted}")
    typer.echo(f"{day.outcome.upper()}  {day.title}")
    typer.echo(f"report: {page}")


def _file(path: Path) -> Path:
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "no such file"
        raise InputError([Mistake(str(path), None, "file", problem, "Give the path of a YAML file.")])
    return path
